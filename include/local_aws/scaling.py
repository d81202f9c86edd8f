"""The counts and weights of variants in service: what changes them, what an update keeps, what Auto Scaling forbids.

See https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-update.html. Nothing scales by itself here: whoever
calls UpdateEndpointWeightsAndCapacities is the autoscaler.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from local_aws.deployments import Deployments
from local_aws.endpoint import Endpoint
from local_aws.resources import Json, Region, Request
from local_aws.wire import validation_error

_MEMBERS = {"DesiredInstanceCount": "InitialInstanceCount", "DesiredWeight": "InitialVariantWeight"}


def retained(variants: Iterable[Json], endpoint: Endpoint, request: Request) -> list[Json]:
    """Tell which counts and weights an update gives its variants.

    Args:
        variants: The new config's ProductionVariants.
        endpoint: What is updated.
        request: UpdateEndpoint's input. Without RetainAllVariantProperties all are the config's.

    Returns:
        The ProductionVariants; those of a name that is in service keep its count and weight, unless excluded.
    """
    if not request.get("RetainAllVariantProperties"):
        return list(variants)
    excluded = {entry["VariantPropertyType"] for entry in request.get("ExcludeRetainedVariantProperties", [])}
    kept = [member for name, member in _MEMBERS.items() if name not in excluded]
    live = {config["VariantName"]: config for config, _ in endpoint.live}
    found = []
    for variant in variants:
        before = live.get(variant["VariantName"], {})
        # A variant that has become serverless has no count to keep.
        members = [m for m in kept if m in before and (m in variant or m == "InitialVariantWeight")]
        found.append(variant | {member: before[member] for member in members})
    return found


def changed_types(variants: Iterable[Json], endpoint: Endpoint) -> list[str]:
    """List the variants in service that an update would drop or give another instance type.

    Args:
        variants: The new ProductionVariants.
        endpoint: What is updated.

    Returns:
        Their names.
    """
    new = {variant["VariantName"]: variant.get("InstanceType") for variant in variants}
    live = [config for config, _ in endpoint.live if "InstanceType" in config]
    return [config["VariantName"] for config in live if new.get(config["VariantName"]) != config["InstanceType"]]


def refuse_scaled(region: Region, name: str, changed: Iterable[str]) -> None:
    """Refuse an update that Auto Scaling forbids. The caller does not hold the region's lock.

    Args:
        region: Where the endpoint is.
        name: The endpoint.
        changed: Variants that it would drop or give another instance type.

    Raises:
        AwsError: One of them is a scaling target. AWS refuses it in words that are not recorded.
    """
    wanted = set(changed)
    if not wanted:
        return
    if scaled := sorted(wanted.intersection(region.backends.scaling_targets(region.name, name))):
        raise validation_error(
            f"The instance type of variant {', '.join(scaled)} of endpoint {name} cannot be changed, and it cannot be "
            "removed, while it is registered as a scalable target. Deregister it first."
        )


def scale(region: Region, deployments: Deployments, endpoint: Endpoint, request: Request) -> None:
    """Begin to give variants other counts and weights. The caller holds the region's lock.

    Args:
        region: Where the endpoint is.
        deployments: Tells how long a status lasts.
        endpoint: The endpoint, which is in service.
        request: UpdateEndpointWeightsAndCapacities's input.

    Raises:
        AwsError: There is no such variant, or it has no such property.
    """
    variants = {variant.name: variant for variant in endpoint.variants}
    wanted = {entry["VariantName"]: entry for entry in request["DesiredWeightsAndCapacities"]}
    if unknown := sorted(wanted.keys() - variants.keys()):
        raise validation_error(
            f'The variant name(s) "{", ".join(unknown)}" is/are not present within endpoint configuration '
            f'"{endpoint.config_name}".'
        )
    changes = {name: _desired(variants[name].config, entry) for name, entry in wanted.items()}
    for name, change in changes.items():
        variants[name].desired = change
    endpoint.enter("Updating")
    threading.Thread(target=_finish, args=(region, deployments, endpoint), daemon=True).start()


def _desired(config: Json, entry: Json) -> Json:
    is_serverless = "ServerlessConfig" in config
    for member, is_for_it in (("DesiredInstanceCount", not is_serverless), ("ServerlessUpdateConfig", is_serverless)):
        if member in entry and not is_for_it:
            raise validation_error(f"{member} is not supported for variant {config['VariantName']}.")
    change = {member: entry[name] for name, member in _MEMBERS.items() if name in entry}
    if update := entry.get("ServerlessUpdateConfig"):
        change["ServerlessConfig"] = config["ServerlessConfig"] | update
    return change


def _finish(region: Region, deployments: Deployments, endpoint: Endpoint) -> None:
    operation = "UpdateEndpointWeightsAndCapacities"
    begun = time.monotonic()
    region.faults.pause("endpoint", "Updating")
    deployments.outlast(begun)
    reason = region.faults.forced_failure("fail_deployment", operation)
    with region.lock:
        for variant in endpoint.variants:
            if reason is None:
                variant.settle()
            variant.desired = {}
        endpoint.live = [(variant.config, variant.model) for variant in endpoint.variants]
        endpoint.enter("InService", None if reason is None else region.faults.reworded(reason, operation))
