"""Where a run's thread in Slack is remembered: in XComs of the run, so it goes when the run goes.

Each task is a process of its own, and Airflow deletes a task's XComs when a new try of it starts, by a retry or after
a clear. So a new thread is written to every task of the run, and each task that tells something writes it again to
itself: some task that is not starting just now has it. Nothing else of a run can be written in every supported version.
A Variable would stay when the run is gone; a tag needs a resource, which a run without data or without a job has not.

It is only read in callbacks. The dag-processor runs some of them, and never answers who writes an XCom there. What is
lost costs a new thread, and nothing else.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

log = logging.getLogger(__name__)

# Its value: the first message's `ts` by connection and channel, for a run may tell several channels.
XCOM_THREAD = "slack_thread"
# https://docs.slack.dev/messaging/retrieving-messages: seconds and a count, unique in the channel.
_TS = re.compile(r"\d{1,12}\.\d{1,12}")


class RunThread:
    """A run's thread in one channel.

    Args:
        context: The context of the task or callback that tells; empty where there is none, as at a missed deadline.
        place: The connection and the channel.
        can_write: Whether the task is being executed, so that XComs can be written.
    """

    def __init__(self, context: Mapping[str, Any], place: str, *, can_write: bool):
        self._ti = context.get("ti")
        self._tasks = dict(context["dag"].task_dict) if "dag" in context else {}
        self._place = place
        self._can_write = can_write

    def read(self) -> str | None:
        """Return the first message's ``ts``; None where there is none that is known."""
        if self._ti is None or not self._tasks:
            return None
        try:
            found = self._ti.xcom_pull(task_ids=list(self._tasks), key=XCOM_THREAD)
        except Exception as error:
            log.info("Could not read which thread the run has in Slack (%s); it gets a new one.", type(error).__name__)
            return None
        return min(self._of_place(found), default=None)  # Of two that began at once, the first.

    def remember(self, ts: str, *, is_new: bool) -> None:
        """Write to the task, and to all others where the thread has begun just now, which message is the first.

        Args:
            ts: The first message's ``ts``.
            is_new: Whether it was sent just now.
        """
        if not self._can_write or (ti := self._ti) is None:
            return
        try:
            found = ti.xcom_pull(key=XCOM_THREAD, map_indexes=ti.map_index)
            own = dict(found) if isinstance(found, Mapping) else {}
            if own.get(self._place) == ts:
                return
            ti.xcom_push(key=XCOM_THREAD, value={**own, self._place: ts})
            if is_new:
                self._write_to_others(ti, {**own, self._place: ts})
        except Exception as error:
            log.info("Could not remember the run's thread in Slack (%s).", type(error).__name__)

    def _write_to_others(self, ti: Any, value: Mapping[str, str]) -> None:
        from airflow.sdk.execution_time.xcom import XCom  # Not at every parse of a DAG file.

        for task_id, task in self._tasks.items():
            # A mapped task has as many instances as its mapping gives, perhaps none yet.
            if task_id != ti.task_id and not _is_mapped(task):
                XCom.set(XCOM_THREAD, value, dag_id=ti.dag_id, task_id=task_id, run_id=ti.run_id)

    def _of_place(self, found: Any) -> Iterable[str]:
        for value in found if isinstance(found, (list, tuple)) else [found]:
            ts = value.get(self._place) if isinstance(value, Mapping) else None
            if isinstance(ts, str) and _TS.fullmatch(ts):
                yield ts


def _is_mapped(task: Any) -> bool:
    return task.is_mapped or task.get_closest_mapped_task_group() is not None
