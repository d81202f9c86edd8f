"""Where an endpoint itself uses up the quota that its update asks for, no end of others will let it through."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws.instances import instances_of

if TYPE_CHECKING:
    from fresh_endpoints.aws.endpoint import Endpoint
    from fresh_endpoints.aws.errors import Quota

log = logging.getLogger(__name__)


def never_in_words(endpoint: Endpoint, quota: Quota | None) -> str | None:
    """Say that a change of an endpoint asks for more than the quota leaves beside the endpoint itself.

    An update runs the new instances beside the old ones, at once or some at a time:
    https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html

    Args:
        endpoint: The endpoint.
        quota: AWS's figures; None where it gave none.

    Returns:
        The sentences; None where others use it up.
    """
    own = _own_use(endpoint, quota) if quota else 0
    if quota is None or quota.limit >= own + quota.delta:
        return None
    return (
        f" The endpoint itself uses {own}, and its update runs {quota.delta} beside them, so it is not tried again: "
        f"ask AWS for a quota of {own + quota.delta}, or choose fewer or other instances, or a RollingUpdatePolicy."
    )


def _own_use(endpoint: Endpoint, quota: Quota) -> int:
    """Count the endpoint's instances of the type of which the quota is, such as "ml.m4.xlarge for endpoint usage"."""
    try:
        found = endpoint.client.describe_endpoint(EndpointName=endpoint.name)
        return instances_of(found, endpoint.config(found["EndpointConfigName"])).get(quota.name.partition(" ")[0], 0)
    except (ClientError, BotoCoreError) as error:
        log.info("Could not count the instances of endpoint %s: %s", endpoint.name, error)
        return 0
