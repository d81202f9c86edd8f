"""What serves a model: the sections ``endpoint_config`` and ``endpoint``."""

from __future__ import annotations

from collections.abc import Iterator

from fresh_endpoints.aws import requests, service_model
from fresh_endpoints.pipeline_file.checks.rendered import Rendered
from fresh_endpoints.pipeline_file.checks.sections import OWNED, TRAINED_MODEL, check_section, variants
from fresh_endpoints.problems import Problem


def check_endpoint_config(rendered: Rendered) -> Iterator[str]:
    """Check the ``endpoint_config`` section.

    Args:
        rendered: The pipeline.

    Yields:
        One sentence for each problem.
    """
    section = rendered.sections["endpoint_config"]
    request = requests.create_endpoint_config(section, name="sample", model_name="sample", tags={})
    yield from check_section("CreateEndpointConfig", "endpoint_config", section, request)
    found = variants(section)
    if found and all("ModelName" in variant for _, variant in found):
        yield f"endpoint_config.ProductionVariants: found a ModelName in each; leave it out of one: {TRAINED_MODEL}"


def check_endpoint(rendered: Rendered) -> Iterator[str]:
    """Check the ``endpoint`` section, which CreateEndpoint and UpdateEndpoint share.

    Args:
        rendered: The pipeline.

    Yields:
        One sentence for each problem.
    """
    section = rendered.sections["endpoint"]
    allowed = {operation: service_model.members(operation) for operation in ("CreateEndpoint", "UpdateEndpoint")}
    members = sorted(frozenset.union(*allowed.values()) - OWNED["endpoint"].keys())
    for name in section:
        if name not in members:
            yield str(Problem(("endpoint", str(name)), "unknown", None, "", tuple(members)))
    create = requests.create_endpoint(section, config_name="sample", tags={})
    yield from check_section("CreateEndpoint", "endpoint", section, create)
    update = requests.update_endpoint(section, config_name="sample")
    yield from check_section("UpdateEndpoint", "endpoint", section, update)
