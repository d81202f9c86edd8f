"""The triggers, run in an event loop of their own against local AWS, as `dag.test()` runs them."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
from airflow.triggers.base import BaseTrigger
from botocore.exceptions import ClientError

from fresh_endpoints.waiting import watcher
from fresh_endpoints.waiting.connections import S3Connection
from fresh_endpoints.waiting.event import COULD_NOT_LOOK, WaitEnded
from fresh_endpoints.waiting.triggers import DataTrigger, SageMakerTrigger

PLUGINS = Path(__file__).parents[3] / "plugins"
REGION = "ap-northeast-1"
pytestmark = pytest.mark.usefixtures("connections")
# What the triggers look at has names as a pipeline gives them: the worker may see nothing else.
BUCKET = "sample-bucket"


@pytest.fixture
def folder(local_aws):
    """A pipeline's folder of the bucket, with one file."""
    folder = f"input-data-training/2019-03-04/iris-{uuid4().hex[:8]}"
    s3 = local_aws.client("s3")
    if BUCKET not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=BUCKET, Key=f"{folder}/file", Body=b"1")
    return folder


@pytest.fixture
def train(local_aws, folder):
    """Starts a training job; its name. With `wait` it runs until it is stopped."""
    sagemaker = local_aws.client("sagemaker")

    def start(**hyperparameters):
        name = f"iris-2019-03-04-{uuid4().hex[:8]}"
        sagemaker.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={"TrainingImage": "1.dkr.ecr.x.amazonaws.com/tiny:1", "TrainingInputMode": "File"},
            RoleArn="arn:aws:iam::123456789012:role/sagemaker",
            HyperParameters=hyperparameters,
            OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/output-model/{folder}/"},
            ResourceConfig={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 600},
        )
        return name

    return start


@pytest.fixture
def log(caplog, monkeypatch):
    """What the triggers say in their tasks' logs; Airflow's own loggers do not reach pytest's."""
    monkeypatch.setattr(BaseTrigger, "log", logging.getLogger("trigger"))
    return caplog


def trigger_of(name, started=None, kind="training_job"):
    return SageMakerTrigger(kind, name, started or time.time() - 60, None, "aws_default", REGION)


async def first_event(trigger):
    async for event in trigger.run():
        return event.payload
    return None


@pytest.mark.parametrize(
    "trigger",
    [trigger_of("job", 1.0), DataTrigger("bucket", ["a", "b"], 2.0, 30.0, "aws_default", REGION, 2)],
    ids=lambda trigger: type(trigger).__name__,
)
def test_what_is_serialized_makes_an_equal_trigger(trigger):
    path, arguments = trigger.serialize()
    assert path == f"fresh_endpoints.waiting.triggers.{type(trigger).__name__}"
    assert type(trigger)(**arguments).serialize() == (path, arguments)


def test_it_fires_at_the_end_with_the_status(train):
    good, bad = train(), train(fail="no")

    async def both():
        return await asyncio.gather(first_event(trigger_of(good)), first_event(trigger_of(bad)))

    assert asyncio.run(both()) == [{"name": good, "status": "Completed"}, {"name": bad, "status": "Failed"}]
    # Again, in another event loop.
    assert asyncio.run(first_event(trigger_of(good)))["status"] == "Completed"


def test_many_are_listed(train, local_aws):
    names = [train() for _ in range(watcher.MANY_WAITS + 2)]
    calls_before = local_aws.count("ListTrainingJobs")

    async def wait_for_all():
        return await asyncio.gather(*(first_event(trigger_of(name)) for name in names))

    assert asyncio.run(wait_for_all()) == [{"name": name, "status": "Completed"} for name in names]
    assert local_aws.count("ListTrainingJobs") > calls_before


def test_it_fires_where_it_cannot_look(log):
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeTrainingJob")

    async def refuse(method, **parameters):
        raise denied

    async def refused(refusals):
        trigger = SageMakerTrigger("training_job", "job", time.time(), None, "aws_default", REGION, refusals)
        watcher.watcher_of("aws_default", REGION).requests = refuse
        return await first_event(trigger)

    event = WaitEnded.from_json(asyncio.run(refused(0)))
    assert (event.name, event.status, event.refusals) == ("job", COULD_NOT_LOOK, 1)
    assert event.reason == "DescribeTrainingJob: AWS says AccessDeniedException: no"
    assert "cannot look (DescribeTrainingJob: AWS says AccessDeniedException: no)" in log.text
    assert WaitEnded.from_json(asyncio.run(refused(1))).refusals == 2


def test_it_fires_where_it_fails_itself():
    """An exception would reach the task without its words."""

    async def fail(method, **parameters):
        raise ZeroDivisionError("words")

    async def failed():
        watcher.watcher_of("aws_default", REGION).requests = fail
        return await first_event(trigger_of("job"))

    event = WaitEnded.from_json(asyncio.run(failed()))
    assert event == WaitEnded("job", trigger_failed=True, reason="ZeroDivisionError: words", refusals=1)


def test_a_job_that_nobody_waits_for_any_more_is_stopped(train, local_aws):
    name = train(wait="yes")
    sagemaker = local_aws.client("sagemaker")
    asyncio.run(trigger_of(name).on_kill())
    assert sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] in ("Stopping", "Stopped")
    assert asyncio.run(first_event(trigger_of(name)))["status"] == "Stopped"
    asyncio.run(trigger_of(name).on_kill())  # It has ended: SageMaker's refusal is no error.


@pytest.mark.parametrize(
    ("state", "stopped"), [("failed", True), (None, True), ("deferred", False), (RuntimeError("no answer"), False)]
)
def test_a_job_is_stopped_only_if_its_task_no_longer_waits(train, local_aws, monkeypatch, state, stopped):
    def state_of(task_instance):
        if isinstance(state, Exception):
            raise state
        return state

    monkeypatch.setattr("fresh_endpoints.waiting.triggers.state_of", state_of)
    name = train(wait="yes")
    trigger = trigger_of(name)
    trigger.task_instance = SimpleNamespace(task_id="train")
    calls_before = local_aws.count("StopTrainingJob")
    asyncio.run(trigger.on_kill())
    assert local_aws.count("StopTrainingJob") - calls_before == stopped
    if not stopped:
        local_aws.client("sagemaker").stop_training_job(TrainingJobName=name)


def test_an_endpoint_is_not_stopped(local_aws):
    calls_before = local_aws.count()
    asyncio.run(trigger_of("endpoint", kind="endpoint").on_kill())
    assert local_aws.count() == calls_before


def data_trigger(folder, *files, seconds=30.0):
    return DataTrigger(
        BUCKET, [f"{folder}/{file}" for file in files], time.time() + seconds, 0.2, "aws_default", REGION
    )


def test_data_is_there_only_when_all_files_are(folder, local_aws):
    async def upload_while_waiting():
        waiting = asyncio.create_task(first_event(data_trigger(folder, "file", "other")))
        done, _ = await asyncio.wait([waiting], timeout=1)
        await asyncio.to_thread(local_aws.client("s3").put_object, Bucket=BUCKET, Key=f"{folder}/other", Body=b"1")
        return bool(done), await waiting

    assert asyncio.run(upload_while_waiting()) == (False, {"status": "there"})


def test_data_is_waited_for_until_the_deadline(folder):
    assert asyncio.run(first_event(data_trigger(folder, "other", seconds=1))) == {"timed_out": True}


def test_a_fault_of_s3_is_survived(folder, local_aws):
    [fault] = local_aws.add_faults({"operation": "s3:HeadObject", "kind": "error", "status": 500, "times": 1})
    try:
        assert asyncio.run(first_event(data_trigger(folder, "file"))) == {"status": "there"}
    finally:
        local_aws.remove_fault(fault)


def test_a_refusal_of_s3_is_passed_on_with_its_words(folder, log, monkeypatch):
    async def refuse(connection, bucket, keys):
        raise ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadObject")

    monkeypatch.setattr(S3Connection, "are_there", refuse)
    event = WaitEnded.from_json(asyncio.run(first_event(data_trigger(folder, "file"))))
    assert event == WaitEnded(status=COULD_NOT_LOOK, reason="HeadObject: AWS says 403: Forbidden", refusals=1)
    assert event.reason in log.text


def test_importing_the_triggers_imports_no_provider():
    """The triggerer imports them in its event loop; the provider's imports take half a second."""
    program = (
        "import sys, airflow.jobs.triggerer_job_runner; before = set(sys.modules)\n"
        "import fresh_endpoints.waiting.triggers\n"
        "print(sorted(name for name in set(sys.modules) - before if 'amazon' in name or 'boto3' in name))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(PLUGINS)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
