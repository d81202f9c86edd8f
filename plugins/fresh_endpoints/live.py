"""What is live: which model an endpoint serves, for which data date, and whether it is proven, as AWS tells it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow.providers.common.compat.sdk import AirflowException
from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws import tags
from fresh_endpoints.aws.clients import SageMakerHook
from fresh_endpoints.aws.endpoint import Endpoint
from fresh_endpoints.aws.errors import BOTOCORE_CONFIG
from fresh_endpoints.aws.hold import Hold
from fresh_endpoints.model_facts import tagged_metrics
from fresh_endpoints.pipeline_file.environment import aws_name
from fresh_endpoints.pipeline_file.templates import is_unknown
from fresh_endpoints.run import named_parts

if TYPE_CHECKING:
    from fresh_endpoints.aws.own_names import OwnNames
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.pipeline_file.quality import Metrics

PROVEN = "proven"
NOT_PROVEN = "not proven"
FAILED = "failed its smoke test"
NO_ENDPOINT = "there is no endpoint of this name"
# A person waits for the answer, so that what fails is not tried again for half a minute.
_ASKING: dict[str, Any] = {
    **BOTOCORE_CONFIG,
    "retries": {"mode": "adaptive", "total_max_attempts": 4},
    "connect_timeout": 5,
    "read_timeout": 15,
}
# How many endpoints are asked about at once; each takes three calls, and AWS throttles an account's.
AT_ONCE = 8


@dataclass(frozen=True)
class LiveModel:
    """What an endpoint serves.

    Attributes:
        pipeline: The pipeline that deploys to it.
        environment: Its environment; empty for none.
        endpoint: The endpoint's name.
        status: The endpoint's status; None where there is no endpoint, or it is not known.
        config: The endpoint config that it serves.
        training_job: The training job whose model that is.
        data_date: The day whose files the model was trained on; None where this pipeline has not made it.
        proof: PROVEN, NOT_PROVEN or FAILED; None where nothing of this pipeline is live.
        metrics: The model's metrics by name.
        becoming: The endpoint config that the endpoint is changing to.
        hold: Until when a person wants what is live left alone; maybe one whose time has passed.
        told: The events that the endpoint's tags say have been told of it.
        arn: The endpoint's ARN.
        problem: Why no more is known, or what AWS says is wrong.
    """

    pipeline: str
    endpoint: str
    status: str | None = None
    config: str | None = None
    training_job: str | None = None
    data_date: dt.date | None = None
    proof: str | None = None
    metrics: Metrics = field(default_factory=dict)
    becoming: str | None = None
    hold: Hold | None = None
    told: tuple[str, ...] = ()
    arn: str | None = None
    problem: str | None = None
    environment: str = ""

    @property
    def aws_name(self) -> str:
        """What the pipeline is called in AWS."""
        return aws_name(self.environment, self.pipeline)

    @property
    def held(self) -> Hold | None:
        """The hold that stands now."""
        return self.hold if self.hold and not self.hold.is_over() else None

    def age(self, today: dt.date) -> int | None:
        """Return the days from the data date to a day; None where no data date is known.

        Args:
            today: The day, in the pipeline's time zone.
        """
        return (today - self.data_date).days if self.data_date else None

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        day, hold = self.data_date.isoformat() if self.data_date else None, self.held.as_json if self.held else None
        return {**vars(self), "data_date": day, "hold": hold}


def today_of(pipeline: Pipeline, now: dt.datetime) -> dt.date:
    """Return the day that it is in the pipeline's time zone.

    Args:
        pipeline: The pipeline.
        now: The moment, with a time zone.
    """
    return now.astimezone(ZoneInfo(pipeline.timezone)).date()


def hook_of(pipeline: Pipeline) -> SageMakerHook:
    """Return what makes clients for a pipeline's account and region.

    Args:
        pipeline: The pipeline.
    """
    return hook_at(pipeline.aws_conn_id, pipeline.region)


def hook_at(aws_conn_id: str, region: str | None) -> SageMakerHook:
    """Return what makes clients for an account and region.

    Args:
        aws_conn_id: The connection to AWS.
        region: The region; None for the connection's own.
    """
    return SageMakerHook(aws_conn_id=aws_conn_id, region_name=region, config=_ASKING)


def endpoint_of(pipeline: Pipeline, hook: SageMakerHook | None = None) -> Endpoint:
    """Return the endpoint that a pipeline deploys to.

    Args:
        pipeline: A pipeline with an ``endpoint`` section.
        hook: Makes the clients; None for one of its own.

    Raises:
        ValueError: Only a run knows the endpoint's name.
    """
    return Endpoint(hook or hook_of(pipeline), endpoint_name_of(pipeline))


def endpoint_name_of(pipeline: Pipeline) -> str:
    """Return the name of the endpoint that a pipeline deploys to.

    Args:
        pipeline: A pipeline with an ``endpoint`` section.

    Raises:
        ValueError: Only a run knows it.
    """
    name = str(pipeline.endpoint["EndpointName"]).replace("{{ pipeline }}", pipeline.name)
    name = name.replace("{{ env }}", pipeline.environment)
    if is_unknown(name):
        raise ValueError(f"Only a run knows the endpoint's name, {name}.")
    return name


def what_is_live(pipeline: Pipeline, hook: SageMakerHook | None = None) -> LiveModel:
    """Ask AWS what a pipeline's endpoint serves; what cannot be told is said in ``problem``.

    Args:
        pipeline: A pipeline with an ``endpoint`` section.
        hook: Makes the clients; None for one of its own.
    """
    name = str(pipeline.endpoint["EndpointName"])
    try:
        return _live_model(pipeline, endpoint_of(pipeline, hook))
    except (AirflowException, BotoCoreError, ClientError, ValueError) as error:
        return LiveModel(pipeline.name, name, problem=str(error), environment=pipeline.environment)


def what_is_live_of(pipelines: Sequence[Pipeline]) -> list[LiveModel]:
    """Ask AWS what the endpoints of many pipelines serve, several at once.

    Args:
        pipelines: Pipelines with an ``endpoint`` section.
    """
    with ThreadPoolExecutor(AT_ONCE) as executor:
        return list(executor.map(what_is_live, pipelines))


def proof_of(found: Mapping[str, str]) -> str:
    """Tell from an endpoint config's tags how far it is proven.

    Args:
        found: Tag values by tag key.
    """
    if tags.is_proven(found):
        return PROVEN
    return FAILED if tags.has_failed(found) else NOT_PROVEN


def with_model(live: LiveModel, endpoint: Endpoint, names: OwnNames) -> LiveModel:
    """Add which model it is that an endpoint serves, or has served before.

    Args:
        live: What is served, with its endpoint config.
        endpoint: The endpoint.
        names: The names under which the pipeline has made it.

    Raises:
        AirflowException: AWS refused to tell.
    """
    config, stranger = str(live.config), f"it serves a model that is not of pipeline {live.pipeline}"
    if not names.may_have_named(config):  # Of what others have made, the tags need not be readable.
        return _with(live, problem=stranger)
    found, named = endpoint.config_tags(config), named_parts(config)
    if (found.get(tags.PIPELINE) or named.get("pipeline")) not in names:
        return _with(live, problem=stranger)
    return _with(
        live,
        training_job=found.get(tags.TRAINING_JOB) or named.get("training_job"),
        data_date=_day(found.get(tags.DATA_DATE) or named.get("data_date", "")),
        proof=proof_of(found),
        metrics=tagged_metrics(found),
    )


def _live_model(pipeline: Pipeline, endpoint: Endpoint) -> LiveModel:
    seen = endpoint.describe()
    if seen.status is None:
        return LiveModel(pipeline.name, endpoint.name, problem=NO_ENDPOINT, environment=pipeline.environment)
    live = LiveModel(
        pipeline.name,
        endpoint.name,
        status=seen.status,
        config=seen.live,
        becoming=seen.becoming,
        arn=seen.arn,
        problem=(seen.reason or "").strip() or None,
        environment=pipeline.environment,
    )
    if seen.live is None or not seen.has_served:
        return live
    return with_model(_with_hold(live, endpoint), endpoint, pipeline.own_names)


def _with_hold(live: LiveModel, endpoint: Endpoint) -> LiveModel:
    try:
        found = tags.read(endpoint.client, str(live.arn))
    except ClientError as error:  # The rest may be read all the same.
        return _with(live, problem=f"whether it is held is not known: {error}")
    return _with(live, hold=Hold.of(found), told=tuple(found.get(tags.TOLD, "").split()))


def _with(live: LiveModel, **facts: Any) -> LiveModel:
    return LiveModel(**{**vars(live), **facts})


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:  # A person may have changed the tag.
        return None
