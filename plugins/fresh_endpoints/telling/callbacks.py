"""What is told when Airflow calls back: a task was skipped, a task or a run has failed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from fresh_endpoints.run import Run
from fresh_endpoints.telling import messages
from fresh_endpoints.telling.message import Message
from fresh_endpoints.telling.sending import PipelineNotifier, run_links

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
            context["ti"].xcom_push(key=XCOM_FAILURE_TOLD, value=message.event)


class BackstopNotifier(PipelineNotifier):
    """Tells that a run has failed when no task has; used as the DAG's ``on_failure_callback``.

    A task whose process was killed, or which a user marked failed, runs no callback of its own; and Slack may not have
    taken the message of one that did.
    """

    def notify(self, context: Any) -> None:
        """Send the message unless the failed task has sent its own.

        Args:
            context: The DAG run's context.
        """
        task_instance = context.get("ti")
        if task_instance is None or "dag_run" not in context:
            log.warning("Airflow names no task for the failed run %s; Slack is not told.", context.get("run_id"))
            return
        if any(_has_told(task_instance, task_id) for task_id in context["dag"].task_ids):
            return
        reason = context.get("reason") or "no reason given"
        sentence = f"The task was killed, marked failed, or could not tell by itself ({reason})."
        message = messages.step_failed(task_instance.task_id, sentence, links=run_links(context))
        self.tell(Run.of(self.pipeline, context), message)


def _message_of(context: Any) -> Message:
    error = context.get("exception")
    message = getattr(error, "message", None)
    if isinstance(message, Message):
        return message
    reason = str(error or "The reason is in the task's log.")
    return messages.step_failed(context["ti"].task_id, reason, links={})


def _has_told(task_instance: Any, task_id: str) -> bool:
    # A mapped task has one for each index, or an empty list.
    return bool(task_instance.xcom_pull(task_ids=task_id, key=XCOM_FAILURE_TOLD))
