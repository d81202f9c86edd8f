"""What an endpoint can go back to: read from AWS, by what a person says of it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException
from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws import lists, tags
from fresh_endpoints.aws.errors import explained, is_not_found
from fresh_endpoints.aws.kinds import TRAINING_JOB, Answer
from fresh_endpoints.aws.lists import ENDPOINT_CONFIG, ListTooLongError, newest
from fresh_endpoints.model_facts import model_facts, tagged_metrics
from fresh_endpoints.run import Run, named_parts
from fresh_endpoints.steps.way_back import way_back

if TYPE_CHECKING:
    from fresh_endpoints.aws.endpoint import Endpoint, Seen

PREVIOUS, LIVE = "previous", "live"
PROVEN = "proven"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
# How many are listed where the one that was asked for does not exist.
MOST_LISTED = 20
# A person waits for the model of a day that may be long ago: 20,000 jobs since then are gone through in 100 s.
MOST_PAGES = 200
_COMPLETED = [status for status, answer in TRAINING_JOB.statuses.items() if answer is Answer.DONE]


class NoSuchModelError(Exception):
    """What a person wants to go back to does not exist, or cannot be gone back to. ``str()`` is a sentence of why."""


@dataclass(frozen=True)
class Choice:
    """What is to be live.

    Attributes:
        config_name: The endpoint config's name, whether it exists or is to be made again.
        facts: What is known of its model; see model_facts.py. Without ``data_date`` where no pipeline has made it.
        standing: Whether it was seen to work: ``proven``, ``not proven``, or with why not.
    """

    config_name: str
    facts: Mapping[str, Any]
    standing: str


class Choices:
    """Finds the model that a person means.

    Args:
        client: A boto3 SageMaker client.
        endpoint: The endpoint.
        run: The run that wants to know it; it names the pipeline.
    """

    def __init__(self, client: Any, endpoint: Endpoint, run: Run):
        self._client = client
        self._endpoint = endpoint
        self._run = run
        self._pipeline, self._names = run.aws_name, run.own_names
        self._jobs: dict[str, Mapping[str, Any] | None] = {}

    def find(self, wanted: str, seen: Seen) -> Choice:
        """Find what a person means.

        Args:
            wanted: ``previous``, ``live``, a data date (YYYY-MM-DD), or the name of a training job or of an endpoint
                config that a run has made of it.
            seen: What the endpoint is like.

        Raises:
            NoSuchModelError: There is none.
            AirflowException: AWS refused to tell.
        """
        if wanted == LIVE:
            return self._of_config(self._live(seen))
        if wanted == PREVIOUS:
            return self._of_config(self._previous(seen))
        if _DATE.fullmatch(wanted):
            return self._of_date(wanted)
        return self._of_job(wanted)

    def listed(self, seen: Seen) -> list[str]:
        """List what can be gone back to, newest first, a line a training job; not all, and nothing where AWS refuses.

        Args:
            seen: What the endpoint is like.
        """
        lines: list[str] = []
        try:
            for name, found in self._trained():
                live = ", live" if named_parts(seen.live or "").get("training_job") == name else ""
                lines.append(f"{found.get(tags.DATA_DATE)}: {name} ({self._standing(name, found)}{live})")
                if len(lines) == MOST_LISTED:
                    break
        except (AirflowException, ClientError, BotoCoreError, ListTooLongError) as error:
            lines.append(f"(what else there is could not be listed: {error})")
        return lines

    # What is meant.

    def _live(self, seen: Seen) -> str:
        if seen.live is None or not seen.has_served:
            raise NoSuchModelError(f"Endpoint {self._endpoint.name} serves nothing, so there is nothing live.")
        return seen.live

    def _previous(self, seen: Seen) -> str:
        """Find the newest proven config on the way back; where nothing is live, the newest proven of all."""
        if seen.live and seen.has_served:
            found = way_back(self._endpoint, seen.live, self._names)
            what = f"Before {seen.live}, which endpoint {self._endpoint.name} serves,"
        else:
            found = next(self._proven(), None)
            what = f"Endpoint {self._endpoint.name} serves nothing, and before that"
        if found is None:
            raise NoSuchModelError(f"{what} no endpoint config is known that exists and was seen to work.")
        return found

    def _of_date(self, data_date: str) -> Choice:
        try:
            day = dt.date.fromisoformat(data_date)
        except ValueError:
            raise NoSuchModelError(f"model: found {data_date}, which is no day.") from None
        refused = []
        try:
            for name, found in self._trained(day):
                if why := found.get(tags.REFUSED):
                    refused.append(f"{name} was refused: {why}")
                    continue
                return self._of_training(name, found)
        except ListTooLongError as error:
            raise NoSuchModelError(f"Data date {data_date} lies too far back ({error}); give a job's name.") from error
        if refused:
            raise NoSuchModelError(
                f"Data date {data_date} has no model that may be used. {' '.join(refused)} To redeploy one of them all "
                "the same, give its name."
            )
        raise NoSuchModelError(f"There is no completed training job of data date {data_date}.")

    def _of_job(self, name: str) -> Choice:
        job_name = named_parts(name).get("training_job", name)
        # The names that AWS may be asked of begin so.
        job = self._describe(job_name) if self._names.may_have_named(name) else None
        if job is None:
            raise NoSuchModelError(f"There is no training job {name} of pipeline {self._pipeline}.")
        found = self._tags_of(job["TrainingJobArn"])
        if not self._names.own(found):
            raise NoSuchModelError(f"Training job {job_name} is not of pipeline {self._pipeline}.")
        status = TRAINING_JOB.status_of(job)
        if status not in _COMPLETED:
            raise NoSuchModelError(f"Training job {job_name} is {status} and has made no model.")
        return self._of_training(name, found)

    def _of_training(self, name: str, found: Mapping[str, str]) -> Choice:
        """Choose what a training has made, or what was deployed of it after a clear, which has a name of its own."""
        config_name = self._config_of(name)
        return Choice(config_name, self._facts(name, found, {}), self._standing(config_name, found))

    def _of_config(self, config_name: str) -> Choice:
        found = self._config_tags(config_name)
        job_name = found.get(tags.TRAINING_JOB) or named_parts(config_name).get("training_job", config_name)
        job = self._describe(job_name) if self._names.may_have_named(job_name) else None
        of_job = self._tags_of(job["TrainingJobArn"]) if job else {}
        return Choice(config_name, self._facts(job_name, of_job, found), self._standing(config_name, of_job))

    # What is known of it.

    def _facts(self, name: str, of_job: Mapping[str, str], of_config: Mapping[str, str]) -> dict[str, Any]:
        """Tell the model's facts, from its training job, or where that is gone, from the endpoint config's tags."""
        job_name = named_parts(name).get("training_job", name)
        day = of_job.get(tags.DATA_DATE) or of_config.get(tags.DATA_DATE) or named_parts(name).get("data_date")
        job = self._describe(job_name) if of_job else None
        if job and day:
            return model_facts(self._run.for_data_date(dt.date.fromisoformat(day)), job)
        facts = {"pipeline": self._run.pipeline, "training_job": job_name, "metrics": tagged_metrics(of_config)}
        known = {"data_date": day, "artifact": of_config.get(tags.ARTIFACT)}
        return {**facts, **{fact: value for fact, value in known.items() if value}}

    def _standing(self, config_name: str, of_job: Mapping[str, str]) -> str:
        found = self._config_tags(config_name)
        if tags.is_proven(found):
            return PROVEN
        why = found.get(tags.SMOKE_TEST) or of_job.get(tags.REFUSED)
        return f"not proven: {why}" if why else "not proven"

    def _config_of(self, name: str) -> str:
        """Name the endpoint config of a training; where there is none of its name, the newest that a clear has made."""
        if self._endpoint.has_config(name):
            return name
        prefix = f"{name}-d"
        found = newest(self._client, ENDPOINT_CONFIG, name_prefix=prefix) if named_parts(name) else iter(())
        return next((ENDPOINT_CONFIG.name_of(summary) for summary in found), name)

    def _config_tags(self, name: str) -> dict[str, str]:
        # Of what others have made, the tags need not be readable.
        return self._endpoint.config_tags(name) if self._names.may_have_named(name) else {}

    def _describe(self, job_name: str) -> Mapping[str, Any] | None:
        """Describe a training job once: what has completed does not change."""
        if job_name not in self._jobs:
            with explained(f"describe training job {job_name}"):
                try:
                    self._jobs[job_name] = self._client.describe_training_job(TrainingJobName=job_name)
                except ClientError as error:
                    if not is_not_found(error):
                        raise
                    self._jobs[job_name] = None
        return self._jobs[job_name]

    def _tags_of(self, arn: str) -> dict[str, str]:
        with explained(f"read the tags of {arn}"):
            return tags.read(self._client, arn)

    # Lists.

    def _trained(self, day: dt.date | None = None) -> Iterator[tuple[str, dict[str, str]]]:
        """List the pipeline's completed training jobs, of a data date or of all, newest first, with their tags."""
        # A day's data is not trained on before the day begins anywhere on earth.
        since = dt.datetime.combine(day, dt.time.min, dt.timezone.utc) - dt.timedelta(days=1) if day else None
        with explained("list the training jobs"):
            for summary in newest(
                self._client,
                TRAINING_JOB,
                created_after=since,
                name_prefix=tuple(f"{prefix}{day or ''}" for prefix in self._names.prefixes),
                statuses=_COMPLETED,
                most_pages=MOST_PAGES if day else lists.MOST_PAGES,
                is_all_needed=day is not None,
            ):
                found = tags.read(self._client, TRAINING_JOB.arn_of(summary))
                # Somebody else's job may have the prefix of the name, too.
                if self._names.own(found) and (not day or found.get(tags.DATA_DATE) == str(day)):
                    yield TRAINING_JOB.name_of(summary), found

    def _proven(self) -> Iterator[str]:
        with explained("list the endpoint configs"):
            for summary in newest(self._client, ENDPOINT_CONFIG, name_prefix=self._names.prefixes):
                name = ENDPOINT_CONFIG.name_of(summary)
                found = self._endpoint.config_tags(name)
                if self._names.own(found) and tags.is_proven(found):
                    yield name
