"""Step 4: say that there is a model to use, as an asset event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException, BaseOperator

from fresh_endpoints.model_facts import XCOM_REFUSED, model_asset
from fresh_endpoints.steps.step import PipelineStep

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.waiting.event import WaitEnded


class PublishOperator(PipelineStep, BaseOperator):
    """Emits the event of the pipeline's model asset, whose extra is the model facts.

    It is a step of its own because the event belongs to the run's success, and not to the deployment's: a model of an
    older data date (a backfill) is not deployed, and yet it predicts its own date. A model that the quality gate has
    refused, or whose deployment or smoke test has failed, is not to be used, so there is no event of it.

    Args:
        pipeline: The pipeline.
        trained_by: The task whose return value holds the model facts.
        deployed_by: The task whose return value holds them with the endpoint, unless it was skipped.
    """

    def __init__(self, *, pipeline: Pipeline, trained_by: str = "train", deployed_by: str = "deploy", **kwargs: Any):
        self.asset = model_asset(pipeline)
        # The training and the deployment have succeeded, or the latter was skipped.
        super().__init__(outlets=[self.asset], trigger_rule="none_failed_min_one_success", **kwargs)
        self.pipeline = pipeline
        self.trained_by = trained_by
        self.deployed_by = deployed_by

    def look_and_act(self, context: Any, ended: WaitEnded | None) -> dict[str, Any]:
        """Emit the event.

        Args:
            context: The task's context.
            ended: Nothing: the step never waits.

        Returns:
            The model facts, as the event's extra has them.

        Raises:
            AirflowSkipException: The quality gate has refused the model, or none was trained.
        """
        ti = context["ti"]
        if refused := ti.xcom_pull(task_ids=self.deployed_by, key=XCOM_REFUSED):
            raise AirflowSkipException(refused)
        facts = ti.xcom_pull(task_ids=self.deployed_by)
        if not facts:
            trained = ti.xcom_pull(task_ids=self.trained_by)
            if not trained:
                raise AirflowSkipException(f"Task {self.trained_by!r} has returned no model.")
            # Where there is no model of this name yet, the prediction makes it.
            facts = {**trained, "model": trained["training_job"]}
        context["outlet_events"][self.asset].extra.update(facts)
        return facts
