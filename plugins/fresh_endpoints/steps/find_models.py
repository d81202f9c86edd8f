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
from fresh_endpoints.run import Run
from fresh_endpoints.steps.step import PipelineStep

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.waiting.event import WaitEnded

# What predicting takes of the facts.
_NEEDED = frozenset({"data_date", "training_job", "artifact", "metrics", "model"})
# A person waits for the model of a day that may be long ago: 20,000 jobs since then are gone through in 100 s.
MOST_PAGES = 200


class FindModelsOperator(PipelineStep, SageMakerBaseOperator):
    """Returns the facts of every model that the run is to predict with, oldest data date first.

    A run that asset events have triggered may carry several: Airflow gathers what comes while the DAG is busy, and what
    came while it was paused comes with the next one. An event that arrives while Airflow makes the run of an earlier
    one can even be left to no run at all until the next training; so the events since are read, too. Two runs may then
    find the same training, and the transform job's name keeps them from predicting twice. A run that was cleared
    predicts anew, under new names, and so with its own models only.

    Of several trainings of a data date it is the newest one's: they would all write the same file. The DAG's runs come
    one after another, so a newer training's predictions are written last.

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
        if not context["triggering_asset_events"]:
            return [self._trained_for(self.run_of(context))]
        found: dict[str, dict[str, Any]] = {}
        for event in sorted(self._events(context), key=_newest_last):
            found[event.extra["data_date"]] = dict(event.extra)
        if not found:
            raise AirflowFailException(
                f"The events of asset {self.asset.name} that have triggered this run hold no model facts. To predict "
                "for a day, trigger this DAG with its data_date."
            )
        return [found[data_date] for data_date in sorted(found)]

    def _events(self, context: Any) -> Iterator[Any]:
        """Yield the events that tell of a model of this run's, or of a newer one of the same data date."""
        triggering = [event for events in context["triggering_asset_events"].values() for event in events]
        ours = [event for event in triggering if self._has_facts(event)]
        yield from ours
        if self.run_of(context).generation or not ours:
            return
        newest = max(event.timestamp for event in triggering)
        data_dates = {event.extra["data_date"] for event in ours}
        # A newer training of a date may have been told before this one, and to another run.
        since = min(map(_created, ours))
        events = context["inlet_events"][self.asset]
        # Airflow 3.1 cannot ask for some of them.
        told = events if isinstance(events, list) else events.after(since.isoformat())
        for event in told:
            is_later = event.timestamp >= newest
            if (
                event.timestamp >= since
                and self._has_facts(event)
                and (is_later or event.extra["data_date"] in data_dates)
            ):
                yield event

    def _has_facts(self, event: Any) -> bool:
        if (event.extra or {}).keys() >= _NEEDED:
            return True
        self.log.warning("An event of %s holds no model facts (made by hand?): %s", self.asset.name, event.extra)
        return False

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
            name_prefix=f"{run.pipeline}-{run.data_date}-",
            statuses=[status for status, answer in TRAINING_JOB.statuses.items() if answer is Answer.DONE],
            is_all_needed=True,
        )


def _created(event: Any) -> datetime:
    """Return when an event's model began to be trained; events of older versions of this package do not say it."""
    created = event.extra.get("created")
    moment: datetime = datetime.fromisoformat(created) if created else event.timestamp
    return moment


def _newest_last(event: Any) -> tuple[datetime, str]:
    return _created(event), event.extra["training_job"]


def _is_of(run: Run, found: Mapping[str, str]) -> bool:
    return found.get(tags.PIPELINE) == run.pipeline and found.get(tags.DATA_DATE) == run.data_date.isoformat()
