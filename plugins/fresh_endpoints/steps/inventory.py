"""What a pipeline has made in AWS and what of it is in use: asked in a few questions, or the long way.

The few questions cost calls by what the pipeline has. Where AWS refuses one of them (a policy without the permission, a
network without a way to the Resource Groups Tagging API), the account's lists are read and whatever is in use is
described one by one, which costs calls by what the account has.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError

from fresh_endpoints.aws import tags
from fresh_endpoints.aws.errors import is_not_found
from fresh_endpoints.aws.kinds import ENDPOINT, TRANSFORM_JOB
from fresh_endpoints.aws.lists import ENDPOINT_CONFIG, MODEL, Listable, newest
from fresh_endpoints.aws.tagged import (
    CONFIGS,
    ENDPOINTS,
    MODELS,
    TRANSFORM_JOBS,
    Tagged,
    in_parts,
    tagged,
    used_configs,
)

if TYPE_CHECKING:
    from fresh_endpoints.aws.endpoint import Endpoint
    from fresh_endpoints.aws.own_names import OwnNames

log = logging.getLogger(__name__)

# Of what may be deleted: the account's newest 5,000. What lies deeper is left where it is.
MOST_PAGES = 50
# Of what may be in use: 20,000. Beyond that it is not known, and nothing is deleted.
MOST_PAGES_IN_USE = 200
# SageMaker lets no job run longer: https://docs.aws.amazon.com/general/latest/gr/sagemaker.html
LONGEST_JOB = timedelta(days=28)


@dataclass(frozen=True)
class Made:
    """A model or an endpoint config of the pipeline's.

    Attributes:
        name: Its name.
        created: When it was made.
        tags: Tag values by tag key.
        has_others: Whether an endpoint config may serve models of other names than its own.
    """

    name: str
    created: datetime
    tags: Mapping[str, str]
    has_others: bool = True


class Inventory(Protocol):
    """What the pipeline has, and what is in use."""

    @property
    def configs(self) -> Sequence[Made]:
        """The endpoint configs, newest first."""

    @property
    def models(self) -> Sequence[Made]:
        """The models, newest first."""

    def configs_in_use(self, among: Sequence[str]) -> Iterator[str]:
        """Yield what endpoints serve, are updated from or are updated to: of these configs, and maybe others."""

    def models_in_use(self, among: Sequence[str]) -> Iterator[str]:
        """Yield what running transform jobs use: of these models, and maybe others."""

    def config_tags(self, name: str) -> Mapping[str, str]:
        """Return an endpoint config's tags; none where it does not exist."""

    def has_config(self, name: str) -> bool:
        """Tell whether an endpoint config exists."""


class InFewQuestions:
    """An inventory by AWS's indexes of tags and of endpoints.

    Args:
        client: A boto3 SageMaker client.
        endpoint: The pipeline's endpoint.
        names: The names under which the pipeline has made what there is.
    """

    def __init__(self, client: Any, endpoint: Endpoint, names: OwnNames):
        self._endpoint = endpoint
        self._client = client
        self._names = names

    @cached_property
    def _index(self) -> Any:
        return self._endpoint.client_of("resourcegroupstaggingapi")

    @cached_property
    def _ours(self) -> list[Tagged]:
        kinds, having = (CONFIGS, MODELS, ENDPOINTS), {tags.PIPELINE: list(self._names.all)}
        return list(tagged(self._index, kinds, having))

    @cached_property
    def configs(self) -> list[Made]:
        """The endpoint configs, newest first."""
        return self._made(CONFIGS, lambda name: self._endpoint.config(name))

    @cached_property
    def models(self) -> list[Made]:
        """The models, newest first."""
        return self._made(MODELS, lambda name: self._client.describe_model(ModelName=name))

    def configs_in_use(self, among: Sequence[str]) -> Iterator[str]:
        """Yield what endpoints use: those of the pipeline's tag are described, of others it is asked who serves these.

        Args:
            among: The endpoint configs that are asked about.
        """
        endpoints = {self._endpoint.name.lower(): self._endpoint.name}
        for found in self._ours:
            if found.kind == ENDPOINTS:
                endpoints.setdefault(found.name.lower(), found.name)
        for name in endpoints.values():
            yield from configs_of(self._client, name)
        yield from used_configs(self._client, among)

    def models_in_use(self, among: Sequence[str]) -> Iterator[str]:
        """Yield what running transform jobs of the pipeline use.

        Args:
            among: The models that are asked about.
        """
        for few in in_parts(among):
            having = {tags.PIPELINE: list(self._names.all), tags.MODEL: few}
            for found in tagged(self._index, (TRANSFORM_JOBS,), having):
                if is_waited_for(self._client, found.name):
                    yield found.tags[tags.MODEL]

    def config_tags(self, name: str) -> Mapping[str, str]:
        """Return an endpoint config's tags; of one that the index does not know yet, its own."""
        known = self._by_name.get(name)
        return known.tags if known else self._endpoint.config_tags(name)

    def has_config(self, name: str) -> bool:
        """Tell whether an endpoint config exists."""
        return name in self._by_name or self._endpoint.has_config(name)

    @cached_property
    def _by_name(self) -> dict[str, Made]:
        return {made.name: made for made in self.configs}

    def _made(self, kind: str, describe: Any) -> list[Made]:
        found = [made for one in self._ours if one.kind == kind and (made := _made_of(one, describe))]
        return sorted(found, key=lambda made: made.created, reverse=True)


class TheLongWay:
    """An inventory by the account's lists.

    Args:
        client: A boto3 SageMaker client.
        endpoint: The pipeline's endpoint.
        names: The names under which the pipeline has made what there is.
    """

    def __init__(self, client: Any, endpoint: Endpoint, names: OwnNames):
        self._client = client
        self._names = names
        self.config_tags = endpoint.config_tags
        self.has_config = endpoint.has_config

    @cached_property
    def configs(self) -> list[Made]:
        """The endpoint configs, newest first."""
        return list(self._listed(ENDPOINT_CONFIG))

    @cached_property
    def models(self) -> list[Made]:
        """The models, newest first."""
        return list(self._listed(MODEL))

    def configs_in_use(self, among: Sequence[str]) -> Iterator[str]:
        """Yield what any endpoint of the account uses."""
        for summary in newest(self._client, ENDPOINT, most_pages=MOST_PAGES_IN_USE, is_all_needed=True):
            yield from configs_of(self._client, ENDPOINT.name_of(summary))

    def models_in_use(self, among: Sequence[str]) -> Iterator[str]:
        """Yield what any running transform job of the account uses."""
        running = newest(
            self._client,
            TRANSFORM_JOB,
            created_after=datetime.now(timezone.utc) - LONGEST_JOB,
            most_pages=MOST_PAGES_IN_USE,
            statuses=TRANSFORM_JOB.waiting_statuses,
            is_all_needed=True,
        )
        for summary in running:
            yield self._client.describe_transform_job(**TRANSFORM_JOB.named(TRANSFORM_JOB.name_of(summary)))[
                "ModelName"
            ]

    def _listed(self, kind: Listable) -> Iterator[Made]:
        """List what carries the pipeline's tag; tags are read only of what is named like it: others' need not be."""
        for summary in newest(self._client, kind, most_pages=MOST_PAGES, name_prefix=self._names.prefixes):
            found = _tags_of(self._client, kind.arn_of(summary))
            if self._names.own(found):
                yield Made(kind.name_of(summary), summary["CreationTime"], found)


def configs_of(client: Any, endpoint: str) -> Iterator[str]:
    """Yield what an endpoint serves, or is updated from, and what it is updated to.

    Args:
        client: A boto3 SageMaker client.
        endpoint: The endpoint's name.
    """
    try:
        described = client.describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if is_not_found(error):
            return
        raise
    # While it is being updated this is the config that it comes from; the summary names where it goes to.
    for seen in (described, described.get("PendingDeploymentSummary") or {}):
        if name := seen.get("EndpointConfigName"):
            yield name


def is_waited_for(client: Any, transform_job: str) -> bool:
    """Tell whether a transform job runs, or is about to end.

    Args:
        client: A boto3 SageMaker client.
        transform_job: Its name.
    """
    try:
        found = client.describe_transform_job(**TRANSFORM_JOB.named(transform_job))
    except ClientError as error:
        if is_not_found(error):
            return False
        raise
    return TRANSFORM_JOB.status_of(found) in TRANSFORM_JOB.waiting_statuses


def _made_of(found: Tagged, describe: Any) -> Made | None:
    created, has_others = tags.when_made(found.tags)
    if created is None:
        try:
            created = describe(found.name)["CreationTime"]
        except ClientError as error:
            if is_not_found(error):
                return None  # Deleted, and the index does not know it yet.
            raise
    return Made(found.name, created, found.tags, has_others)


def _tags_of(client: Any, arn: str) -> dict[str, str]:
    try:
        return tags.read(client, arn)
    except ClientError as error:
        if is_not_found(error):
            return {}  # Deleted since it was listed.
        raise
