"""The integration tests run a pipeline whole on local AWS."""

from __future__ import annotations

import pytest

from fresh_endpoints.steps.step import PipelineStep
from pipeline_under_test import pipeline

__all__ = ["pipeline"]


@pytest.fixture
def expected_of(monkeypatch):
    """By task: how long each wait that began in the worker was expected to take, in seconds."""
    look, expected = PipelineStep.look_for_a_while, {}

    def looking(self, describe, is_settled, seconds=None):
        expected.setdefault(self.task_id, []).append(seconds)
        return look(self, describe, is_settled, seconds)

    monkeypatch.setattr(PipelineStep, "look_for_a_while", looking)
    return expected
