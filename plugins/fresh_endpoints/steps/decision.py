"""What a deployment does next: from what is seen to what comes next, and nothing else. Pure; a test a row.

going there   the endpoint is changing              → wait, or give up when it takes too long
it serves the run's config            → prove it
it cannot be changed                  → fail
what was asked for is not seen yet    → look again, for a while
what was asked for has come and gone  → it was not deployed: rolled back, overtaken or broken
otherwise                             → create, recreate or update it

going back    (the smoke test has failed)
the endpoint is changing              → wait, or give up when it takes too long
it serves another config              → taken back
there is a config to go back to       → put it back
otherwise                             → the unproven model stays, and people are told
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from fresh_endpoints.aws.endpoint import Seen
from fresh_endpoints.aws.kinds import Answer, is_healable
from fresh_endpoints.telling import failed_deployments

if TYPE_CHECKING:
    from fresh_endpoints.deployment import Deployment
    from fresh_endpoints.telling.message import Message

# How often one try asks for the same change, where SageMaker takes it and nothing comes of it.
MAX_ASKS = 3


class Next(Enum):
    """What comes next."""

    WAIT_FOR_OWN = auto()
    WAIT_FOR_OTHERS = auto()
    LOOK_AGAIN = auto()
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
        asked_over: The version of the endpoint over which it has asked for that; None where it has not.
        asks: How often this try has asked for a change.
        failed_test: How the config has failed the smoke test; None where it has not.
        previous: The endpoint config that was live before; empty where there was none, None where it is not known.
        back_to: The endpoint config to go back to, once it has been looked for; None where there is none.
        back_over: The version of the endpoint over which it has asked to go back; None where it has not.
        refused: Why it cannot be gone back, if that is known already.
        may_try_later: Whether another try may go back nevertheless.
        may_be_unseen: Whether what was asked for may not be seen yet.
        is_too_late: Whether the wait for the change that is going on has timed out.
    """

    config_name: str
    asked_over: str | None = None
    asks: int = 0
    failed_test: str | None = None
    previous: str | None = None
    back_to: str | None = None
    back_over: str | None = None
    refused: str | None = None
    may_try_later: bool = False
    may_be_unseen: bool = False
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
    is_own = so_far.asked_over or so_far.back_over or seen.becoming == so_far.config_name
    return Next.WAIT_FOR_OWN if is_own else Next.WAIT_FOR_OTHERS


def _going_there(seen: Seen, so_far: SoFar) -> Next:
    if seen.answer is Answer.DONE and seen.live == so_far.config_name:
        return Next.PROVE
    if seen.answer in (Answer.UNUSABLE, Answer.UNKNOWN):
        return Next.UNUSABLE
    if so_far.asked_over is not None:
        if seen.version != so_far.asked_over:
            return Next.NOT_DEPLOYED
        if so_far.may_be_unseen:
            return Next.LOOK_AGAIN
        if so_far.asks >= MAX_ASKS:
            return Next.NOT_DEPLOYED
    if seen.answer is None:
        return Next.CREATE
    if seen.answer is Answer.DONE:
        return Next.UPDATE
    # Only what has never served may be thrown away: its scaling and its alarms hang on the endpoint.
    return Next.UNUSABLE if seen.has_served else Next.RECREATE


def _going_back(seen: Seen, so_far: SoFar) -> Next:
    if seen.answer is not Answer.DONE:
        return Next.LEFT_UNPROVEN
    if seen.live != so_far.config_name:
        return Next.TAKEN_BACK
    if so_far.back_to is None or so_far.refused:
        return Next.LEFT_UNPROVEN
    if so_far.back_over is None:
        return Next.PUT_BACK
    if seen.version == so_far.back_over and so_far.may_be_unseen:
        return Next.LOOK_AGAIN
    may_ask_again = seen.version == so_far.back_over or is_healable({"FailureReason": seen.reason})
    return Next.PUT_BACK if may_ask_again and so_far.asks < MAX_ASKS else Next.LEFT_UNPROVEN


def may_heal(seen: Seen, end: Next) -> bool:
    """Tell whether a deployment has ended by a fault of AWS's own, which another try may not meet.

    Args:
        seen: What the endpoint is like.
        end: How it has ended.
    """
    return end in (Next.NOT_DEPLOYED, Next.LEFT_UNPROVEN) and is_healable({"FailureReason": seen.reason})


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
        return failed_deployments.endpoint_unusable(deployment, status=status, live=live, reason=seen.reason)
    if end is Next.STUCK:
        return failed_deployments.endpoint_stuck(
            deployment, status=status, live=live, minutes=minutes, why=so_far.failed_test
        )
    if end is Next.TAKEN_BACK:
        return failed_deployments.taken_back(deployment, live=live, why=why)
    if end is Next.LEFT_UNPROVEN:
        back_to, refused = _why_not_back(seen, so_far)
        return failed_deployments.left_unproven(deployment, status=status, why=why, previous=back_to, refused=refused)
    if seen.answer is not Answer.DONE:
        return failed_deployments.not_deployed(deployment, status=status, reason=seen.reason)
    return failed_deployments.rolled_back(deployment, live=live, reason=seen.reason)


def _why_not_back(seen: Seen, so_far: SoFar) -> tuple[str | None, str | None]:
    if so_far.back_to is None:
        return so_far.previous, "it has been deleted, or has failed the smoke test, too."
    return so_far.back_to, so_far.refused or (seen.reason if so_far.back_over else None)
