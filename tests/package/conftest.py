"""The integration tests run a pipeline whole on local AWS."""

from __future__ import annotations

import pytest

from fresh_endpoints.steps.deploy import DeployOperator
from fresh_endpoints.steps.step import PipelineStep
from fresh_endpoints.waiting import pace
from pipeline_under_test import pipeline

__all__ = ["pipeline"]


CHANGING = ("training-job:Starting", "endpoint:Creating", "endpoint:Updating", "transform-job:InProgress")


@pytest.fixture
def expected_of(pipeline, monkeypatch):
    """By task: how long each wait that began in the worker was expected to take, in seconds.

    However slow the machine, what is waited for does not end before; after pipeline.aws.clear_faults(), it may.
    """
    look, expected = PipelineStep.look_for_a_while, {}

    def hold():
        pipeline.aws.add_faults(*({"operation": status, "kind": "hold_status"} for status in CHANGING))

    def looking(self, describe, is_settled, seconds=None):
        expected.setdefault(self.task_id, []).append(seconds)
        pipeline.aws.clear_faults()
        seen = look(self, describe, is_settled, seconds)
        if is_settled(seen):
            hold()
        return seen

    hold()
    monkeypatch.setattr(PipelineStep, "look_for_a_while", looking)
    yield expected
    pipeline.aws.clear_faults()


@pytest.fixture
def after_the_wait(pipeline, monkeypatch):
    """Has something happen between a deployment's wait for an update and its next look: once, whatever the pace."""
    wait_on, holds = DeployOperator._wait_on, []
    monkeypatch.setattr(pace, "WORKER_SECONDS", 60.0)
    monkeypatch.setattr(pace, "FIRST_TIME_WORKER_SECONDS", 60.0)

    def arrange(happen):
        def waiting(step, *args):
            is_due = bool(holds)
            while holds:
                pipeline.aws.remove_fault(holds.pop())
            wait_on(step, *args)
            if is_due:
                happen()

        holds.extend(pipeline.aws.add_faults({"operation": "endpoint:Updating", "kind": "hold_status"}))
        monkeypatch.setattr(DeployOperator, "_wait_on", waiting)

    yield arrange
    pipeline.aws.clear_faults()  # should nothing have been waited for
