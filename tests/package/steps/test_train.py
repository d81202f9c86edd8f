"""Timeouts follow the job."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from fresh_endpoints.pipeline_file.loading import load_pipeline
from fresh_endpoints.steps.train import TrainOperator, _reason

HOUR = 3_600


NOW = datetime(2026, 11, 20, tzinfo=timezone.utc)
RUNTIME = {"StoppingCondition": {"MaxRuntimeInSeconds": 1_800}}
SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 1_800, "MaxWaitTimeInSeconds": 7_200},
}


@pytest.fixture
def seconds_left(monkeypatch):
    """Tells how long a job is still waited for that was created, and has begun, so many seconds ago."""
    monkeypatch.setattr("time.time", NOW.timestamp)
    pipeline = load_pipeline(Path(__file__).parents[3] / "include" / "pipelines" / "multiclass.yaml")
    operator = TrainOperator(task_id="train", pipeline=pipeline)

    def left(job, *, created, begun=None):
        started = {} if begun is None else {"TrainingStartTime": NOW - timedelta(seconds=begun)}
        return operator._seconds_left({**job, "CreationTime": NOW - timedelta(seconds=created), **started})

    return left


@pytest.mark.parametrize(
    ("job", "seconds"),
    [
        (RUNTIME, 1_800 + HOUR),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 432_000}}, 432_000 + HOUR),
        ({"StoppingCondition": {}}, 86_400 + HOUR),
        ({}, 86_400 + HOUR),
        (SPOT, 1_800 + 7_200 + HOUR),
    ],
)
def test_a_job_may_run_as_long_as_its_request_allows_and_an_hour_from_when_it_began(seconds_left, job, seconds):
    assert seconds_left(job, created=0, begun=0) == seconds
    assert seconds_left(job, created=50 * HOUR, begun=60) == seconds - 60
    assert seconds_left(job, created=50 * HOUR, begun=seconds) == 0


@pytest.mark.parametrize(
    ("job", "pending"),
    [
        (RUNTIME, 24 * HOUR),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 1_800, "MaxPendingTimeInSeconds": 28_800}}, 28_800),
        ({**RUNTIME, "ResourceConfig": {"TrainingPlanArn": "arn"}}, 28 * 24 * HOUR),
        (SPOT, 24 * HOUR),
        ({**SPOT, "StoppingCondition": {"MaxRuntimeInSeconds": 1_800, "MaxWaitTimeInSeconds": 200_000}}, 200_000),
    ],
)
def test_pending_is_bounded_apart_and_looked_at_again_when_the_job_may_have_run_too_long(seconds_left, job, pending):
    longest = seconds_left(job, created=0, begun=0)
    assert seconds_left(job, created=0) == longest
    assert seconds_left(job, created=pending) == longest
    assert seconds_left(job, created=pending + 60) == longest - 60
    assert seconds_left(job, created=pending + longest) == 0


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({"TrainingJobStatus": "Failed", "FailureReason": "AlgorithmError: x"}, "AlgorithmError: x"),
        ({"TrainingJobStatus": "Failed"}, "SageMaker gives no reason."),
        ({"TrainingJobStatus": "Stopped", "SecondaryStatus": "MaxRuntimeExceeded"}, "MaxRuntimeInSeconds"),
        ({"TrainingJobStatus": "Stopped", "SecondaryStatus": "MaxWaitTimeExceeded"}, "MaxWaitTimeInSeconds"),
        ({"TrainingJobStatus": "Stopped", "SecondaryStatus": "Stopped"}, "stopped before its end"),
        ({"TrainingJobStatus": "Hibernating", "SecondaryStatus": "Frozen"}, "'Hibernating'"),
    ],
)
def test_every_end_has_its_words(job, words):
    assert words in _reason(job)
