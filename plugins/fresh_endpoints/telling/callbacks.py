"""What is told when Airflow calls back: a task was skipped, a task or a run has failed."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from fresh_endpoints.run import Run
from fresh_endpoints.telling import messages
from fresh_endpoints.telling.message import Message
from fresh_endpoints.telling.sending import PipelineNotifier, run_links

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline

log = logging.getLogger(__name__)

# XCom key under which a task's own failure message is remembered for the DAG's backstop: its event, when it was told,
# and by which try.
XCOM_FAILURE_TOLD = "slack_failure_told"


class NoNewDataNotifier(PipelineNotifier):
    """Tells, when the wait for data is skipped, that there is no new data.

    Args:
        pipeline: The pipeline.
        skipping: What is not done without the data.
    """

    def __init__(self, pipeline: Pipeline, skipping: str = "training until the next run"):
        super().__init__(pipeline)
        self.skipping = skipping

    def notify(self, context: Any) -> None:
        """Send the message.

        Args:
            context: The skipped task's context.
        """
        run = self.run_of(context)
        self.tell(run, messages.no_new_data(run.data_date, skipping=self.skipping, links=run_links(context)))


class FailureNotifier(PipelineNotifier):
    """Tells that a task has failed for good, with the reason; used as a task's ``on_failure_callback``."""

    def notify(self, context: Any) -> None:
        """Send the message and, if Slack has taken it, remember that for the DAG's backstop.

        Args:
            context: The failed task's context.
        """
        if getattr(context.get("task"), "given_up", False):
            log.info("A user has ended the task; should its run fail, the DAG's callback tells.")
            return
        message = _message_of(context).with_links(run_links(context))
        if self.tell(self.run_of(context), message):
            told = {"event": message.event, "at": _now().isoformat(), "try_number": context["ti"].try_number}
            context["ti"].xcom_push(key=XCOM_FAILURE_TOLD, value=told)


class BackstopNotifier(PipelineNotifier):
    """Tells of each failed task that has not told itself; used as the DAG's ``on_failure_callback``.

    A task whose process was killed, or which a user marked failed, runs no callback of its own; and Slack may not have
    taken the message of one that did. What another task has told, or the same one before it was cleared, is not it.
    """

    def notify(self, context: Any) -> None:
        """Send a message about each task that is failed now and has sent none of its own.

        Args:
            context: The DAG run's context.
        """
        task_instance = context.get("ti")
        if task_instance is None or "dag_run" not in context:
            log.warning("Airflow names no task for the failed run %s; Slack is not told.", context.get("run_id"))
            return
        run = Run.of(self.pipeline, context)
        failed = _failed_tasks(task_instance, context["dag"].task_ids)
        # None is failed where the run's own time is over.
        silent = [each[0] for each in failed if not _has_told(task_instance, run, *each)] if failed else [None]
        reason = context.get("reason") or "no reason given"
        sentence = f"The task was killed, marked failed, or could not tell by itself ({reason})."
        for task_id in dict.fromkeys(silent):
            is_ours = task_id in (None, task_instance.task_id)
            name, links = task_id or task_instance.task_id, run_links(context) if is_ours else {}
            self.tell(run, messages.step_failed(name, sentence, links=links, remedy=_remedy_of_a_killed_one(name)))


def _message_of(context: Any) -> Message:
    error = context.get("exception")
    message = getattr(error, "message", None)
    if isinstance(message, Message):
        return message
    reason = str(error or "The reason is in the task's log.")
    return messages.step_failed(context["ti"].task_id, reason, links={})


def _remedy_of_a_killed_one(task_id: str) -> str:
    return f"Its log says which it was. If nobody meant it, clear {task_id}."


def _failed_tasks(task_instance: Any, task_ids: Collection[str]) -> list[tuple[str, int]]:
    """Ask Airflow which tasks of the run are failed now; the map index is -1 for a task that is not mapped."""
    run_id = task_instance.run_id
    states = task_instance.get_task_states(dag_id=task_instance.dag_id, run_ids=[run_id]).get(run_id, {})
    return [_task_and_index(key, task_ids) for key, state in states.items() if state == "failed"]


def _task_and_index(key: str, task_ids: Collection[str]) -> tuple[str, int]:
    """Read a key of what get_task_states() returns: a task's id, or that of a mapped one with "_" and its index."""
    if key in task_ids:
        return key, -1
    task_id, _, index = key.rpartition("_")
    return task_id, int(index)


def _has_told(task_instance: Any, run: Run, task_id: str, map_index: int) -> bool:
    """Tell whether a failed task has told of that failure.

    Airflow deletes a try's XComs when the next one starts; so one of a time before a clear is left where the task
    failed without having started since: then it is older than the run's start, or of another try.
    """
    told = task_instance.xcom_pull(task_ids=task_id, key=XCOM_FAILURE_TOLD, map_indexes=map_index)
    if not isinstance(told, Mapping) or (run.started and dt.datetime.fromisoformat(told["at"]) < run.started):
        return False
    is_ours = (task_id, map_index) == (task_instance.task_id, task_instance.map_index)
    return not is_ours or bool(told["try_number"] == task_instance.try_number)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc)
