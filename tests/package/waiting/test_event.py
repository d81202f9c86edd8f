"""What a trigger tells the task that resumes."""

from __future__ import annotations

import json

import pytest

from fresh_endpoints.waiting.event import COULD_NOT_LOOK, WaitEnded


@pytest.mark.parametrize(
    "event",
    [
        WaitEnded(),
        WaitEnded("job", "Completed"),
        WaitEnded(timed_out=True),
        WaitEnded("job", COULD_NOT_LOOK, reason="DescribeTrainingJob: AWS says AccessDenied: no", refusals=3),
        WaitEnded("job", trigger_failed=True, reason="KeyError: 'x'", refusals=1),
    ],
    ids=lambda event: event.status or "",
)
def test_it_travels_as_json(event):
    assert WaitEnded.from_json(json.loads(json.dumps(event.to_json()))) == event


def test_what_steps_add_and_other_versions_know_is_passed_over():
    assert WaitEnded.from_json({"name": "job", "status": "Failed", "asked": True}) == WaitEnded("job", "Failed")
    assert WaitEnded.from_json(None) == WaitEnded.from_json({}) == WaitEnded()
