"""What a user's end of a waiting task does to its job."""

from __future__ import annotations

import asyncio

import pytest

from sagemaker_pipelines.triggers import SageMakerTrigger


@pytest.fixture
def stopped(monkeypatch):
    """The jobs that SageMaker has stopped, half a second after it was asked to."""
    stopped = []

    class Watcher:
        async def requests(self, method, **request):
            await asyncio.sleep(0.5)
            stopped.append((method, request))

    monkeypatch.setattr("sagemaker_pipelines.triggers.watcher_of", lambda *connection: Watcher())
    return stopped


def trigger(kind):
    return SageMakerTrigger(kind=kind, name="x", started=0.0)


@pytest.mark.parametrize(
    ("kind", "request_"),
    [
        ("training_job", ("stop_training_job", {"TrainingJobName": "x"})),
        ("transform_job", ("stop_transform_job", {"TransformJobName": "x"})),
    ],
)
def test_a_job_is_stopped_however_often_the_triggerer_cancels(stopped, kind, request_):
    async def cancel_as_the_triggerer_does():
        killing = asyncio.ensure_future(trigger(kind).on_kill())
        for _ in range(3):
            await asyncio.sleep(0.05)
            killing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await killing
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0.01)

    asyncio.run(cancel_as_the_triggerer_does())
    assert stopped == [request_]


def test_an_endpoints_change_is_not_stopped(stopped):
    asyncio.run(trigger("endpoint").on_kill())
    assert stopped == []


def test_a_trigger_is_made_anew_from_what_it_serializes():
    path, arguments = trigger("training_job").serialize()
    assert path == "sagemaker_pipelines.triggers.SageMakerTrigger"
    assert SageMakerTrigger(**arguments).serialize() == (path, arguments)
