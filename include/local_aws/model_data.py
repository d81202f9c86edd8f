"""A model's data: where CreateModel says it is, and its way into the container's folder.

See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3ModelDataSource.html.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from local_aws.backends import S3Url, StorageError
from local_aws.permissions import RoleS3
from local_aws.resources import Json
from local_aws.wire import validation_error

_MOST_BYTES = 10 * 1024**3  # unpacked; a laptop's disk has its end


class ModelDataError(Exception):
    """A model's data cannot be had; ``str()`` is the FailureReason."""


@dataclass(frozen=True)
class ModelData:
    """Where a container's model data is.

    Attributes:
        url: The URL, as the request has it.
        is_archive: Whether it is one tar.gz, rather than all objects below a prefix.
    """

    url: str
    is_archive: bool

    @classmethod
    def of(cls, container: Json) -> ModelData | None:
        """Read a container's definition.

        Args:
            container: A ContainerDefinition.

        Returns:
            Where its data is; None where it has none.
        """
        if source := container.get("ModelDataSource", {}).get("S3DataSource"):
            return cls(source["S3Uri"], source["CompressionType"] == "Gzip")
        return cls(container["ModelDataUrl"], True) if "ModelDataUrl" in container else None

    def refuse_missing(self, s3: RoleS3) -> None:
        """Refuse a model whose data is not there, as CreateModel does: a prefix is none for ModelDataUrl.

        Args:
            s3: S3 under the model's execution role.

        Raises:
            AwsError: There is no such object, or nothing below the prefix.
        """
        try:
            place = S3Url.parse(self.url)
            found = s3.read(place) is not None if self.is_archive else bool(s3.keys(place))
        except (StorageError, ValueError):
            found = False
        if not found:
            raise validation_error(f"Could not find model data at {self.url}.")

    def download(self, s3: RoleS3, folder: Path) -> None:
        """Put the data into a folder.

        Args:
            s3: S3 under the model's execution role.
            folder: The folder, which is empty.

        Raises:
            ModelDataError: It is not there, or no archive.
        """
        place = S3Url.parse(self.url)
        try:
            if self.is_archive:
                content = s3.read(place)
            else:
                for key in s3.keys(place):
                    _put(io.BytesIO(s3.read(S3Url(place.bucket, key))), folder, place.relative(key))
                return
        except (StorageError, ValueError) as error:
            raise ModelDataError(
                f'Failed to download model data for container "container_1" from URL: "{self.url}". Please ensure that '
                "there is an object located at the URL and that the role passed to CreateModel has permissions to "
                "download the object."
            ) from error
        try:
            _unpack(content, folder)
        except (tarfile.TarError, OSError, EOFError, ValueError) as error:
            raise ModelDataError(
                'Failed to extract model data archive for container "container_1" from URL '
                f'"{self.url}". Please ensure that the object located at the URL is a valid tar.gz archive.'
            ) from error


def refuse_unsound(container: Json) -> None:
    """Refuse model data that CreateModel always refuses.

    Args:
        container: A ContainerDefinition.

    Raises:
        AwsError: Why.
    """
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if not source:
        return
    if "ModelDataUrl" in container:
        raise validation_error("ModelDataUrl and ModelDataSource cannot both be specified for a container.")
    kind = (source["S3DataType"], source["CompressionType"])
    if kind not in (("S3Prefix", "None"), ("S3Object", "Gzip")):
        raise validation_error(
            f"local AWS: CreateModel cannot do ModelDataSource.S3DataSource with S3DataType {kind[0]} and "
            f"CompressionType {kind[1]}, only S3Prefix with None or S3Object with Gzip."
        )
    if kind[0] == "S3Prefix" and not source["S3Uri"].endswith("/"):
        raise validation_error(f"S3Uri {source['S3Uri']} of S3DataType S3Prefix must end with a forward slash.")


def _unpack(content: bytes, folder: Path) -> None:
    """Unpack regular files and folders. Python before 3.11.4 has no filter that keeps an archive in its folder."""
    left = _MOST_BYTES
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for member in archive:
            left -= member.size
            if left < 0:
                raise ValueError(f"the archive is larger than {_MOST_BYTES} bytes")
            if member.isdir():
                _inside(folder, member.name).mkdir(parents=True, exist_ok=True)
            elif member.isreg():
                _put(archive.extractfile(member), folder, member.name)
            else:
                raise ValueError(f"{member.name!r} is neither a file nor a folder")


def _put(source: IO[bytes] | None, folder: Path, name: str) -> None:
    assert source is not None  # a regular file's
    target = _inside(folder, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(source, file)


def _inside(folder: Path, name: str) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ValueError(f"{name!r} leads out of the model's folder")
    return folder / path
