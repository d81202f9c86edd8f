"""Timeouts follow the job."""

from __future__ import annotations

import pytest

from fresh_endpoints.steps.train import TrainOperator, _reason

HOUR = 3_600


@pytest.mark.parametrize(
    ("job", "seconds"),
    [
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 1_800}}, 1_800 + HOUR),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 432_000}}, 432_000 + HOUR),
        ({"StoppingCondition": {}}, 86_400 + HOUR),
        ({}, 86_400 + HOUR),
        (
            {
                "EnableManagedSpotTraining": True,
                "StoppingCondition": {"MaxRuntimeInSeconds": 1_800, "MaxWaitTimeInSeconds": 7_200},
            },
            1_800 + 7_200 + HOUR,
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 1_800, "MaxPendingTimeInSeconds": 28_800}},
            1_800 + 28_800 + HOUR,
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 1_800}, "ResourceConfig": {"TrainingPlanArn": "arn"}},
            1_800 + 28 * 24 * HOUR + HOUR,
        ),
    ],
)
def test_the_longest_wait_is_the_requests_own_limit_and_a_margin(job, seconds):
    assert TrainOperator.longest_seconds(None, job) == seconds


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
