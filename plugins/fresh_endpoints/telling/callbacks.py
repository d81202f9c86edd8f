"""What is told when Airflow calls back: a task was skipped, a task or a run has failed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from fresh_endpoints.run import Run
from fresh_endpoints.telling import messages
from fresh_endpoints.telling.message import Message
from fresh_endpoints.telling.sending import PipelineNotifier, run_links
from fresh_endpoints.waiting.task_state import failed_tasks

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline

log = logging.getLogger(__name__)

# XCom key under which a task's own failure message is remembered for the DAG's backstop.
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
            told = {"event": message.event, "try_number": context["ti"].try_number}
            context["ti"].xcom_push(key=XCOM_FAILURE_TOLD, value=told)


class BackstopNotifier(PipelineNotifier):
    """Tells that a run has failed where the task has not; used as the DAG's ``on_failure_callback``.

    A task whose process was killed, or which a user marked failed, runs no callback of its own; and Slack may not have
    taken the message of one that did.
    """

    def notify(self, context: Any) -> None:
        """Send a message for each task that has failed now and whose present try has not sent its own.

        Args:
            context: The DAG run's context.
        """
        task_instance = context.get("ti")
        if task_instance is None or "dag_run" not in context:
            log.warning("Airflow names no task for the failed run %s; Slack is not told.", context.get("run_id"))
            return
        reason = context.get("reason") or "no reason given"
        sentence = f"The task was killed, marked failed, or could not tell by itself ({reason})."
        named = (task_instance.task_id, _index_of(task_instance))
        # Airflow names one, in 3.1 the run's last; none has failed where the tasks block each other.
        failed = failed_tasks(task_instance, context["dag"].task_ids) or [named]
        for task_id in sorted({task_id for task_id, index in failed if not _has_told(task_instance, task_id, index)}):
            links = run_links(context) if task_id == task_instance.task_id else {}
            self.tell(Run.of(self.pipeline, context), messages.step_failed(task_id, sentence, links=links))


def _message_of(context: Any) -> Message:
    error = context.get("exception")
    message = getattr(error, "message", None)
    if isinstance(message, Message):
        return message
    reason = str(error or "The reason is in the task's log.")
    return messages.step_failed(context["ti"].task_id, reason, links={})


def _has_told(task_instance: Any, task_id: str, map_index: int) -> bool:
    """Whether a failed task has told it; Airflow deletes what a try has left when the next one starts."""
    told = task_instance.xcom_pull(task_ids=task_id, key=XCOM_FAILURE_TOLD, map_indexes=map_index)
    if (task_id, map_index) != (task_instance.task_id, _index_of(task_instance)):
        return bool(told)
    # One that was cleared and could not start still has the record of the try before.
    return bool(told) and told["try_number"] == task_instance.try_number


def _index_of(task_instance: Any) -> int:
    index = getattr(task_instance, "map_index", None)
    return -1 if index is None else int(index)
