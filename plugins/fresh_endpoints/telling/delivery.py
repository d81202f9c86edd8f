"""One message's way to Slack within its task's time: two tries at most, and no wait that is longer than a callback's.

What Slack does not take then, and may take later, is kept for later, by whoever can do that: see later.py.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from fresh_endpoints.telling.refusal import MOST_SECONDS_BEFORE_ANOTHER, Refusal
from fresh_endpoints.telling.slack_pause import SlackPause

# A webhook takes a message a second, so that pipelines which end together are soon let in:
# https://docs.slack.dev/apis/web-api/rate-limits
LONGEST_WAIT_SECONDS = 5.0
# After a fault that asks for no wait.
_PAUSE_SECONDS = 0.5
# Those who were refused together are not to come back together.
_MOST_SPREAD_SECONDS = 1.0

# Sends the message, once.
Post = Callable[[], "Refusal | None"]
# Takes the moment before which Slack wants no message; returns who tells it later, or None where nobody will.
Keep = Callable[[float], "str | None"]


@dataclass(frozen=True)
class Delivery:
    """What has become of a message.

    Attributes:
        refusal: Why Slack has not taken it; None where it has.
        left_to: Who tells it later.
    """

    refusal: Refusal | None = None
    left_to: str | None = None


WAITS = Refusal("Others wait for it", may_pass=True)


def deliver(post: Post, pause: SlackPause, keep: Keep, *, is_kept_long: bool = False) -> Delivery:
    """Send a message, or have it kept where Slack takes none just now.

    Args:
        post: Sends the message.
        pause: That of its webhook or channel.
        keep: Keeps it for later.
        is_kept_long: Whether what is kept is not sent as soon as Slack takes it; so it is kept only after the tries.
    """
    until = pause.until()
    if until:
        # Who is behind others does not overtake them, nor come before Slack wants to be asked.
        if not is_kept_long and (left_to := keep(0.0)):
            return Delivery(WAITS, left_to)
        time.sleep(max(min(until - time.time(), LONGEST_WAIT_SECONDS), 0))
    return _try(post, pause, keep, is_kept_long=is_kept_long, may_wait=not until)


def _try(post: Post, pause: SlackPause, keep: Keep, *, is_kept_long: bool, may_wait: bool) -> Delivery:
    began = time.monotonic()
    refusal = post()
    if refusal is None or not refusal.may_pass:
        return Delivery(refusal)
    is_soon = time.monotonic() - began < MOST_SECONDS_BEFORE_ANOTHER
    wait = _noted(refusal, pause)
    if may_wait and is_soon and wait <= LONGEST_WAIT_SECONDS:
        time.sleep(wait + random.uniform(0, _MOST_SPREAD_SECONDS))  # noqa: S311 - no secret
        return _again(post, pause, keep, is_kept_long=is_kept_long)
    return Delivery(refusal, keep(time.time() + wait))


def _again(post: Post, pause: SlackPause, keep: Keep, *, is_kept_long: bool) -> Delivery:
    if not is_kept_long and pause.until() and (left_to := keep(0.0)):
        return Delivery(WAITS, left_to)
    refusal = post()
    if refusal is None or not refusal.may_pass:
        return Delivery(refusal)
    return Delivery(refusal, keep(time.time() + _noted(refusal, pause)))


def _noted(refusal: Refusal, pause: SlackPause) -> float:
    """Return for how long Slack wants no message, and let others know."""
    if refusal.retry_after is None:
        return _PAUSE_SECONDS
    pause.note(time.time() + refusal.retry_after)
    return refusal.retry_after
