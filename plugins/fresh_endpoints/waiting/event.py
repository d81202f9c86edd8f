"""How a wait has ended: what a trigger tells the task that resumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

# What stands for a status where there is none.
NOT_FOUND = "not found"
THERE = "there"
COULD_NOT_LOOK = "could not look"


@dataclass(frozen=True)
class WaitEnded:
    """How a wait has ended. It decides nothing: the task looks again when it resumes.

    Attributes:
        name: What was waited for; None where that is not one resource, or not known.
        status: Its status as SageMaker has it; NOT_FOUND, COULD_NOT_LOOK, or THERE for data. None where the wait has
            ended without a look.
        timed_out: The wait has lasted as long as it may.
        trigger_failed: The trigger has ended by a fault, its own or Airflow's.
        reason: Why it could not look or failed, in AWS's words where they are AWS's; for the task's log.
        refusals: How many waits in a row, this one included, have ended with COULD_NOT_LOOK. A task that can look and
            waits again hands it to its next trigger, which then waits longer before it looks (pace.first_look), so
            that a triggerer that AWS refuses wakes a task at most every five minutes, and each time with the reason.
        refused_since: Since when AWS has refused what the task asks for, for want of quota or capacity, as seconds
            since the epoch; it is its turn to ask again. None for another wait.
        is_told: Whether people have been told that it waits for that.
        attempt: Which of the run's jobs it asks for then, from 1.
    """

    name: str | None = None
    status: str | None = None
    timed_out: bool = False
    trigger_failed: bool = False
    reason: str | None = None
    refusals: int = 0
    refused_since: float | None = None
    is_told: bool = False
    attempt: int = 1

    def to_json(self) -> dict[str, Any]:
        """Return what Airflow carries to the task: only what differs from an event that tells nothing."""
        nothing = asdict(WaitEnded())
        return {member: value for member, value in asdict(self).items() if value != nothing[member]}

    @classmethod
    def from_json(cls, event: Mapping[str, Any] | None) -> WaitEnded:
        """Read what Airflow has carried; members that others have added, or another version knows, are passed over.

        Args:
            event: What a trigger has fired with; None for nothing.
        """
        known = {member.name for member in fields(cls)}
        return cls(**{member: value for member, value in (event or {}).items() if member in known})
