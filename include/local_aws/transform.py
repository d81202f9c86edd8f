"""Transform jobs: the image's ``serve`` runs over S3 objects and its answers go to ``<object>.out``.

See https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html.
"""

from __future__ import annotations

import http.client
import threading
import traceback
from typing import Any

from local_aws.backends import S3Url, StorageError
from local_aws.models import Models
from local_aws.permissions import RoleS3
from local_aws.resources import (
    INTERNAL_ERROR,
    Collection,
    Json,
    Kind,
    Region,
    Request,
    Resource,
    parse_s3_url,
)
from local_aws.serving import DeploymentError, ModelServer, invoke, start_model_server
from local_aws.transform_job import TransformJob
from local_aws.transform_payloads import RecordTooLargeError, payloads, split_type
from local_aws.unsupported import refuse_unsupported
from local_aws.wire import AwsError, validation_error

_ANY = None
_SUPPORTED: dict[str, Any] = {
    "TransformJobName": _ANY,
    "ModelName": _ANY,
    "MaxConcurrentTransforms": _ANY,  # one at a time gives the same output
    "ModelClientConfig": _ANY,
    "MaxPayloadInMB": _ANY,
    "BatchStrategy": _ANY,
    "Environment": _ANY,
    "TransformInput": {
        "DataSource": {"S3DataSource": {"S3DataType": {"S3Prefix"}, "S3Uri": _ANY}},
        "ContentType": _ANY,
        "CompressionType": {"None"},
        "SplitType": {"None", "Line"},
    },
    "TransformOutput": {"S3OutputPath": _ANY, "Accept": _ANY, "AssembleWith": _ANY, "KmsKeyId": _ANY},
    "TransformResources": {"InstanceType": _ANY, "InstanceCount": _ANY, "VolumeKmsKeyId": _ANY},
    "Tags": _ANY,
}
_LOG_GROUP = "/aws/sagemaker/TransformJobs"
_GRACE = 30.0


class _JobError(Exception):
    """The job is to end Failed; ``str()`` is its FailureReason."""


class TransformJobs(Collection[TransformJob]):
    """The transform jobs of a region."""

    kind = Kind(
        "transform-job",
        "TransformJobName",
        "TransformJobSummaries",
        "transform job",
        status_member="TransformJobStatus",
    )
    resource = TransformJob

    def __init__(self, region: Region, models: Models) -> None:
        super().__init__(region)
        self._models = models

    def not_found(self, name: str) -> AwsError:
        """Make AWS's error for an unknown job.

        Args:
            name: Its name.

        Returns:
            The error.
        """
        return validation_error(f"Could not find requested job with name: {name}")

    def already_exists(self, name: str) -> AwsError:
        """Make AWS's error for a name that is taken.

        Args:
            name: The name.

        Returns:
            The error.
        """
        return AwsError(
            "ResourceInUse",
            "Job name must be unique within an AWS account and region, and a job with this name already exists "
            f"({self.region.arn(self.kind.arn, name)})",
        )

    def create(self, request: Request) -> Json:
        """Answers CreateTransformJob.

        Args:
            request: The checked input.

        Returns:
            The output.

        Raises:
            AwsError: AWS would refuse it, or local AWS cannot do it.
        """
        refuse_unsupported("CreateTransformJob", request, _SUPPORTED)
        name = request["TransformJobName"]
        if request.get("BatchStrategy") == "SingleRecord" and split_type(request) == "None":
            raise validation_error(
                "To use SingleRecord as BatchStrategy, SplitType must be Line, RecordIO or TFRecord."
            )
        parse_s3_url(_output_path(request))
        kept = {member: value for member, value in request.items() if member != "Tags"}
        job = TransformJob(name, self.region.arn(self.kind.arn, name), kept)
        with self.region.lock:
            if name.lower() in self.items:
                raise self.already_exists(name)
            model = self._models.find(request["ModelName"])
        self.region.refuse_without_objects(_input_path(request), model.request.get("ExecutionRoleArn", ""), job.arn)
        with self.region.lock:
            self.add(job, request.get("Tags", []))
        threading.Thread(target=self._run, args=(job, model), name=f"transform {name}", daemon=True).start()
        return {"TransformJobArn": job.arn}

    def describe(self, request: Request) -> Json:
        """Answers DescribeTransformJob.

        Args:
            request: The checked input.

        Returns:
            The output.

        Raises:
            AwsError: There is no such job.
        """
        with self.region.lock:
            job = self.find(request["TransformJobName"])
            told = {
                **_told(job.request),
                "TransformJobArn": job.arn,
                "TransformJobStatus": job.status,
                "FailureReason": job.failure_reason,
                "CreationTime": job.creation_time,
                "TransformStartTime": job.start_time,
                "TransformEndTime": job.end_time,
            }
            return {member: value for member, value in told.items() if value is not None}

    def stop(self, request: Request) -> Json:
        """Answers StopTransformJob.

        Args:
            request: The checked input.

        Returns:
            The output.

        Raises:
            AwsError: There is no such job, or it has ended.
        """
        name = request["TransformJobName"]
        with self.region.lock:
            job = self.items.get(name.lower())
            if job is None:
                raise validation_error(f"Could not find job to update with name: {name}")
            if job.status == "Stopping":
                return {}
            if job.status != "InProgress":
                raise validation_error(f"The request was rejected because the transform job is in status {job.status}.")
            job.enter("Stopping")
            job.stop_requested.set()
            server = job.server
        if server:  # ends a request that the model is working on, too
            threading.Thread(target=server.stop, args=(_GRACE,), daemon=True).start()
        return {}

    def summary(self, item: TransformJob) -> Json:
        """Describe a job in a list.

        Args:
            item: The job.

        Returns:
            Its TransformJobSummary.
        """
        more = {
            "TransformEndTime": item.end_time,
            "LastModifiedTime": item.last_modified_time,
            "TransformJobStatus": item.status,
            "FailureReason": item.failure_reason,
        }
        return {**super().summary(item), **{member: value for member, value in more.items() if value is not None}}

    def restored(self, saved: Json) -> TransformJob:
        """Make a job again. One that was under way has ended.

        Args:
            saved: What its ``saved`` described.

        Returns:
            It.
        """
        job = super().restored(saved)
        if job.status in ("InProgress", "Stopping"):
            job.end(INTERNAL_ERROR)
        return job

    def _run(self, job: TransformJob, model: Resource) -> None:
        reason: str | None = None
        try:
            self._execute(job, model)
        except (_JobError, DeploymentError) as failure:
            reason = str(failure)
        except Exception:  # the job must end whatever happens: a job InProgress for ever hangs its waiters
            self.region.host.report(traceback.format_exc())
            reason = INTERNAL_ERROR
        with self.region.lock:
            job.end(reason)
        if job.server:  # a container whose program does not heed SIGTERM takes all of the grace
            job.server.stop(_GRACE)

    def _execute(self, job: TransformJob, model: Resource) -> None:
        source = parse_s3_url(_input_path(job.request))
        s3 = self.region.s3(model.request.get("ExecutionRoleArn", ""), job.arn)
        try:
            keys = s3.keys(source)
        except StorageError as error:
            raise _JobError(f"ClientError: Data download failed:{error}") from error
        if not keys:
            raise _JobError(f"ClientError: No S3 objects found under S3 URL {source}.")
        self.region.faults.pause(self.kind.arn, "InProgress")
        if reason := self.region.faults.forced_failure("fail_transform", "CreateTransformJob"):
            raise _JobError(reason)
        server = start_model_server(self.region, model, _LOG_GROUP, job.name, job.request.get("Environment"))
        with self.region.lock:
            job.server = server
            job.start_time = job.whole_second()
        if not job.stop_requested.is_set() and not server.wait_until_healthy(self.region.settings.ping_timeout):
            raise _JobError(
                "AlgorithmError: The primary container did not pass the ping health check. See job logs for more "
                "information."
            )
        output = parse_s3_url(_output_path(job.request))
        for key in keys:
            if job.stop_requested.is_set():
                return
            answer = self._transform(job, server, s3, S3Url(source.bucket, key))
            target = f"{output.key.rstrip('/')}/{source.relative(key)}.out".lstrip("/")
            try:
                s3.write(S3Url(output.bucket, target), answer)
            except StorageError as error:
                raise _JobError(f"ClientError: Artifact upload failed:{error}") from error

    def _transform(self, job: TransformJob, server: ModelServer, s3: RoleS3, url: S3Url) -> bytes:
        try:
            content = s3.read(url)
        except StorageError as error:
            raise _JobError(f"ClientError: Data download failed:{error}") from error
        headers = {}
        if content_type := job.request["TransformInput"].get("ContentType"):
            headers["Content-Type"] = content_type
        if accept := job.request["TransformOutput"].get("Accept"):
            headers["Accept"] = accept
        assemble = job.request["TransformOutput"].get("AssembleWith", "None")
        answers = []
        try:
            for body in payloads(content, job.request):
                answer = self._ask(job, server, body, headers, url)
                answers.append(answer if assemble == "None" or answer.endswith(b"\n") else answer + b"\n")
        except RecordTooLargeError as error:
            raise _JobError(f"ClientError: {error}") from error
        return b"".join(answers)

    def _ask(self, job: TransformJob, server: ModelServer, body: bytes, headers: dict[str, str], url: S3Url) -> bytes:
        try:
            status, answer, _ = invoke(server, body, headers)
        except (OSError, http.client.HTTPException) as error:
            self._log(job, server, f"{url.bucket}/{url.key}: AlgorithmError: {error}")
            raise _JobError("AlgorithmError: See job logs for more information") from error
        if status >= 400:
            side = "ClientError" if status < 500 else "AlgorithmError"
            said = answer.decode("utf-8", "replace")
            self._log(
                job, server, f"{url.bucket}/{url.key}: {side}: {status}", f"{url.bucket}/{url.key}: Message: {said}"
            )
            raise _JobError(f"{side}: See job logs for more information")
        return answer

    def _log(self, job: TransformJob, server: ModelServer, *lines: str) -> None:
        self.region.backends.log(self.region.name, _LOG_GROUP, f"{server.log_stream}/data-log", lines)


def _told(request: Request) -> Json:
    """Tell what DescribeTransformJob says of a request: recorded answers have these members in any case."""
    return {
        **request,
        "TransformInput": {"CompressionType": "None", "SplitType": "None", **request["TransformInput"]},
        "TransformOutput": {"AssembleWith": "None", "KmsKeyId": "", **request["TransformOutput"]},
    }


def _input_path(request: Request) -> str:
    return str(request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])


def _output_path(request: Request) -> str:
    return str(request["TransformOutput"]["S3OutputPath"])
