"""Faults at local AWS' HTTP edge, met by the whole DAG in the test's process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from typing import Any

import pytest
from botocore.retries.adaptive import ClientRateLimiter
from botocore.retries.standard import ExponentialBackoff

from fault_table import name_of
from fresh_endpoints.aws import errors
from fresh_endpoints.waiting import pace
from fresh_endpoints.waiting.refused import RefusedTrigger
from pipeline_under_test import PipelineUnderTest, pipeline

__all__ = ["pipeline"]

DAYS = (date(2019, 3, 4), date(2019, 3, 5))
Faults = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def fast(pipeline: PipelineUnderTest, monkeypatch: pytest.MonkeyPatch) -> Iterator[PipelineUnderTest]:
    """A pipeline that trains and serves in no time, and clients that come back at once."""
    # botocore's retries stay as they are, but for the waits between them and its pacing after a throttle.
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0.01)
    monkeypatch.setattr(ClientRateLimiter, "on_sending_request", lambda self, **kwargs: None)
    monkeypatch.setattr(errors, "LONGEST_PAUSE_SECONDS", 0.01)
    pipeline.use_tiny_image(model="good")
    yield pipeline
    pipeline.aws.clear_faults()


@pytest.fixture
def faults(fast: PipelineUnderTest, tried: Callable[[str, int], None]) -> Faults:
    """Has faults in force within a block, and notes how often they struck: at least once each."""

    @contextmanager
    def in_force(*rules: dict[str, Any]) -> Iterator[None]:
        fast.aws.add_faults(*rules)
        try:
            yield
            for fault in fast.aws.faults():
                tried(name_of(fault), fault["matched"])
        finally:
            fast.aws.clear_faults()

    return in_force


@pytest.fixture
def soon(fast: PipelineUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline that is asked again soon, and has no retry to use up."""
    monkeypatch.setattr(pace, "REFUSED_SECONDS", 0.3)
    fast.write(lambda content: content.update(retries=0))


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[RefusedTrigger]:
    """The triggers that the steps have waited with."""
    seen: list[RefusedTrigger] = []
    run = RefusedTrigger.run

    def noted(self: RefusedTrigger) -> Any:
        seen.append(self)
        return run(self)

    monkeypatch.setattr(RefusedTrigger, "run", noted)
    return seen


@pytest.fixture
def deployed(fast: PipelineUnderTest) -> PipelineUnderTest:
    """A pipeline whose endpoint serves the first day, with the data of both."""
    for day in DAYS:
        fast.upload(day)
    assert fast.run(DAYS[0]).state == "success"
    return fast


@pytest.fixture
def two_days(fast: PipelineUnderTest) -> int:
    """A pipeline whose endpoint serves the second of two days; how many messages there are."""
    for day in DAYS:
        fast.upload(day)
        assert fast.run(day).state == "success"
    return len(fast.titles())
