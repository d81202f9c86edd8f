"""Tells Slack what it has not taken in a task's time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException, BaseOperator
from airflow.triggers.base import BaseTrigger, StartTriggerArgs

from fresh_endpoints.telling.later import TellLaterTrigger
from fresh_endpoints.telling.sender import LONGEST_TRYING_SECONDS
from fresh_endpoints.waiting import pace

# Before Airflow 3.3 a trigger that starts a task knows nothing of its run, so that a worker has to read the message.
_KNOWS_ITS_RUN = hasattr(BaseTrigger, "render_template_fields")
# A task's, not a person's, who would write to Slack by any connection; before, Airflow does not tell them apart.
_IS_A_TASKS = "dag_run.run_type == 'operator_triggered'" if _KNOWS_ITS_RUN else "true"
_MESSAGE = "{{ dag_run.conf['message'] if " + _IS_A_TASKS + " else '' }}"
# The trigger has an end of its own.
_TIMEOUT = timedelta(seconds=LONGEST_TRYING_SECONDS + 7200)


class TellLaterOperator(BaseOperator):
    """Has the triggerer send the message that the run's conf holds; no worker is needed, where Airflow allows it."""

    template_fields = ("message",)
    start_from_trigger = _KNOWS_ITS_RUN
    start_trigger_args = StartTriggerArgs(
        trigger_cls="fresh_endpoints.telling.later.TellLaterTrigger",
        trigger_kwargs={"message": _MESSAGE},
        next_method="execute_complete",
        timeout=_TIMEOUT,
    )

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.message = _MESSAGE

    def execute(self, context: Any) -> None:
        """Leave it to the triggerer.

        Args:
            context: The task's context.
        """
        # The first event must not come while the scheduler still handles the deferral (apache/airflow race).
        trigger = TellLaterTrigger(self.message, pace.FIRST_LOOK_SECONDS)
        self.defer(trigger=trigger, method_name="execute_complete", timeout=_TIMEOUT)

    def execute_complete(self, context: Any, event: Any = None) -> None:
        """End where the trigger could not end the task itself.

        Args:
            context: The task's context.
            event: The state that it is to end in.
        """
        if event != "success":
            raise AirflowException("Slack did not take the message; the trigger's log says why.")
