"""The triggers of those who wait for quota, in an event loop of their own against local AWS."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

import pytest

from fresh_endpoints.aws.kinds import ENDPOINT, TRAINING_JOB
from fresh_endpoints.waiting import pace
from fresh_endpoints.waiting.refused import RefusedTrigger, _has_begun
from fresh_endpoints.waiting.triggers import SageMakerTrigger
from sagemaker_requests import new_bucket, start_training, training_job

REGION = "ap-northeast-1"
pytestmark = pytest.mark.usefixtures("connections")
LONG = 600.0


@pytest.fixture
def wanted():
    """A quota that no other test waits for."""
    return f"ml.{uuid4().hex} for training job usage"


def trigger_of(name, wanted, since=0.0, deadline=None, **options):
    deadline = deadline or time.time() + LONG
    return RefusedTrigger("training_job", name, name, wanted, since, deadline, aws_conn_id="aws_default",
                          region_name=REGION, **options)  # fmt: skip


async def first_event(trigger):
    async for event in trigger.run():
        return event.payload
    return None


def test_the_next_may_ask_once_the_first_is_let_in(local_aws, wanted, monkeypatch):
    """Long before the pause would be over that follows a try."""
    monkeypatch.setattr(pace, "REFUSED_SECONDS", 1.0)
    request = training_job(new_bucket(local_aws), {})
    name = request["TrainingJobName"]

    async def both():
        first = asyncio.create_task(first_event(trigger_of(name, wanted, since=1.0)))
        second = asyncio.create_task(first_event(trigger_of("second", wanted, since=2.0)))
        told = await first
        monkeypatch.setattr(pace, "REFUSED_SECONDS", LONG)
        assert not second.done()
        await asyncio.to_thread(start_training, local_aws, request)
        return told, await asyncio.wait_for(second, 30)

    assert asyncio.run(both()) == ({"refused_since": 1.0}, {"refused_since": 2.0})


def test_the_end_of_a_job_that_the_triggerer_waits_for_lets_the_first_ask(local_aws, wanted, monkeypatch):
    monkeypatch.setattr(pace, "REFUSED_SECONDS", LONG)
    name = start_training(local_aws, training_job(new_bucket(local_aws), {}))

    async def wait_for_both():
        waiting = asyncio.create_task(first_event(trigger_of("refused", wanted)))
        await asyncio.sleep(0)
        ending = SageMakerTrigger("training_job", name, time.time(), None, "aws_default", REGION)
        await first_event(ending)
        return await asyncio.wait_for(waiting, 30)

    assert asyncio.run(wait_for_both()) == {"refused_since": 0.0}


def test_it_fires_at_its_deadline(wanted, monkeypatch):
    monkeypatch.setattr(pace, "REFUSED_SECONDS", LONG)
    trigger = trigger_of("job", wanted, since=3.0, deadline=time.time() + 1, is_told=True, attempt=4)
    assert asyncio.run(first_event(trigger)) == {"refused_since": 3.0, "is_told": True, "attempt": 4}


def test_one_whose_user_has_given_up_lets_the_next_ask(wanted, monkeypatch):
    monkeypatch.setattr(pace, "REFUSED_SECONDS", 1.0)

    async def give_up():
        first, second = (
            asyncio.create_task(first_event(trigger_of(f"job-{since}", wanted, since=since))) for since in (1.0, 2.0)
        )
        await asyncio.sleep(0.5)
        first.cancel()
        return await asyncio.wait_for(second, 30)

    assert asyncio.run(give_up()) == {"refused_since": 2.0}


@pytest.mark.parametrize(
    ("kind", "found", "is_capacity", "has_begun"),
    [
        (TRAINING_JOB, {"TrainingJobStatus": "InProgress"}, False, True),
        (TRAINING_JOB, {"TrainingJobStatus": "InProgress"}, True, False),
        (TRAINING_JOB, {"TrainingJobStatus": "InProgress", "TrainingStartTime": 1}, True, True),
        (ENDPOINT, {"EndpointStatus": "InService"}, False, False),
        (ENDPOINT, {"EndpointStatus": "Updating"}, False, True),
        (ENDPOINT, {"EndpointStatus": "Creating"}, False, True),
        (ENDPOINT, {"EndpointStatus": "Updating"}, True, False),
        (ENDPOINT, {"EndpointStatus": "Failed", "FailureReason": "None left."}, True, False),
        (ENDPOINT, {"EndpointStatus": "InService", "FailureReason": "None left."}, True, False),
        (ENDPOINT, {"EndpointStatus": "InService"}, True, True),
    ],
)
def test_when_one_has_been_let_in(kind, found, is_capacity, has_begun):
    assert _has_begun(kind, found, is_capacity=is_capacity) is has_begun
