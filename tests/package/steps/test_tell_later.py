"""The task of tell_later: the triggerer's from its start where Airflow allows that, else a worker hands it over."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowException, TaskDeferred
from airflow.triggers.base import BaseTrigger

from fresh_endpoints.steps.tell_later import TellLaterOperator
from fresh_endpoints.telling.later import TellLaterTrigger
from fresh_endpoints.waiting import pace


def test_a_worker_leaves_the_message_to_the_triggerer():
    task = TellLaterOperator(task_id="tell_later")
    task.render_template_fields({"dag_run": {"conf": {"message": "{{ as it is }}"}, "run_type": "operator_triggered"}})
    with pytest.raises(TaskDeferred) as deferred:
        task.execute({})
    kwargs = {"message": "{{ as it is }}", "seconds_before": pace.FIRST_LOOK_SECONDS}
    assert deferred.value.trigger.serialize() == (path_of(TellLaterTrigger), kwargs)


def test_the_triggerer_starts_it_without_a_worker_where_a_trigger_knows_its_run():
    task = TellLaterOperator(task_id="tell_later")
    assert task.start_from_trigger == hasattr(BaseTrigger, "render_template_fields")
    assert task.start_trigger_args.trigger_cls == path_of(TellLaterTrigger)
    assert task.start_trigger_args.trigger_kwargs == {"message": task.message}


@pytest.mark.skipif(not TellLaterOperator.start_from_trigger, reason="Airflow does not tell whose run it is")
def test_what_a_person_triggers_holds_no_message():
    task = TellLaterOperator(task_id="tell_later")
    task.render_template_fields({"dag_run": {"conf": {"message": "of a person"}, "run_type": "manual"}})
    assert task.message == ""


def test_it_fails_where_the_trigger_has_told_nothing():
    task = TellLaterOperator(task_id="tell_later")
    task.execute_complete({}, "success")
    with pytest.raises(AirflowException, match="the trigger's log says why"):
        task.execute_complete({}, "failed")


def path_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__name__}"
