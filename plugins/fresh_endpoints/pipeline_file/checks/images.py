"""Where the images of a pipeline's containers come from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fresh_endpoints.pipeline_file.checks.rendered import Rendered
from fresh_endpoints.problems import Where, format_path

# https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html
_ECR = re.compile(r"\d{12}\.dkr[.-]ecr(-fips)?\.(?P<region>[a-z]{2,4}(-[a-z]+)+-\d+)\.[a-z0-9.-]+/")


def check_images(rendered: Rendered) -> Iterator[str]:
    """Check that each image of Amazon ECR is in the pipeline's region: SageMaker pulls from no other.

    Args:
        rendered: The pipeline.

    Yields:
        One sentence for each problem.
    """
    ours = rendered.pipeline.region
    for path, image in _images(rendered):
        found = _ECR.match(image) if isinstance(image, str) else None
        if found and found["region"] != ours:
            yield (
                f"{format_path(path)}: found {image!r}, which is in {found['region']}; SageMaker pulls no image from "
                f"another region than its own, {ours}; push it there, and name it there"
            )


def _images(rendered: Rendered) -> Iterator[tuple[Where, Any]]:
    algorithm = rendered.sections["training"].get("AlgorithmSpecification")
    if isinstance(algorithm, dict):
        yield ("training", "AlgorithmSpecification", "TrainingImage"), algorithm.get("TrainingImage")
    model = rendered.sections["model"]
    several = model.get("Containers")
    containers: dict[Where, Any] = {("PrimaryContainer",): model.get("PrimaryContainer")}
    if isinstance(several, list):
        containers |= {("Containers", position): container for position, container in enumerate(several)}
    for path, container in containers.items():
        if isinstance(container, dict):
            yield ("model", *path, "Image"), container.get("Image")
