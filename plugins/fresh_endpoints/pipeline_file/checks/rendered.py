"""A pipeline file as the checks look at it: its templates rendered, as far as the facts of a sample run reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.pipeline_file.templates import SAMPLE_DATES, Templates, is_unknown

# Those that are requests of SageMaker's API.
SECTIONS = ("training", "model", "endpoint_config", "endpoint", "transform")


@dataclass(frozen=True)
class Rendered:
    """A pipeline, rendered.

    Attributes:
        pipeline: The pipeline as its file has it.
        bucket: The bucket.
        channels: The channels of ``data`` by name, as mappings of their members.
        prediction: The S3 key of the file to predict on; None where there is none.
        sections: The sections that are requests, by name; empty where there is none.
        templates: What has rendered them, with what was wrong.
    """

    pipeline: Pipeline
    bucket: str
    channels: Mapping[str, dict[str, Any]]
    prediction: str | None
    sections: Mapping[str, dict[str, Any]]
    templates: Templates


def render(pipeline: Pipeline) -> Rendered:
    """Render a pipeline's templates.

    Args:
        pipeline: The pipeline as its file has it.
    """
    templates = Templates({**SAMPLE_DATES, "pipeline": pipeline.name, "env": pipeline.environment})
    bucket = templates.render(pipeline.bucket, ("bucket",))
    if not is_unknown(bucket):
        templates.known["bucket"] = bucket
    templates.allowed |= {"bucket"}
    sections = {name: templates.render(getattr(pipeline, name) or {}, (name,)) for name in SECTIONS}
    if pipeline.smoke_test and pipeline.smoke_test.key:
        templates.render(pipeline.smoke_test.key, ("smoke_test", "key"))
    prediction = templates.render(pipeline.data.prediction, ("data", "prediction"))
    channels = {
        name: templates.render(channel.model_dump(), ("data", name)) for name, channel in pipeline.data.channels.items()
    }
    return Rendered(pipeline, bucket, channels, prediction, sections, templates)
