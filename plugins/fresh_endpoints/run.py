"""One run of a pipeline: its DATE, its data date, and the names and tags that follow from them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow.providers.common.compat.sdk import AirflowFailException

from fresh_endpoints.aws import tags
from fresh_endpoints.aws.own_names import OwnNames
from fresh_endpoints.pipeline_file.environment import aws_name

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline

# What a job's name says; a deployment's may end with the generation in which it was cleared.
_NAMED = re.compile(
    r"(?P<training_job>(?P<pipeline>.+)-(?P<data_date>\d{4}-\d{2}-\d{2})-[0-9a-f]{8}(?:-(?:c\d+)?(?:a\d+)?)?)(?:-d\d+)?"
)


@dataclass(frozen=True)
class Run:
    """The facts of one DAG run that every step needs.

    Attributes:
        pipeline: The pipeline's name.
        dag_id: The DAG's id.
        run_id: The DAG run's id.
        date: DATE, the run's logical date (or ``run_after``) read in the pipeline's time zone; where the trigger form
            gives a ``data_date``, the day after that.
        data_date: The day whose files are trained on: DATE minus one day.
        scheduled_for: The moment the run stands for: its logical date, or ``run_after`` where it has none.
        generation: Which of the task's lives it is: 0 until a user clears the task, then another number with each
            clear. Automatic retries, and clears of other tasks, leave it. 0 in a callback of the run's.
        started: When the run started; a clear of a run that has ended starts it anew. None where Airflow tells none.
        environment: The environment; empty for none.
        former: The names that the pipeline had before.
    """

    pipeline: str
    dag_id: str
    run_id: str
    date: dt.date
    data_date: dt.date
    scheduled_for: dt.datetime
    generation: int = 0
    started: dt.datetime | None = None
    environment: str = ""
    former: tuple[str, ...] = ()

    @classmethod
    def of(cls, pipeline: Pipeline, context: Mapping[str, Any]) -> Run:
        """Read the run from an Airflow context.

        Args:
            pipeline: The pipeline that runs.
            context: The task's or callback's context.

        Raises:
            AirflowFailException: The trigger form's ``data_date`` is no date.
        """
        dag_run = context["dag_run"]
        # A run that was triggered without a logical date has only run_after; `ds` is the UTC date, wrong in Tokyo.
        moment = dag_run.logical_date or dag_run.run_after
        day = moment.astimezone(ZoneInfo(pipeline.timezone)).date()
        chosen = (context.get("params") or {}).get("data_date")
        run = cls(
            pipeline=pipeline.name,
            dag_id=dag_run.dag_id,
            run_id=dag_run.run_id,
            date=day,
            data_date=day - dt.timedelta(days=1),
            scheduled_for=moment,
            generation=_generation_of(context),
            started=getattr(dag_run, "start_date", None),
            environment=pipeline.environment,
            former=pipeline.renamed_from,
        )
        return run.for_data_date(_parse_data_date(chosen)) if chosen else run

    def for_data_date(self, data_date: dt.date) -> Run:
        """Return the same run, seen as that of another data date.

        Args:
            data_date: The data date; DATE is the day after it.
        """
        return dataclasses.replace(self, data_date=data_date, date=data_date + dt.timedelta(days=1))

    def under(self, former: str) -> Run:
        """Return the same run as it was, or would have been, when the pipeline had another name.

        Args:
            former: The name that the pipeline had.
        """
        return dataclasses.replace(self, pipeline=former, dag_id=f"{self.dag_id.removesuffix(self.pipeline)}{former}")

    @property
    def own_names(self) -> OwnNames:
        """The names under which the pipeline has made what is in AWS."""
        return OwnNames(self.aws_name, tuple(aws_name(self.environment, name) for name in self.former))

    @property
    def template_names(self) -> dict[str, str]:
        """The names that a pipeline file's templates may use beside Airflow's own."""
        days = {"data_date": self.data_date.isoformat(), "date": self.date.isoformat()}
        return {**days, "pipeline": self.pipeline, "env": self.environment}

    @property
    def aws_name(self) -> str:
        """What the pipeline is called in AWS: what every name there begins with, and its tag says."""
        return aws_name(self.environment, self.pipeline)

    @property
    def title(self) -> str:
        """What people call the pipeline."""
        return f"{self.pipeline} ({self.environment})" if self.environment else self.pipeline

    def training_job_name(self, attempt: int = 1) -> str:
        """Name the training job: the idempotency key of a training.

        The name is a pure function of pipeline, environment, data date, run and generation, so that SageMaker itself
        refuses a second job for the same run (names are unique within an account and region:
        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html).

        Args:
            attempt: 1 for the first job; 2 and more for the job that follows one which ended in a fault of AWS's own.
        """
        return self._job_name(f"{self.dag_id}\n{self.run_id}", attempt)

    def transform_job_name(self, training_job: str, *, by_hand: bool, attempt: int = 1) -> str:
        """Name the transform job: the idempotency key of a prediction.

        Every run that is told of a training makes the same name of it, so that one training is predicted with once,
        however often it is told. A run by hand predicts anew.

        Args:
            training_job: The name of the training job whose model predicts.
            by_hand: Whether the run was triggered for a data date, not by a training.
            attempt: As in training_job_name().
        """
        return self._job_name(training_job + (f"\n{self.dag_id}\n{self.run_id}" if by_hand else ""), attempt)

    def _job_name(self, key: str, attempt: int) -> str:
        digest = hashlib.sha256(key.encode()).hexdigest()[:8]
        suffix = (f"c{self.generation}" if self.generation else "") + (f"a{attempt}" if attempt > 1 else "")
        return f"{self.aws_name}-{self.data_date.isoformat()}-{digest}" + (f"-{suffix}" if suffix else "")

    def deployment_name(self, training_job: str) -> str:
        """Name the model and the endpoint config: the training job's name, as in the article.

        Once a user has cleared a deployment that had begun, the pipeline file may have changed since then, so the new
        one gets names of its own.

        Args:
            training_job: The training job's name.
        """
        return f"{training_job}-d{self.generation}" if self.generation else training_job

    def tags(self, aws_tags: Mapping[str, str]) -> dict[str, str]:
        """Return the tags of everything that the run creates in AWS.

        Args:
            aws_tags: The pipeline's own tags, rendered.
        """
        ours = {
            tags.PIPELINE: self.aws_name,
            tags.DATA_DATE: self.data_date.isoformat(),
            tags.DAG_ID: self.dag_id,
            tags.RUN_ID: self.run_id,
            **({tags.ENVIRONMENT: self.environment} if self.environment else {}),
        }
        # A run id may hold what AWS refuses in a tag.
        return {**aws_tags, **{key: tags.fitting(value) for key, value in ours.items()}}

    def job_tags(self, aws_tags: Mapping[str, str]) -> dict[str, str]:
        """Return the tags of a job, which say, too, which Airflow's run has started it.

        Args:
            aws_tags: The pipeline's own tags, rendered.
        """
        return {**self.tags(aws_tags), tags.RUN_STARTED: self.started.isoformat() if self.started else ""}

    def has_started(self, found: Mapping[str, str]) -> bool:
        """Tell whether a job is this run's own, and not that of another Airflow's run of the same id.

        The ids follow from the schedule, so two Airflows with the same pipeline file have the same ones. The moment at
        which a run really started, told to the microsecond, is its own.

        Args:
            found: The job's tags.
        """
        wanted = self.job_tags({})
        return all(found.get(key) == wanted[key] for key in (tags.DAG_ID, tags.RUN_ID, tags.RUN_STARTED))

    @property
    def jobs_since(self) -> dt.datetime | None:
        """From when on its jobs can be, by AWS's clock, which differs from Airflow's by 5 minutes at most.

        AWS refuses requests of other clocks: https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html
        """
        return self.started - dt.timedelta(minutes=5) if self.started else None


def named_parts(name: str) -> dict[str, str]:
    """Read what the name of a job, a model or an endpoint config says that a run has made.

    Args:
        name: The name.

    Returns:
        ``pipeline`` (what it is called in AWS), ``data_date`` (YYYY-MM-DD) and ``training_job``; empty for a name of
        another form.
    """
    found = _NAMED.fullmatch(name)
    return {key: value for key, value in found.groupdict().items() if value} if found else {}


def _generation_of(context: Mapping[str, Any]) -> int:
    """Read which of its lives a task is in, from the tries that Airflow allows it.

    They are the task's retries at first; a clear of the task sets them to the tries so far plus the retries
    (airflow/models/taskinstance.py, clear_task_instances), and nothing else changes them. ``dag_run.clear_number`` is
    the whole run's, and in Airflow 3.1 stays as it is while the run is active.

    A file whose ``retries`` are changed during the run must not look like a clear: a cleared task has had that many
    tries before this one.
    """
    ti, task = context.get("ti"), context.get("task")
    cleared_after = getattr(ti, "max_tries", 0) - (getattr(task, "retries", None) or 0)
    return cleared_after if 0 < cleared_after < getattr(ti, "try_number", 0) else 0


def _parse_data_date(text: str) -> dt.date:
    try:
        day = dt.datetime.strptime(str(text), "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no time zone
    except ValueError:
        day = dt.date.max
    if day == dt.date.max:  # No day, or the last one, which no DATE can follow.
        raise AirflowFailException(f"data_date: found {text!r}, which is no day; write it as YYYY-MM-DD")
    return day
