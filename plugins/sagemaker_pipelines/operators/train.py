"""Step 2: train, exactly once."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.operators.sagemaker import SageMakerTrainingOperator
from botocore.exceptions import ClientError

from sagemaker_pipelines import api_requests
from sagemaker_pipelines.aws_errors import BOTOCORE_CONFIG, already_exists, explained
from sagemaker_pipelines.container_logs import last_lines
from sagemaker_pipelines.operators.step import PipelineStep, StepFailed, StepFailedForNow
from sagemaker_pipelines.slack import Message, console_url, run_links, tell_once
from sagemaker_pipelines.statuses import STOPPED_BY_LIMIT, TRAINING_JOB, Answer, answer_to, is_healable
from sagemaker_pipelines.triggers import SageMakerTrigger

if TYPE_CHECKING:
    from sagemaker_pipelines.pipeline import Pipeline
    from sagemaker_pipelines.run import Run

# What SageMaker takes for a request without StoppingCondition:
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StoppingCondition.html
DEFAULT_MAX_RUNTIME_SECONDS = 86_400
# Provisioning, downloading and uploading come on top of the runtime that the request bounds.
MARGIN_SECONDS = 3_600
LOG_GROUP = "/aws/sagemaker/TrainingJobs"


class TrainOperator(PipelineStep, SageMakerTrainingOperator):
    """Runs the run's one training job to its end.

    The job's name is the idempotency key: a new try asks SageMaker to create it, and when it exists, attaches to it.
    A job that failed by a fault of AWS's own is followed by another one, as many as the task has retries; any other
    failure fails the task at once with AWS's own words.

    Args:
        pipeline: The pipeline.
    """

    template_fields = (*SageMakerTrainingOperator.template_fields, "bucket", "data", "aws_tags")

    def __init__(self, *, pipeline: Pipeline, **kwargs: Any):
        super().__init__(
            config=pipeline.training,
            aws_conn_id=pipeline.aws_conn_id,
            region_name=pipeline.region,
            botocore_config=BOTOCORE_CONFIG,
            deferrable=True,
            **kwargs,
        )
        self.pipeline = pipeline
        self.bucket = pipeline.bucket
        self.data = pipeline.data.model_dump(exclude_none=True)
        self.aws_tags = dict(pipeline.aws_tags)
        self._job: str | None = None
        self._context: Any = None
        self._killed = False

    def look_and_act(self, context: Any, event: dict[str, Any] | None) -> dict[str, Any]:
        """Create the training job or attach to it, wait for its end, and return what it made.

        Args:
            context: The task's context.
            event: What the trigger fired with; None on a new try.

        Returns:
            The model facts: training job, data date, artifact, metrics.

        Raises:
            StepFailed: The job failed or was stopped.
            StepFailedForNow: The job failed by a fault of AWS's own; a retry starts another one.
            AirflowDeferred: The job is still running.
        """
        self._context = context
        name = (event or {}).get("name")
        job = self._describe(name) if name else self._create_or_attach(context)
        name = job["TrainingJobName"]
        if event is None:
            job = self.look_for_a_while(lambda: self._describe(name), lambda seen: not _is_running(seen))
        answer = answer_to(TRAINING_JOB, job["TrainingJobStatus"])
        if answer is Answer.WAIT:
            self._wait_on(job)
        self._job = None  # It has ended: there is nothing left to stop.
        if answer is not Answer.DONE:
            raise self._failure(context, job)
        return self._complete(context, job)

    def on_kill(self) -> None:
        """Stop the training job when a user has marked the running task failed or cleared it.

        Airflow calls this also when a worker is told to shut down. Then the job goes on, and the next try attaches
        to it; so Airflow is asked whether the task is still meant to run.
        """
        self._killed = True
        if self._job is None or self._context is None:
            return
        if self._is_still_wanted():
            self.log.info("The worker is stopping; training job %s goes on.", self._job)
            return
        self._stop(self._job)

    def _create_or_attach(self, context: Any) -> dict[str, Any]:
        run = self.run_of(context)
        for attempt in itertools.count(1):
            name = run.training_job_name(attempt)
            request = api_requests.create_training_job(
                self.config, name=name, bucket=self.bucket, data=self.data, tags=run.tags(self.aws_tags)
            )
            self._job = name
            created = self._create(name, request)
            job = self._describe(name)
            if self._killed and not self._is_still_wanted():
                self._stop(name)
            if created or not _gives_way(job):
                message = _started(self.pipeline, job, attempt, run_links(context))
                tell_once(self.notifier, run, message, client=self._client, arn=job["TrainingJobArn"], is_new=created)
                return job
            self.log.info("Training job %s ended %s; starting another.", name, job["TrainingJobStatus"])
        raise AssertionError("unreachable")

    def _create(self, name: str, request: dict[str, Any]) -> bool:
        with explained(f"create training job {name}"):
            try:
                self._client.create_training_job(**request)
            except ClientError as error:
                if not already_exists(error):
                    raise
                # From an earlier try, or from this very request when its answer was lost and botocore sent it again.
                self.log.info("Training job %s exists; attaching to it.", name)
                return False
        self.log.info("Created training job %s", name)
        return True

    def _wait_on(self, job: Mapping[str, Any]) -> None:
        name, started = job["TrainingJobName"], job["CreationTime"].timestamp()
        left = started + longest_seconds(job) - time.time()
        if left <= 0:
            self._stop(name)
            raise StepFailed(
                _failed(
                    self.pipeline,
                    job,
                    f"Still {job['TrainingJobStatus']} {MARGIN_SECONDS // 60} minutes past its own limits: stopped.",
                )
            )
        expected = self._seconds_of_last_job()
        self.log.info("Training job %s is %s; waiting without a worker slot.", name, job["SecondaryStatus"])
        self.wait(
            SageMakerTrigger(
                kind="training_job",
                name=name,
                started=started,
                expected_seconds=expected,
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
            ),
            left,
        )

    def _seconds_of_last_job(self) -> float | None:
        """How long the pipeline's last completed training took; it predicts this one's end."""
        try:
            found = self._client.list_training_jobs(
                NameContains=f"{self.pipeline.name}-",
                StatusEquals="Completed",
                SortBy="CreationTime",
                SortOrder="Descending",
                MaxResults=10,
            )["TrainingJobSummaries"]
        except ClientError as error:
            self.log.info("No past training job to predict this one's end by: %s", error)
            return None
        for job in found:
            if job["TrainingJobName"].startswith(f"{self.pipeline.name}-2"):
                return (job["TrainingEndTime"] - job["CreationTime"]).total_seconds()
        return None

    def _failure(self, context: Any, job: Mapping[str, Any]) -> StepFailed | StepFailedForNow:
        reason = _reason(job)
        self.log.error("Training job %s: %s", job["TrainingJobName"], reason)
        lines = last_lines(self.aws_conn_id, self.region_name, LOG_GROUP, job["TrainingJobName"])
        if lines:
            self.log.error("The last lines of its log:\n%s", "\n".join(lines))
        message = _failed(self.pipeline, job, reason)
        return StepFailedForNow(message) if is_healable(job) else StepFailed(message)

    def _complete(self, context: Any, job: Mapping[str, Any]) -> dict[str, Any]:
        run = self.run_of(context)
        facts = model_facts(run, job)
        message = _completed(self.pipeline, job, facts, run_links(context))
        tell_once(self.notifier, run, message, client=self._client, arn=job["TrainingJobArn"])
        return facts

    def _describe(self, name: str) -> dict[str, Any]:
        with explained(f"describe training job {name}"):
            return self._client.describe_training_job(TrainingJobName=name)

    def _stop(self, name: str) -> None:
        try:
            self._client.stop_training_job(TrainingJobName=name)
            self.log.info("Stopped training job %s.", name)
        except ClientError as error:
            # SageMaker refuses to stop a job that has ended, which is as good.
            self.log.info("Did not stop training job %s: %s", name, error)

    def _is_still_wanted(self) -> bool:
        task_instance = self._context["ti"]
        try:
            states = task_instance.get_task_states(
                dag_id=task_instance.dag_id, task_ids=[task_instance.task_id], run_ids=[task_instance.run_id]
            )
        except Exception as error:
            self.log.warning("Could not ask Airflow for the task's state (%s); the job goes on.", error)
            return True
        return states.get(task_instance.run_id, {}).get(task_instance.task_id) in ("running", "queued", "scheduled")

    @property
    def _client(self) -> Any:
        return self.hook.conn


def longest_seconds(job: Mapping[str, Any]) -> float:
    """Return how long a training job may take in all by its own request, with a margin.

    Args:
        job: What DescribeTrainingJob returned.

    Returns:
        Seconds: MaxRuntimeInSeconds, plus MaxWaitTimeInSeconds for a spot training, plus an hour.
    """
    condition = job.get("StoppingCondition") or {}
    spot_wait = condition.get("MaxWaitTimeInSeconds", 0) if job.get("EnableManagedSpotTraining") else 0
    return condition.get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_SECONDS) + spot_wait + MARGIN_SECONDS


def model_facts(run: Run, job: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the run's later steps, and people, need to know of a trained model.

    Args:
        run: The run.
        job: What DescribeTrainingJob returned for the completed job.
    """
    return {
        "pipeline": run.pipeline,
        "data_date": run.data_date.isoformat(),
        "training_job": job["TrainingJobName"],
        "training_job_arn": job["TrainingJobArn"],
        "artifact": job["ModelArtifacts"]["S3ModelArtifacts"],
        "metrics": {metric["MetricName"]: metric["Value"] for metric in job.get("FinalMetricDataList", [])},
        "generation": run.generation,
    }


def _is_running(job: Mapping[str, Any]) -> bool:
    return answer_to(TRAINING_JOB, job["TrainingJobStatus"]) is Answer.WAIT


def _gives_way(job: Mapping[str, Any]) -> bool:
    """Whether a job that a new try finds has ended in a way that asks for another one."""
    status = job["TrainingJobStatus"]
    if status == "Failed":
        return is_healable(job)
    return status == "Stopped" and job.get("SecondaryStatus") not in STOPPED_BY_LIMIT


def _reason(job: Mapping[str, Any]) -> str:
    status, secondary = job["TrainingJobStatus"], job.get("SecondaryStatus", "")
    if status == "Failed":
        return str(job.get("FailureReason") or "SageMaker gives no reason.")
    if secondary in STOPPED_BY_LIMIT:
        limit = STOPPED_BY_LIMIT[secondary]
        return f"{secondary}: SageMaker stopped it at {limit}; raise that in the pipeline file if it needs longer."
    if status == "Stopped":
        return "It was stopped before its end. Clear the task to train again."
    return f"Its status is {status!r} ({secondary}), which this version of the package does not know."


def _job_facts(pipeline: Pipeline, job: Mapping[str, Any]) -> dict[str, str]:
    return {"Training job": job["TrainingJobName"]}


def _job_links(pipeline: Pipeline, job: Mapping[str, Any]) -> dict[str, str]:
    return {"Training job": console_url(pipeline.region, f"jobs/{job['TrainingJobName']}")}


def _started(pipeline: Pipeline, job: Mapping[str, Any], attempt: int, links: dict[str, str]) -> Message:
    return Message(
        event="training-started",
        emoji="🚀",
        title="Training started",
        sentence=f'Starting training job "{job["TrainingJobName"]}"'
        + (f" (attempt {attempt})." if attempt > 1 else "."),
        facts=_job_facts(pipeline, job),
        links={**_job_links(pipeline, job), **links},
    )


def _completed(pipeline: Pipeline, job: Mapping[str, Any], facts: dict[str, Any], links: dict[str, str]) -> Message:
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in facts["metrics"].items())
    return Message(
        event="training-complete",
        emoji="✅",
        title="Training complete",
        sentence=f'Training job "{job["TrainingJobName"]}" complete. Model data uploaded to "{facts["artifact"]}".',
        facts={**_job_facts(pipeline, job), "Artifact": facts["artifact"], **({"Metrics": metrics} if metrics else {})},
        links={**_job_links(pipeline, job), **links},
    )


def _failed(pipeline: Pipeline, job: Mapping[str, Any], reason: str) -> Message:
    return Message(
        event="training-failed",
        emoji="❌",
        title="Training failed",
        sentence=f"Training job failed. {reason}",
        facts=_job_facts(pipeline, job),
        links=_job_links(pipeline, job),
    )
