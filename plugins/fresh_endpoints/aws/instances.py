"""What an endpoint runs on, and so what it costs by the hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

Description = Mapping[str, Any]

UNKNOWN_TYPE = "instances of an unknown type"


def instances_of(endpoint: Description, config: Description) -> dict[str, int]:
    """Count the instances that an endpoint has now; those of a serverless variant are AWS's own.

    Shadow variants have instances, too:
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html

    Args:
        endpoint: What DescribeEndpoint returned.
        config: What DescribeEndpointConfig returned of the config that it serves; empty where it is deleted.

    Returns:
        Counts by instance type.
    """
    types = {variant["VariantName"]: variant.get("InstanceType") for variant in _variants(config)}
    counted: Counter[str] = Counter()
    for variant in _variants(endpoint):
        if not variant.get("CurrentServerlessConfig"):
            counted[types.get(variant["VariantName"]) or UNKNOWN_TYPE] += variant.get("CurrentInstanceCount") or 0
    return {kind: count for kind, count in counted.items() if count}


def _variants(description: Description) -> Iterator[Description]:
    for member in ("ProductionVariants", "ShadowProductionVariants"):
        yield from description.get(member) or []
