"""How often Slack takes a message of a webhook, or of an app in a channel: https://docs.slack.dev/apis/web-api/rate-limits.

About one a second, where a few may come at once. What comes too soon is answered with 429 and Retry-After.
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict


class SlackRate:
    """One Slack's allowance, for each webhook or channel apart. Thread-safe; its lock guards nothing else.

    Args:
        per_second: Messages a second in the long run; ``inf`` for no limit.
        burst: Messages that may come at once after a pause.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._interval = 1 / per_second
        self._ahead = (burst - 1) * self._interval
        # By hash: addresses and tokens are secrets, and are not kept.
        self._due: defaultdict[int, float] = defaultdict(float)
        self._lock = threading.Lock()

    def take(self, line: str) -> int:
        """Count one message, unless it comes too soon.

        Args:
            line: The webhook's path, or the token and the channel.

        Returns:
            0; else after how many seconds it may come, in whole ones as Retry-After has them.
        """
        with self._lock:
            now = time.monotonic()
            due = max(now, self._due[hash(line)])
            if due - now > self._ahead:
                return max(math.ceil(due - self._ahead - now), 1)
            self._due[hash(line)] = due + self._interval
            return 0
