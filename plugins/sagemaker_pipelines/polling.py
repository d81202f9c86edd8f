"""How often to look while waiting: as often as the wait deserves, not at a fixed period."""

from __future__ import annotations

# How long a step looks in the worker before it defers. A deferral costs 3 to 5 s of wall time, and a trigger that fires
# within some 10 s of its deferral can meet a race in the scheduler, so very short waits are finished in the worker.
WORKER_SECONDS = 15.0
WORKER_LOOK_SECONDS = 1.0
# How long after the deferral a trigger looks for the first time.
FIRST_LOOK_SECONDS = 10.0

SHORTEST_SECONDS = 5.0
LONGEST_SECONDS = 60.0
# Without a known duration, a look costs at most this share of the time waited so far in lateness.
SHARE_OF_WAIT = 0.05


def next_look(elapsed: float, expected: float | None = None) -> float:
    """Return how long to wait before the next look.

    Args:
        elapsed: How long the wait has lasted, in seconds.
        expected: How long the same wait took the last time, in seconds, if known.
    """
    in_proportion = min(max(elapsed * SHARE_OF_WAIT, SHORTEST_SECONDS), LONGEST_SECONDS)
    if expected is None:
        return in_proportion
    until_window = expected * (1 - SHARE_OF_WAIT) - elapsed
    if until_window > 0:
        # The end is not near: one look when it comes near, with rare ones between in case it comes early.
        return max(min(until_window, LONGEST_SECONDS), SHORTEST_SECONDS)
    if elapsed < expected * (1 + 2 * SHARE_OF_WAIT):
        return SHORTEST_SECONDS
    return in_proportion
