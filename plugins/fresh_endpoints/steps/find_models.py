"""Which models are to predict in this run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.operators.sagemaker import SageMakerBaseOperator
from airflow.providers.common.compat.sdk import AirflowFailException

from fresh_endpoints.aws import lists, tags
from fresh_endpoints.aws.clients import SageMakerHook
from fresh_endpoints.aws.errors import BOTOCORE_CONFIG, explained
from fresh_endpoints.aws.kinds import TRAINING_JOB, Answer
from fresh_endpoints.aws.lists import ListTooLongError
from fresh_endpoints.model_facts import model_asset, model_facts
from fresh_endpoints.run import Run
from fresh_endpoints.steps.step import PipelineStep

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.waiting.event import WaitEnded

# Of the account's training jobs since the data date: 20,000, for which a run by hand may take two minutes.
MOST_PAGES = 200
# What predicting takes of the facts.
_NEEDED = frozenset({"data_date", "training_job", "artifact", "metrics", "model"})


class FindModelsOperator(PipelineStep, SageMakerBaseOperator):
    """Returns the facts of every model that the run is to predict with, oldest data date first.

    A run that asset events have triggered may carry several: Airflow gathers what comes while the DAG is busy, and what
    came while it was paused comes with the next one. An event that arrives while Airflow makes the run of an earlier
    one can even be left to no run at all until the next training; so the events since are read, too. Two runs may then
    find the same training, and the transform job's name keeps them from predicting twice. A run that was cleared
    predicts anew, under new names, and so with its own models only.

    A run by hand predicts with the newest model that was trained for its data date, found in AWS.

    Args:
        pipeline: The pipeline.
    """

    aws_hook_class = SageMakerHook

    def __init__(self, *, pipeline: Pipeline, **kwargs: Any):
        self.asset = model_asset(pipeline)
        super().__init__(
            config={},
            aws_conn_id=pipeline.aws_conn_id,
            region_name=pipeline.region,
            botocore_config=BOTOCORE_CONFIG,
            inlets=[self.asset],
            **kwargs,
        )
        self.pipeline = pipeline

    def look_and_act(self, context: Any, ended: WaitEnded | None) -> list[dict[str, Any]]:
        """Find the models.

        Args:
            context: The task's context.
            ended: Nothing: the step never waits.

        Returns:
            Their facts, as train and deploy have written them.

        Raises:
            AirflowFailException: There is none.
        """
        if not context["triggering_asset_events"]:
            return [self._trained_for(self.run_of(context))]
        found: dict[str, dict[str, Any]] = {}
        for extra in self._extras(context):
            if not extra.keys() >= _NEEDED:
                self.log.warning("An event of %s holds no model facts (made by hand?): %s", self.asset.name, extra)
                continue
            found[extra["training_job"]] = extra
        if not found:
            raise AirflowFailException(
                f"The events of asset {self.asset.name} that have triggered this run hold no model facts. To predict "
                "for a day, trigger this DAG with its data_date."
            )
        return sorted(found.values(), key=lambda facts: (facts["data_date"], facts["training_job"]))

    def _extras(self, context: Any) -> Iterator[dict[str, Any]]:
        triggering = [event for events in context["triggering_asset_events"].values() for event in events]
        yield from (dict(event.extra or {}) for event in triggering)
        if self.run_of(context).generation:
            return
        newest = max(event.timestamp for event in triggering)
        events = context["inlet_events"][self.asset]
        if isinstance(events, list):  # Airflow 3.1 cannot ask for some of them
            later = [event for event in events if event.timestamp >= newest]
        else:
            later = events.after(newest.isoformat())
        yield from (dict(event.extra or {}) for event in later)

    def _trained_for(self, run: Run) -> dict[str, Any]:
        client, prefix = self.hook.conn, f"{run.pipeline}-{run.data_date}-"
        with explained(f"look for the training jobs of {run.data_date}"):
            try:
                # Somebody else's job may have the prefix within its name, and tags that nobody here may read.
                for summary in self._completed_since(run.data_date, prefix):
                    if _is_of(run, tags.read(client, TRAINING_JOB.arn_of(summary))):
                        name = TRAINING_JOB.name_of(summary)
                        return {**model_facts(run, client.describe_training_job(TrainingJobName=name)), "model": name}
            except ListTooLongError as error:
                raise AirflowFailException(
                    f"Found no completed training job of pipeline {run.pipeline} for data date {run.data_date} among "
                    f"the newest ({error}). Trigger train_and_deploy_{run.pipeline} with this data_date to train again."
                ) from error
        raise AirflowFailException(
            f"Found no completed training job of pipeline {run.pipeline} for data date {run.data_date} in "
            f"{self.pipeline.region}. Trigger train_and_deploy_{run.pipeline} with this data_date first, or choose a "
            "data_date that was trained."
        )

    def _completed_since(self, data_date: dt.date, prefix: str) -> Iterator[Mapping[str, Any]]:
        """List completed jobs, newest first: a day's data is not trained on before the day begins anywhere on earth."""
        day = dt.datetime.combine(data_date, dt.time.min, tzinfo=dt.timezone.utc) - dt.timedelta(days=1)
        return lists.newest(
            self.hook.conn,
            TRAINING_JOB,
            created_after=day,
            most_pages=MOST_PAGES,
            name_prefix=prefix,
            statuses=[status for status, answer in TRAINING_JOB.statuses.items() if answer is Answer.DONE],
            is_all_needed=True,
        )


def _is_of(run: Run, found: Mapping[str, str]) -> bool:
    return found.get(tags.PIPELINE) == run.pipeline and found.get(tags.DATA_DATE) == run.data_date.isoformat()
