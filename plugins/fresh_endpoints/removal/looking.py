"""What a pipeline has left in AWS, and what of it may be deleted. Only reads.

An endpoint, an endpoint config or a model is the pipeline's where its tags say so; a name only narrows the search, so
that nobody else's tags need be readable. What an endpoint that stays serves is never deleted, whosever the endpoint is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from fresh_endpoints.aws import tags
from fresh_endpoints.aws.errors import is_not_found
from fresh_endpoints.aws.hold import Hold
from fresh_endpoints.aws.kinds import ENDPOINT, TRAINING_JOB, TRANSFORM_JOB, Answer, Kind
from fresh_endpoints.aws.lists import ENDPOINT_CONFIG, MODEL, Listable, newest
from fresh_endpoints.aws.own_names import OwnNames
from fresh_endpoints.run import named_parts

# Of each kind: 50,000, for 250 s at least. Beyond that it is not known what there is, and nothing is deleted.
MOST_PAGES = 500
# SageMaker lets no job run longer: https://docs.aws.amazon.com/general/latest/gr/sagemaker.html
LONGEST_JOB = dt.timedelta(days=28)
DELETING = "Deleting"

Description = Mapping[str, Any]


@dataclass(frozen=True)
class LeftEndpoint:
    """An endpoint that may be deleted.

    Attributes:
        name: Its name.
        status: Its status.
        serves: The endpoint configs that it serves, or is being changed to.
        held: Until when and by whom it is held; empty where it is not.
    """

    name: str
    status: str
    serves: tuple[str, ...]
    held: str

    def __str__(self) -> str:
        return f"{self.name} ({self.status}, with {', '.join(self.serves)}{self.held})"

    @property
    def is_going(self) -> bool:
        """Whether it is being deleted already."""
        return self.status == DELETING


@dataclass(frozen=True)
class Leavings:
    """What was found.

    Attributes:
        endpoints: The endpoints that may be deleted.
        endpoint_configs: The names of those that may be deleted, newest first.
        models: The same of models.
        staying: What stays and why, a sentence each.
        going_on: What is going on, so that nothing may be deleted now: a sentence each, with what to do.
    """

    endpoints: tuple[LeftEndpoint, ...]
    endpoint_configs: tuple[str, ...]
    models: tuple[str, ...]
    staying: tuple[str, ...]
    going_on: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to delete."""
        return not (self.endpoints or self.endpoint_configs or self.models)


class Looking:
    """One look at what a pipeline has left.

    Args:
        client: A boto3 SageMaker client.
        names: The pipeline's names.
        endpoint: The endpoint that its file names; None where there is no file.
    """

    def __init__(self, client: Any, names: OwnNames, endpoint: str | None):
        self._client = client
        self._names = names
        # CreateEndpoint does not tell upper case from lower case.
        self._may_be_called = {name.lower() for name in (*names.all, *([endpoint] if endpoint else []))}
        self._staying: list[str] = []
        self._going_on: list[str] = []

    def look(self) -> Leavings:
        """Look.

        Raises:
            ListTooLongError: There is too much to be sure what there is.
            botocore.exceptions.ClientError: AWS refused.
        """
        configs, models = self._ours(ENDPOINT_CONFIG), self._ours(MODEL)
        others, endpoints = self._endpoints(configs)
        in_use = {name for endpoint in others for name in _served(endpoint)}
        kept = {model for name in in_use for model in self._models_of(name)} if models else set()
        kept |= set(self._jobs(TRANSFORM_JOB))
        list(self._jobs(TRAINING_JOB))
        self._staying += [
            f"Endpoint config {name}: an endpoint that stays serves it." for name in configs if name in in_use
        ]
        self._staying += [f"Model {name}: it is in use." for name in models if name in kept]
        return Leavings(
            tuple(endpoints),
            tuple(name for name in configs if name not in in_use),
            tuple(name for name in models if name not in kept),
            tuple(self._staying),
            tuple(self._going_on),
        )

    def _ours(self, kind: Listable) -> list[str]:
        return [
            kind.name_of(summary)
            for summary in newest(
                self._client, kind, most_pages=MOST_PAGES, name_prefix=self._names.prefixes, is_all_needed=True
            )
            if self._names.own(self._tags_of(kind.arn_of(summary)))
        ]

    def _tags_of(self, arn: str) -> dict[str, str]:
        return _unless_gone(lambda: tags.read(self._client, arn))

    # Endpoints.

    def _endpoints(self, configs: Collection[str]) -> tuple[list[Description], list[LeftEndpoint]]:
        """Return the descriptions of those that stay, whosever they are, and those that may go."""
        others: list[Description] = []
        may_go: list[LeftEndpoint] = []
        for summary in newest(self._client, ENDPOINT, most_pages=MOST_PAGES, is_all_needed=True):
            name = ENDPOINT.name_of(summary)
            endpoint = _unless_gone(lambda name=name: dict(self._client.describe_endpoint(EndpointName=name)))
            left = self._left(endpoint, configs) if endpoint and self._may_be_ours(endpoint) else None
            if left:
                may_go.append(left)
            elif endpoint:
                others.append(endpoint)
        return others, may_go

    def _may_be_ours(self, endpoint: Description) -> bool:
        is_called_so = ENDPOINT.name_of(endpoint).lower() in self._may_be_called
        return is_called_so or any(map(self._names.may_have_named, _served(endpoint)))

    def _left(self, endpoint: Description, configs: Collection[str]) -> LeftEndpoint | None:
        """Return an endpoint that may go; None of one that stays, of which it is noted why."""
        name, status = ENDPOINT.name_of(endpoint), ENDPOINT.status_of(endpoint)
        found = self._tags_of(ENDPOINT.arn_of(endpoint))
        strangers = [config for config in _served(endpoint) if not self._is_ours(config, configs)]
        if not self._names.own(found):
            if len(strangers) < len(_served(endpoint)):
                owner = found.get(tags.PIPELINE)
                made_by = f"pipeline {owner}" if owner else "no pipeline"
                self._staying.append(f"Endpoint {name}: it serves a model of this pipeline, but {made_by} has made it.")
            return None
        if strangers:
            self._staying.append(f"Endpoint {name}: it serves {strangers[0]}, which is not this pipeline's.")
            return None
        if ENDPOINT.answer_to(status) is Answer.WAIT and status != DELETING:
            self._going_on.append(f"Endpoint {name} is {status}. Wait until that has ended.")
        hold = Hold.of(found)
        held = f"; held until {hold.end} by {hold.who}" if hold and not hold.is_over() else ""
        return LeftEndpoint(name, status, tuple(_served(endpoint)), held)

    def _is_ours(self, config: str, ours: Collection[str]) -> bool:
        if config in ours:
            return True
        if named_parts(config).get("pipeline") not in self._names:
            return False
        # One that was deleted while it serves has no tags; its name says whose it was.
        return not _unless_gone(lambda: dict(self._client.describe_endpoint_config(EndpointConfigName=config)))

    def _models_of(self, config: str) -> Iterator[str]:
        found = _unless_gone(lambda: dict(self._client.describe_endpoint_config(EndpointConfigName=config)))
        for member in ("ProductionVariants", "ShadowProductionVariants"):
            yield from (variant["ModelName"] for variant in found.get(member, []) if "ModelName" in variant)

    # Jobs.

    def _jobs(self, kind: Kind) -> Iterator[str]:
        """Note the pipeline's own jobs that go on, and yield the models of others' transform jobs that do."""
        since = dt.datetime.now(dt.timezone.utc) - LONGEST_JOB
        for summary in newest(
            self._client,
            kind,
            created_after=since,
            most_pages=MOST_PAGES,
            statuses=kind.waiting_statuses,
            is_all_needed=True,
        ):
            name = kind.name_of(summary)
            if self._names.may_have_named(name) and self._names.own(self._tags_of(kind.arn_of(summary))):
                self._going_on.append(self._job_goes_on(kind, name))
            elif kind is TRANSFORM_JOB:
                found = _unless_gone(lambda name=name: dict(self._client.describe_transform_job(TransformJobName=name)))
                yield from [str(found["ModelName"])] if found else []

    def _job_goes_on(self, kind: Kind, name: str) -> str:
        stop = f"aws sagemaker stop-{kind.operation.replace('_', '-')} --{kind.operation.replace('_', '-')}-name {name}"
        region = self._client.meta.region_name
        return f"The {kind.noun} {name} goes on. Wait for its end, or stop it: {stop} --region {region}"


def _served(endpoint: Description) -> list[str]:
    """Return the endpoint configs that an endpoint serves, or is being changed to."""
    found = [part.get("EndpointConfigName") for part in (endpoint, endpoint.get("PendingDeploymentSummary") or {})]
    return [name for name in dict.fromkeys(found) if name]


def _unless_gone(read: Any) -> dict[str, Any]:
    """Return what is read; nothing where it was deleted meanwhile."""
    try:
        found: dict[str, Any] = read()
        return found
    except ClientError as error:
        if is_not_found(error):
            return {}
        raise
