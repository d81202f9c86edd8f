"""What asset events and XComs tell of trained models, checked: people may write anything into them.

Whom Airflow lets create asset events or edit XComs, by its UI or its REST API, need not be who may touch AWS:
https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/auth-manager/simple/index.html. So they are only
believed to name a training job. Whose it is, its data date, artifact and metrics are read from AWS.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException
from botocore.exceptions import ClientError

from fresh_endpoints.aws import tags
from fresh_endpoints.aws.errors import UNSEEN_SECONDS, explained, is_not_found
from fresh_endpoints.aws.kinds import TRAINING_JOB, Answer
from fresh_endpoints.model_facts import model_facts
from fresh_endpoints.run import named_parts

if TYPE_CHECKING:
    from fresh_endpoints.aws.own_names import OwnNames
    from fresh_endpoints.run import Run

log = logging.getLogger(__name__)

# An event of the training DAG's has under 2 kB; of what somebody has made by hand no more is shown than this.
_SHOWN_CHARACTERS = 200
# A name of AWS's: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
_LONGEST_NAME = 63
# Airflow maps a task over 1,024 values at most ([core] max_map_length).
MOST_TOLD = 1_000


def told_jobs(events: Iterable[Any], names: OwnNames) -> dict[str, str]:
    """Return which training jobs of a pipeline's events name, and by which model each is said to be deployed.

    Args:
        events: Asset events, with ``timestamp`` and ``extra``.
        names: The names under which the pipeline's jobs were made.

    Returns:
        The model's name by the job's; it may be any text that names a deployment of the job.
    """
    told: dict[str, str] = {}
    for event in sorted(events, key=lambda event: event.timestamp):
        job = named_job(event, names)
        if job is None:
            log.warning("An event names no training job of pipeline %s (made by hand?): %s", names.name, _shown(event))
            continue
        told[job] = deployed_as(event.extra.get("model"), job)
    if len(told) > MOST_TOLD:
        log.warning("The events name %s trainings; only the %s told last are looked at.", len(told), MOST_TOLD)
    return dict(list(told.items())[-MOST_TOLD:])


def named_job(event: Any, names: OwnNames) -> str | None:
    """Return the training job of a pipeline's that an event names.

    Args:
        event: The event, with its ``extra``.
        names: The names under which the pipeline's jobs were made.

    Returns:
        A name as the pipeline's runs make them, of a job that need not exist; None for any other.
    """
    job = event.extra.get("training_job") if isinstance(event.extra, Mapping) else None
    if not isinstance(job, str) or len(job) > _LONGEST_NAME:
        return None
    parts = named_parts(job)
    if parts.get("pipeline") not in names or parts.get("training_job") != job:
        return None
    return job if _is_day(parts["data_date"]) else None


def deployed_as(model: Any, job: str) -> str:
    """Return the name of the model that is said to have been deployed of a training job.

    Args:
        model: What is said.
        job: The training job's name.

    Returns:
        The name if it is one that a deployment of the job makes; else the job's, which is that of the first one.
    """
    if not isinstance(model, str) or len(model) > _LONGEST_NAME:
        return job
    return model if named_parts(model).get("training_job") == job else job


class ToldModels:
    """Looks up in AWS what an event or an XCom has named.

    Args:
        client: A boto3 SageMaker client.
        run: The run that is to predict.

    Attributes:
        refusals: Why jobs that were named are not used, a sentence each.
    """

    def __init__(self, client: Any, run: Run):
        self._client = client
        self._run = run
        self._patience = UNSEEN_SECONDS
        self.refusals: list[str] = []

    def facts(self, job: str, model: str) -> dict[str, Any] | None:
        """Return a trained model's facts, as train and deploy have written them.

        Args:
            job: The name of the training job.
            model: The name of the model that is said to have been deployed of it.

        Returns:
            The facts; None where the job is none of the pipeline's, or its model may not be used.

        Raises:
            AirflowException: AWS refused to tell.
        """
        with explained(f"look at training job {job}"):
            description = self._describe(job)
            if description is None:
                self._refuse(f"There is no training job {job}.")
                return None
            found = tags.read(self._client, TRAINING_JOB.arn_of(description))
            if refusal := self._objection(job, description, found):
                self._refuse(refusal)
                return None
            run = self._run.for_data_date(date.fromisoformat(found[tags.DATA_DATE]))
            try:
                return {**model_facts(run, description), **self._deployed(job, model)}
            except AirflowFailException as error:
                self._refuse(str(error))
                return None

    def _describe(self, job: str) -> Mapping[str, Any] | None:
        # All jobs together, or who names many that do not exist would have them waited for one by one.
        began = time.monotonic()
        description = _described(self._client, job, began + self._patience)
        self._patience = max(0.0, self._patience - (time.monotonic() - began))
        return description

    def _objection(self, job: str, description: Mapping[str, Any], found: Mapping[str, str]) -> str | None:
        if not self._run.own_names.own(found):
            return f"Training job {job} is none of pipeline {self._run.pipeline}'s: its tags say otherwise."
        if not _is_day(found.get(tags.DATA_DATE, "")):
            return f"Training job {job} has no data date in its tags."
        status = TRAINING_JOB.status_of(description)
        if TRAINING_JOB.answer_to(status) is not Answer.DONE:
            return f"Training job {job} is {status}."
        if refused := found.get(tags.REFUSED):
            return f"{job} was refused: {refused}"
        return None

    def _deployed(self, job: str, model: str) -> dict[str, str]:
        """Return the model's name, and where it was deployed, as its tags have it.

        Where there is no model of the job's, the prediction makes one of the job's name.
        """
        try:
            found = tags.read(self._client, self._client.describe_model(ModelName=model)["ModelArn"])
        except ClientError as error:
            if not is_not_found(error):
                raise
            return {"model": job}
        if found.get(tags.TRAINING_JOB) != job or not self._run.own_names.own(found):
            return {"model": job}
        where = {"endpoint": found.get(tags.ENDPOINT), "endpoint_config": found.get(tags.ENDPOINT_CONFIG)}
        return {"model": model, **{fact: value for fact, value in where.items() if value}}

    def _refuse(self, why: str) -> None:
        log.warning("Passed over: %s", why)
        self.refusals.append(why)


def runs_own(client: Any, run: Run, job: Any) -> Mapping[str, Any]:
    """Describe the training job that a run has trained its model by, which its training task has named.

    A run makes its jobs' names of its own ids and its data date, so that no other job has one.

    Args:
        client: A boto3 SageMaker client.
        run: The run that is to deploy.
        job: What names the job; a person may have edited it.

    Returns:
        What DescribeTrainingJob returned.

    Raises:
        AirflowFailException: It names no completed job of the run's.
        AirflowException: AWS refused to tell.
    """
    name = str(job)[:_LONGEST_NAME]
    not_wanted = AirflowFailException(
        f"The training task has left {name!r}, which is not a completed training job of pipeline {run.pipeline} for "
        f"data date {run.data_date}. Clear it to train anew."
    )
    # A renamed pipeline's run may have found what it had trained under a former name.
    alike = [dataclasses.replace(each, generation=0) for each in (run, *map(run.under, run.former))]
    if not any(name == own or name.startswith(f"{own}-") for own in (each.training_job_name() for each in alike)):
        raise not_wanted
    with explained(f"look at training job {name}"):
        description = _described(client, name, time.monotonic() + UNSEEN_SECONDS)
    if not description or TRAINING_JOB.answer_to(TRAINING_JOB.status_of(description)) is not Answer.DONE:
        raise not_wanted
    return description


def _described(client: Any, job: str, until: float) -> Mapping[str, Any] | None:
    """Describe a job, again for a while as long as it is not seen to be there or at its end, for reads may lag.

    Args:
        client: A boto3 SageMaker client.
        job: The job's name.
        until: When to give up, in seconds of the monotonic clock.

    Returns:
        What was seen last; None where it does not exist.
    """
    while True:
        description = None
        try:
            description = client.describe_training_job(TrainingJobName=job)
        except ClientError as error:
            if not is_not_found(error):
                raise
        if description and TRAINING_JOB.answer_to(TRAINING_JOB.status_of(description)) is not Answer.WAIT:
            return dict(description)
        if time.monotonic() >= until:
            return description
        time.sleep(UNSEEN_SECONDS / 20)


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text) < date.max  # Which no DATE can follow.
    except ValueError:
        return False


def _shown(event: Any) -> str:
    text = repr(event.extra.get("training_job") if isinstance(event.extra, Mapping) else event.extra)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
