"""What each SageMaker status means for a step: one table a resource.

A status that is not in its table (one that AWS adds later) is answered by `answer_to` with UNKNOWN, so that a step
fails with the status's name rather than waits for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any


class Answer(str, Enum):
    """What a step does about a status."""

    WAIT = "wait"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    UNUSABLE = "unusable"
    UNKNOWN = "unknown"


# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html
TRAINING_JOB: Mapping[str, Answer] = {
    "InProgress": Answer.WAIT,
    "Completed": Answer.DONE,
    "Failed": Answer.FAILED,
    "Stopping": Answer.WAIT,
    "Stopped": Answer.STOPPED,
    "Deleting": Answer.STOPPED,
}

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTransformJob.html
TRANSFORM_JOB: Mapping[str, Answer] = {
    "InProgress": Answer.WAIT,
    "Completed": Answer.DONE,
    "Failed": Answer.FAILED,
    "Stopping": Answer.WAIT,
    "Stopped": Answer.STOPPED,
}

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html
ENDPOINT: Mapping[str, Answer] = {
    "Creating": Answer.WAIT,
    "Updating": Answer.WAIT,
    "SystemUpdating": Answer.WAIT,
    "RollingBack": Answer.WAIT,
    "Deleting": Answer.WAIT,
    # InService says only that the endpoint serves; which config it serves is looked at separately.
    "InService": Answer.DONE,
    "Failed": Answer.FAILED,
    "OutOfService": Answer.UNUSABLE,
    "UpdateRollbackFailed": Answer.UNUSABLE,
}

# Secondary statuses of a Stopped training job that SageMaker stopped itself, and the request's member that bounds it.
STOPPED_BY_LIMIT: Mapping[str, str] = {
    "MaxRuntimeExceeded": "StoppingCondition.MaxRuntimeInSeconds",
    "MaxWaitTimeExceeded": "StoppingCondition.MaxWaitTimeInSeconds",
}

# How a FailureReason starts when the fault is AWS's own and another attempt may succeed. A job's:
# https://docs.aws.amazon.com/sagemaker/latest/dg/training-troubleshooting.html
# An endpoint's, where an instance type has run out: https://github.com/aws/deep-learning-containers/pull/6673
HEALABLE_REASONS = ("CapacityError", "InternalServerError", "Unable to provision requested ML compute capacity")


def answer_to(table: Mapping[str, Answer], status: str) -> Answer:
    """Look a status up in its table.

    Args:
        table: One of the tables of this module.
        status: The status that SageMaker's Describe operation returned.

    Returns:
        What to do about it; `Answer.UNKNOWN` for a status that the table does not know.
    """
    return table.get(status, Answer.UNKNOWN)


def is_healable(description: Mapping[str, Any]) -> bool:
    """Tell whether a Failed job or endpoint failed by a fault of AWS's own, which another attempt may not meet.

    Args:
        description: What the Describe operation returned.
    """
    reason = str(description.get("FailureReason") or "")
    return reason.startswith(HEALABLE_REASONS)
