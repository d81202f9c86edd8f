"""What a training job leaves in S3: the model, other output and checkpoints.

See https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-output.html and, for CompressionType,
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_OutputDataConfig.html.
"""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

from local_aws.backends import S3Url
from local_aws.permissions import RoleS3
from local_aws.resources import Request, parse_s3_url
from local_aws.training_job import TrainingJob


class Artifacts:
    """Where a job's results go."""

    def __init__(self, job: TrainingJob, s3: RoleS3, base: Path) -> None:
        """Take a job.

        Args:
            job: The job.
            s3: S3 under its role.
            base: The folder that stands for its /opt/ml.
        """
        self._request: Request = job.request
        self._s3 = s3
        self._base = base
        output = parse_s3_url(self._request["OutputDataConfig"]["S3OutputPath"])
        self._target = S3Url(output.bucket, f"{output.key.rstrip('/')}/{job.name}/output".lstrip("/"))

    def upload_model(self) -> S3Url | None:
        """Upload the model.

        Returns:
            Where it is: model.tar.gz, or without compression the folder; None where there is none.

        Raises:
            StorageError: S3 refused.
        """
        return self._upload("model", self._base / "model")

    def upload_data(self) -> None:
        """Upload other output.

        Raises:
            StorageError: S3 refused.
        """
        self._upload("output", self._base / "output/data")

    def upload_checkpoints(self) -> None:
        """Upload the checkpoints, where the job has any.

        Raises:
            StorageError: S3 refused.
        """
        if checkpoints := self._request.get("CheckpointConfig"):
            self._upload_files(self._base / "checkpoints", parse_s3_url(checkpoints["S3Uri"]))

    def _upload(self, name: str, folder: Path) -> S3Url | None:
        if not any(folder.iterdir()):
            return None
        if self._request["OutputDataConfig"].get("CompressionType") == "NONE":
            target = S3Url(self._target.bucket, f"{self._target.key}/{name}/")
            self._upload_files(folder, target)
        else:
            target = S3Url(self._target.bucket, f"{self._target.key}/{name}.tar.gz")
            self._s3.write(target, _tar(folder))
        return target

    def _upload_files(self, folder: Path, target: S3Url) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                # A file's name may be any bytes; an object's key is text: one that is not could not be listed.
                name = os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "replace")
                key = f"{target.key.rstrip('/')}/{name}".lstrip("/")
                self._s3.write(S3Url(target.bucket, key), path.read_bytes())


def _tar(folder: Path) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name)
    return content.getvalue()
