"""What a run needs beside its requests: quotas of instances, and how many instance hours it may take.

Prices are not known here: they differ by region and change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fresh_endpoints.aws.instances import instances_wanted, usage_of
from fresh_endpoints.steps.predict import LONGEST_SECONDS
from fresh_endpoints.steps.train import DEFAULT_MAX_RUNTIME_SECONDS

if TYPE_CHECKING:
    from fresh_endpoints.planning.requests import Planned, RunPlan

_HOUR = 3_600


def quotas_of(plan: RunPlan) -> list[dict[str, Any]]:
    """Tell which quotas of instances the pipeline needs, by their names in Service Quotas.

    Args:
        plan: The plan.

    Returns:
        ``quota``, ``instances`` and, where that is more than one run's request, ``why``.
    """
    return [
        {"quota": f"{kind} for {usage} usage", **_needed(plan, usage, count)}
        for item in plan.requests
        if (usage := usage_of(item.operation, item.request))
        for kind, count in instances_wanted(item.operation, item.request).items()
    ]


def _needed(plan: RunPlan, usage: str, count: int) -> dict[str, Any]:
    if usage == "endpoint":
        # https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green.html
        why = f"{count} to serve, and {count} more beside them until an update has shifted over"
        return {"instances": 2 * count, "why": why}
    at_once = plan.pipeline.max_active_runs
    if at_once > 1 and usage != "transform job":
        return {"instances": at_once * count, "why": f"up to {at_once} runs train at once, {count} each"}
    return {"instances": count}


def hours_of(plan: RunPlan) -> list[dict[str, Any]]:
    """Tell how many instance hours a run takes at most, and the endpoint in a day.

    Args:
        plan: The plan.

    Returns:
        ``of``, ``instance_type``, ``hours``, and ``how`` they are reckoned.
    """
    return [
        {"of": usage, "instance_type": kind, **_hours(item, usage, count)}
        for item in plan.requests
        if (usage := usage_of(item.operation, item.request))
        for kind, count in instances_wanted(item.operation, item.request).items()
    ]


def _hours(item: Planned, usage: str, count: int) -> dict[str, Any]:
    if usage == "endpoint":
        return {"hours": 24 * count, "how": f"a day: {count} x 24 h"}
    if usage == "transform job":
        how = f"at most: {count} x {LONGEST_SECONDS} s, when the step stops it; no request bounds a transform job"
        return {"hours": _rounded(count * LONGEST_SECONDS), "how": how}
    condition = item.request.get("StoppingCondition") or {}
    seconds = condition.get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_SECONDS)
    return {"hours": _rounded(count * seconds), "how": f"at most: {count} x MaxRuntimeInSeconds, {seconds} s"}


def _rounded(seconds: float) -> float:
    return round(seconds / _HOUR, 2)


def serverless_of(plan: RunPlan) -> Iterator[str]:
    """Name the variants that are paid for by request.

    Args:
        plan: The plan.
    """
    for item in plan.requests:
        variants: list[Mapping[str, Any]] = item.request.get("ProductionVariants") or []
        yield from (str(variant["VariantName"]) for variant in variants if variant.get("ServerlessConfig"))
