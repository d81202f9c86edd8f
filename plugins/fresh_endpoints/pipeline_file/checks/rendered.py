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
        keys: The S3 keys that are given under ``data``, by their names there.
        sections: The sections that are requests, by name; empty where there is none.
        templates: What has rendered them, with what was wrong.
    """

    pipeline: Pipeline
    bucket: str
    keys: Mapping[str, str]
    sections: Mapping[str, dict[str, Any]]
    templates: Templates


def render(pipeline: Pipeline) -> Rendered:
    """Render a pipeline's templates.

    Args:
        pipeline: The pipeline as its file has it.
    """
    templates = Templates({**SAMPLE_DATES, "pipeline": pipeline.name})
    bucket = templates.render(pipeline.bucket, ("bucket",))
    if not is_unknown(bucket):
        templates.known["bucket"] = bucket
    templates.allowed |= {"bucket"}
    sections = {name: templates.render(getattr(pipeline, name) or {}, (name,)) for name in SECTIONS}
    if pipeline.smoke_test and pipeline.smoke_test.key:
        templates.render(pipeline.smoke_test.key, ("smoke_test", "key"))
    given = {name: key for name, key in dict(pipeline.data).items() if key is not None}
    keys = {name: templates.render(key, ("data", name)) for name, key in given.items()}
    return Rendered(pipeline, bucket, keys, sections, templates)
