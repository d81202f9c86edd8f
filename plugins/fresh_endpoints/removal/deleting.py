"""Deletes what a pipeline has left: endpoints first, then endpoint configs, then models.

In that order the rest of what a broken call has left is found by the next one, by its tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from fresh_endpoints.aws.errors import is_not_found
from fresh_endpoints.removal.looking import Leavings

# An endpoint takes minutes to go; its endpoint config must not go before it.
LOOK_SECONDS = 5
LONGEST_SECONDS = 1_200


def delete(client: Any, found: Leavings) -> Iterator[str]:
    """Delete what was found; what is gone already is as good.

    Args:
        client: A boto3 SageMaker client.
        found: What may be deleted.

    Yields:
        What was just deleted, in words.

    Raises:
        botocore.exceptions.ClientError: AWS refused.
        botocore.exceptions.BotoCoreError: AWS could not be reached, or an endpoint has not gone in time.
    """
    for endpoint in found.endpoints:
        if not endpoint.is_going:
            _unless_gone(client.delete_endpoint, EndpointName=endpoint.name)
    for endpoint in found.endpoints:
        looks = {"Delay": LOOK_SECONDS, "MaxAttempts": max(int(LONGEST_SECONDS / LOOK_SECONDS), 1)}
        client.get_waiter("endpoint_deleted").wait(EndpointName=endpoint.name, WaiterConfig=looks)
        yield f"endpoint {endpoint.name}"
    for name in found.endpoint_configs:
        _unless_gone(client.delete_endpoint_config, EndpointConfigName=name)
        yield f"endpoint config {name}"
    for name in found.models:
        _unless_gone(client.delete_model, ModelName=name)
        yield f"model {name}"


def _unless_gone(operation: Callable[..., Any], **name: str) -> None:
    try:
        operation(**name)
    except ClientError as error:
        if not is_not_found(error):
            raise
