"""How often to look while waiting: as often as the wait deserves, not at a fixed period.

Where everything is faster than AWS, environment variables, read once when the module is imported, set the constants of
these names: ``FRESH_ENDPOINTS_FIRST_TIME_WORKER_SECONDS`` on a laptop with local AWS; and in tests on real Airflow
services ``FRESH_ENDPOINTS_WORKER_SECONDS``, ``FRESH_ENDPOINTS_FIRST_LOOK_SECONDS``,
``FRESH_ENDPOINTS_SHORTEST_SECONDS`` and ``FRESH_ENDPOINTS_REFUSED_SECONDS``.
"""

from __future__ import annotations

import os

# How long a step looks in the worker before it defers, where the past says that the wait ends within this time. A
# deferral costs 3 to 5 s of wall time, and a trigger that fires within some 10 s of its deferral can meet a race in the
# scheduler, so very short waits are finished in the worker.
WORKER_SECONDS = float(os.environ.get("FRESH_ENDPOINTS_WORKER_SECONDS", "10"))
# Without a known duration not at all: on AWS no job and no endpoint's change ends within seconds, and a look is a call
# that tells nothing. Local AWS's do end; whoever runs the package on it sets this.
FIRST_TIME_WORKER_SECONDS = float(os.environ.get("FRESH_ENDPOINTS_FIRST_TIME_WORKER_SECONDS") or "0")
SHORTEST_SECONDS_IN_WORKER = 0.12
# Without a known duration: later by this share of the time waited so far.
SHARE_OF_WAIT_IN_WORKER = 0.07
# With a known duration: the nearer to it, the more often.
SHARE_OF_DISTANCE_IN_WORKER = 0.25
# How long after the deferral a trigger looks for the first time.
FIRST_LOOK_SECONDS = float(os.environ.get("FRESH_ENDPOINTS_FIRST_LOOK_SECONDS", "10"))

SHORTEST_SECONDS = float(os.environ.get("FRESH_ENDPOINTS_SHORTEST_SECONDS", "5"))
# Without a known duration, a look comes late by at most this share of the time waited so far; nine in ten by 5 %.
SHARE_OF_WAIT = 0.055
LONGEST_SECONDS = 120.0
# With a known duration, the end is expected within this time, or this share of the duration, before and after it.
WINDOW_SECONDS = 210.0
SHARE_OF_WINDOW = 0.05
LOOKS_IN_WINDOW = 84
# Until then only what ends early, a failure as a rule, is looked for.
SHARE_OF_WAIT_BEFORE_WINDOW = 0.25
LONGEST_SECONDS_BEFORE_WINDOW = 120.0

# Between two looks of a task whose trigger AWS refuses to tell while it tells the task itself.
LONGEST_SECONDS_AFTER_REFUSALS = 300.0

# From one refusal for want of quota to the next try, as long as nothing of ours is seen to end. A try is a task's start
# and one Create operation.
REFUSED_SECONDS = float(os.environ.get("FRESH_ENDPOINTS_REFUSED_SECONDS", "30"))


def next_look(elapsed: float, expected: float | None = None) -> float:
    """Return how long to wait before a trigger's next look.

    Args:
        elapsed: How long the wait has lasted, in seconds.
        expected: How long the same wait took before, in seconds, if known.
    """
    if expected is None:
        return _within(elapsed * SHARE_OF_WAIT, LONGEST_SECONDS)
    half_window = max(WINDOW_SECONDS, expected * SHARE_OF_WINDOW)
    until_window = expected - half_window - elapsed
    if until_window > SHORTEST_SECONDS:
        return min(_within(elapsed * SHARE_OF_WAIT_BEFORE_WINDOW, LONGEST_SECONDS_BEFORE_WINDOW), until_window)
    if elapsed < expected + half_window:
        return max(SHORTEST_SECONDS, 2 * half_window / LOOKS_IN_WINDOW)
    return _within((elapsed - expected) * SHARE_OF_WAIT, LONGEST_SECONDS)


def seconds_in_worker(expected: float | None = None) -> float:
    """Return how long a step looks in the worker before it defers; 0 if that would be in vain.

    Args:
        expected: How long the same wait took before, in seconds, if known.
    """
    if expected is None:
        return min(FIRST_TIME_WORKER_SECONDS, WORKER_SECONDS)
    return WORKER_SECONDS if expected <= WORKER_SECONDS else 0.0


def next_look_in_worker(elapsed: float, expected: float | None = None) -> float:
    """Return how long to wait before a worker's next look.

    Args:
        elapsed: How long the wait has lasted, in seconds.
        expected: How long the same wait took before, in seconds, if known.
    """
    if expected is None:
        return SHORTEST_SECONDS_IN_WORKER + elapsed * SHARE_OF_WAIT_IN_WORKER
    return max(abs(expected - elapsed) * SHARE_OF_DISTANCE_IN_WORKER, SHORTEST_SECONDS_IN_WORKER)


def first_look(refusals: int = 0) -> float:
    """Return how long after its deferral a trigger looks for the first time, and until when it fires no event.

    Args:
        refusals: How many of the task's waits, one after the other, have ended because their triggers could not look.
            The task could, or it would not wait again; so it is woken ever more seldom, to look itself.
    """
    return max(FIRST_LOOK_SECONDS, min(FIRST_LOOK_SECONDS * 2.0 ** min(refusals, 10), LONGEST_SECONDS_AFTER_REFUSALS))


def pause_after_refusal(refusals: int, longest: float) -> float:
    """Return how long to wait before AWS is asked again for what it has refused for want of quota or capacity.

    Args:
        refusals: How many tries in a row, beside the first, have been refused.
        longest: The longest such pause, in seconds.
    """
    return min(REFUSED_SECONDS * 2.0 ** min(refusals, 10), longest)


def _within(seconds: float, longest: float) -> float:
    return min(max(seconds, SHORTEST_SECONDS), longest)
