"""Want of quota is a wait: told once, without a retry, until it is over or the time is."""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager
from datetime import date

import pytest

from fresh_endpoints.aws.endpoint import Endpoint
from fresh_endpoints.steps import instances_wait
from sagemaker_requests import deploy, new_bucket, new_config, new_model, start_training, training_job, unique

pytestmark = pytest.mark.usefixtures("soon")
DAY_1, DAY_2 = date(2019, 3, 4), date(2019, 3, 5)
TRAINED = ["Training started", "Training complete"]
DEPLOYED = ["Deployment started", "Deployment completed"]

MINUTES = r"(less than a minute|\d+ minutes?)"


def names(pipeline):
    return [job["TrainingJobName"] for job in pipeline.jobs()]


@contextmanager
def once(is_so, act):
    """Acts, beside what is done in the block, as soon as something is so."""

    def watch():
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and not is_so():
            time.sleep(0.05)
        act()

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        watching.join()


@contextmanager
def training_of_a_stranger(pipeline, until):
    """Has somebody else train, with an instance of the type of ours, until something is so."""
    condition = {"MaxRuntimeInSeconds": 600}
    request = training_job(new_bucket(pipeline.aws), {"wait": "yes"}, StoppingCondition=condition)
    name = start_training(pipeline.aws, request)
    with once(until, lambda: pipeline.sagemaker.stop_training_job(TrainingJobName=name)):
        yield


def test_a_training_waits_for_quota_and_starts_once_it_is_free(fast, faults, waits):
    fast.upload(DAY_1)
    with (
        faults({"kind": "quota", "operation": "CreateTrainingJob", "limit": 1}),
        training_of_a_stranger(fast, until=lambda: len(waits) > 2),
    ):
        ended = fast.run(DAY_1)
    assert ended.state == "success"
    assert fast.titles() == ["Waiting for quota", *TRAINED, *DEPLOYED]
    [waiting, started, *_] = fast.slack()
    assert 'AWS allows 1 of "ml.m4.xlarge for training job usage": 1 are in use, and this asks for 1.' in waiting
    assert re.search(rf"It waited {MINUTES} for quota\.$", started)
    [name] = names(fast)
    assert {(wait.key, wait.since) for wait in waits} == {(name, waits[0].since)}


def test_a_training_that_has_waited_as_long_as_it_may_fails_with_what_to_do(fast, faults, monkeypatch):
    monkeypatch.setattr(instances_wait, "LONGEST_SECONDS", 2.0)
    fast.upload(DAY_1)
    with (
        faults({"kind": "quota", "operation": "CreateTrainingJob", "limit": 1}),
        training_of_a_stranger(fast, until=lambda: fast.titles()[-1:] == ["Training failed"]),
    ):
        ended = fast.run(DAY_1)
    assert ended.tasks == {**ended.tasks, "train": "failed", "deploy": "upstream_failed"}
    assert fast.titles() == ["Waiting for quota", "Training failed"]
    assert "AWS says ResourceLimitExceeded: The account-level service limit" in fast.slack()[-1]
    assert re.search(f"It has waited {MINUTES} for quota, as long as it may without quota_wait_min", fast.slack()[-1])
    assert names(fast) == []


def test_a_file_may_say_not_to_wait(fast, faults):
    fast.upload(DAY_1)
    fast.write(lambda content: content.update(quota_wait_minutes=0))
    with (
        faults({"kind": "quota", "operation": "CreateTrainingJob", "limit": 1}),
        training_of_a_stranger(fast, until=lambda: bool(fast.titles())),
    ):
        assert fast.run(DAY_1).tasks["train"] == "failed"
    assert fast.titles() == ["Training failed"]
    assert "as long as quota_wait_minutes lets it. Ask AWS for a higher quota" in fast.slack()[-1]


@pytest.fixture
def endpoint_of_a_stranger(fast):
    """An endpoint with an instance of the type of ours."""
    aws = fast.aws
    name = deploy(aws, new_config(aws, new_model(aws, new_bucket(aws), "other")))
    yield name
    if fast.listed("list_endpoints", NameContains=name):
        fast.sagemaker.delete_endpoint(EndpointName=name)


def test_an_update_waits_for_quota(fast, faults, waits, endpoint_of_a_stranger):
    fast.upload(DAY_1)
    fast.upload(DAY_2)
    assert fast.run(DAY_1).state == "success"
    told = len(fast.titles())

    def leave():
        fast.sagemaker.delete_endpoint(EndpointName=endpoint_of_a_stranger)

    with (
        faults({"kind": "quota", "operation": "UpdateEndpoint", "limit": 2}),
        once(lambda: len(waits) > 1, leave),
    ):
        ended = fast.run(DAY_2)
    assert ended.state == "success"
    assert fast.live() == names(fast)[-1]
    assert fast.titles()[told:] == [*TRAINED, "Waiting for quota", *DEPLOYED]
    assert re.search(f"It waited {MINUTES} for quota", fast.slack()[-2])


def test_a_first_deployment_waits_for_quota(fast, faults, waits, endpoint_of_a_stranger):
    fast.upload(DAY_1)

    def leave():
        fast.sagemaker.delete_endpoint(EndpointName=endpoint_of_a_stranger)

    with (
        faults({"kind": "quota", "operation": "CreateEndpoint", "limit": 1}),
        once(lambda: len(waits) > 1, leave),
    ):
        ended = fast.run(DAY_1)
    assert ended.state == "success"
    assert fast.live() == names(fast)[0]
    assert fast.titles() == [*TRAINED, "Waiting for quota", *DEPLOYED]
    assert 'AWS allows 1 of "ml.m4.xlarge for endpoint usage"' in fast.slack()[2]


def test_a_redeploy_waits_for_quota(fast, two_days, faults, waits, endpoint_of_a_stranger):
    def leave():
        fast.sagemaker.delete_endpoint(EndpointName=endpoint_of_a_stranger)

    with (
        faults({"kind": "quota", "operation": "UpdateEndpoint", "limit": 2}),
        once(lambda: len(waits) > 1, leave),
    ):
        ended = fast.redeploy()
    assert ended.state == "success"
    assert fast.live() == names(fast)[0]
    assert fast.titles()[two_days:] == ["Waiting for quota", "Redeploy started", "Redeployed"]
    assert re.search(f"It waited {MINUTES} for quota", fast.slack()[-2])


def test_an_update_that_the_endpoint_itself_leaves_no_quota_for_fails_at_once(fast, faults):
    fast.upload(DAY_1)
    fast.upload(DAY_2)
    assert fast.run(DAY_1).state == "success"
    before = fast.aws.count("UpdateEndpoint")
    with faults({"kind": "quota", "operation": "UpdateEndpoint", "limit": 1}):
        assert fast.run(DAY_2).tasks["deploy"] == "failed"
    assert fast.aws.count("UpdateEndpoint") == before + 1
    assert fast.titles()[-1] == "Deployment failed"
    assert "The endpoint itself uses 1, and its update runs 1 beside them, so it is not tried again" in fast.slack()[-1]


def test_the_way_back_from_a_model_that_fails_its_test_waits_for_quota(fast, faults, waits, monkeypatch):
    fast.upload(DAY_1)
    fast.upload(DAY_2)
    fast.write(lambda content: content.update(smoke_test={"body": "1", "content_type": "text/csv", "expect": "good:1"}))
    assert fast.run(DAY_1).state == "success"
    fast.use_tiny_image(model="bad")
    fast.write(lambda content: content.update(smoke_test={"body": "1", "content_type": "text/csv", "expect": "good:1"}))
    update, old, asked = Endpoint.update, fast.live(), []

    def refused_twice(self, request, **options):
        asked.append(request["EndpointConfigName"])
        if asked.count(old) == 1 and asked[-1] == old:
            fast.aws.add_faults({"kind": "quota", "operation": "UpdateEndpoint", "limit": 2, "times": 2})
        return update(self, request, **options)

    monkeypatch.setattr(Endpoint, "update", refused_twice)
    aws = fast.aws
    other = deploy(aws, new_config(aws, new_model(aws, new_bucket(aws), "other")))
    try:
        assert fast.run(DAY_2).tasks["deploy"] == "failed"
    finally:
        fast.sagemaker.delete_endpoint(EndpointName=other)
    assert len(waits) == 2
    assert fast.live() == names(fast)[0]
    assert fast.titles()[-3:] == ["Smoke test failed", "Waiting for quota", "Rolled back"]


def transform_of_a_stranger(pipeline):
    """Somebody else's prediction, with an instance of the type of ours."""
    bucket = new_bucket(pipeline.aws, {"in/rows.csv": b"1"})
    pipeline.sagemaker.create_transform_job(
        TransformJobName=unique("transform"),
        ModelName=new_model(pipeline.aws, bucket, "other"),
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in"}}},
        TransformOutput={"S3OutputPath": f"s3://{bucket}/out"},
        TransformResources={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1},
    )


def test_a_prediction_waits_for_quota(fast, faults, waits):
    fast.upload(DAY_1)
    assert fast.run(DAY_1, deploy="never").state == "success"
    told = len(fast.titles())
    [held] = fast.aws.add_faults({"kind": "hold_status", "operation": "transform-job:InProgress"})
    transform_of_a_stranger(fast)
    with (
        faults({"kind": "quota", "operation": "CreateTransformJob", "limit": 1}),
        once(lambda: len(waits) > 1, lambda: fast.aws.remove_fault(held)),
    ):
        ended = fast.predict(data_date=str(DAY_1))
    assert ended.state == "success"
    assert fast.titles()[told:] == ["Waiting for quota", "Prediction started", "Prediction complete"]
    assert 'of "ml.m4.xlarge for transform job usage": 1 are in use' in fast.slack()[told]
