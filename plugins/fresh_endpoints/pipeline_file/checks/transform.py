"""What predicts with a model: the ``transform`` section."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fresh_endpoints.aws import requests
from fresh_endpoints.pipeline_file.checks.sections import check_section
from fresh_endpoints.pipeline_file.model import Pipeline


def check_transform(pipeline: Pipeline, section: dict[str, Any]) -> Iterator[str]:
    """Check the ``transform`` section.

    Args:
        pipeline: The pipeline, which has one.
        section: The section, rendered.

    Yields:
        One sentence for each problem.
    """
    if pipeline.data.prediction is None:
        yield "data.prediction: found nothing; it must be given where there is a transform section"
    request = requests.create_transform_job(
        section, name="sample", model_name="sample", input_uri="s3://sample/", output_uri="s3://sample/", tags={}
    )
    yield from check_section("CreateTransformJob", "transform", section, request)
