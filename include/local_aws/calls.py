"""The record of what was called, so that tests can count."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

from local_aws.wire import Call

MOST_CALLS = 10_000


class CallRecord:
    """The last MOST_CALLS calls, oldest first. Thread-safe; its lock guards nothing else."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: deque[dict[str, Any]] = deque(maxlen=MOST_CALLS)
        self._count = 0

    def begin(self, call: Call) -> dict[str, Any]:
        """Note that a call has arrived.

        Args:
            call: What is asked.

        Returns:
            Its entry, with ``status`` None until :meth:`end`.
        """
        with self._lock:
            self._count += 1
            entry = {
                "number": self._count,
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
            self._calls.append(entry)
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
            return [dict(entry) for entry in self._calls]

    def clear(self) -> None:
        """Forget all calls; numbers go on."""
        with self._lock:
            self._calls.clear()
