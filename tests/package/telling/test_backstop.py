"""The DAG's own callback tells what no task has told, and nothing twice."""

from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace

import pytest
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from fresh_endpoints.telling.callbacks import XCOM_FAILURE_TOLD, BackstopNotifier

MOMENT = datetime(2019, 3, 4, tzinfo=timezone.utc)
TASKS = ["wait_for_data", "train", "deploy", "publish", "predict", "find_models"]


@pytest.fixture
def told_of(monkeypatch):
    """Calls the backstop for a run with these states, and these failures told; returns the titles it has sent."""

    def notify(states, told, *, named="train", try_number=1, map_index=-1):
        def xcom_pull(*, task_ids, key, map_indexes):
            assert key == XCOM_FAILURE_TOLD
            number = told.get(task_ids if map_indexes == -1 else f"{task_ids}_{map_indexes}")
            return number and {"event": "failed", "try_number": number}

        monkeypatch.setattr(
            RuntimeTaskInstance, "get_task_states", staticmethod(lambda *, dag_id, run_ids: {run_ids[0]: states})
        )
        ti = SimpleNamespace(
            dag_id="d", run_id="r", task_id=named, map_index=map_index, try_number=try_number, xcom_pull=xcom_pull
        )
        sent = []
        notifier = BackstopNotifier(SimpleNamespace(name="iris", timezone="UTC", slack=None))
        monkeypatch.setattr(notifier, "tell", lambda run, message: sent.append(message.title))
        dag_run = SimpleNamespace(dag_id="d", run_id="r", logical_date=MOMENT, run_after=MOMENT)
        notifier.notify({"ti": ti, "dag_run": dag_run, "dag": SimpleNamespace(task_ids=TASKS), "reason": "killed"})
        return sent

    return notify


def test_what_the_failed_task_has_told_is_not_told_again(told_of):
    assert told_of({"train": "failed", "deploy": "upstream_failed"}, {"train": 1}) == []


def test_what_the_failed_task_has_not_told_is_told(told_of):
    assert told_of({"train": "failed", "deploy": "upstream_failed"}, {}) == ["Training failed"]


def test_the_message_of_a_task_that_has_succeeded_since_keeps_nothing_back(told_of):
    """As after a clear of another task: what was told then is still recorded."""
    assert told_of({"wait_for_data": "success", "train": "failed"}, {"wait_for_data": 1}) == ["Training failed"]


def test_a_task_whose_failure_was_told_before_does_not_speak_for_another(told_of):
    """deploy failed and was told; only train was cleared, and was killed."""
    assert told_of({"train": "failed", "deploy": "failed"}, {"deploy": 1}, try_number=2) == ["Training failed"]


def test_the_record_of_the_try_before_does_not_speak_for_one_that_never_started(told_of):
    assert told_of({"train": "failed"}, {"train": 1}, try_number=2) == ["Training failed"]


def test_one_mapped_task_does_not_speak_for_the_others(told_of):
    states = {"find_models": "success", "predict_0": "failed", "predict_1": "failed", "predict_2": "success"}
    assert told_of(states, {"predict_0": 1}, named="predict", map_index=0) == ["Prediction failed"]
    assert told_of(states, {"predict_0": 1, "predict_1": 3}, named="predict", map_index=0) == []
    assert told_of(states, {"predict_0": 1, "predict_1": 3}, named="predict", map_index=1, try_number=3) == []


def test_the_task_that_has_failed_is_named_though_airflow_names_the_runs_last(told_of):
    states = {"train": "failed", "deploy": "upstream_failed", "publish": "upstream_failed"}
    assert told_of(states, {}, named="publish") == ["Training failed"]


def test_a_run_whose_tasks_block_each_other_is_told_by_the_task_that_airflow_names(told_of):
    assert told_of({"train": None, "deploy": None}, {}, named="deploy") == ["Deployment failed"]
