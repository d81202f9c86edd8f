"""One training job: its statuses, and how it is described.

States and transitions as in
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html.
"""

from __future__ import annotations

import math
import queue
from dataclasses import dataclass, field
from typing import Literal

from local_aws.resources import NOT_SAVED, Json, Resource

Signal = Literal["exited", "stop"]

_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Pending": "Training job waiting for capacity",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds provided",
}
# What DescribeTrainingJob tells where the request does not.
_OFF = ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining")
_PROFILING_INTERVAL = 500  # milliseconds, where the request has none
_MODIFIED_AFTER_END = 0.001  # seconds at least; recorded are 0.14 to 0.55


@dataclass
class TrainingJob(Resource):
    """One training job.

    Attributes:
        training_job_status: TrainingJobStatus.
        failure_reason: FailureReason.
        transitions: SecondaryStatusTransitions.
        metrics: Metric name to its last value and the value's time.
        artifacts: S3 URL of model.tar.gz, or of the folder of an uncompressed model, once uploaded.
        start_time: TrainingStartTime, epoch seconds.
        end_time: TrainingEndTime, epoch seconds.
        signals: What the job's thread waits for while the program runs.
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
        """Move to a secondary status. The caller holds the region's lock.

        Args:
            secondary: The new SecondaryStatus.
        """
        now = self.touch()
        if self.transitions:
            self.transitions[-1]["EndTime"] = now
        self.transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": _MESSAGES[secondary]})

    def end(self, status: str, secondary: str) -> None:
        """End the job. The caller holds the region's lock.

        Args:
            status: Its last TrainingJobStatus.
            secondary: Its last SecondaryStatus.
        """
        self.enter(secondary)
        self.training_job_status = status
        self.end_time = self.last_modified_time
        self.transitions[-1]["EndTime"] = self.end_time
        self.last_modified_time = max(self.touch(), self.end_time + _MODIFIED_AFTER_END)

    def as_json(self) -> Json:
        """Describe it as DescribeTrainingJob does. The caller holds the region's lock.

        Returns:
            The operation's output, without the metrics.
        """
        output = self.request["OutputDataConfig"]
        told = {
            **dict.fromkeys(_OFF, False),
            **self.request,
            **_profiling(self.request),
            "OutputDataConfig": {"KmsKeyId": "", "CompressionType": "GZIP", **output},
            "TrainingJobArn": self.arn,
            "TrainingJobStatus": self.status,
            "SecondaryStatus": self.transitions[-1]["Status"],
            "FailureReason": self.failure_reason,
            "CreationTime": self.creation_time,
            "TrainingStartTime": self.start_time,
            "TrainingEndTime": self.end_time,
            "LastModifiedTime": self.last_modified_time,
            "SecondaryStatusTransitions": [dict(transition) for transition in self.transitions],
            "ModelArtifacts": {"S3ModelArtifacts": self.artifacts} if self.artifacts else None,
        }
        if self.start_time and self.end_time:
            seconds = max(1, math.ceil(self.end_time - self.start_time))
            told |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
        return {member: value for member, value in told.items() if value is not None}


def _profiling(request: Json) -> Json:
    """Tell what DescribeTrainingJob says of profiling. What it measures of an instance, a laptop does not have."""
    config = request.get("ProfilerConfig")
    if config is None:
        return {}
    if config.get("DisableProfiler"):
        return {"ProfilingStatus": "Disabled"}
    told = {"ProfilingIntervalInMilliseconds": _PROFILING_INTERVAL, "DisableProfiler": False, **config}
    return {"ProfilerConfig": told, "ProfilingStatus": "Enabled"}
