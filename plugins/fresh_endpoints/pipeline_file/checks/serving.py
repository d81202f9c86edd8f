"""What serves a model: the sections ``model``, ``endpoint_config`` and ``endpoint``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fresh_endpoints.aws import requests, service_model
from fresh_endpoints.pipeline_file.checks.sections import OWNED, TRAINED_MODEL, check_section
from fresh_endpoints.problems import Problem, format_path


def check_model(section: dict[str, Any], training: dict[str, Any]) -> Iterator[str]:
    """Check the ``model`` section.

    Args:
        section: The section, rendered.
        training: The ``training`` section, rendered.

    Yields:
        One sentence for each problem.
    """
    request = requests.create_model(
        section, name="sample", artifact="s3://sample/model.tar.gz", training=training, tags={}
    )
    yield from check_section("CreateModel", "model", section, request)
    containers = section.get("Containers")
    if isinstance(containers, list):
        if "PrimaryContainer" in section:
            yield "model.Containers: found beside PrimaryContainer; SageMaker takes one of them; remove the other"
        if requests.artifact_container(containers) is None:
            yield f"model.Containers: found a model in each; leave it out of one: {TRAINED_MODEL}"
        return
    primary = request["PrimaryContainer"]
    if isinstance(primary, dict) and not primary.get("Image"):
        path = ("model", "PrimaryContainer", "Image")
        yield f"{format_path(path)}: found nothing; it must be given, as training names no TrainingImage"


def check_endpoint_config(section: dict[str, Any]) -> Iterator[str]:
    """Check the ``endpoint_config`` section.

    Args:
        section: The section, rendered.

    Yields:
        One sentence for each problem.
    """
    request = requests.create_endpoint_config(section, name="sample", model_name="sample", tags={})
    yield from check_section("CreateEndpointConfig", "endpoint_config", section, request)
    variants = [
        variant
        for key in requests.VARIANT_LISTS
        if isinstance(section.get(key), list)
        for variant in section[key]
        if isinstance(variant, dict)
    ]
    if variants and all("ModelName" in variant for variant in variants):
        yield f"endpoint_config.ProductionVariants: found a ModelName in each; leave it out of one: {TRAINED_MODEL}"


def check_endpoint(section: dict[str, Any]) -> Iterator[str]:
    """Check the ``endpoint`` section, which CreateEndpoint and UpdateEndpoint share.

    Args:
        section: The section, rendered.

    Yields:
        One sentence for each problem.
    """
    allowed = {operation: service_model.members(operation) for operation in ("CreateEndpoint", "UpdateEndpoint")}
    members = sorted(frozenset.union(*allowed.values()) - OWNED["endpoint"].keys())
    for name in section:
        if name not in members:
            yield str(Problem(("endpoint", str(name)), "unknown", None, "", tuple(members)))
    create = requests.create_endpoint(section, config_name="sample", tags={})
    yield from check_section("CreateEndpoint", "endpoint", section, create)
    update = requests.update_endpoint(section, config_name="sample")
    yield from check_section("UpdateEndpoint", "endpoint", section, update)
