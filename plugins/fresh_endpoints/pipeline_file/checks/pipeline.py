"""All that the shape of a pipeline file does not decide, each subject in a module of its own.

These checks need botocore's service model, Jinja and croniter, so they are imported only for a file whose content has
not been seen before.
"""

from __future__ import annotations

from fresh_endpoints.pipeline_file.checks.calendar import check_calendar
from fresh_endpoints.pipeline_file.checks.data import check_bucket, check_keys, data_keys
from fresh_endpoints.pipeline_file.checks.sections import OWNED, check_owned
from fresh_endpoints.pipeline_file.checks.serving import check_endpoint, check_endpoint_config, check_model
from fresh_endpoints.pipeline_file.checks.tags import check_tags
from fresh_endpoints.pipeline_file.checks.training import check_quality, check_training
from fresh_endpoints.pipeline_file.checks.transform import check_transform
from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.pipeline_file.templates import SAMPLE_DATES, Templates, is_unknown


def find_problems(pipeline: Pipeline) -> list[str]:
    """Check all that the shape of a pipeline file does not decide.

    Args:
        pipeline: The pipeline as its file has it.

    Returns:
        One sentence for each problem, beginning with the field's path; empty where the pipeline is right.
    """
    templates = Templates({**SAMPLE_DATES, "pipeline": pipeline.name})
    bucket = templates.render(pipeline.bucket, ("bucket",))
    if not is_unknown(bucket):
        templates.known["bucket"] = bucket
    templates.allowed |= {"bucket"}
    sections = {name: templates.render(getattr(pipeline, name) or {}, (name,)) for name in OWNED}
    if pipeline.smoke_test and pipeline.smoke_test.key:
        templates.render(pipeline.smoke_test.key, ("smoke_test", "key"))
    keys = {name: templates.render(key, ("data", name)) for name, key in data_keys(pipeline).items()}
    problems = [
        *check_calendar(pipeline),
        *check_bucket(bucket),
        *check_keys(pipeline, keys, templates),
        *check_tags(pipeline.aws_tags),
        *templates.problems,
        *check_owned(sections),
        *check_training(sections["training"], bucket, keys),
        *check_model(sections["model"], sections["training"]),
        *check_endpoint_config(sections["endpoint_config"]),
        *check_endpoint(sections["endpoint"]),
        *check_quality(pipeline, sections["training"]),
        *(check_transform(pipeline, sections["transform"]) if pipeline.transform is not None else ()),
    ]
    return list(dict.fromkeys(problems))
