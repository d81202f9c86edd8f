"""What is deployed: the ``model`` section."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from fresh_endpoints.aws import requests
from fresh_endpoints.pipeline_file.checks.rendered import Rendered
from fresh_endpoints.pipeline_file.checks.sections import TRAINED_MODEL, check_section, variants
from fresh_endpoints.problems import Where, format_path, listed

_ARTIFACT = "s3://sample/model.tar.gz"


def check_model(rendered: Rendered) -> Iterator[str]:
    """Check the ``model`` section.

    Args:
        rendered: The pipeline.

    Yields:
        One sentence for each problem.
    """
    section, training = rendered.sections["model"], rendered.sections["training"]
    yield from _check_uncompressed(rendered)
    request = _request(section, training)
    yield from check_section("CreateModel", "model", section, request)
    if isinstance(section.get("Containers"), list):
        yield from _check_containers(section, requests.training_image(training))
        containers: dict[Where, Any] = {("Containers", index): each for index, each in enumerate(request["Containers"])}
    else:
        containers = {("PrimaryContainer",): request["PrimaryContainer"]}
    for path, container in containers.items():
        # A model package brings its image.
        if isinstance(container, dict) and not container.get("Image") and "ModelPackageName" not in container:
            where = format_path(("model", *path, "Image"))
            yield f"{where}: found nothing; it must be given, as the training has no TrainingImage that it could be"


def _check_uncompressed(rendered: Rendered) -> Iterator[str]:
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ContainerDefinition.html, ModelDataSource
    if not requests.is_uncompressed(rendered.sections["training"]):
        return
    where = "training.OutputDataConfig.CompressionType: found 'NONE'"
    if rendered.pipeline.transform is not None:
        yield f"{where}; a batch transform takes compressed models only; remove it, or remove transform"
    if any("ServerlessConfig" in variant for _, variant in variants(rendered.sections["endpoint_config"])):
        yield f"{where}; a serverless endpoint takes compressed models only; remove it, or choose an InstanceType"


def _request(section: dict[str, Any], training: dict[str, Any]) -> dict[str, Any]:
    create = partial(requests.create_model, name="sample", artifact=_ARTIFACT, training=training, tags={})
    try:
        return create(section)
    except ValueError:  # Of the containers; they are checked as they are.
        request = create({member: value for member, value in section.items() if member != "Containers"})
        given = {
            member: value for member, value in request.items() if member in section or member != "PrimaryContainer"
        }
        return {**given, "Containers": section["Containers"]}


def _check_containers(section: dict[str, Any], image: Any) -> Iterator[str]:
    containers = section["Containers"]
    if "PrimaryContainer" in section:
        yield "model.Containers: found beside PrimaryContainer; SageMaker takes one of them; remove the other"
    free = requests.free_containers(containers)
    if not free:
        yield f"model.Containers: found a model in each; leave it out of one: {TRAINED_MODEL}"
    elif requests.artifact_container(containers, image) is None:
        found = listed([format_path(("Containers", position)) for position in free], "and")
        yield (
            f"model.Containers: found no model in {found}, so it is not clear which gets the one that the run has "
            "trained; write ModelDataSource: {} in that one"
        )
