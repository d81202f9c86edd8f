"""Endpoints that a run has put a model on, and that no pipeline file deploys to any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from fresh_endpoints.aws import tags
from fresh_endpoints.aws.endpoint import Endpoint
from fresh_endpoints.aws.errors import explained, is_not_found
from fresh_endpoints.aws.instances import instances_of
from fresh_endpoints.aws.kinds import ENDPOINT
from fresh_endpoints.aws.lists import newest
from fresh_endpoints.live import LiveModel, endpoint_of, what_is_live
from fresh_endpoints.pipeline_file.environment import aws_name
from fresh_endpoints.run import named_parts
from fresh_endpoints.steps.watch_memory import partial_pipeline

if TYPE_CHECKING:
    from fresh_endpoints.aws.clients import SageMakerHook
    from fresh_endpoints.pipeline_file.model import Pipeline

Summary = Mapping[str, Any]


@dataclass(frozen=True)
class LeftOver:
    """An endpoint that nothing keeps fresh.

    Attributes:
        live: What it serves.
        instances: What it runs on: counts by instance type.
    """

    live: LiveModel
    instances: Mapping[str, int]


def not_deployed_to(client: Any, pipelines: Iterable[Pipeline], *, region: str) -> Iterator[Summary]:
    """List the endpoints, whoever's, that no pipeline file names.

    Args:
        client: A boto3 SageMaker client.
        pipelines: The pipelines of all files, also of those that cannot be used.
        region: The region.

    Raises:
        ListTooLongError: There are too many to be sure that all were seen.
        botocore.exceptions.ClientError: AWS refused.
    """
    # CreateEndpoint does not tell upper case from lower case.
    named = {name.lower() for each in pipelines if each.region == region and (name := _endpoint_name(each))}
    for summary in newest(client, ENDPOINT, is_all_needed=True):
        if ENDPOINT.name_of(summary).lower() not in named:
            yield summary


def left_over(hook: SageMakerHook, summary: Summary, usable: Iterable[Pipeline], environment: str) -> LeftOver | None:
    """Look whether an endpoint that no file names serves a model of a run's.

    Two or three calls where its config's name is a run's, else one.

    Args:
        hook: Makes the clients.
        summary: The endpoint, as it was listed.
        usable: The pipelines that have a file.
        environment: The environment; empty for none.

    Returns:
        What it serves and runs on; None where a run of this environment has not made that, or a pipeline of which only
        a run knows the endpoint's name.

    Raises:
        AirflowException: AWS refused.
    """
    endpoint = Endpoint(hook, ENDPOINT.name_of(summary))
    described = _described(endpoint)
    config = described.get("EndpointConfigName", "")
    name = named_parts(config).get("pipeline")
    if name is None or any(name in each.own_names and _endpoint_name(each) is None for each in usable):
        return None
    own = name.removeprefix(aws_name(environment, ""))
    if name != aws_name(environment, own):
        return None  # Another environment's, of which the tags need not be readable.
    found = endpoint.config_tags(config)
    if (found.get(tags.PIPELINE), found.get(tags.ENVIRONMENT, "")) != (name, environment):
        return None
    live = what_is_live(partial_pipeline(own, endpoint=endpoint.name, environment=environment), hook)
    return LeftOver(live, instances_of(described, endpoint.config(config)))


def subject_of(summary: Summary) -> str:
    """Return what a finding about an endpoint is remembered by: region, account and name.

    Args:
        summary: The endpoint, as it was listed.
    """
    _, _, _, region, account, _ = ENDPOINT.arn_of(summary).split(":", 5)
    return f"{region}/{account}/{ENDPOINT.name_of(summary)}"


def _described(endpoint: Endpoint) -> dict[str, Any]:
    with explained(f"describe endpoint {endpoint.name}"):
        try:
            found: dict[str, Any] = endpoint.client.describe_endpoint(EndpointName=endpoint.name)
            return found
        except ClientError as error:
            if is_not_found(error):  # It was deleted a moment ago.
                return {}
            raise


def _endpoint_name(pipeline: Pipeline) -> str | None:
    """Return the name of a pipeline's endpoint; None where only a run knows it."""
    try:
        return endpoint_of(pipeline).name
    except ValueError:
        return None
