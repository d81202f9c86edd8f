"""The kinds of resources that a step waits for: one record each of members, statuses and calls.

A status that is not in its kind's table (one that AWS adds later) is UNKNOWN, so that a step fails with the status's
name rather than waits for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

Description = Mapping[str, Any]


class Answer(str, Enum):
    """What a step does about a status."""

    WAIT = "wait"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    UNUSABLE = "unusable"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Kind:
    """One kind of resource.

    Attributes:
        noun: What people call it.
        operation: What follows ``describe_`` in boto3; its list operation has an s more. Names the kind in triggers.
        stem: What precedes ``Name``, ``Status`` and ``Arn`` in its members.
        summaries: The member of the list's answer that holds them.
        statuses: What each of its statuses means.
        log_group: Where its containers log; a name may follow.
        page: Where the SageMaker console shows them; a name follows.
        can_be_stopped: Whether SageMaker has an operation that stops one.
    """

    noun: str
    operation: str
    stem: str
    summaries: str
    statuses: Mapping[str, Answer]
    log_group: str
    page: str
    can_be_stopped: bool = True

    def named(self, name: str) -> dict[str, str]:
        """Return the parameter that names one in every call about it.

        Args:
            name: Its name.
        """
        return {f"{self.stem}Name": name}

    @property
    def describe(self) -> str:
        """The client's method that describes one."""
        return f"describe_{self.operation}"

    @property
    def list(self) -> str:
        """The client's method that lists them."""
        return f"list_{self.operation}s"

    @property
    def stop(self) -> str | None:
        """The client's method that stops one; None where SageMaker has none."""
        return f"stop_{self.operation}" if self.can_be_stopped else None

    def name_of(self, description: Description) -> str:
        """Return the name that a description or a list's summary holds."""
        return str(description[f"{self.stem}Name"])

    def arn_of(self, description: Description) -> str:
        """Return the ARN that a description or a list's summary holds."""
        return str(description[f"{self.stem}Arn"])

    def status_of(self, description: Description) -> str:
        """Return the status that a description or a list's summary holds."""
        return str(description[f"{self.stem}Status"])

    def answer_to(self, status: str) -> Answer:
        """Return what to do about a status; UNKNOWN for one that the table does not know.

        Args:
            status: The status, as SageMaker has it.
        """
        return self.statuses.get(status, Answer.UNKNOWN)

    @property
    def waiting_statuses(self) -> tuple[str, ...]:
        """The statuses in which one is still to be waited for."""
        return tuple(status for status, answer in self.statuses.items() if answer is Answer.WAIT)

    @property
    def start_member(self) -> str:
        """The member that holds when one has begun to run, once it has."""
        return f"{self.stem.removesuffix('Job')}StartTime"

    @property
    def end_member(self) -> str:
        """The member that holds when one has ended."""
        return f"{self.stem.removesuffix('Job')}EndTime"


# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html
TRAINING_JOB = Kind(
    noun="training job",
    operation="training_job",
    stem="TrainingJob",
    summaries="TrainingJobSummaries",
    statuses={
        "InProgress": Answer.WAIT,
        "Completed": Answer.DONE,
        "Failed": Answer.FAILED,
        "Stopping": Answer.WAIT,
        "Stopped": Answer.STOPPED,
        "Deleting": Answer.STOPPED,
    },
    log_group="/aws/sagemaker/TrainingJobs",
    page="jobs",
)

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTransformJob.html
TRANSFORM_JOB = Kind(
    noun="transform job",
    operation="transform_job",
    stem="TransformJob",
    summaries="TransformJobSummaries",
    statuses={
        "InProgress": Answer.WAIT,
        "Completed": Answer.DONE,
        "Failed": Answer.FAILED,
        "Stopping": Answer.WAIT,
        "Stopped": Answer.STOPPED,
    },
    log_group="/aws/sagemaker/TransformJobs",
    page="transform-jobs",
)

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html
ENDPOINT = Kind(
    noun="endpoint",
    operation="endpoint",
    stem="Endpoint",
    summaries="Endpoints",
    statuses={
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
    },
    log_group="/aws/sagemaker/Endpoints",
    page="endpoints",
    can_be_stopped=False,
)

KINDS: Mapping[str, Kind] = {kind.operation: kind for kind in (TRAINING_JOB, TRANSFORM_JOB, ENDPOINT)}

# Secondary statuses of a Stopped training job that SageMaker stopped itself, and the request's member that bounds it.
STOPPED_BY_LIMIT: Mapping[str, str] = {
    "MaxRuntimeExceeded": "StoppingCondition.MaxRuntimeInSeconds",
    "MaxWaitTimeExceeded": "StoppingCondition.MaxWaitTimeInSeconds",
}

# How a FailureReason starts when the fault is AWS's own and another attempt may succeed. A job's:
# https://docs.aws.amazon.com/sagemaker/latest/dg/training-troubleshooting.html
# An endpoint's, where an instance type has run out: https://github.com/aws/deep-learning-containers/pull/6673
# AWS's own fault, which may heal: https://github.com/aws-controllers-k8s/sagemaker-controller, pkg/resource/endpoint.
HEALABLE_REASONS = (
    "CapacityError",
    "InternalServerError",
    "Request to service failed",
    "Unable to provision requested ML compute capacity",
)

# Of these: AWS has no such instance now.
CAPACITY_REASONS = ("CapacityError", "Unable to provision requested ML compute capacity")


def is_healable(description: Description) -> bool:
    """Tell whether a Failed job or endpoint failed by a fault of AWS's own, which another attempt may not meet.

    Args:
        description: What the Describe operation returned.
    """
    reason = str(description.get("FailureReason") or "").lstrip()  # AWS's own may begin with a space.
    return reason.startswith(HEALABLE_REASONS)


def lacks_capacity(description: Description) -> bool:
    """Tell whether a Failed job or endpoint failed because AWS has no such instance now.

    Args:
        description: What the Describe operation returned.
    """
    return str(description.get("FailureReason") or "").lstrip().startswith(CAPACITY_REASONS)
