"""How long a change of an endpoint may take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# An endpoint's request bounds its downloads and start-ups; provisioning and draining come on top.
MARGIN_SECONDS = 3_600
DEFAULT_START_SECONDS = 3_600
# The most that a deployment policy can allow; one that names no bound may still wait for hours between its steps:
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_BlueGreenUpdatePolicy.html
LONGEST_POLICY_SECONDS = 28_800


def longest_change(config: Mapping[str, Any]) -> int:
    """Return how long a deployment may take by its own requests, with a margin.

    Args:
        config: The pipeline's Model, EndpointConfig and Endpoint sections.

    Returns:
        Seconds: what DeploymentConfig bounds the whole by, or the most that its policy can, else the longest download
        plus start of a variant; and an hour on top.
    """
    deployment = config["Endpoint"].get("DeploymentConfig") or {}
    for policy in ("BlueGreenUpdatePolicy", "RollingUpdatePolicy"):
        if policy in deployment:
            bound = deployment[policy].get("MaximumExecutionTimeoutInSeconds") or LONGEST_POLICY_SECONDS
            return int(bound) + MARGIN_SECONDS
    starts = [
        int(variant.get("ModelDataDownloadTimeoutInSeconds") or DEFAULT_START_SECONDS)
        + int(variant.get("ContainerStartupHealthCheckTimeoutInSeconds") or DEFAULT_START_SECONDS)
        for variant in config["EndpointConfig"].get("ProductionVariants") or []
    ]
    return max(starts, default=2 * DEFAULT_START_SECONDS) + MARGIN_SECONDS
