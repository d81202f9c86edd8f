"""The DAG's backstop tells of each failed task that has not told itself, and of no other."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from fresh_endpoints.telling.callbacks import XCOM_FAILURE_TOLD, BackstopNotifier

STARTED = datetime(2019, 3, 5, tzinfo=timezone.utc)
PIPELINE = SimpleNamespace(
    name="iris", environment="", timezone="UTC", slack=None, notify=(), deploy="never", renamed_from=()
)


class FailedRun:
    """A failed run as Airflow shows it to a DAG's callback."""

    def __init__(self):
        self.states, self.xcoms, self.told = {}, {}, []

    def task(self, key, state="failed", *, told_after=None, by_try=1):
        """Have a task in a state; ``told_after`` is when it told of a failure, from the run's start."""
        self.states[key] = state
        if told_after is not None:
            at = STARTED + timedelta(minutes=told_after)
            self.xcoms[key] = {"event": "failed", "at": at.isoformat(), "try_number": by_try}

    def call_back(self, task_id, *, try_number=1, map_index=-1):
        ti = SimpleNamespace(
            dag_id="d",
            run_id="r",
            task_id=task_id,
            map_index=map_index,
            try_number=try_number,
            get_task_states=self._get_task_states,
            xcom_pull=self._xcom_pull,
        )
        dag_run = SimpleNamespace(
            dag_id="d", run_id="r", logical_date=STARTED, run_after=STARTED, start_date=STARTED, conf={}
        )
        dag = SimpleNamespace(task_ids=["wait_for_data", "train", "deploy", "predict"])
        notifier = BackstopNotifier(PIPELINE)
        notifier.tell = lambda run, message: self.told.append(message.text(run))
        notifier.notify({"ti": ti, "dag_run": dag_run, "dag": dag, "reason": "task_failure", "params": {}})
        return [text.partition(":")[0] for text in self.told]

    def _get_task_states(self, *, dag_id, run_ids):
        assert (dag_id, run_ids) == ("d", ["r"])
        return {"r": self.states}

    def _xcom_pull(self, *, task_ids, key, map_indexes):
        assert key == XCOM_FAILURE_TOLD
        return self.xcoms.get(task_ids if map_indexes == -1 else f"{task_ids}_{map_indexes}")


@pytest.fixture
def run():
    return FailedRun()


def test_a_task_that_was_killed_is_told_of(run):
    run.task("wait_for_data", "success")
    run.task("train")
    run.task("deploy", "upstream_failed")
    assert run.call_back("train") == ["Training failed"]
    assert "The task was killed, marked failed, or could not tell by itself (task_failure)." in run.told[0]


def test_a_task_that_has_told_itself_is_not_told_of_again(run):
    run.task("train", told_after=5)
    assert run.call_back("train") == []


def test_what_another_task_has_told_is_no_word_of_the_failed_one(run):
    run.task("wait_for_data", told_after=1)
    run.task("train")
    assert run.call_back("wait_for_data") == ["Training failed"]


def test_what_a_task_told_that_has_succeeded_since_is_no_word_of_the_failed_one(run):
    run.task("wait_for_data", "success", told_after=1)
    run.task("train")
    assert run.call_back("train") == ["Training failed"]


def test_what_was_told_before_the_run_was_cleared_does_not_silence(run):
    """A task that fails without having started keeps the XComs of the time before."""
    run.task("train", told_after=-60)
    assert run.call_back("train") == ["Training failed"]


def test_what_an_earlier_try_has_told_does_not_silence(run):
    """A clear while the run is active does not start the run anew."""
    run.task("train", told_after=5, by_try=1)
    assert run.call_back("train", try_number=2) == ["Training failed"]


def test_of_mapped_tasks_one_that_could_not_tell_is_told_of(run):
    run.task("predict_0", told_after=5)
    run.task("predict_1")
    run.task("predict_2")
    assert run.call_back("predict", map_index=0) == ["Prediction failed"]


def test_of_mapped_tasks_that_have_all_told_nothing_is(run):
    for index in range(3):
        run.task(f"predict_{index}", told_after=5)
    assert run.call_back("predict", map_index=2) == []


def test_a_run_whose_time_is_over_is_told_of_although_no_task_has_failed(run):
    run.task("train", "skipped")
    assert run.call_back("train") == ["Training failed"]
