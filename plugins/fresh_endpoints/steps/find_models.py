"""Which models are to predict in this run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.operators.sagemaker import SageMakerBaseOperator
from airflow.providers.common.compat.sdk import AirflowFailException

from fresh_endpoints.aws import tags
from fresh_endpoints.aws.clients import SageMakerHook
from fresh_endpoints.aws.errors import BOTOCORE_CONFIG, explained
from fresh_endpoints.aws.kinds import TRAINING_JOB, Answer
from fresh_endpoints.aws.lists import ListTooLongError, newest
from fresh_endpoints.model_facts import model_asset, model_facts
from fresh_endpoints.run import Run, named_parts
from fresh_endpoints.steps.step import PipelineStep
from fresh_endpoints.steps.told_models import ToldModels, named_job, told_jobs

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.waiting.event import WaitEnded

# A person waits for the model of a day that may be long ago: 20,000 jobs since then are gone through in 100 s.
MOST_PAGES = 200
# How many of the reasons why events are passed over are told; all are in the log.
MOST_REFUSALS = 5


class FindModelsOperator(PipelineStep, SageMakerBaseOperator):
    """Returns the facts of every model that the run is to predict with, oldest data date first.

    A run that asset events have triggered may carry several: Airflow gathers what comes while the DAG is busy, and what
    came while it was paused comes with the next one. An event that arrives while Airflow makes the run of an earlier
    one can even be left to no run at all until the next training; so the events since are read, too. Two runs may then
    find the same training, and the transform job's name keeps them from predicting twice. A run that was cleared
    predicts anew, under new names, and so with its own models only.

    Of several trainings of a data date it is the newest one's: they would all write the same file. The DAG's runs come
    one after another, so a newer training's predictions are written last.

    Of an event only the training job's name is believed; the rest is read from AWS (see told_models).

    A run by hand predicts with the newest model that was trained for its data date, found in AWS, unless the quality
    gate or the smoke test has refused it.

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
        run = self.run_of(context)
        if not context["triggering_asset_events"]:
            return [self._trained_for(run)]
        models = ToldModels(self.hook.conn, run)
        triggering = [event for events in context["triggering_asset_events"].values() for event in events]
        found = _looked_up(models, told_jobs(triggering, run.own_names))
        if found and not run.generation:
            later = told_jobs(self._told_since(context, triggering, found), run.own_names)
            known = {facts["training_job"] for facts in found}
            found += _looked_up(models, {job: model for job, model in later.items() if job not in known})
        if not found:
            raise AirflowFailException(
                f"The events of asset {self.asset.name} that have triggered this run tell of no model of pipeline "
                f"{run.pipeline} that may be used. {' '.join(models.refusals[:MOST_REFUSALS])} To predict for a day, "
                "trigger this DAG with its data_date."
            )
        newest_last = sorted(found, key=lambda facts: (facts["created"], facts["training_job"]))
        of_day = {facts["data_date"]: facts for facts in newest_last}
        return [of_day[data_date] for data_date in sorted(of_day)]

    def _told_since(self, context: Any, triggering: list[Any], found: list[dict[str, Any]]) -> Iterator[Any]:
        """Yield the events that were told after this run's, and of the same data dates also those told before.

        A newer training of a date may have been told before this run's, and to another run.
        """
        newest = max(event.timestamp for event in triggering)
        data_dates = {facts["data_date"] for facts in found}
        since = min(datetime.fromisoformat(facts["created"]) for facts in found)
        events = context["inlet_events"][self.asset]
        # Airflow 3.1 cannot ask for some of them.
        for event in events if isinstance(events, list) else events.after(since.isoformat()):
            job = named_job(event, self.pipeline.own_names)
            is_of_day = job is not None and named_parts(job)["data_date"] in data_dates
            if event.timestamp >= since and (event.timestamp >= newest or is_of_day):
                yield event

    def _trained_for(self, run: Run) -> dict[str, Any]:
        client, refusals = self.hook.conn, []
        with explained(f"look for the training jobs of {run.data_date}"):
            try:
                for summary in self._completed_since(run):
                    # Somebody else's job may have the prefix of the name, too.
                    found, name = tags.read(client, TRAINING_JOB.arn_of(summary)), TRAINING_JOB.name_of(summary)
                    if not _is_of(run, found):
                        continue
                    if refused := found.get(tags.REFUSED):
                        refusals.append(f"{name} was refused: {refused}")
                        continue
                    return {**model_facts(run, client.describe_training_job(TrainingJobName=name)), "model": name}
                where = f"in {self.pipeline.region} whose model may be used."
            except ListTooLongError as error:
                where = f"among the newest ({error})."
        raise AirflowFailException(
            f"Found no completed training job of pipeline {run.pipeline} for data date {run.data_date} {where} "
            f"{' '.join(refusals)} Trigger train_and_deploy_{run.pipeline} with this data_date first, or choose a "
            "data_date that was trained."
        )

    def _completed_since(self, run: Run) -> Iterator[Mapping[str, Any]]:
        """List completed jobs, newest first: a day's data is not trained on before the day begins anywhere on earth."""
        return newest(
            self.hook.conn,
            TRAINING_JOB,
            created_after=datetime.combine(run.data_date, time.min, timezone.utc) - timedelta(days=1),
            most_pages=MOST_PAGES,
            name_prefix=tuple(f"{prefix}{run.data_date}-" for prefix in run.own_names.prefixes),
            statuses=[status for status, answer in TRAINING_JOB.statuses.items() if answer is Answer.DONE],
            is_all_needed=True,
        )


def _looked_up(models: ToldModels, told: Mapping[str, str]) -> list[dict[str, Any]]:
    return [facts for facts in (models.facts(job, model) for job, model in told.items()) if facts]


def _is_of(run: Run, found: Mapping[str, str]) -> bool:
    return run.own_names.own(found) and found.get(tags.DATA_DATE) == run.data_date.isoformat()
