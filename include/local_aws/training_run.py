"""One run of a training job: it waits for capacity, downloads, runs the image's ``train`` and uploads what came out.

See https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html.
"""

from __future__ import annotations

import json
import queue
import time
import traceback
from pathlib import Path

from local_aws import final_metrics
from local_aws.backends import S3Url, StorageError
from local_aws.container import Container
from local_aws.container_host import ContainerStartError
from local_aws.resources import INTERNAL_ERROR, Json, Region, parse_s3_url
from local_aws.training_artifacts import Artifacts
from local_aws.training_job import Signal, TrainingJob

_LONGEST_REASON = 1024
# https://docs.aws.amazon.com/sagemaker/latest/dg/training-metrics.html
_METRICS = "/aws/sagemaker/TrainingJobs"
_PENDING_INTERVAL = 0.05
# MaxPendingTimeInSeconds has no effect on others (API reference, StoppingCondition).
_ACCELERATED = ("ml.p", "ml.g", "ml.trn")


class _JobError(Exception):
    """The job is to end Failed; ``str()`` is its FailureReason."""


class _StoppedError(Exception):
    """The job was stopped before its program had begun; ``str()`` is its last SecondaryStatus."""


class TrainingRuns:
    """Runs the training jobs of a region."""

    def __init__(self, region: Region) -> None:
        self._region = region

    def run(self, job: TrainingJob) -> None:
        """Run a job to its end.

        Args:
            job: The job, which is Starting.
        """
        reason: str | None = None
        try:
            status, secondary = self._run_in_folder(job)
        except _StoppedError as stopped:
            status, secondary = "Stopped", str(stopped)
        except _JobError as failure:
            status, secondary = "Failed", "Failed"
            reason = str(failure)[:_LONGEST_REASON] or None
        except Exception:  # the job must end whatever happens: a job InProgress for ever hangs its waiters
            self._region.host.report(traceback.format_exc())
            status, secondary = "Failed", "Failed"
            reason = INTERNAL_ERROR
        with self._region.lock:
            if status == "Failed":
                job.failure_reason = reason
            elif status == "Completed" and job.stop_requested:
                status, secondary = "Stopped", "Stopped"
            job.end(status, secondary)

    def _run_in_folder(self, job: TrainingJob) -> tuple[str, str]:
        base = self._region.host.new_base(job.name)
        try:
            return self._execute(job, base)
        finally:
            self._region.host.discard(base)

    def _execute(self, job: TrainingJob, base: Path) -> tuple[str, str]:
        self._region.faults.pause("training-job", "Starting")
        reason = self._region.faults.forced_failure("fail_training", "CreateTrainingJob")
        if reason is not None:
            raise _JobError(reason)
        self._wait_for_capacity(job)
        self._advance(job, "Downloading", started=True)
        self._region.faults.pause("training-job", "Downloading")
        self._prepare(job, base)
        self._advance(job, "Training")
        ending = self._train(job, base)
        with self._region.lock:
            job.enter("Uploading")
        self._upload(job, base)
        return ending

    def _train(self, job: TrainingJob, base: Path) -> tuple[str, str]:
        container = self._start(job, base)
        limit = job.request["StoppingCondition"].get("MaxRuntimeInSeconds", 86_400)
        try:
            signal: Signal | None = job.signals.get(timeout=limit)
        except queue.Empty:
            signal = None
        if signal == "exited":
            _refuse_fault(container)
            if container.exit_code:
                self._upload(job, base, is_whole=False)
                raise _JobError(_algorithm_error(base, container.exit_code))
            return "Completed", "Completed"
        with self._region.lock:
            job.training_job_status = "Stopping"
            job.enter("Stopping")
        container.stop(self._region.settings.stop_grace)
        _refuse_fault(container)
        return "Stopped", "Stopped" if signal else "MaxRuntimeExceeded"

    def _wait_for_capacity(self, job: TrainingJob) -> None:
        """Wait in status Pending where a fault says so. MaxRuntimeInSeconds does not count it."""
        fault = self._region.faults.first("pending", "CreateTrainingJob")
        if fault is None:
            return
        with self._region.lock:
            job.enter("Pending")
        stands_for = fault.seconds if fault.stands_for is None else fault.stands_for
        limit, secondary = _pending_limit(job.request)
        is_exceeded = limit < stands_for
        deadline = time.monotonic() + (fault.seconds * limit / stands_for if is_exceeded else fault.seconds)
        while time.monotonic() < deadline:
            if job.stop_requested or fault.removed.wait(_PENDING_INTERVAL):
                return
        if is_exceeded:
            raise _StoppedError(secondary)

    def _advance(self, job: TrainingJob, secondary: str, *, started: bool = False) -> None:
        with self._region.lock:
            if job.stop_requested:
                job.enter("Stopping")
                raise _StoppedError("Stopped")
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
            source = parse_s3_url(channel["DataSource"]["S3DataSource"]["S3Uri"])
            self._download(job, source, base / "input/data" / channel["ChannelName"])
        if checkpoints := job.request.get("CheckpointConfig"):
            self._download(job, parse_s3_url(checkpoints["S3Uri"]), base / "checkpoints")

    def _download(self, job: TrainingJob, source: S3Url, folder: Path) -> None:
        folder.mkdir(parents=True)
        s3 = self._region.s3(job.request["RoleArn"], job.arn)
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
            "AWS_REGION": self._region.name,
            **job.request.get("Environment", {}),
        }
        image = job.request["AlgorithmSpecification"]["TrainingImage"]
        is_isolated = job.request.get("EnableNetworkIsolation", False)
        try:
            container = self._region.host.start(image, "train", base, environment, is_isolated=is_isolated)
        except ContainerStartError as error:
            raise _JobError(f"ClientError: {error}") from error
        stream = f"{job.name}/algo-1-{int(time.time())}"
        wanted = final_metrics.patterns(job.request["AlgorithmSpecification"].get("MetricDefinitions", []))

        def on_lines(lines: list[str]) -> None:
            self._region.backends.log(self._region.name, "/aws/sagemaker/TrainingJobs", stream, lines)
            values = final_metrics.found(wanted, lines)
            self._region.backends.put_metrics(self._region.name, _METRICS, {"TrainingJobName": job.name}, values)
            with self._region.lock:
                job.metrics.update(final_metrics.last(values))

        container.watch(on_lines, lambda: job.signals.put("exited"))
        return container

    def _upload(self, job: TrainingJob, base: Path, *, is_whole: bool = True) -> None:
        """Upload what came out; of a job that has failed, other output only."""
        artifacts = Artifacts(job, self._region.s3(job.request["RoleArn"], job.arn), base)
        try:
            if is_whole and (url := artifacts.upload_model()):
                with self._region.lock:
                    job.artifacts = str(url)
            artifacts.upload_data()
            if is_whole:
                artifacts.upload_checkpoints()
        except StorageError as error:
            raise _JobError(f"ClientError: Artifact upload failed:{error}") from error


def _refuse_fault(container: Container) -> None:
    if container.fault:
        raise _JobError(f"ClientError: Artifact upload failed:{container.fault}")


def _pending_limit(request: Json) -> tuple[float, str]:
    """Tell how long a job may be pending, in AWS's seconds, and the SecondaryStatus that it ends with after that."""
    condition = request["StoppingCondition"]
    limits = [(float("inf"), "Stopped")]
    if "MaxWaitTimeInSeconds" in condition:
        limits.append((condition["MaxWaitTimeInSeconds"], "MaxWaitTimeExceeded"))
    if "MaxPendingTimeInSeconds" in condition and request["ResourceConfig"]["InstanceType"].startswith(_ACCELERATED):
        limits.append((condition["MaxPendingTimeInSeconds"], "Stopped"))
    return min(limits)


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
