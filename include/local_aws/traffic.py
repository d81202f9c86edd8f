"""How an update shifts the traffic: the steps and alarms of a DeploymentConfig.

See https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html. ``wait_scale`` makes its waits shorter.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from local_aws.endpoint import Endpoint
from local_aws.permissions import Permission
from local_aws.resources import Json, Region
from local_aws.serving import DeploymentError
from local_aws.variants import Variant
from local_aws.wire import validation_error

_ALARM_INTERVAL = 0.1
# What each TrafficRoutingConfiguration needs.
_SIZES = {"ALL_AT_ONCE": None, "CANARY": "CanarySize", "LINEAR": "LinearStepSize"}


def refuse_unsound(region: Region, config: Json) -> None:
    """Refuse a DeploymentConfig that cannot be done. The caller does not hold the region's lock.

    Args:
        region: Where the alarms are.
        config: The DeploymentConfig.

    Raises:
        AwsError: Why not.
    """
    blue_green = config.get("BlueGreenUpdatePolicy")
    if blue_green and config.get("RollingUpdatePolicy"):
        raise validation_error("Specify either BlueGreenUpdatePolicy or RollingUpdatePolicy, not both.")
    routing = (blue_green or {}).get("TrafficRoutingConfiguration", {})
    needed = _SIZES[routing.get("Type", "ALL_AT_ONCE")]
    for size in filter(None, _SIZES.values()):
        if (size == needed) != (size in routing):
            word = "requires" if size == needed else "does not take"
            raise validation_error(f"TrafficRoutingConfiguration of type {routing['Type']} {word} {size}.")
    names = _alarm_names(config)
    if names and (missing := names - set(region.backends.alarms(region.name))):
        raise validation_error(f"local AWS: CloudWatch has no alarm {', '.join(sorted(missing))}.")


def steps(config: Json, instances: int) -> Iterator[tuple[float, float]]:
    """Tell how an update goes.

    Args:
        config: DeploymentConfig.
        instances: Instances of the new variants.

    Yields:
        The share of the traffic that goes to them, 0 to 1, and the seconds that it stays so.
    """
    policy = config.get("BlueGreenUpdatePolicy", {})
    routing = policy.get("TrafficRoutingConfiguration", {})
    rolling = config.get("RollingUpdatePolicy", {})
    wait = (routing or rolling).get("WaitIntervalInSeconds", 0)
    if size := routing.get("CanarySize"):
        yield _share(size, instances), wait
    elif size := routing.get("LinearStepSize") or rolling.get("MaximumBatchSize"):
        share = step = _share(size, instances)
        while share < 1:
            yield share, wait
            share += step
    yield 1.0, wait + policy.get("TerminationWaitInSeconds", 0)


def shift(region: Region, endpoint: Endpoint, variants: list[Variant], config: Json) -> None:
    """Shift an endpoint's traffic to new variants, as slowly as the DeploymentConfig says.

    Args:
        region: Where it is.
        endpoint: The endpoint; what it runs on stays.
        variants: The new variants, which are healthy.
        config: DeploymentConfig.

    Raises:
        DeploymentError: An alarm went off meanwhile, or it took longer than its policy allows.
    """
    deadline = time.monotonic() + _longest(config) * region.settings.wait_scale
    instances = sum(variant.config.get("InitialInstanceCount", 1) for variant in variants)
    for share, seconds in steps(config, instances):
        refuse_alarms(region, variants, config)
        with region.lock:
            endpoint.incoming, endpoint.share = variants, share
            _tell_stage(endpoint, "Baking" if share == 1 else "ActivatingTraffic")
        _bake(region, variants, config, seconds * region.settings.wait_scale, deadline)


def refuse_alarms(region: Region, variants: list[Variant], config: Json) -> None:
    """End a deployment whose alarm has gone off, whoever tripped it. The caller does not hold the region's lock.

    Args:
        region: Where the alarms are.
        variants: The new variants; their models' roles read the alarms.
        config: DeploymentConfig.

    Raises:
        DeploymentError: An alarm of its AutoRollbackConfiguration is in state ALARM.
    """
    if not (names := _alarm_names(config)):
        return
    for variant in variants:
        role = variant.model.request.get("ExecutionRoleArn", "")
        for name in names:
            arn = f"arn:aws:cloudwatch:{region.name}:{region.settings.account_id}:alarm:{name}"
            region.permissions.note(role, Permission("cloudwatch:DescribeAlarms", arn), variant.model.arn)
    states = region.backends.alarms(region.name)
    if tripped := sorted(name for name in names if states.get(name) == "ALARM"):
        raise DeploymentError(f"The deployment was rolled back: CloudWatch alarm {', '.join(tripped)} is in ALARM.")


def _bake(region: Region, variants: list[Variant], config: Json, seconds: float, deadline: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        refuse_alarms(region, variants, config)
        if time.monotonic() > deadline:
            raise DeploymentError("local AWS: the deployment took longer than MaximumExecutionTimeoutInSeconds.")
        time.sleep(min(left, _ALARM_INTERVAL))


def _longest(config: Json) -> float:
    policy = config.get("BlueGreenUpdatePolicy") or config.get("RollingUpdatePolicy") or {}
    return float(policy.get("MaximumExecutionTimeoutInSeconds", "inf"))


def _share(size: Json, instances: int) -> float:
    whole = 100 if size["Type"] == "CAPACITY_PERCENT" else max(1, instances)
    return min(1.0, float(size["Value"]) / whole)


def _alarm_names(config: Json) -> set[str]:
    alarms = config.get("AutoRollbackConfiguration", {}).get("Alarms", [])
    return {alarm["AlarmName"] for alarm in alarms if "AlarmName" in alarm}


def _tell_stage(endpoint: Endpoint, stage: str) -> None:
    now = time.time()
    for variant in (endpoint.pending or {}).get("ProductionVariants", []):
        variant["VariantStatus"] = [{"Status": stage, "StartTime": now}]
