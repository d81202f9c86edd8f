"""What predicts with a model: the ``transform`` section."""

from __future__ import annotations

from collections.abc import Iterator

from fresh_endpoints.aws import requests
from fresh_endpoints.pipeline_file.checks.rendered import Rendered
from fresh_endpoints.pipeline_file.checks.sections import check_section


def check_transform(rendered: Rendered) -> Iterator[str]:
    """Check the ``transform`` section, if there is one.

    Args:
        rendered: The pipeline.

    Yields:
        One sentence for each problem.
    """
    pipeline, section = rendered.pipeline, rendered.sections["transform"]
    if pipeline.transform is None:
        return
    if pipeline.data.prediction is None:
        yield "data.prediction: found nothing; it must be given where there is a transform section"
    request = requests.create_transform_job(
        section, name="sample", model_name="sample", input_uri="s3://sample/", output_uri="s3://sample/", tags={}
    )
    yield from check_section("CreateTransformJob", "transform", section, request)
