"""Until when a step waits for instances, and whether it says so: also where a worker was killed while it asked."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from fresh_endpoints.aws.errors import OutOfQuotaError, Quota
from fresh_endpoints.aws.kinds import TRAINING_JOB
from fresh_endpoints.pipeline_file.loading import load_pipeline
from fresh_endpoints.steps.instances_wait import Wanted
from fresh_endpoints.steps.train import TrainOperator
from fresh_endpoints.telling.sending import PipelineNotifier
from fresh_endpoints.waiting.event import WaitEnded
from fresh_endpoints.waiting.refused import RefusedTrigger

PIPELINE = load_pipeline(Path(__file__).parents[3] / "include" / "pipelines" / "multiclass.yaml")
DUE = datetime(2019, 3, 4, 15, tzinfo=timezone.utc)
REFUSAL = OutOfQuotaError("refused", Quota("ml.m4.xlarge for training job usage", 1, 1, 1))
AT_NOON = datetime(2026, 11, 25, 12, tzinfo=timezone.utc).timestamp()


def context_of(*, run_type="manual", try_number=1, max_tries=3, started=None):
    dag_run = SimpleNamespace(dag_id="d", run_id="r", logical_date=DUE, run_after=DUE, run_type=run_type)
    ti = SimpleNamespace(try_number=try_number, max_tries=max_tries, start_date=started, log_url=None)
    return {"dag_run": dag_run, "ti": ti, "task": SimpleNamespace(retries=3), "params": {}}


@pytest.fixture
def told(monkeypatch):
    titles = []
    monkeypatch.setattr(PipelineNotifier, "tell", lambda self, run, message: titles.append(message.title) or True)
    return titles


def refuse(context, ended=None, **changes):
    """Has a training refused; what it waits with, or the words of its failure."""
    step = TrainOperator(task_id="train", pipeline=PIPELINE.model_copy(update=changes))
    wanted = Wanted.by_quota(REFUSAL, TRAINING_JOB, "iris-1", "iris-1")
    try:
        return step.wait_for_quota(context, wanted, REFUSAL, ended)
    except TaskDeferred as deferred:
        return deferred


@pytest.mark.parametrize(
    ("run_type", "changes", "until"),
    [
        # 12:00 UTC is 21:00 in Tokyo, where the sample's next run is due at midnight.
        ("scheduled", {}, timedelta(hours=3)),
        ("scheduled", {"schedule": "30 5 * * *"}, timedelta(hours=8.5)),
        ("scheduled", {"schedule": None}, timedelta(days=1)),
        ("manual", {}, timedelta(days=1)),
        ("backfill", {}, timedelta(days=1)),
        ("scheduled", {"quota_wait_minutes": 90}, timedelta(minutes=90)),
        ("manual", {"quota_wait_minutes": 2 * 1440}, timedelta(days=2)),
    ],
)
def test_a_run_waits_until_the_next_is_due_or_as_long_as_its_file_says(run_type, changes, until):
    step = TrainOperator(task_id="train", pipeline=PIPELINE.model_copy(update=changes))
    found = step.until(context_of(run_type=run_type), AT_NOON)
    assert found.timestamp() - AT_NOON == until.total_seconds()


def test_airflows_own_timeout_comes_after_the_triggers_deadline(told):
    deferred = refuse(context_of())
    assert isinstance(deferred.trigger, RefusedTrigger)
    left = deferred.trigger.deadline - time.time()
    assert left == pytest.approx(86_400, abs=5)
    assert deferred.timeout.total_seconds() > left + 60
    assert told == ["Waiting for quota"]


def test_a_task_that_is_refused_again_keeps_its_place_and_says_nothing_more(told):
    deferred = refuse(context_of(), WaitEnded(refused_since=time.time() - 60, is_told=True))
    assert deferred.trigger.since == pytest.approx(time.time() - 60, abs=5)
    assert deferred.trigger.is_told
    assert told == []


def test_a_retry_says_nothing_until_its_trigger_knows_whether_that_was_said(told):
    deferred = refuse(context_of(try_number=2))
    assert (told, deferred.trigger.is_told) == ([], False)
    refuse(context_of(try_number=2), WaitEnded(refused_since=time.time(), is_told=True))
    assert told == []
    refuse(context_of(try_number=2), WaitEnded(refused_since=time.time(), is_told=False))
    assert told == ["Waiting for quota"]


def test_a_task_that_was_cleared_waits_anew_and_says_so(told):
    refuse(context_of(try_number=3, max_tries=5))
    assert told == ["Waiting for quota"]


def test_a_wait_whose_trigger_has_failed_goes_on_from_the_start_of_the_try(told):
    started = datetime.now(timezone.utc) - timedelta(hours=2)
    deferred = refuse(context_of(started=started), WaitEnded(trigger_failed=True))
    assert deferred.trigger.since == started.timestamp()
    since = datetime.now(timezone.utc) - timedelta(days=2)
    assert "It has waited 2880 minutes for quota" in refuse(context_of(started=since), WaitEnded(trigger_failed=True))


def test_a_wait_that_airflow_itself_has_ended_is_over(told):
    started = datetime.now(timezone.utc) - timedelta(minutes=90)
    assert "It has waited 90 minutes for quota" in refuse(context_of(started=started), WaitEnded(timed_out=True))
    assert told == []


def test_what_is_serialized_makes_an_equal_trigger():
    trigger = RefusedTrigger("training_job", "a", "k", "w", 1.0, 2.0, True, True, 3, "conn", "region")
    path, arguments = trigger.serialize()
    assert path == f"{RefusedTrigger.__module__}.RefusedTrigger"
    assert RefusedTrigger(**arguments).serialize() == (path, arguments)
