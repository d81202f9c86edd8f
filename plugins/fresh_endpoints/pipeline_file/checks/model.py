"""What is deployed: the ``model`` section."""

from __future__ import annotations

from collections.abc import Iterator

from fresh_endpoints.aws import requests
from fresh_endpoints.pipeline_file.checks.rendered import Rendered
from fresh_endpoints.pipeline_file.checks.sections import TRAINED_MODEL, check_section
from fresh_endpoints.problems import format_path


def check_model(rendered: Rendered) -> Iterator[str]:
    """Check the ``model`` section.

    Args:
        rendered: The pipeline.

    Yields:
        One sentence for each problem.
    """
    section, training = rendered.sections["model"], rendered.sections["training"]
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
