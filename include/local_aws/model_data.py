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

# Of one model's data, unpacked: a laptop's disk has its end. An empty file has its place there, too.
_MOST_BYTES = 10 * 1024**3
_MOST_FILES = 100_000


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
            ModelDataError: It is not there, no archive, too much, or would lead out of the folder.
        """
        place = S3Url.parse(self.url)
        try:
            if self.is_archive:
                content = s3.read(place)
            else:
                _copy(s3, place, _ModelFolder(folder))
                return
        except (StorageError, OSError, ValueError) as error:
            raise ModelDataError(
                f'Failed to download model data for container "container_1" from URL: "{self.url}". Please ensure that '
                "there is an object located at the URL and that the role passed to CreateModel has permissions to "
                f"download the object.{_our_reason(error)}"
            ) from error
        try:
            _unpack(content, _ModelFolder(folder))
        except (tarfile.TarError, OSError, EOFError, ValueError) as error:
            raise ModelDataError(
                'Failed to extract model data archive for container "container_1" from URL '
                f'"{self.url}". Please ensure that the object located at the URL is a valid tar.gz archive.'
                f"{_our_reason(error)}"
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


class _RefusedError(ValueError):
    """Data that local AWS does not put on this machine's disk."""


class _ModelFolder:
    """A folder that takes plain files and folders, of a bounded size and number, and nothing beside it.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes_left, self._files_left = _MOST_BYTES, _MOST_FILES

    def put(self, name: str, source: IO[bytes], size: int) -> None:
        """Write a file.

        Args:
            name: Its relative path.
            source: Its content.
            size: How much that is, in bytes.

        Raises:
            ValueError: It may not be there, or is too much.
        """
        target = self._room_for(name, size)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            shutil.copyfileobj(source, file)

    def make_folder(self, name: str) -> None:
        """Make a folder.

        Args:
            name: Its relative path.

        Raises:
            ValueError: It may not be there, or is one too many.
        """
        self._room_for(name, 0).mkdir(parents=True, exist_ok=True)

    def _room_for(self, name: str, size: int) -> Path:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name:
            raise _RefusedError(f"{name!r} leads out of the model's folder")
        # Each folder on the way may be a new one.
        self._files_left -= max(1, len(path.parts))
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise _RefusedError(f"a model's data has at most {_MOST_BYTES} bytes here")
        if self._files_left < 0:
            raise _RefusedError(f"a model's data has at most {_MOST_FILES} files and folders here")
        return self._path / path


def _copy(s3: RoleS3, prefix: S3Url, folder: _ModelFolder) -> None:
    for key in s3.keys(prefix):
        content = s3.read(S3Url(prefix.bucket, key))
        folder.put(prefix.relative(key), io.BytesIO(content), len(content))


def _unpack(content: bytes, folder: _ModelFolder) -> None:
    """Unpack regular files and folders. Python before 3.11.4 has no filter that keeps an archive in its folder."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for member in archive:
            if member.isdir():
                folder.make_folder(member.name)
            elif member.isreg() and (source := archive.extractfile(member)):
                folder.put(member.name, source, member.size)
            else:
                raise _RefusedError(f"{member.name!r} is neither a file nor a folder")


def _our_reason(error: Exception) -> str:
    """Say what AWS's sentence does not: why it is refused here."""
    return f" (local AWS: {error}.)" if isinstance(error, _RefusedError) else ""
