"""Step 2: train, exactly once."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.operators.sagemaker import SageMakerTrainingOperator
from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws import requests, tags
from fresh_endpoints.aws.clients import SageMakerHook
from fresh_endpoints.aws.console import s3_page
from fresh_endpoints.aws.errors import BOTOCORE_CONFIG, explained, is_not_found
from fresh_endpoints.aws.kinds import STOPPED_BY_LIMIT, TRAINING_JOB, Answer
from fresh_endpoints.model_facts import model_facts
from fresh_endpoints.steps.buttons import ArtifactLink, LogStreamLink, TrainingJobLink
from fresh_endpoints.steps.job import Job, JobStep
from fresh_endpoints.telling import messages
from fresh_endpoints.telling.failures import StepFailed

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.run import Run
    from fresh_endpoints.telling.message import Message
    from fresh_endpoints.waiting.event import WaitEnded

# What SageMaker takes for a request without StoppingCondition:
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StoppingCondition.html
DEFAULT_MAX_RUNTIME_SECONDS = 86_400
# The most that a request can ask for; a job of a training plan is pending until the plan begins. (Same page.)
LONGEST_PLANNED_SECONDS = 28 * 86_400
# Provisioning, downloading and uploading come on top of the runtime that the request bounds.
MARGIN_SECONDS = 3_600


class TrainOperator(JobStep, SageMakerTrainingOperator):
    """Runs the run's one training job to its end.

    The job's name is the idempotency key: a new try asks SageMaker to create it, and when it exists, attaches to it.
    Want of quota, or of capacity before the job has begun to run, is waited out. A job that failed by another fault of
    AWS's own is followed by another one, as many as the task has retries; any other failure fails the task at once with
    AWS's own words.

    Args:
        pipeline: The pipeline.
    """

    aws_hook_class = SageMakerHook
    template_fields = (*SageMakerTrainingOperator.template_fields, "bucket", "data", "aws_tags")
    operator_extra_links = (TrainingJobLink(), LogStreamLink(), ArtifactLink())
    kind = TRAINING_JOB
    _facts: Mapping[str, Any] | None = None

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
        self.bucket = "{{ bucket }}"
        self.data = {name: channel.model_dump(exclude={"wait"}) for name, channel in pipeline.data.channels.items()}
        self.aws_tags = dict(pipeline.aws_tags)

    def look_and_act(self, context: Any, ended: WaitEnded | None) -> dict[str, Any]:
        """Create the training job or attach to it, wait for its end, and return what it made.

        Args:
            context: The task's context.
            ended: How the wait has ended; None on a new try.

        Returns:
            The model facts: training job, data date, artifact, metrics.

        Raises:
            StepFailed: The job failed or was stopped.
            StepFailedForNow: The job failed by a fault of AWS's own; a retry starts another one.
            AirflowDeferred: The job is still running.
        """
        self._context = context
        name = ended.name if ended else None
        job = self.wait_for_end(self._describe(name) if name else self._create_training_job(context, ended), ended)
        if self.answer_to(job) is not Answer.DONE:
            reason = _reason(job)
            self.wait_for_capacity(job, reason)
            message = messages.training_failed(self.name_of(job), reason=reason, links=self.links_of(job))
            raise self.failure_of(job, reason, message)
        return self._complete(context, job)

    def request(self, run: Run, name: str) -> dict[str, Any]:
        """Make the CreateTrainingJob request, of the fields as they are rendered.

        Args:
            run: The run.
            name: The training job's name.
        """
        given = run.job_tags(self.aws_tags)
        return requests.create_training_job(self.config, name=name, bucket=self.bucket, data=self.data, tags=given)

    def job_name(self, attempt: int) -> str:
        """Name the run's training job of an attempt."""
        return self.run_of(self._context).training_job_name(attempt)

    def _create_training_job(self, context: Any, ended: WaitEnded | None) -> Job:
        run = self.run_of(context)

        client = self._client  # First: completing the request takes the client's description of SageMaker.

        if run.generation:
            self._stop_cleared_jobs(run)
        elif ended is None and (job := self._of_former_name(run)):
            return job
        job, attempt, is_new = self.create_or_attach(
            ended, lambda name: self.request(run, name), client.create_training_job
        )
        self.tell_started(job, attempt, ended, is_new=is_new)
        return job

    def started(self, job: Job, attempt: int) -> Message:
        """Say that the training job has been created."""
        return messages.training_started(self.name_of(job), attempt=attempt, links=self.links_of(job, self._context))

    def _of_former_name(self, run: Run) -> Job | None:
        """Find what the same run has trained, or is training, under a name that the pipeline had before.

        A scheduled run and a backfill's have the same ids under each name, so their jobs' names are known. What has
        failed or was stopped is trained anew, under the name of today.
        """
        for former in run.former:
            for attempt in itertools.count(1):
                name = run.under(former).training_job_name(attempt)
                if (job := self._found(name)) is None:
                    break
                if self.answer_to(job) in (Answer.DONE, Answer.WAIT) and run.own_names.own(self._tags_of(job)):
                    self.log.info("Training job %s is this run's, under the pipeline's former name.", name)
                    return self._describe(name)
        return None

    def _found(self, name: str) -> Job | None:
        with explained(f"look for training job {name}"):
            try:
                job: Job = self._client.describe_training_job(TrainingJobName=name)
                return job
            except ClientError as error:
                if is_not_found(error):
                    return None
                raise

    def _tags_of(self, job: Job) -> dict[str, str]:
        with explained(f"read the tags of training job {self.name_of(job)}"):
            return tags.read(self._client, self.kind.arn_of(job))

    def _stop_cleared_jobs(self, run: Run) -> None:
        """Stop what the task trained before it was cleared; the trigger does not, if it had not started by then.

        The names are known, so the account's list, which is long and slow, is not asked.
        """
        for generation in range(run.generation):
            before = replace(run, generation=generation)
            for attempt in itertools.count(1):
                name = before.training_job_name(attempt)
                try:
                    job = self._client.describe_training_job(TrainingJobName=name)
                except (ClientError, BotoCoreError) as error:
                    if not (isinstance(error, ClientError) and is_not_found(error)):
                        self.log.warning("Could not look for a job of the time before the clear: %s", error)
                    break
                if self._is_running(job):
                    self._stop(job)

    def addresses_of(self, job: Job) -> dict[str, str]:
        """Return the addresses of the job's pages and of its artifact's."""
        artifact = (job.get("ModelArtifacts") or {}).get("S3ModelArtifacts")
        page = {ArtifactLink.name: s3_page(str(self.region_name), artifact)} if artifact else {}
        return {**super().addresses_of(job), **page}

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return what OpenLineage's provider asks for, whatever has become of the job."""
        from fresh_endpoints.telling import lineage

        return lineage.of_training(self.seen, self._facts)

    def longest_seconds(self, job: Job) -> float:
        """Return how long a training job may take by its own request once it runs, with a margin.

        Args:
            job: What DescribeTrainingJob returned.

        Returns:
            Seconds: MaxRuntimeInSeconds, plus MaxWaitTimeInSeconds for a spot training, which may be interrupted, plus
            an hour.
        """
        condition = job.get("StoppingCondition") or {}
        spot_wait = condition.get("MaxWaitTimeInSeconds", 0) if job.get("EnableManagedSpotTraining") else 0
        runtime = condition.get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_SECONDS)
        return float(runtime + spot_wait + MARGIN_SECONDS)

    def longest_pending_seconds(self, job: Job) -> float:
        """Return how long a training job may be pending: as long as its request, its spot wait or its plan allows."""
        condition = job.get("StoppingCondition") or {}
        if pending := condition.get("MaxPendingTimeInSeconds"):
            return float(pending)
        if (job.get("ResourceConfig") or {}).get("TrainingPlanArn"):
            return LONGEST_PLANNED_SECONDS
        spot_wait = condition.get("MaxWaitTimeInSeconds", 0) if job.get("EnableManagedSpotTraining") else 0
        return max(super().longest_pending_seconds(job), spot_wait)

    def too_long(self, job: Job, reason: str) -> StepFailed:
        """Make the error for a training job that has outlasted its own limits."""
        return StepFailed(messages.training_failed(self.name_of(job), reason=reason, links=self.links_of(job)))

    def _complete(self, context: Any, job: Mapping[str, Any]) -> dict[str, Any]:
        self.tell_that_it_ran(job)
        run = self.run_of(context)
        facts = model_facts(run, job)
        message = messages.training_complete(facts, links=self.links_of(job, context))
        self._tell(message, job)
        self._facts = facts
        return facts


def _reason(job: Mapping[str, Any]) -> str:
    status, secondary = job["TrainingJobStatus"], job.get("SecondaryStatus", "")
    if status == "Failed":
        return str(job.get("FailureReason") or messages.NO_REASON)
    if secondary in STOPPED_BY_LIMIT:
        limit = STOPPED_BY_LIMIT[secondary]
        return f"{secondary}: SageMaker stopped it at {limit}; raise that in the pipeline file if it needs longer."
    if status == "Stopped":
        return "It was stopped before its end. Clear the task to train again."
    return f"Its status is {status!r} ({secondary}), which this version of the package does not know."
