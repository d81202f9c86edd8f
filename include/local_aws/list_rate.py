"""How often a List operation may be called.

ListTrainingJobs takes 2 requests a second an account and region, which no quota raises; about five within milliseconds
are refused (aws-solutions/deepracer-on-aws issue 87). The other List operations are throttled, too (aws/aws-cli issue
7596); their numbers are not known, so they have the same here.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict

from local_aws.wire import AwsError


class ListRate:
    """One account's allowance, for each region and operation apart. Thread-safe; its lock guards nothing else."""

    def __init__(self, per_second: float, burst: int) -> None:
        """Start with the whole allowance.

        Args:
            per_second: Requests a second in the long run; ``inf`` for no limit.
            burst: Requests that may come at once after a pause.
        """
        self._interval = 1 / per_second
        self._ahead = (burst - 1) * self._interval
        self._due: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._lock = threading.Lock()

    def take(self, region: str, operation: str) -> None:
        """Count one request.

        Args:
            region: Where it is made.
            operation: The List operation.

        Raises:
            AwsError: It comes too soon. A refused request does not count.
        """
        with self._lock:
            now = time.monotonic()
            due = max(now, self._due[region, operation])
            if due - now > self._ahead:
                raise AwsError("ThrottlingException", "Rate exceeded")
            self._due[region, operation] = due + self._interval
