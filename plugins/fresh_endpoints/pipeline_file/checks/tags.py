"""The AWS tags of what a pipeline creates."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from fresh_endpoints.aws import requests, service_model


def check_tags(tags: Mapping[str, str]) -> Iterator[str]:
    """Check the pipeline's own tags.

    Args:
        tags: Tag values by tag key.

    Yields:
        One sentence for each problem.
    """
    for key in tags:
        for prefix in (requests.TAG_PREFIX, "aws:"):
            if key.lower().startswith(prefix):
                yield f"aws_tags.{key}: found the prefix {prefix!r}, which is reserved; choose another key"
    # The limit holds for the pipeline's tags and the package's own together.
    ours = {f"{requests.TAG_PREFIX}{number}": "" for number in range(requests.MOST_OWN_TAGS)}
    listed = [{"Key": key, "Value": value} for key, value in {**tags, **ours}.items()]
    names = [*tags, *ours]
    for problem in service_model.check_request("AddTags", {"ResourceArn": "arn", "Tags": listed}):
        if problem.path == ("Tags",):
            yield f"aws_tags: found {len(tags)} tags; allowed {50 - len(ours)}, as up to {len(ours)} are added"
        elif problem.path[0] == "Tags":
            yield str(dataclasses.replace(problem, path=("aws_tags", names[int(problem.path[1])])))
