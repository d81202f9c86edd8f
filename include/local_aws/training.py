"""Training jobs: CreateTrainingJob really runs the image's ``train``.

States and transitions as in
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html.
"""

from __future__ import annotations

import io
import json
import math
import queue
import re
import tarfile
import threading
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from local_aws.backends import S3Url, StorageError
from local_aws.container import Container, repository
from local_aws.resources import (
    INTERNAL_ERROR,
    NOT_SAVED,
    Collection,
    Json,
    Kind,
    Request,
    Resource,
    refuse_unsupported,
)
from local_aws.wire import AwsError, validation_error

Signal = Literal["exited", "stop"]

_ANY = None  # done, or needs nothing done on a laptop
_SUPPORTED: dict[str, Any] = {
    "TrainingJobName": _ANY,
    "HyperParameters": _ANY,
    "AlgorithmSpecification": {
        "TrainingImage": _ANY,
        "TrainingInputMode": {"File"},
        "MetricDefinitions": _ANY,
        "EnableSageMakerMetricsTimeSeries": _ANY,
    },
    "RoleArn": _ANY,
    "InputDataConfig": {
        "ChannelName": _ANY,
        "ContentType": _ANY,
        "CompressionType": {"None"},
        "RecordWrapperType": {"None"},
        "InputMode": {"File"},
        "DataSource": {
            "S3DataSource": {
                "S3DataType": {"S3Prefix"},
                "S3Uri": _ANY,
                "S3DataDistributionType": _ANY,  # one instance gets everything either way
            }
        },
    },
    "OutputDataConfig": {"KmsKeyId": _ANY, "S3OutputPath": _ANY, "CompressionType": {"GZIP"}},
    "ResourceConfig": {"InstanceType": _ANY, "InstanceCount": {1}, "VolumeSizeInGB": _ANY, "VolumeKmsKeyId": _ANY},
    "VpcConfig": _ANY,
    "StoppingCondition": {"MaxRuntimeInSeconds": _ANY, "MaxWaitTimeInSeconds": _ANY},
    "Tags": _ANY,
    "EnableNetworkIsolation": _ANY,
    "EnableInterContainerTrafficEncryption": _ANY,
    "EnableManagedSpotTraining": _ANY,
    "CheckpointConfig": {"S3Uri": _ANY, "LocalPath": {"/opt/ml/checkpoints", "/opt/ml/checkpoints/"}},
    "ProfilerConfig": {"DisableProfiler": {True}},
    "Environment": _ANY,
}
_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}
_LONGEST_REASON = 1024


class _JobError(Exception):
    """The job is to end Failed; ``str()`` is its FailureReason."""


class _StoppedError(Exception):
    """The job was stopped before its program had begun."""


@dataclass
class TrainingJob(Resource):
    """One training job.

    Attributes:
        training_job_status: TrainingJobStatus.
        failure_reason: FailureReason.
        transitions: SecondaryStatusTransitions.
        metrics: metric name to its last value and the value's time.
        artifacts: S3 URL of model.tar.gz, once uploaded.
        start_time: TrainingStartTime, epoch seconds.
        end_time: TrainingEndTime, epoch seconds.
        signals: what the job's thread waits for while the program runs.
        stop_requested: StopTrainingJob was called.
    """

    training_job_status: str = "InProgress"
    failure_reason: str | None = None
    transitions: list[Json] = field(default_factory=list)
    metrics: dict[str, tuple[float, float]] = field(default_factory=dict)
    artifacts: str | None = None
    start_time: float | None = None
    end_time: float | None = None
    signals: queue.SimpleQueue[Signal] = field(default_factory=queue.SimpleQueue, metadata=NOT_SAVED)
    stop_requested: bool = False

    @property
    def status(self) -> str:
        """TrainingJobStatus."""
        return self.training_job_status

    def enter(self, secondary: str) -> None:
        """Moves to a secondary status. The caller holds the region's lock.

        Args:
            secondary: the new SecondaryStatus.
        """
        now = self.touch()
        if self.transitions:
            self.transitions[-1]["EndTime"] = now
        self.transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": _MESSAGES[secondary]})

    def end(self, status: str, secondary: str) -> None:
        """Ends the job. The caller holds the region's lock.

        Args:
            status: its last TrainingJobStatus.
            secondary: its last SecondaryStatus.
        """
        self.enter(secondary)
        self.training_job_status = status
        self.end_time = self.last_modified_time
        self.transitions[-1]["EndTime"] = self.end_time


class TrainingJobs(Collection[TrainingJob]):
    """The training jobs of a region."""

    kind = Kind("training-job", "TrainingJobName", "TrainingJobSummaries", "training job", "TrainingJobStatus")
    resource = TrainingJob

    def not_found(self, name: str) -> AwsError:
        """Makes AWS's error for an unknown job.

        Args:
            name: its name.

        Returns:
            The error.
        """
        return validation_error("Requested resource not found.")

    def already_exists(self, name: str) -> AwsError:
        """Makes AWS's error for a name that is taken.

        Args:
            name: the name.

        Returns:
            The error.
        """
        return AwsError(
            "ResourceInUse",
            "Training job names must be unique within an AWS account and region, and a training job with this name "
            f"already exists ({self.region.arn(self.kind.arn, name)})",
        )

    def create(self, request: Request) -> Json:
        """Answers CreateTrainingJob.

        Args:
            request: the checked input.

        Returns:
            The output.

        Raises:
            AwsError: AWS would refuse it, or local AWS cannot do it.
        """
        refuse_unsupported("CreateTrainingJob", request, _SUPPORTED)
        name = request["TrainingJobName"]
        with self.region.lock:
            if name.lower() in self.items:
                raise self.already_exists(name)
        self._check(request)
        kept = {member: value for member, value in request.items() if member != "Tags"}
        job = TrainingJob(name, self.region.arn(self.kind.arn, name), kept)
        with self.region.lock:
            self.add(job, request.get("Tags", []))
            job.enter("Starting")
        threading.Thread(target=self._run, args=(job,), name=f"training {name}", daemon=True).start()
        return {"TrainingJobArn": job.arn}

    def describe(self, request: Request) -> Json:
        """Answers DescribeTrainingJob.

        Args:
            request: the checked input.

        Returns:
            The output.

        Raises:
            AwsError: there is no such job.
        """
        with self.region.lock:
            job = self.find(request["TrainingJobName"])
            told: dict[str, Any] = {
                **job.request,
                "TrainingJobArn": job.arn,
                "TrainingJobStatus": job.status,
                "SecondaryStatus": job.transitions[-1]["Status"],
                "FailureReason": job.failure_reason,
                "CreationTime": job.creation_time,
                "TrainingStartTime": job.start_time,
                "TrainingEndTime": job.end_time,
                "LastModifiedTime": job.last_modified_time,
                "SecondaryStatusTransitions": [dict(transition) for transition in job.transitions],
                "ModelArtifacts": {"S3ModelArtifacts": job.artifacts} if job.artifacts else None,
                "FinalMetricDataList": [
                    {"MetricName": metric, "Value": value, "Timestamp": moment}
                    for metric, (value, moment) in job.metrics.items()
                ]
                or None,
            }
            if job.start_time and job.end_time:
                seconds = max(1, math.ceil(job.end_time - job.start_time))
                told |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
            return {member: value for member, value in told.items() if value is not None}

    def stop(self, request: Request) -> Json:
        """Answers StopTrainingJob.

        Args:
            request: the checked input.

        Returns:
            The output.

        Raises:
            AwsError: there is no such job, or it has ended.
        """
        with self.region.lock:
            job = self.find(request["TrainingJobName"])
            if job.status == "Stopping":
                return {}
            if job.status != "InProgress":
                raise validation_error(f"The request was rejected because the training job is in status {job.status}.")
            job.stop_requested = True
            job.training_job_status = "Stopping"
            job.enter("Stopping")
            job.signals.put("stop")
        return {}

    def summary(self, item: TrainingJob) -> Json:
        """Describes a job in a list.

        Args:
            item: the job.

        Returns:
            Its TrainingJobSummary.
        """
        ended = {"TrainingEndTime": item.end_time} if item.end_time else {}
        return {
            **super().summary(item),
            **ended,
            "LastModifiedTime": item.last_modified_time,
            "TrainingJobStatus": item.status,
        }

    def restored(self, saved: Json) -> TrainingJob:
        """Makes a job again. One that was under way has ended.

        Args:
            saved: what its ``saved`` described.

        Returns:
            It.
        """
        job = super().restored(saved)
        job.metrics = {name: (value, moment) for name, (value, moment) in job.metrics.items()}
        if job.status == "InProgress":
            job.failure_reason = INTERNAL_ERROR
            job.end("Failed", "Failed")
        elif job.status == "Stopping":
            job.end("Stopped", "Stopped")
        return job

    def _check(self, request: Request) -> None:
        for member in ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition"):
            if member not in request:  # botocore's model has them optional for serverless jobs only
                where = member[0].lower() + member[1:]
                raise validation_error(
                    f"1 validation error detected: Value null at '{where}' failed to satisfy constraint: "
                    "Member must not be null"
                )
        self._check_stopping_condition(request)
        for definition in request["AlgorithmSpecification"].get("MetricDefinitions", []):
            try:
                re.compile(definition["Regex"])
            except re.error as error:
                raise validation_error(f"Invalid metric definition {definition['Name']!r}: {error}.") from error
        self._check_image(request)
        for channel in request.get("InputDataConfig", []):
            arn = self.region.arn(self.kind.arn, request["TrainingJobName"])
            self.region.refuse_without_objects(channel["DataSource"]["S3DataSource"]["S3Uri"], request["RoleArn"], arn)

    def _check_stopping_condition(self, request: Request) -> None:
        condition = request["StoppingCondition"]
        wait = condition.get("MaxWaitTimeInSeconds")
        if not request.get("EnableManagedSpotTraining"):
            if wait is not None:
                raise validation_error(
                    "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true"
                )
        elif wait is None or wait < condition.get("MaxRuntimeInSeconds", 86_400):
            raise validation_error(
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
            )

    def _check_image(self, request: Request) -> None:
        image = request["AlgorithmSpecification"].get("TrainingImage")
        if not image:
            raise validation_error("local AWS: CreateTrainingJob needs AlgorithmSpecification.TrainingImage.")
        if not self.region.host.has_image(image):
            raise validation_error(
                f"Cannot find repository: {repository(image)} in registry ID: {self.region.settings.account_id} Please "
                f"check if your ECR repository exists and role {request['RoleArn']} has proper pull permissions for "
                "SageMaker: ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer"
            )

    def _run(self, job: TrainingJob) -> None:
        reason: str | None = None
        try:
            status, secondary = self._run_in_folder(job)
        except _StoppedError:
            status, secondary = "Stopped", "Stopped"
        except _JobError as failure:
            status, secondary = "Failed", "Failed"
            reason = str(failure)[:_LONGEST_REASON]
        except Exception:  # the job must end whatever happens: a job InProgress for ever hangs its waiters
            self.region.host.report(traceback.format_exc())
            status, secondary = "Failed", "Failed"
            reason = INTERNAL_ERROR
        with self.region.lock:
            if status == "Failed":
                job.failure_reason = reason
            elif status == "Completed" and job.stop_requested:
                status, secondary = "Stopped", "Stopped"
            job.end(status, secondary)

    def _run_in_folder(self, job: TrainingJob) -> tuple[str, str]:
        base = self.region.host.new_base(job.name)
        try:
            return self._execute(job, base)
        finally:
            self.region.host.discard(base)

    def _execute(self, job: TrainingJob, base: Path) -> tuple[str, str]:
        if reason := self.region.faults.forced_failure("fail_training", "CreateTrainingJob"):
            raise _JobError(reason)
        self._advance(job, "Downloading", started=True)
        self.region.faults.pause(self.kind.arn, "Downloading")
        self._prepare(job, base)
        self._advance(job, "Training")
        container = self._start(job, base)
        limit = job.request["StoppingCondition"].get("MaxRuntimeInSeconds", 86_400)
        try:
            signal: Signal | None = job.signals.get(timeout=limit)
        except queue.Empty:
            signal = None
            with self.region.lock:
                if job.status == "InProgress":
                    job.training_job_status = "Stopping"
                    job.enter("Stopping")
        if signal != "exited":
            container.stop(self.region.settings.stop_grace)
        elif container.exit_code:
            self._upload_data(job, base)
            raise _JobError(_algorithm_error(base, container.exit_code))
        with self.region.lock:
            job.enter("Uploading")
        self._upload(job, base)
        return {"exited": ("Completed", "Completed"), "stop": ("Stopped", "Stopped")}.get(
            signal or "", ("Stopped", "MaxRuntimeExceeded")
        )

    def _advance(self, job: TrainingJob, secondary: str, *, started: bool = False) -> None:
        with self.region.lock:
            if job.stop_requested:
                raise _StoppedError
            job.enter(secondary)
            if started:
                job.start_time = job.last_modified_time

    def _prepare(self, job: TrainingJob, base: Path) -> None:
        for folder in ("input/config", "input/data", "model", "output/data"):
            (base / folder).mkdir(parents=True)
        channels = job.request.get("InputDataConfig", [])
        for name, content in (
            ("hyperparameters", job.request.get("HyperParameters", {})),
            ("inputdataconfig", {channel["ChannelName"]: _channel_config(channel) for channel in channels}),
            ("resourceconfig", _resource_config(job.request["ResourceConfig"])),
        ):
            (base / f"input/config/{name}.json").write_text(json.dumps(content), encoding="utf-8")
        for channel in channels:
            source = _parse(channel["DataSource"]["S3DataSource"]["S3Uri"])
            self._download(job, source, base / "input/data" / channel["ChannelName"])
        if checkpoints := job.request.get("CheckpointConfig"):
            self._download(job, _parse(checkpoints["S3Uri"]), base / "checkpoints")

    def _download(self, job: TrainingJob, source: S3Url, folder: Path) -> None:
        folder.mkdir(parents=True)
        s3 = self.region.s3(job.request["RoleArn"], job.arn)
        try:
            for key in s3.keys(source):
                target = (folder / source.relative(key)).resolve()
                if not target.is_relative_to(folder.resolve()):
                    raise _JobError(f"ClientError: Data download failed:The key {key!r} leads out of its channel.")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(s3.read(S3Url(source.bucket, key)))
        except (StorageError, OSError) as error:
            raise _JobError(f"ClientError: Data download failed:{error}") from error

    def _start(self, job: TrainingJob, base: Path) -> Container:
        environment = {
            "TRAINING_JOB_NAME": job.name,
            "TRAINING_JOB_ARN": job.arn,
            "AWS_REGION": self.region.name,
            **job.request.get("Environment", {}),
        }
        image = job.request["AlgorithmSpecification"]["TrainingImage"]
        container = self.region.host.start(image, "train", base, environment)
        stream = f"{job.name}/algo-1-{int(time.time())}"
        patterns = [
            (definition["Name"], re.compile(definition["Regex"]))
            for definition in job.request["AlgorithmSpecification"].get("MetricDefinitions", [])
        ]

        def on_lines(lines: list[str]) -> None:
            self.region.backends.log(self.region.name, "/aws/sagemaker/TrainingJobs", stream, lines)
            self._note_metrics(job, patterns, lines)

        container.watch(on_lines, lambda: job.signals.put("exited"))
        return container

    def _note_metrics(self, job: TrainingJob, patterns: list[tuple[str, re.Pattern[str]]], lines: list[str]) -> None:
        for line in lines:
            for name, pattern in patterns:
                value = _metric(pattern, line)
                if value is not None:
                    with self.region.lock:
                        job.metrics[name] = (value, time.time())

    def _upload(self, job: TrainingJob, base: Path) -> None:
        if any((base / "model").iterdir()):
            url = self._put(job, "output/model.tar.gz", _tar(base / "model"))
            with self.region.lock:
                job.artifacts = str(url)
        self._upload_data(job, base)
        checkpoints = job.request.get("CheckpointConfig")
        if checkpoints and (base / "checkpoints").is_dir():
            target = _parse(checkpoints["S3Uri"])
            for path in sorted((base / "checkpoints").rglob("*")):
                if path.is_file():
                    key = f"{target.key.rstrip('/')}/{path.relative_to(base / 'checkpoints').as_posix()}".lstrip("/")
                    self._write(job, S3Url(target.bucket, key), path.read_bytes())

    def _upload_data(self, job: TrainingJob, base: Path) -> None:
        if any((base / "output/data").iterdir()):
            self._put(job, "output/output.tar.gz", _tar(base / "output/data"))

    def _put(self, job: TrainingJob, name: str, content: bytes) -> S3Url:
        output = _parse(job.request["OutputDataConfig"]["S3OutputPath"])
        url = S3Url(output.bucket, f"{output.key.rstrip('/')}/{job.name}/{name}".lstrip("/"))
        self._write(job, url, content)
        return url

    def _write(self, job: TrainingJob, url: S3Url, content: bytes) -> None:
        try:
            self.region.s3(job.request["RoleArn"], job.arn).write(url, content)
        except StorageError as error:
            raise _JobError(f"ClientError: Artifact upload failed:{error}") from error


def _parse(uri: str) -> S3Url:
    try:
        return S3Url.parse(uri)
    except ValueError as error:
        raise validation_error(str(error)) from error


def _channel_config(channel: Json) -> Json:
    source = channel["DataSource"]["S3DataSource"]
    content_type = {"ContentType": channel["ContentType"]} if "ContentType" in channel else {}
    return {
        **content_type,
        "TrainingInputMode": "File",
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }


def _resource_config(config: Json) -> Json:
    group = {"instance_group_name": "homogeneousCluster", "instance_type": config["InstanceType"], "hosts": ["algo-1"]}
    return {
        "current_host": "algo-1",
        "current_instance_type": config["InstanceType"],
        "current_group_name": "homogeneousCluster",
        "hosts": ["algo-1"],
        "instance_groups": [group],
        "network_interface_name": "eth0",
    }


def _algorithm_error(base: Path, exit_code: int) -> str:
    failure = base / "output/failure"
    said = failure.read_text(encoding="utf-8", errors="replace").strip() if failure.is_file() else ""
    # A container that a signal ended has 128 + its number as exit code.
    code = exit_code if exit_code > 0 else 128 - exit_code
    ending = f", exit code: {code}"
    return f"AlgorithmError: {said}"[: _LONGEST_REASON - len(ending)] + ending


def _metric(pattern: re.Pattern[str], line: str) -> float | None:
    match = pattern.search(line)
    if not match:
        return None
    try:
        value = float(match[1] if pattern.groups else match[0])
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _tar(folder: Path) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name)
    return content.getvalue()
