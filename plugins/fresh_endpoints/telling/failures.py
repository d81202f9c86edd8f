"""Failures of a step that carry their message, so that people are told what the step knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from fresh_endpoints.aws.kinds import is_healable
from fresh_endpoints.telling.message import Message


class StepFailed(AirflowFailException):
    """A step has failed for good; its message goes to Slack as it stands.

    Args:
        message: What to tell.
    """

    def __init__(self, message: Message):
        super().__init__(message.words)
        self.message = message


class StepFailedForNow(AirflowException):
    """A step has failed by a fault of AWS's own; Airflow retries it, and Slack is told if no retry is left.

    Args:
        message: What to tell.
    """

    def __init__(self, message: Message):
        super().__init__(message.words)
        self.message = message


def failure(message: Message, description: Mapping[str, Any]) -> StepFailed | StepFailedForNow:
    """Make the failure that a resource's end calls for: another try may heal a fault of AWS's own.

    Args:
        message: What to tell.
        description: What the Describe operation returned.
    """
    return StepFailedForNow(message) if is_healable(description) else StepFailed(message)
