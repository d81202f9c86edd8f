"""How often to look while waiting: as often as the wait deserves, not at a fixed period.

Where everything is faster than AWS (tests on real Airflow services with local AWS), environment variables, read once
when the module is imported, shorten the waits: ``SAGEMAKER_PIPELINES_WORKER_SECONDS``,
``SAGEMAKER_PIPELINES_FIRST_LOOK_SECONDS`` and ``SAGEMAKER_PIPELINES_SHORTEST_SECONDS`` set these constants.
"""

from __future__ import annotations

import os
import random

# How long a step looks in the worker before it defers. A deferral costs 3 to 5 s of wall time, and a trigger that fires
# within some 10 s of its deferral can meet a race in the scheduler, so very short waits are finished in the worker.
WORKER_SECONDS = float(os.environ.get("SAGEMAKER_PIPELINES_WORKER_SECONDS", "15"))
WORKER_LOOK_SECONDS = 1.0
# How long after the deferral a trigger looks for the first time.
FIRST_LOOK_SECONDS = float(os.environ.get("SAGEMAKER_PIPELINES_FIRST_LOOK_SECONDS", "10"))

SHORTEST_SECONDS = float(os.environ.get("SAGEMAKER_PIPELINES_SHORTEST_SECONDS", "5"))
LONGEST_SECONDS = 60.0
# Without a known duration, a look costs at most this share of the time waited so far in lateness.
SHARE_OF_WAIT = 0.05
LONGEST_BACKOFF_SECONDS = 20.0


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


def after_fault(number: int) -> float:
    """Return how long to wait before a request is made again that AWS has not answered.

    Full jitter, as botocore has it: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Args:
        number: Which fault in a row this is, from 1.
    """
    return random.uniform(0, min(2.0**number, LONGEST_BACKOFF_SECONDS))  # noqa: S311 - no secret
