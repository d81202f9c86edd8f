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
from typing import Any, Protocol

log = logging.getLogger(__name__)

# Its value: the first message's `ts` by connection and channel, for a run may tell several channels.
XCOM_THREAD = "slack_thread"
# https://docs.slack.dev/messaging/retrieving-messages: seconds and a count, unique in the channel.
_TS = re.compile(r"\d{1,12}\.\d{1,12}")


class Thread(Protocol):
    """Where a message begins a thread, or replies."""

    def read(self) -> str | None:
        """Return the first message's ``ts``; None where there is none that is known."""

    def remember(self, ts: str, *, is_new: bool) -> None:
        """Write down which message is the first.

        Args:
            ts: The first message's ``ts``.
            is_new: Whether it was sent just now.
        """


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

        for task_id in _unmapped(self._tasks):
            if task_id != ti.task_id:
                XCom.set(XCOM_THREAD, value, dag_id=ti.dag_id, task_id=task_id, run_id=ti.run_id)

    def _of_place(self, found: Any) -> Iterable[str]:
        for value in found if isinstance(found, (list, tuple)) else [found]:
            yield from _of_place(value, self._place)


class ThreadOfAnother:
    """A run's thread in one channel, for who tells of the run and is none of its tasks.

    Args:
        dag_id: The run's DAG.
        run_id: The run.
        task_ids: The DAG's tasks that are not mapped.
        place: The connection and the channel.
    """

    def __init__(self, dag_id: str, run_id: str, task_ids: Iterable[str], place: str):
        self._dag_id = dag_id
        self._run_id = run_id
        self._task_ids = tuple(task_ids)
        self._place = place

    @staticmethod
    def facts_of(context: Mapping[str, Any]) -> dict[str, Any]:
        """Return what makes one, but for the place, as JSON takes it.

        Args:
            context: The context of the task or callback that has a message; maybe empty.
        """
        if context.get("ti") is None or "dag" not in context:
            return {}
        ti = context["ti"]
        return {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_ids": _unmapped(context["dag"].task_dict)}

    def read(self) -> str | None:
        """Return the first message's ``ts``; None where there is none that is known."""
        found = (ts for task_id in self._task_ids for ts in _of_place(self._xcom_of(task_id), self._place))
        return min(found, default=None)

    def remember(self, ts: str, *, is_new: bool) -> None:
        """Write to the run's tasks, where the thread has begun just now, which message is the first.

        Args:
            ts: The first message's ``ts``.
            is_new: Whether it was sent just now.
        """
        from airflow.sdk.execution_time.xcom import XCom

        for task_id in self._task_ids if is_new else ():
            found = self._xcom_of(task_id)
            value = {**(found if isinstance(found, Mapping) else {}), self._place: ts}
            try:
                XCom.set(XCOM_THREAD, value, dag_id=self._dag_id, task_id=task_id, run_id=self._run_id)
            except Exception as error:
                log.info("Could not remember the run's thread in Slack (%s).", type(error).__name__)
                return

    def _xcom_of(self, task_id: str) -> Any:
        from airflow.sdk.execution_time.xcom import XCom

        try:
            return XCom.get_one(key=XCOM_THREAD, dag_id=self._dag_id, task_id=task_id, run_id=self._run_id)
        except Exception as error:
            log.info("Could not read which thread the run has in Slack (%s).", type(error).__name__)
            return None


def _of_place(value: Any, place: str) -> Iterable[str]:
    ts = value.get(place) if isinstance(value, Mapping) else None
    if isinstance(ts, str) and _TS.fullmatch(ts):
        yield ts


def _unmapped(tasks: Mapping[str, Any]) -> list[str]:
    """Return the tasks but the mapped ones, of which there are as many as the mapping gives, perhaps none yet."""
    return [task_id for task_id, task in tasks.items() if not _is_mapped(task)]


def _is_mapped(task: Any) -> bool:
    return task.is_mapped or task.get_closest_mapped_task_group() is not None
