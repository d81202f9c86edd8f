"""The sections of a pipeline file that are requests of SageMaker's API."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from fresh_endpoints.aws import requests, service_model
from fresh_endpoints.pipeline_file.checks.rendered import Rendered
from fresh_endpoints.pipeline_file.model import KEYS
from fresh_endpoints.pipeline_file.templates import is_unknown
from fresh_endpoints.problems import Problem, Where, format_path

_TAGS = "write tags under aws_tags"
TRAINED_MODEL = "the model is the one that the run has trained"
# By section: the members that are not the file's to give, and why.
OWNED = {
    "training": {
        "TrainingJobName": "it is made from pipeline, data date and run, so that no run trains twice",
        "Tags": _TAGS,
    },
    "model": {"ModelName": "it is the training job's name", "Tags": _TAGS},
    "endpoint_config": {"EndpointConfigName": "it is the training job's name", "Tags": _TAGS},
    "endpoint": {"EndpointConfigName": "it is the training job's name", "Tags": _TAGS},
    "transform": {
        "TransformJobName": "it is made from pipeline, data date and training job, so that no model predicts twice",
        "ModelName": TRAINED_MODEL,
        "Tags": _TAGS,
    },
}


def check_owned(rendered: Rendered) -> Iterator[str]:
    """Report the members that are not the file's to give, and take them out of the sections.

    Args:
        rendered: The pipeline; its sections are changed.

    Yields:
        One sentence for each such member.
    """
    sections = rendered.sections
    for section, owned in OWNED.items():
        for member in owned.keys() & sections[section].keys():
            yield _not_yours((section, member), sections[section].pop(member), owned[member])
    primary = sections["model"].get("PrimaryContainer")
    if isinstance(primary, dict):
        for member in requests.MODEL_SOURCES:
            if member in primary:
                yield _not_yours(("model", "PrimaryContainer", member), primary.pop(member), TRAINED_MODEL)
    for part, member, reason in (
        ("TransformInput", "DataSource", "it is the folder of data.prediction"),
        ("TransformOutput", "S3OutputPath", "it is output-prediction/<data date>/<pipeline>/"),
    ):
        given = sections["transform"].get(part)
        if isinstance(given, dict) and member in given:
            yield _not_yours(("transform", part, member), given.pop(member), reason)


def _not_yours(path: Where, found: Any, reason: str) -> str:
    return f"{format_path(path)}: found {found!r}; remove it: {reason}"


def check_section(operation: str, section: str, given: Mapping[str, Any], request: Mapping[str, Any]) -> Iterator[str]:
    """Check the request that is made of a section, and report what the file has wrong.

    Args:
        operation: The API operation.
        section: The section's name.
        given: The section, rendered.
        request: What was made of it.

    Yields:
        One sentence for each problem.
    """
    for problem in service_model.check_request(operation, request, is_unknown=is_unknown):
        # What was added is right, or follows from a field whose own problem is reported.
        if problem.kind == "missing" or _is_given(given, problem.path):
            allowed = tuple(name for name in problem.allowed if name not in OWNED[section])
            home = (section, *problem.home) if problem.home else home_at_the_top(problem)
            yield str(dataclasses.replace(problem, path=(section, *problem.path), allowed=allowed, home=home))


def home_at_the_top(problem: Problem) -> Where | None:
    """Find where a key of a section belongs that is one of the pipeline file's own.

    Args:
        problem: What is wrong with the key.

    Returns:
        Its path in the file; None where it is none of these.
    """
    key = problem.path[-1] if problem.kind == "unknown" else None
    return (key,) if key in KEYS else None


def variants(section: Mapping[str, Any]) -> list[tuple[Where, dict[str, Any]]]:
    """List the variants of an ``endpoint_config`` section, those in shadow mode last.

    Args:
        section: The section, rendered.

    Returns:
        Each with its path in the section.
    """
    return [
        ((key, position), variant)
        for key in requests.VARIANT_LISTS
        if isinstance(section.get(key), list)
        for position, variant in enumerate(section[key])
        if isinstance(variant, dict)
    ]


def _is_given(section: Any, path: Where) -> bool:
    for part in path:
        if isinstance(section, list) and isinstance(part, int) and part < len(section):
            section = section[part]
        elif isinstance(section, Mapping) and part in {str(key) for key in section}:
            section = next(value for key, value in section.items() if str(key) == part)
        else:
            return False
    return True
