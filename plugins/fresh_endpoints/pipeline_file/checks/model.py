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
    yield from _check_serverless(rendered, request)
    yield from check_section("CreateModel", "model", section, request)
    if isinstance(section.get("Containers"), list):
        yield from _check_containers(section, requests.training_image(training))
        containers: dict[Where, Any] = {("Containers", index): each for index, each in enumerate(request["Containers"])}
    else:
        containers = {("PrimaryContainer",): request["PrimaryContainer"]}
    for path, container in containers.items():
        if isinstance(container, dict):
            yield from _check_container(("model", *path), container)


def _check_container(path: Where, container: dict[str, Any]) -> Iterator[str]:
    # A model package brings its image.
    if not container.get("Image") and "ModelPackageName" not in container:
        where = format_path((*path, "Image"))
        yield f"{where}: found nothing; it must be given, as the training has no TrainingImage that it could be"
    # Those that bring models of their own may bring many; in the one that gets the artifact, it stands somewhere.
    if _ARTIFACT in str(container) and container.get("Mode") == "MultiModel":
        where = format_path((*path, "Mode"))
        yield f"{where}: found 'MultiModel'; a run deploys the one model that it has trained; remove it"


def _check_uncompressed(rendered: Rendered) -> Iterator[str]:
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ContainerDefinition.html, ModelDataSource
    if not requests.is_uncompressed(rendered.sections["training"]):
        return
    where = "training.OutputDataConfig.CompressionType: found 'NONE'"
    if rendered.pipeline.transform is not None:
        yield f"{where}; a batch transform takes compressed models only; remove it, or remove transform"
    if any("ServerlessConfig" in variant for _, variant in variants(rendered.sections["endpoint_config"])):
        yield f"{where}; a serverless endpoint takes compressed models only; remove it, or choose an InstanceType"


def _check_serverless(rendered: Rendered, request: dict[str, Any]) -> Iterator[str]:
    # https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html, "Feature exclusions"
    config, given = rendered.sections["endpoint_config"], rendered.sections["model"]
    found = variants(config)
    if not any("ServerlessConfig" in variant for _, variant in found):
        return
    if len(found) > 1:
        yield f"endpoint_config.ProductionVariants: found {len(found)} variants; a serverless endpoint has one"
    if "DataCaptureConfig" in config:
        yield "endpoint_config.DataCaptureConfig: found for a serverless endpoint, which captures nothing; remove it"
    if "Containers" in given:
        yield "model.Containers: found for a serverless endpoint, which runs one container; write PrimaryContainer"
    for member in requests.TAKEN_OVER:
        if request.get(member) in (None, False):
            continue
        found_where = "found" if member in given else f"found nothing, so it is that of training.{member},"
        yield (
            f"model.{member}: {found_where} for a serverless endpoint, which allows none; write {member}: "
            f"{'false' if member == 'EnableNetworkIsolation' else 'null'}, or choose an InstanceType"
        )


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
    yield from _check_hostnames(section)
    free = requests.free_containers(containers)
    if not free:
        yield f"model.Containers: found a model in each; leave it out of one: {TRAINED_MODEL}"
    elif requests.artifact_container(containers, image) is None:
        found = listed([format_path(("Containers", position)) for position in free], "and")
        yield (
            f"model.Containers: found no model in {found}, so it is not clear which gets the one that the run has "
            "trained; write ModelDataSource: {} in that one"
        )


def _check_hostnames(section: dict[str, Any]) -> Iterator[str]:
    # https://docs.aws.amazon.com/sagemaker/latest/dg/multi-container-create.html
    execution = section.get("InferenceExecutionConfig")
    is_direct = isinstance(execution, dict) and execution.get("Mode") == "Direct"
    containers = [container for container in section["Containers"] if isinstance(container, dict)]
    if not is_direct and not any("ContainerHostname" in container for container in containers):
        return
    why = "in Direct mode each request names its container" if is_direct else "it stands in another container"
    for position, container in enumerate(section["Containers"]):
        if isinstance(container, dict) and "ContainerHostname" not in container:
            where = format_path(("model", "Containers", position, "ContainerHostname"))
            yield f"{where}: found nothing; {why}, so every container must have one"
