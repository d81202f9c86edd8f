"""The pipelines of one schedule begin spread over some minutes, without a worker slot."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException, TaskDeferred

from fresh_endpoints.pipeline_file.loading import load_pipeline
from fresh_endpoints.steps.spread import seconds_after_due
from fresh_endpoints.steps.wait_for_data import WaitForDataSensor
from fresh_endpoints.waiting import pace
from fresh_endpoints.waiting.start import StartTrigger

PIPELINE = load_pipeline(Path(__file__).parents[3] / "include" / "pipelines" / "multiclass.yaml")


def named(name, minutes):
    return PIPELINE.model_copy(update={"name": name, "spread_minutes": minutes})


@pytest.fixture
def begin(monkeypatch):
    """Begins a run that is due now, for which there is no data; what it waits for, or None."""

    def run(pipeline, run_type, due=None):
        sensor = WaitForDataSensor(task_id="wait_for_data", pipeline=pipeline)
        monkeypatch.setattr(WaitForDataSensor, "poke", lambda self, context: False)
        monkeypatch.setattr(WaitForDataSensor, "_refuse_missing_bucket", lambda self: None)
        due = due or datetime.now(timezone.utc)
        dag_run = SimpleNamespace(dag_id="d", run_id="r", logical_date=due, run_after=due, run_type=run_type)
        with pytest.raises((TaskDeferred, AirflowSkipException)) as raised:
            sensor.execute({"dag_run": dag_run, "params": {}})
        return raised.value if isinstance(raised.value, TaskDeferred) else None

    return run


def test_without_it_all_begin_at_once():
    assert seconds_after_due(PIPELINE) == 0


def test_a_thousand_pipelines_are_spread_evenly_and_each_has_always_the_same_minute():
    begins = [seconds_after_due(named(f"model-{number}", 60)) for number in range(1000)]
    assert begins == [seconds_after_due(named(f"model-{number}", 60)) for number in range(1000)]
    assert min(begins) >= 0
    assert max(begins) < 3600
    per_ten_minutes = [sum(low <= at < low + 600 for at in begins) for low in range(0, 3600, 600)]
    assert min(per_ten_minutes) > 120
    assert max(per_ten_minutes) < 220


def test_a_scheduled_run_waits_for_its_minute(begin):
    deferred = begin(named("iris", 600), "scheduled")
    assert isinstance(deferred.trigger, StartTrigger)
    assert deferred.trigger.moment == pytest.approx(time.time() + seconds_after_due(named("iris", 600)), abs=5)


@pytest.mark.parametrize("run_type", ["manual", "backfill", "asset_triggered"])
def test_any_other_run_begins_at_once(begin, run_type):
    assert begin(named("iris", 600), run_type) is None


def test_a_run_whose_minute_is_over_begins_at_once(begin):
    assert begin(named("iris", 600), "scheduled", due=datetime.now(timezone.utc) - timedelta(days=1)) is None


def test_the_trigger_fires_at_its_moment(monkeypatch):
    monkeypatch.setattr(pace, "FIRST_LOOK_SECONDS", 0.1)
    path, arguments = StartTrigger(time.time() + 0.5).serialize()
    assert path == f"{StartTrigger.__module__}.StartTrigger"

    async def first_event():
        return [event.payload async for event in StartTrigger(**arguments).run()]

    assert asyncio.run(first_event()) == [{}]
    assert time.time() >= arguments["moment"]
