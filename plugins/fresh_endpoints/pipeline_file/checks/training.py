"""What is trained: the ``training`` section."""

from __future__ import annotations

from collections.abc import Iterator

from fresh_endpoints.aws import requests
from fresh_endpoints.pipeline_file.checks.rendered import Rendered
from fresh_endpoints.pipeline_file.checks.sections import check_section
from fresh_endpoints.problems import Problem


def check_training(rendered: Rendered) -> Iterator[str]:
    """Check the ``training`` section.

    Args:
        rendered: The pipeline.

    Yields:
        One sentence for each problem.
    """
    section, bucket, keys = rendered.sections["training"], rendered.bucket, rendered.keys
    request = requests.create_training_job(section, name="sample", bucket=bucket, data=keys, tags={})
    yield from check_section("CreateTrainingJob", "training", section, request)
    if "ServerlessJobConfig" not in section:
        # Required as ever, but not in the model since jobs without instances exist.
        for member in ("AlgorithmSpecification", "ResourceConfig"):
            if member not in section:
                yield str(Problem(("training", member), "missing", None, ""))
