"""One pipeline as the page shows it: what is live, by AWS, beside what Airflow knows of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fresh_endpoints.aws.console import log_page, sagemaker_page
from fresh_endpoints.aws.kinds import ENDPOINT, Answer
from fresh_endpoints.live import FAILED, PROVEN
from fresh_endpoints.model_facts import shown
from fresh_endpoints.page.airflow_facts import TRAIN_AND_DEPLOY, AirflowFacts
from fresh_endpoints.page.sparkline import points
from fresh_endpoints.pipeline_file.schedule import newest_due

if TYPE_CHECKING:
    from fresh_endpoints.live import LiveModel
    from fresh_endpoints.page.aws_facts import Known
    from fresh_endpoints.pipeline_file.model import Pipeline

_RUNNING = ("queued", "running")


@dataclass(frozen=True)
class Metric:
    """One metric of the live model.

    Attributes:
        name: Its name.
        value: Its value, as people read it; empty where the live model has none.
        line: The points of its history.
    """

    name: str
    value: str
    line: str


@dataclass(frozen=True)
class Row:
    """One pipeline.

    Attributes:
        pipeline: Its name.
        file: The pipeline file; None where the api-server has none of that name.
        known: What was live when AWS was asked; None where it has not yet answered.
        airflow: What Airflow knows; None where its DAG is not there yet.
        due: The data date that should be live by the schedule; None where there is no schedule.
        metrics: The live model's metrics.
        models: The facts of its newest models, newest first.
    """

    pipeline: str
    file: Pipeline | None
    known: Known | None
    airflow: AirflowFacts | None
    due: dt.date | None
    metrics: Sequence[Metric] = ()
    models: Sequence[Mapping[str, Any]] = field(default_factory=tuple)

    @property
    def dag_id(self) -> str:
        """The DAG that trains and deploys."""
        return TRAIN_AND_DEPLOY + self.pipeline

    @property
    def is_deploying(self) -> bool:
        """Whether there is an endpoint to ask AWS about."""
        return self.file is not None and self.file.deploy != "never"

    @property
    def days_behind(self) -> int | None:
        """How many days what is live lies behind the schedule; None where that is not known."""
        if self.due is None or self.known is None or self.known.live.data_date is None:
            return None
        return max((self.due - self.known.live.data_date).days, 0)

    @property
    def lag(self) -> str:
        """How far what is live lies behind the schedule, in words; empty where it does not, or that is not known."""
        days = self.days_behind
        return f"{days} day{'' if days == 1 else 's'} behind" if days else ""

    @property
    def verdict(self) -> tuple[str, str]:
        """How the pipeline does, as a class (bad, held, warn, good or none), and in words."""
        run = self.airflow.last_run if self.airflow else None
        if run is not None and run.state == "failed":
            return "bad", "last run failed"
        if self.file is None:
            return "none", "no pipeline file here"
        if self.file.deploy == "never":
            return "none", "never deploys"
        if self.known is None:
            return "none", "asking AWS …"
        return self._verdict_on(self.known.live, is_running=run is not None and run.state in _RUNNING)

    def _verdict_on(self, live: LiveModel, *, is_running: bool) -> tuple[str, str]:
        if live.status and ENDPOINT.answer_to(live.status) in (Answer.FAILED, Answer.UNUSABLE):
            return "bad", f"endpoint is {live.status}"
        if live.held:
            return "held", f"held until {live.held.end}"
        if live.proof == FAILED:
            return "bad", "live model failed its smoke test"
        if live.proof is None:
            return ("none", "first run") if is_running else ("warn", "nothing known to be live")
        return ("none", "running") if is_running else self._verdict_on_age(live.proof)

    def _verdict_on_age(self, proof: str) -> tuple[str, str]:
        if self.airflow and self.airflow.refused:
            return "warn", "newest model refused"
        if self.lag:
            return "warn", self.lag
        if self.airflow and self.airflow.is_paused:
            return "none", "paused"
        return ("good", "fresh") if proof == PROVEN else ("warn", "not proven")

    @property
    def redeploy(self) -> str | None:
        """The DAG that goes back to an earlier model; None where nothing is deployed."""
        return f"redeploy_{self.pipeline}" if self.is_deploying else None

    @property
    def console(self) -> str | None:
        """The endpoint's page in the AWS console."""
        if self.file is None or self.known is None:
            return None
        return sagemaker_page(self.file.region, f"{ENDPOINT.page}/{self.known.live.endpoint}")

    @property
    def logs(self) -> str | None:
        """The logs of the endpoint's containers in the AWS console."""
        if self.file is None or self.known is None:
            return None
        return log_page(self.file.region, f"{ENDPOINT.log_group}/{self.known.live.endpoint}")

    def as_json(self) -> dict[str, Any]:
        """Return what monitoring reads."""
        run = self.airflow.last_run if self.airflow else None
        return {
            "pipeline": self.pipeline,
            "verdict": self.verdict[1],
            "level": self.verdict[0],
            "live": self.known.live.as_json() if self.known else None,
            "as_of": self.known.as_of.isoformat() if self.known else None,
            "due": self.due.isoformat() if self.due else None,
            "days_behind": self.days_behind,
            "last_run": {"run_id": run.run_id, "state": run.state, "due": run.due.isoformat()} if run else None,
            "paused": self.airflow.is_paused if self.airflow else None,
            "refused": self.airflow.refused if self.airflow else None,
        }


def make_row(
    name: str, file: Pipeline | None, known: Known | None, airflow: AirflowFacts | None, now: dt.datetime
) -> Row:
    """Join what is known of a pipeline.

    Args:
        name: The pipeline's name.
        file: The pipeline file, if there is one here.
        known: What AWS has told.
        airflow: What Airflow knows.
        now: The moment, with a time zone.
    """
    models = airflow.models if airflow else ()
    due = due_data_date(file, now) if file else None
    return Row(name, file, known, airflow, due, tuple(_metrics(known, models)), tuple(reversed(models)))


def due_data_date(pipeline: Pipeline, now: dt.datetime) -> dt.date | None:
    """Return the data date of the newest run that has been due; None where none has.

    Args:
        pipeline: The pipeline.
        now: The moment, with a time zone.
    """
    due = newest_due(pipeline, now)
    return due.date() - dt.timedelta(days=1) if due else None


def _metrics(known: Known | None, models: Sequence[Mapping[str, Any]]) -> list[Metric]:
    live = known.live.metrics if known else {}
    names = dict.fromkeys([*live, *(name for model in models for name in _metrics_of(model))])
    return [
        Metric(
            name,
            shown(live[name], 4) if name in live else "",
            points([value for model in models if isinstance(value := _metrics_of(model).get(name), (int, float))]),
        )
        for name in names
    ]


def _metrics_of(model: Mapping[str, Any]) -> Mapping[str, Any]:
    # Whoever may make asset events may have made this one.
    metrics = model.get("metrics")
    return metrics if isinstance(metrics, dict) else {}
