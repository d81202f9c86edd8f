"""Batch prediction: with one trained model, on the file of its data date, exactly once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.operators.sagemaker import SageMakerTransformOperator
from airflow.providers.common.compat.sdk import AirflowFailException
from botocore.exceptions import ClientError

from fresh_endpoints.aws import requests
from fresh_endpoints.aws.clients import SageMakerHook
from fresh_endpoints.aws.errors import BOTOCORE_CONFIG, again_while, is_not_found
from fresh_endpoints.aws.kinds import TRANSFORM_JOB, Answer
from fresh_endpoints.aws.model import create_model, model_request
from fresh_endpoints.model_facts import fact_tags
from fresh_endpoints.steps.buttons import LogStreamLink, TransformJobLink
from fresh_endpoints.steps.job import Job, JobStep
from fresh_endpoints.steps.step import PipelineStep
from fresh_endpoints.steps.told_models import ToldModels, deployed_as
from fresh_endpoints.steps.wait_for_data import WaitForDataSensor
from fresh_endpoints.telling import messages
from fresh_endpoints.telling.changes import took
from fresh_endpoints.telling.failures import StepFailed
from fresh_endpoints.telling.message import Message

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.run import Run
    from fresh_endpoints.waiting.event import WaitEnded

# No request bounds a transform job, so this does; it is stopped then.
LONGEST_SECONDS = 2 * 86_400


class OfOneModel(PipelineStep):
    """Mixed into a step that is about one model: its data date is the model's, whenever it runs.

    Attributes:
        trained: The model's facts.
    """

    trained: Any

    def run_of(self, context: Any) -> Run:
        """Return the run's facts, with the model's data date."""
        return super().run_of(context).for_data_date(dt.date.fromisoformat(self.trained["data_date"]))

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Find out which model it is, then render the rest."""
        self.trained = self.render_template(self.trained, context, jinja_env)
        super().render_template_fields(context, jinja_env)


class WaitForPredictionDataSensor(OfOneModel, WaitForDataSensor):
    """Waits for the prediction file of a model's data date.

    Args:
        pipeline: The pipeline.
        trained: The model's facts.
    """

    template_fields = (*WaitForDataSensor.template_fields, "trained")

    def __init__(self, *, pipeline: Pipeline, trained: Any, **kwargs: Any):
        super().__init__(pipeline=pipeline, keys=(pipeline.data.prediction or "",), **kwargs)
        self.trained = trained


class PredictOperator(OfOneModel, JobStep, SageMakerTransformOperator):
    """Runs one transform job with one model to its end.

    The model is the one that was deployed; where its training was not (a backfill of an older day), or the clean-up
    has deleted it, it is created from the training job's artifact.

    Args:
        pipeline: The pipeline.
        trained: The model's facts.
    """

    aws_hook_class = SageMakerHook
    template_fields = (*SageMakerTransformOperator.template_fields, "bucket", "key", "aws_tags", "trained")
    operator_extra_links = (TransformJobLink(), LogStreamLink())  # type: ignore[assignment]
    kind = TRANSFORM_JOB

    def __init__(self, *, pipeline: Pipeline, trained: Any, **kwargs: Any):
        super().__init__(
            config={"Transform": pipeline.transform, "Model": pipeline.model},
            aws_conn_id=pipeline.aws_conn_id,
            region_name=pipeline.region,
            botocore_config=BOTOCORE_CONFIG,
            deferrable=True,
            **kwargs,
        )
        self.pipeline = pipeline
        self.trained = trained
        self.bucket = "{{ bucket }}"
        self.key = pipeline.data.prediction or ""
        self.aws_tags = dict(pipeline.aws_tags)

    def look_and_act(self, context: Any, ended: WaitEnded | None) -> dict[str, Any]:
        """Create the transform job or attach to it, wait for its end, and return what it made.

        Args:
            context: The task's context.
            ended: How the wait has ended; None on a new try.

        Returns:
            The model's facts, with ``transform_job`` and ``output`` (S3 URL of the predictions).

        Raises:
            StepFailed: The job failed or was stopped.
            StepFailedForNow: The job failed by a fault of AWS's own; a retry starts another one.
            AirflowDeferred: The job is still running.
            AirflowFailException: AWS says otherwise of the model, so that it may not be used.
        """
        self._context = context
        name = ended.name if ended else None
        if name is None:
            self.trained = self._looked_up(self.run_of(context))
        job = self.wait_for_end(self._describe(name) if name else self._create_transform_job(context, ended), ended)
        if self.answer_to(job) is not Answer.DONE:
            reason = self._reason(job)
            self.wait_for_capacity(job, reason)
            raise self.failure_of(job, reason, self._failed(job, reason))
        return self._complete(context, job)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return what OpenLineage's provider asks for, whatever has become of the job."""
        from fresh_endpoints.telling import lineage

        return lineage.of_prediction(self.seen, self.trained)

    def longest_seconds(self, job: Job) -> float:
        """Return how long a transform job may take once it runs, in seconds."""
        return LONGEST_SECONDS

    def too_long(self, job: Job, reason: str) -> StepFailed:
        """Make the error for a transform job that has outlasted the limit."""
        return StepFailed(self._failed(job, reason))

    def _looked_up(self, run: Run) -> dict[str, Any]:
        """Read the model's facts anew: an XCom, from which they come, may be edited by people."""
        models, job = ToldModels(self._client, run), str(self.trained["training_job"])
        facts = models.facts(job, deployed_as(self.trained["model"], job))
        if facts is None:
            raise AirflowFailException(f"Not predicting for {run.data_date}. {' '.join(models.refusals)}")
        if facts["data_date"] != run.data_date.isoformat():
            raise AirflowFailException(
                f"Not predicting for {run.data_date}: training job {job} is of data date {facts['data_date']}. Was the "
                "XCom of find_models edited? Clear find_models to find the models anew."
            )
        return facts

    def request(self, run: Run, name: str) -> dict[str, Any]:
        """Make the CreateTransformJob request, of the fields as they are rendered.

        Args:
            run: The run, with the model's data date.
            name: The transform job's name.
        """
        return requests.create_transform_job(
            self.config["Transform"],
            name=name,
            model_name=self.trained["model"],
            input_uri=requests.folder_uri(self.bucket, self.key),
            output_uri=self._output_uri(run),
            tags={**run.job_tags(self.aws_tags), **fact_tags(self.trained)},
        )

    def model_request(self, run: Run, training: Mapping[str, Any]) -> dict[str, Any]:
        """Make the CreateModel request for a model that was not deployed.

        Args:
            run: The run, with the model's data date.
            training: What DescribeTrainingJob returned.
        """
        name, given = self.trained["model"], self._model_tags(run)
        return model_request(self.config["Model"], name=name, facts=self.trained, training=training, tags=given)

    def job_name(self, attempt: int) -> str:
        """Name the run's transform job of an attempt."""
        training_job, by_hand = self.trained["training_job"], not self._context["triggering_asset_events"]
        return self.run_of(self._context).transform_job_name(training_job, by_hand=by_hand, attempt=attempt)

    def _create_transform_job(self, context: Any, ended: WaitEnded | None) -> Job:
        run = self.run_of(context)

        def create(**request: Any) -> Any:
            def ask() -> Any:
                self._ensure_model(run)
                return self._client.create_transform_job(**request)

            # The model may not be seen yet, or the clean-up of another run may have deleted it meanwhile.
            return again_while(is_not_found, ask)

        job, attempt, is_new = self.create_or_attach(ended, lambda name: self.request(run, name), create)
        self.tell_started(job, attempt, ended, is_new=is_new)
        return job

    def started(self, job: Job, attempt: int) -> Message:
        """Say that the transform job has been created."""
        links = self.links_of(job, self._context)
        return messages.prediction_started(self.name_of(job), job["ModelName"], attempt=attempt, links=links)

    def _ensure_model(self, run: Run) -> None:
        name = self.trained["model"]
        try:
            self._client.describe_model(ModelName=name)
        except ClientError as error:
            if not is_not_found(error):
                raise
            given = self._model_tags(run)
            create_model(self._client, self.config["Model"], name=name, facts=self.trained, tags=given)

    def _model_tags(self, run: Run) -> dict[str, str]:
        return {**run.tags(self.aws_tags), **fact_tags(self.trained)}

    def _complete(self, context: Any, job: Job) -> dict[str, Any]:
        self.tell_that_it_ran(job)
        folder = (job.get("TransformOutput") or {}).get("S3OutputPath") or self._output_uri(self.run_of(context))
        output = f"{folder.rstrip('/')}/{self.key.rpartition('/')[2]}.out"
        links = self.links_of(job, context)
        run = self.run_of(context)
        time = took(run) if self.notifier.tells_changes else None
        message = messages.prediction_complete(
            self.name_of(job), job["ModelName"], output=output, links=links, took=time
        )
        self._tell(message, job)
        return {**self.trained, "transform_job": self.name_of(job), "output": output}

    def _output_uri(self, run: Run) -> str:
        return requests.prediction_uri(self.bucket, run.data_date.isoformat(), run.aws_name)

    def _failed(self, job: Job, reason: str) -> Message:
        links = self.links_of(job)
        return messages.prediction_failed(self.name_of(job), job["ModelName"], reason=reason, links=links)

    def _reason(self, job: Job) -> str:
        if self.answer_to(job) is Answer.FAILED:
            return str(job.get("FailureReason") or messages.NO_REASON)
        if self.answer_to(job) is Answer.STOPPED:
            return "It was stopped before its end. Clear the task to predict again."
        return f"Its status is {self.status_of(job)!r}, which this version of the package does not know."
