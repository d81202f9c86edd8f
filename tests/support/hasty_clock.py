"""A clock for clients that look every half minute: their waits are for AWS, which takes longer than a laptop."""

from __future__ import annotations

import time as real


class HastyClock:
    """What clients use of the module ``time``. A sleep is short, and as long as was asked for on this clock."""

    LONGEST_SLEEP = 0.2  # seconds

    def __init__(self) -> None:
        self._ahead = 0.0
        self._sleep, self._time, self._monotonic = real.sleep, real.time, real.monotonic

    def sleep(self, seconds: float) -> None:
        slept = min(seconds, self.LONGEST_SLEEP)
        self._sleep(slept)
        self._ahead += seconds - slept

    def time(self) -> float:
        return self._time() + self._ahead

    def monotonic(self) -> float:
        return self._monotonic() + self._ahead
