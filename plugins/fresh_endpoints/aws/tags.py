"""The tags that this package writes: every key, what fits into one, how they are read and written.

What is live, for which data date and whether it is proven is read back from these, not from Airflow's database.
The limits: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Tag.html and, for how many,
https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

# Every key of this package's own begins with it.
PREFIX = "fresh-endpoints:"

# On all that a run creates. What the pipeline is called in AWS, so that no environment takes another's for its own; and
# the environment, where there is one.
PIPELINE = PREFIX + "pipeline"
ENVIRONMENT = PREFIX + "environment"
DATA_DATE = PREFIX + "data-date"
DAG_ID = PREFIX + "dag-id"
RUN_ID = PREFIX + "run-id"
# On its jobs: when it started, for two Airflows may have runs of one id.
RUN_STARTED = PREFIX + "run-started"
# On models, endpoint configs and transform jobs: the model's facts.
TRAINING_JOB = PREFIX + "training-job"
ARTIFACT = PREFIX + "artifact"
MODEL = PREFIX + "model"
ENDPOINT = PREFIX + "endpoint"
ENDPOINT_CONFIG = PREFIX + "endpoint-config"
METRICS = PREFIX + "metrics"
# On what a deployment makes, and retention may delete: when it was made. And a person's wish that it be kept.
MADE = PREFIX + "made"
KEEP = PREFIX + "keep"
# On the endpoint config that a run deploys: what the endpoint served before; the version of the endpoint (see
# endpoint.Seen) over which it was asked for; and how it is proven, or why it is not.
PREVIOUS_CONFIG = PREFIX + "previous-config"
ASKED_OVER = PREFIX + "asked-over"
SMOKE_TEST = PREFIX + "smoke-test"
# What the smoke test's tag holds when it has passed, and when none was asked for and the endpoint was verified.
PASSED = "passed"
VERIFIED = "verified"
# On a training job: why nothing may use its model; empty where that no longer holds.
REFUSED = PREFIX + "refused"
# On an endpoint: until when automatic deployments leave what it serves alone, who wants that and why; empty where that
# was released. See hold.py.
HOLD = PREFIX + "hold"
# On an endpoint: how far the latest redeploy has come; empty where it has not begun. See steps/redeploy_progress.py.
REDEPLOY = PREFIX + "redeploy"
# On what messages are about: the events that have been told, separated by spaces.
TOLD = PREFIX + "told"

# How many of these one resource may get; an endpoint config gets the most. A test counts them.
MOST_OWN = 16
MOST = 50

_NOT_ALLOWED = re.compile(r"[^\w\s.:/=+\-@]")
_LONGEST_VALUE = 256
_OF_OTHERS = " with others"


def made(moment: datetime, *, of_others: bool = False) -> dict[str, str]:
    """Return the tag that says when something was made.

    Args:
        moment: When.
        of_others: Whether it is an endpoint config that also serves models of other names than its own.
    """
    return {MADE: moment.astimezone(timezone.utc).isoformat() + (_OF_OTHERS if of_others else "")}


def when_made(found: Mapping[str, str]) -> tuple[datetime | None, bool]:
    """Read what `made` has written.

    Args:
        found: Tag values by tag key.

    Returns:
        When; None where no tag tells it. And whether an endpoint config serves models of other names, too.
    """
    written = found.get(MADE, "")
    try:
        moment = datetime.fromisoformat(written.removesuffix(_OF_OTHERS))
    except ValueError:
        return None, True
    return (moment, written.endswith(_OF_OTHERS)) if moment.tzinfo else (None, True)


def is_proven(found: Mapping[str, str]) -> bool:
    """Tell whether an endpoint config's tags say that it was seen to work.

    Args:
        found: Tag values by tag key.
    """
    return found.get(SMOKE_TEST) in (PASSED, VERIFIED)


def has_failed(found: Mapping[str, str]) -> bool:
    """Tell whether an endpoint config's tags say that its smoke test has failed.

    Args:
        found: Tag values by tag key.
    """
    return SMOKE_TEST in found and not is_proven(found)


def fits(value: str) -> bool:
    """Tell whether a tag can hold a value as it is.

    Args:
        value: The value.
    """
    return len(value) <= _LONGEST_VALUE and not _NOT_ALLOWED.search(value)


def fitting(value: str) -> str:
    """Make a value fit into a tag: what AWS refuses becomes ``_``, and what is too long is cut.

    Args:
        value: The value.
    """
    return _NOT_ALLOWED.sub("_", value)[:_LONGEST_VALUE]


def as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Write tags as requests have them.

    Args:
        tags: Tag values by tag key.
    """
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def read(client: Any, arn: str) -> dict[str, str]:
    """Return a SageMaker resource's tags: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListTags.html.

    Args:
        client: A boto3 SageMaker client.
        arn: The resource.

    Raises:
        botocore.exceptions.ClientError: AWS refused.
    """
    pages = client.get_paginator("list_tags").paginate(ResourceArn=arn)
    return {tag["Key"]: tag["Value"] for page in pages for tag in page.get("Tags", [])}


def read_of_config(client: Any, endpoint: str | None, name: str) -> tuple[str, dict[str, str]]:
    """Return an endpoint config's tags by the ARN that follows from an endpoint's, without describing it.

    Args:
        client: A boto3 SageMaker client.
        endpoint: The ARN of an endpoint of the same account and region; None where it is not known.
        name: The endpoint config's name.

    Returns:
        The ARN and the tags; none where that is not sure to have worked, as of a config that does not exist.

    Raises:
        botocore.exceptions.ClientError: AWS does not answer.
    """
    if not endpoint:
        return "", {}
    # Imported here, because a DAG file's parse, which imports this module, must not pay for botocore and Airflow.
    from botocore.exceptions import ClientError

    from fresh_endpoints.aws.errors import may_heal

    arn = f"{endpoint.rpartition(':')[0]}:endpoint-config/{name.lower()}"
    try:
        return arn, read(client, arn)
    except ClientError as error:
        if may_heal(error):
            raise
        return arn, {}  # What AWS says of an ARN that is nobody's is on no record.


def write(client: Any, arn: str, tags: Mapping[str, str]) -> None:
    """Add tags to a SageMaker resource: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AddTags.html.

    Args:
        client: A boto3 SageMaker client.
        arn: The resource.
        tags: Tag values by tag key; one that is there is overwritten.

    Raises:
        botocore.exceptions.ClientError: AWS refused.
    """
    client.add_tags(ResourceArn=arn, Tags=as_list(tags))
