"""What a deployment does next: from what is seen to what comes next, and nothing else. Pure; a test a row.

going there   the endpoint is changing      → wait, or give up when it takes too long
it serves the run's config    → prove it
it cannot be changed          → fail
it does not, though asked to  → fail: rolled back, overtaken or broken
otherwise                     → create, recreate or update it

going back    (the smoke test has failed)
the endpoint is changing      → wait, or give up when it takes too long
it serves another config      → taken back
there is a previous config    → put it back
otherwise                     → the unproven model stays, and people are told
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from fresh_endpoints.aws.endpoint import Seen
from fresh_endpoints.aws.kinds import Answer
from fresh_endpoints.telling import messages

if TYPE_CHECKING:
    from fresh_endpoints.deployment import Deployment
    from fresh_endpoints.telling.message import Message


class Next(Enum):
    """What comes next."""

    WAIT_FOR_OWN = auto()
    WAIT_FOR_OTHERS = auto()
    CREATE = auto()
    RECREATE = auto()
    UPDATE = auto()
    PROVE = auto()
    PUT_BACK = auto()
    # The ends that people are told of.
    STUCK = auto()
    UNUSABLE = auto()
    NOT_DEPLOYED = auto()
    TAKEN_BACK = auto()
    LEFT_UNPROVEN = auto()


@dataclass(frozen=True)
class SoFar:
    """What the run knows of its own deployment.

    Attributes:
        config_name: The endpoint config that it wants to be live.
        asked: Whether it has asked for the change that is going on or has ended.
        failed_test: How the config has failed the smoke test; None where it has not.
        previous: The endpoint config that was live before; None where nothing is known to go back to.
        asked_back: Whether it has asked for the previous config to be put back.
        refused: Why the previous config cannot be put back, if that is known already.
        is_too_late: Whether the wait for the change that is going on has timed out.
    """

    config_name: str
    asked: bool = False
    failed_test: str | None = None
    previous: str | None = None
    asked_back: bool = False
    refused: str | None = None
    is_too_late: bool = False


def next_step(seen: Seen, so_far: SoFar) -> Next:
    """Decide what comes next.

    Args:
        seen: What the endpoint is like.
        so_far: What the run has done.
    """
    if seen.answer is Answer.WAIT:
        return _while_it_changes(seen, so_far)
    return _going_there(seen, so_far) if so_far.failed_test is None else _going_back(seen, so_far)


def _while_it_changes(seen: Seen, so_far: SoFar) -> Next:
    if so_far.is_too_late:
        return Next.STUCK
    # A try whose predecessor asked, or whose own request was not answered, knows its change by the config's name.
    is_own = so_far.asked or so_far.asked_back or seen.becoming == so_far.config_name
    return Next.WAIT_FOR_OWN if is_own else Next.WAIT_FOR_OTHERS


def _going_there(seen: Seen, so_far: SoFar) -> Next:
    if seen.answer is Answer.DONE and seen.live == so_far.config_name:
        return Next.PROVE
    if seen.answer in (Answer.UNUSABLE, Answer.UNKNOWN):
        return Next.UNUSABLE
    if so_far.asked:
        return Next.NOT_DEPLOYED
    if seen.answer is None:
        return Next.CREATE
    return Next.UPDATE if seen.answer is Answer.DONE else Next.RECREATE


def _going_back(seen: Seen, so_far: SoFar) -> Next:
    if seen.answer is not Answer.DONE:
        return Next.LEFT_UNPROVEN
    if seen.live != so_far.config_name:
        return Next.TAKEN_BACK
    may_ask = so_far.previous and not so_far.asked_back and not so_far.refused
    return Next.PUT_BACK if may_ask else Next.LEFT_UNPROVEN


def end_in_words(deployment: Deployment, seen: Seen, so_far: SoFar, end: Next, *, minutes: int) -> Message:
    """Say how a deployment has ended that is not live, or not proven.

    Args:
        deployment: What was to be live.
        seen: What the endpoint is like.
        so_far: What the run has done.
        end: How it has ended.
        minutes: How long a change may take.
    """
    status, live, why = seen.status or "gone", seen.live, str(so_far.failed_test)
    if end is Next.UNUSABLE:
        return messages.endpoint_unusable(deployment, status=status, live=live, reason=seen.reason)
    if end is Next.STUCK:
        return messages.endpoint_stuck(deployment, status=status, live=live, minutes=minutes)
    if end is Next.TAKEN_BACK:
        return messages.taken_back(deployment, live=live, why=why)
    refused = so_far.refused or (seen.reason if so_far.asked_back else None)
    return messages.left_unproven(deployment, status=status, why=why, previous=so_far.previous, refused=refused)
