"""One transform job: its statuses and times.

Statuses as in https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTransformJob.html.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from local_aws.resources import NOT_SAVED, Resource
from local_aws.serving import ModelServer


@dataclass
class TransformJob(Resource):
    """One transform job.

    Attributes:
        transform_job_status: TransformJobStatus.
        failure_reason: FailureReason.
        start_time: TransformStartTime, epoch seconds.
        end_time: TransformEndTime, epoch seconds.
        stop_requested: Set when StopTransformJob was called.
        server: The program, while it runs.
    """

    transform_job_status: str = "InProgress"
    failure_reason: str | None = None
    start_time: float | None = None
    end_time: float | None = None
    stop_requested: threading.Event = field(default_factory=threading.Event, metadata=NOT_SAVED)
    server: ModelServer | None = field(default=None, metadata=NOT_SAVED)

    @property
    def status(self) -> str:
        """TransformJobStatus."""
        return self.transform_job_status

    def enter(self, status: str) -> None:
        """Change the status. The caller holds the region's lock.

        Args:
            status: The new TransformJobStatus.
        """
        self.transform_job_status = status
        self.touch()

    def end(self, reason: str | None) -> None:
        """End the job. The caller holds the region's lock.

        Args:
            reason: Why it failed; None if it did not. A job that was to stop has stopped, whatever happened.
        """
        stopped = self.status == "Stopping"
        self.failure_reason = None if stopped else reason
        self.enter("Stopped" if stopped else "Failed" if reason else "Completed")
        self.end_time = self.whole_second()

    def whole_second(self) -> float:
        """Tell now as TransformStartTime and TransformEndTime have it.

        Returns:
            Epoch seconds without a fraction, as recorded answers have them; but not before CreationTime, which a job
            of AWS's never is, and one on a laptop may be.
        """
        return max(float(int(time.time())), self.creation_time)
