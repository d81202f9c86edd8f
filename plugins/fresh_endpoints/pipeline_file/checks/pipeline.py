"""All that the shape of a pipeline file does not decide, each subject in a module of its own.

These checks need botocore's service model, Jinja and croniter, so they are imported only for a file whose content has
not been seen before.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from fresh_endpoints.pipeline_file.checks.calendar import check_calendar, warn_calendar
from fresh_endpoints.pipeline_file.checks.data import check_data, warn_data
from fresh_endpoints.pipeline_file.checks.endpoint import check_endpoint, check_endpoint_config, warn_endpoint
from fresh_endpoints.pipeline_file.checks.images import check_images
from fresh_endpoints.pipeline_file.checks.metrics import check_metrics
from fresh_endpoints.pipeline_file.checks.model import check_model
from fresh_endpoints.pipeline_file.checks.notify import check_notify
from fresh_endpoints.pipeline_file.checks.rendered import render
from fresh_endpoints.pipeline_file.checks.sections import check_owned
from fresh_endpoints.pipeline_file.checks.smoke_test import check_smoke_test
from fresh_endpoints.pipeline_file.checks.tags import check_tags
from fresh_endpoints.pipeline_file.checks.training import check_training, warn_training
from fresh_endpoints.pipeline_file.checks.transform import check_transform
from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.problems import first_problems


def find_problems(pipeline: Pipeline) -> list[str]:
    """Check all that the shape of a pipeline file does not decide.

    Args:
        pipeline: The pipeline as its file has it.

    Returns:
        One sentence for each problem, beginning with the field's path; of very many the first. Empty where the
        pipeline is right.
    """
    return first_problems(_problems(pipeline))


def _problems(pipeline: Pipeline) -> Iterator[str]:
    rendered = render(pipeline)
    yield from itertools.chain(
        _check_former_names(pipeline),
        check_calendar(pipeline),
        check_data(rendered),
        check_tags(pipeline.aws_tags),
        check_notify(pipeline),
        rendered.templates.problems,
        check_owned(rendered),
        check_training(rendered),
        check_images(rendered),
        check_model(rendered),
        check_endpoint_config(rendered),
        check_endpoint(rendered),
        check_metrics(rendered),
        check_smoke_test(rendered),
        check_transform(rendered),
    )


def _check_former_names(pipeline: Pipeline) -> Iterator[str]:
    if pipeline.name in pipeline.renamed_from:
        yield f"renamed_from: found {pipeline.name!r}, the name that it has; write the one that it had before"


def find_warnings(pipeline: Pipeline) -> list[str]:
    """Find what a pipeline file may say, but seldom means.

    Args:
        pipeline: The pipeline as its file has it, in which there are no problems.

    Returns:
        One sentence for each, beginning with the field's path.
    """
    rendered = render(pipeline)
    return [*warn_calendar(pipeline), *warn_data(rendered), *warn_training(rendered), *warn_endpoint(rendered)]
