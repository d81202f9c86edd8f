"""The record of what was called, so that tests can count."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from operator import itemgetter
from typing import Any

from local_aws.wire import Call

MOST_CALLS = 10_000


class CallRecord:
    """The last MOST_CALLS calls of each operation, and the count of all. Thread-safe; its lock guards nothing else."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By operation: looks, which are many, push no deed out.
        self._calls: defaultdict[str, deque[dict[str, Any]]] = defaultdict(lambda: deque(maxlen=MOST_CALLS))
        self._begun: Counter[str] = Counter()

    def begin(self, call: Call) -> dict[str, Any]:
        """Note that a call has arrived.

        Args:
            call: What is asked.

        Returns:
            Its entry, with ``status`` None until :meth:`end`.
        """
        with self._lock:
            self._begun[call.operation] += 1
            entry = {
                "number": sum(self._begun.values()),
                "time": time.time(),
                "service": call.service,
                "operation": call.operation,
                "region": call.region,
                "access_key_id": call.access_key_id,
                "parameters": dict(call.parameters),
                "status": None,
                "error": None,
                "answered": None,
            }
            self._calls[call.operation].append(entry)
            return entry

    def end(self, entry: dict[str, Any], status: int | None, error: str | None, *, answered: bool = True) -> None:
        """Note how a call ended.

        Args:
            entry: What :meth:`begin` returned.
            status: HTTP status; None where the call had no effect and no answer.
            error: AWS error code, where the call was refused here.
            answered: Whether the caller got the answer.
        """
        with self._lock:
            entry.update(status=status, error=error, answered=answered)

    def entries(self) -> list[dict[str, Any]]:
        """Copy the record.

        Returns:
            The entries, oldest first.
        """
        with self._lock:
            return sorted((dict(entry) for calls in self._calls.values() for entry in calls), key=itemgetter("number"))

    def counts(self) -> dict[str, int]:
        """Count the calls since the start, those that are no longer in the record included.

        Returns:
            How often each operation was called.
        """
        with self._lock:
            return dict(self._begun)

    def clear(self) -> None:
        """Forget all calls; numbers and counts go on."""
        with self._lock:
            self._calls.clear()
