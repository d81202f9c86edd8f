"""The AWS tags of what a pipeline creates."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from fresh_endpoints.aws import service_model
from fresh_endpoints.aws import tags as aws_tags


def check_tags(tags: Mapping[str, str]) -> Iterator[str]:
    """Check the pipeline's own tags.

    Args:
        tags: Tag values by tag key.

    Yields:
        One sentence for each problem.
    """
    for key in tags:
        for prefix in (aws_tags.PREFIX, "aws:"):
            if key.lower().startswith(prefix):
                yield f"aws_tags.{key}: found the prefix {prefix!r}, which is reserved; choose another key"
    # The limit holds for the pipeline's tags and the package's own together.
    ours = {f"{aws_tags.PREFIX}{number}": "" for number in range(aws_tags.MOST_OWN)}
    listed = [{"Key": key, "Value": value} for key, value in {**tags, **ours}.items()]
    names = [*tags, *ours]
    for problem in service_model.check_request("AddTags", {"ResourceArn": "arn", "Tags": listed}):
        if problem.path == ("Tags",):
            most = aws_tags.MOST - len(ours)
            yield f"aws_tags: found {len(tags)} tags; allowed {most}, as up to {len(ours)} are added"
        elif problem.path[0] == "Tags":
            yield str(dataclasses.replace(problem, path=("aws_tags", names[int(problem.path[1])])))
