"""The training jobs of a region: CreateTrainingJob really runs the image's ``train``."""

from __future__ import annotations

import threading

from local_aws import final_metrics
from local_aws.resources import INTERNAL_ERROR, Collection, Json, Kind, Region, Request
from local_aws.training_job import TrainingJob
from local_aws.training_requests import refuse_unsound
from local_aws.training_run import TrainingRuns
from local_aws.wire import AwsError, validation_error


class TrainingJobs(Collection[TrainingJob]):
    """The training jobs of a region."""

    kind = Kind("training-job", "TrainingJobName", "TrainingJobSummaries", "training job", "TrainingJobStatus")
    resource = TrainingJob

    def __init__(self, region: Region) -> None:
        super().__init__(region)
        self._runs = TrainingRuns(region)

    def not_found(self, name: str) -> AwsError:
        """Make AWS's error for an unknown job.

        Args:
            name: Its name.

        Returns:
            The error.
        """
        return validation_error("Requested resource not found.")

    def already_exists(self, name: str) -> AwsError:
        """Make AWS's error for a name that is taken.

        Args:
            name: The name.

        Returns:
            The error.
        """
        return AwsError(
            "ResourceInUse",
            "Training job names must be unique within an AWS account and region, and a training job with this name "
            f"already exists ({self.region.arn(self.kind.arn, name)})",
        )

    def create(self, request: Request) -> Json:
        """Answer CreateTrainingJob.

        Args:
            request: The checked input.

        Returns:
            The output.

        Raises:
            AwsError: AWS would refuse it, or local AWS cannot do it.
        """
        name = request["TrainingJobName"]
        with self.region.lock:
            if name.lower() in self.items:
                raise self.already_exists(name)
        refuse_unsound(self.region, request)
        kept = {member: value for member, value in request.items() if member != "Tags"}
        job = TrainingJob(name, self.region.arn(self.kind.arn, name), kept)
        with self.region.lock:
            self.add(job, request.get("Tags", []))
            job.enter("Starting")
        threading.Thread(target=self._runs.run, args=(job,), name=f"training {name}", daemon=True).start()
        return {"TrainingJobArn": job.arn}

    def describe(self, request: Request) -> Json:
        """Answer DescribeTrainingJob.

        Args:
            request: The checked input.

        Returns:
            The output.

        Raises:
            AwsError: There is no such job.
        """
        with self.region.lock:
            job = self.find(request["TrainingJobName"])
            metrics = final_metrics.told(job.metrics, self.region.faults)
            return job.as_json() | ({"FinalMetricDataList": metrics} if metrics else {})

    def stop(self, request: Request) -> Json:
        """Answer StopTrainingJob. Its secondary status follows once the job has noticed.

        Args:
            request: The checked input.

        Returns:
            The output.

        Raises:
            AwsError: There is no such job, or it has ended.
        """
        with self.region.lock:
            job = self.find(request["TrainingJobName"])
            if job.status == "Stopping":
                return {}
            if job.status != "InProgress":
                raise validation_error(f"The request was rejected because the training job is in status {job.status}.")
            job.stop_requested = True
            job.training_job_status = "Stopping"
            job.touch()
            job.signals.put("stop")
        return {}

    def summary(self, item: TrainingJob) -> Json:
        """Describe a job in a list.

        Args:
            item: The job.

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
        """Make a job again. One that was under way has ended.

        Args:
            saved: What its ``saved`` described.

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
