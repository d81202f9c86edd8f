"""What has become of a pipeline's models: trained, refused, proven, live, as AWS tells it."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fresh_endpoints.aws import tags
from fresh_endpoints.aws.errors import explained
from fresh_endpoints.aws.kinds import TRAINING_JOB, Answer
from fresh_endpoints.aws.lists import ENDPOINT_CONFIG, newest
from fresh_endpoints.live import endpoint_of, proof_of
from fresh_endpoints.model_facts import final_metrics
from fresh_endpoints.run import named_parts

if TYPE_CHECKING:
    from fresh_endpoints.aws.endpoint import Endpoint
    from fresh_endpoints.aws.own_names import OwnNames
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.pipeline_file.quality import Metrics

# Of the account's newest 5,000 training jobs and endpoint configs.
MOST_PAGES = 50


@dataclass(frozen=True)
class Trained:
    """One training job and what has become of its model.

    Attributes:
        training_job: The job's name.
        data_date: The day whose files it was trained on.
        created: When the job was created.
        status: The job's status.
        metrics: The model's metrics by name.
        is_live: Whether the endpoint serves the model.
        fate: What has become of it, in words.
    """

    training_job: str
    data_date: dt.date
    created: dt.datetime
    status: str
    metrics: Metrics
    is_live: bool
    fate: str

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        return {**vars(self), "data_date": self.data_date.isoformat(), "created": self.created.isoformat()}


def history(pipeline: Pipeline, most: int) -> list[Trained]:
    """Return what has become of a pipeline's newest trainings, newest first.

    Args:
        pipeline: The pipeline.
        most: How many trainings at most.

    Raises:
        ValueError: Only a run knows the endpoint's name.
        AirflowException: AWS refused.
    """
    endpoint = endpoint_of(pipeline)
    with explained(f"list what pipeline {pipeline.name} has trained"):
        jobs = list(itertools.islice(_jobs(endpoint.client, pipeline.own_names), most))
        if not jobs:
            return []
        since = min(job["CreationTime"] for job, _ in jobs)
        configs = _configs(endpoint.client, pipeline.own_names, since)
    live = endpoint.describe().live
    return [_trained(endpoint, job, found, configs.get(TRAINING_JOB.name_of(job), []), live) for job, found in jobs]


def _jobs(client: Any, names: OwnNames) -> Iterator[tuple[Mapping[str, Any], dict[str, str]]]:
    """Yield the descriptions and tags of the pipeline's own jobs, newest first."""
    for summary in newest(client, TRAINING_JOB, most_pages=MOST_PAGES, name_prefix=names.prefixes):
        name = TRAINING_JOB.name_of(summary)
        if named_parts(name).get("pipeline") not in names:
            continue  # Of a pipeline whose name begins alike.
        found = tags.read(client, TRAINING_JOB.arn_of(summary))
        if names.own(found):
            yield client.describe_training_job(TrainingJobName=name), found


def _configs(client: Any, names: OwnNames, since: dt.datetime) -> dict[str, list[str]]:
    """Return the endpoint configs of each training job, newest first."""
    found: dict[str, list[str]] = {}
    for summary in newest(
        client, ENDPOINT_CONFIG, created_after=since, most_pages=MOST_PAGES, name_prefix=names.prefixes
    ):
        name = ENDPOINT_CONFIG.name_of(summary)
        found.setdefault(named_parts(name).get("training_job", ""), []).append(name)
    return found


def _trained(
    endpoint: Endpoint, job: Mapping[str, Any], found: Mapping[str, str], configs: list[str], live: str | None
) -> Trained:
    name = TRAINING_JOB.name_of(job)
    is_live = live in (name, *configs)
    config = live if is_live else next(iter(configs), None)
    return Trained(
        training_job=name,
        data_date=dt.date.fromisoformat(named_parts(name)["data_date"]),
        created=job["CreationTime"],
        status=TRAINING_JOB.status_of(job),
        metrics=final_metrics(job),
        is_live=is_live,
        fate=("live, " if is_live else "") + _fate(endpoint, job, found, config),
    )


def _fate(endpoint: Endpoint, job: Mapping[str, Any], found: Mapping[str, str], config: str | None) -> str:
    status = TRAINING_JOB.status_of(job)
    if TRAINING_JOB.answer_to(status) is not Answer.DONE:
        reason = str(job.get("FailureReason") or "").strip()
        return f"training {status}" + (f": {reason}" if reason else "")
    if refused := found.get(tags.REFUSED):
        return f"refused: {refused}"
    if config is None:
        return "not deployed, or its endpoint config is deleted"
    return proof_of(endpoint.config_tags(config))
