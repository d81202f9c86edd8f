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


def usage_of(operation: str, request: Description) -> str | None:
    """Name what a request's instances count as in SageMaker's quotas.

    https://docs.aws.amazon.com/general/latest/gr/sagemaker.html#limits_sagemaker

    Args:
        operation: The operation.
        request: Its request.

    Returns:
        For example ``training job``, as in Service Quotas' *ml.m4.xlarge for training job usage*; None where the
        request starts no instances.
    """
    if operation == "CreateTrainingJob":
        return "spot training job" if request.get("EnableManagedSpotTraining") else "training job"
    return {"CreateEndpointConfig": "endpoint", "CreateTransformJob": "transform job"}.get(operation)


def instances_wanted(operation: str, request: Description) -> dict[str, int]:
    """Count the instances that a request asks for; those of a serverless variant are AWS's own.

    Args:
        operation: CreateTrainingJob, CreateEndpointConfig or CreateTransformJob; any other asks for none.
        request: Its request.

    Returns:
        Counts by instance type.
    """
    counted: Counter[str] = Counter()
    for group in _groups(operation, request):
        if kind := group.get("InstanceType"):
            counted[str(kind)] += int(group.get("InstanceCount") or group.get("InitialInstanceCount") or 1)
    return dict(counted)


def _groups(operation: str, request: Description) -> Iterator[Description]:
    if operation == "CreateTrainingJob":
        resources = request.get("ResourceConfig") or {}
        # A heterogeneous cluster has groups instead of one type.
        yield from resources.get("InstanceGroups") or [resources]
    elif operation == "CreateTransformJob":
        yield request.get("TransformResources") or {}
    elif operation == "CreateEndpointConfig":
        yield from _variants(request)
