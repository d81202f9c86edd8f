"""What serves a model: the sections ``endpoint_config`` and ``endpoint``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from fresh_endpoints.aws import requests, service_model
from fresh_endpoints.pipeline_file.checks.rendered import Rendered
from fresh_endpoints.pipeline_file.checks.sections import OWNED, TRAINED_MODEL, check_section, home_at_the_top, variants
from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.problems import Problem, Where, format_path


def check_endpoint_config(rendered: Rendered) -> Iterator[str]:
    """Check the ``endpoint_config`` section.

    Args:
        rendered: The pipeline.

    Yields:
        One sentence for each problem.
    """
    section = rendered.sections["endpoint_config"]
    if not section:
        if rendered.pipeline.deploy != "never":
            yield f"{Problem(('endpoint_config',), 'missing', None, '')}, unless deploy is never"
        return
    request = requests.create_endpoint_config(section, name="sample", model_name="sample", tags={})
    yield from check_section("CreateEndpointConfig", "endpoint_config", section, request)
    found = variants(section)
    if found and all("ModelName" in variant for _, variant in found):
        yield f"endpoint_config.ProductionVariants: found a ModelName in each; leave it out of one: {TRAINED_MODEL}"
    for path, variant in found:
        yield from _check_capacity(("endpoint_config", *path), variant)
    yield from _check_names(found)
    yield from _check_shadows(section)


def warn_endpoint(rendered: Rendered) -> Iterator[str]:
    """Find what is allowed of the ``endpoint`` section, but seldom meant.

    Args:
        rendered: The pipeline, in which there are no problems.

    Yields:
        One sentence for each.
    """
    # https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-update.html
    if "RetainAllVariantProperties" in rendered.sections["endpoint"]:
        return
    found = [variant for path, variant in variants(rendered.sections["endpoint_config"]) if "InstanceType" in variant]
    if found:
        yield (
            "endpoint.RetainAllVariantProperties: found nothing; each deployment sets the numbers of instances and the "
            "weights back to those of endpoint_config, whatever autoscaling or a person has made of them; write true "
            "to keep them, or false if that is meant"
        )


def _check_capacity(path: Where, variant: dict[str, Any]) -> Iterator[str]:
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariant.html
    instances = [member for member in ("InstanceType", "InstancePools", "InitialInstanceCount") if member in variant]
    if "ServerlessConfig" in variant:
        for member in instances:
            where = format_path((*path, member))
            yield f"{where}: found beside ServerlessConfig, which is for a variant without instances; remove either"
    elif not {"InstanceType", "InstancePools"} & set(instances):
        where = format_path((*path, "InstanceType"))
        yield f"{where}: found nothing; it must be given with InitialInstanceCount, or ServerlessConfig in their place"
    elif "InstanceType" in variant and "InitialInstanceCount" not in variant:
        where = format_path((*path, "InitialInstanceCount"))
        yield f"{where}: found nothing; with InstanceType it must be given"
    if "ManagedInstanceScaling" in variant:
        where = format_path((*path, "ManagedInstanceScaling"))
        yield (
            f"{where}: found a member for endpoints of inference components, while a run deploys its model as a "
            "variant; remove it, and let Application Auto Scaling change the number of instances"
        )


def _check_names(found: list[tuple[Where, dict[str, Any]]]) -> Iterator[str]:
    first: dict[Any, Where] = {}
    for path, variant in found:
        name = variant.get("VariantName")
        if isinstance(name, str) and first.setdefault(name, path) != path:
            where = format_path(("endpoint_config", *path, "VariantName"))
            other = format_path(first[name])
            yield f"{where}: found {name!r}, the name of {other}; each variant needs a name of its own; change one"


def _check_shadows(section: dict[str, Any]) -> Iterator[str]:
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html, ShadowProductionVariants
    lists = [section.get(key) for key in requests.VARIANT_LISTS]
    live, shadows = (len(found) if isinstance(found, list) else 0 for found in lists)
    if shadows and (live, shadows) != (1, 1):
        yield (
            f"endpoint_config.ShadowProductionVariants: found {shadows} beside {live} ProductionVariants; SageMaker "
            "allows one beside one; remove the others"
        )


def check_endpoint(rendered: Rendered) -> Iterator[str]:
    """Check the ``endpoint`` section, which CreateEndpoint and UpdateEndpoint share.

    Args:
        rendered: The pipeline.

    Yields:
        One sentence for each problem.
    """
    section = rendered.sections["endpoint"]
    if "EndpointName" not in section:
        yield _nameless(rendered.pipeline)
        section = {**section, "EndpointName": rendered.pipeline.aws_name}
    allowed = {operation: service_model.members(operation) for operation in ("CreateEndpoint", "UpdateEndpoint")}
    members = sorted(frozenset.union(*allowed.values()) - OWNED["endpoint"].keys())
    for name in section:
        if name not in members:
            problem = Problem(("endpoint", str(name)), "unknown", None, "", tuple(members))
            yield str(dataclasses.replace(problem, home=home_at_the_top(problem)))
    create = requests.create_endpoint(section, config_name="sample", tags={})
    yield from check_section("CreateEndpoint", "endpoint", section, create)
    update = requests.update_endpoint(section, config_name="sample")
    yield from check_section("UpdateEndpoint", "endpoint", section, update)
    deployment = section.get("DeploymentConfig")
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeploymentConfig.html
    if isinstance(deployment, dict) and deployment.keys() >= {"BlueGreenUpdatePolicy", "RollingUpdatePolicy"}:
        where = "endpoint.DeploymentConfig.RollingUpdatePolicy"
        yield f"{where}: found beside BlueGreenUpdatePolicy; SageMaker takes one of them; remove the other"


def _nameless(pipeline: Pipeline) -> str:
    former = pipeline.own_names.former[0]
    return (
        f"endpoint.EndpointName: found nothing; a renamed pipeline must say it: {former}, or what the file named "
        f"before, keeps that endpoint, {pipeline.aws_name} makes a new one"
    )
