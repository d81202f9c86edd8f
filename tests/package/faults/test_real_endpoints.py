"""Deployments meet what the real AWS does: reads that lag, configs that are gone, models that are not ready yet."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from datetime import date

import pytest
from botocore.exceptions import ClientError

from fresh_endpoints.aws import endpoint as endpoints
from fresh_endpoints.steps import deploy
from fresh_endpoints.steps.smoke_test import SmokeTester
from fresh_endpoints.waiting import pace
from sagemaker_requests import new_alarm

DAY_1, DAY_2, DAY_3 = date(2019, 3, 4), date(2019, 3, 5), date(2019, 3, 6)
MESSAGES = ["Training started", "Training complete", "Deployment started", "Deployment completed"]


def names(pipeline):
    return [job["TrainingJobName"] for job in pipeline.jobs()]


@pytest.fixture
def deployed(fast):
    """A pipeline whose endpoint serves the first day, with the data of three."""
    for day in (DAY_1, DAY_2, DAY_3):
        fast.upload(day)
    assert fast.run(DAY_1).state == "success"
    return fast


def with_smoke_test(pipeline, **more):
    test = {"body": "ping", "content_type": "text/plain", "expect": "good.*:ping", "patience_seconds": 0, **more}
    pipeline.write(lambda content: content.update(smoke_test=test))


def config_tags(pipeline, name):
    return pipeline.tags(pipeline.sagemaker.describe_endpoint_config(EndpointConfigName=name)["EndpointConfigArn"])


@pytest.mark.parametrize("worker_seconds", [10, 0], ids=["in the worker", "deferred"])
def test_an_update_that_is_not_seen_yet_is_no_rollback(deployed, faults, monkeypatch, worker_seconds):
    monkeypatch.setattr(pace, "WORKER_SECONDS", worker_seconds)
    monkeypatch.setattr(deploy, "LOOK_AGAIN_SECONDS", 0.2)
    with faults({"operation": "DescribeEndpoint", "kind": "stale_read", "seconds": 2}):
        assert deployed.run(DAY_2).tasks["deploy"] == "success"
    assert deployed.live() == names(deployed)[1]
    assert deployed.titles() == MESSAGES * 2


def test_an_endpoint_that_is_not_seen_right_after_its_creation_is_waited_for(fast, faults, monkeypatch):
    monkeypatch.setattr(deploy, "LOOK_AGAIN_SECONDS", 0.2)
    fast.upload(DAY_1)
    with faults({"operation": "DescribeEndpoint", "kind": "stale_read", "seconds": 2}):
        assert fast.run(DAY_1).state == "success"
    assert len([job for job in fast.jobs() if job["TrainingJobStatus"] == "Completed"]) == 1
    assert fast.titles() == MESSAGES


@pytest.mark.parametrize("operation", ["CreateEndpointConfig", "UpdateEndpoint"])
def test_what_was_just_created_may_not_be_found_for_a_while(deployed, faults, operation):
    with faults({"operation": operation, "kind": "stale_read", "seconds": 2}):
        assert deployed.run(DAY_2).tasks["deploy"] == "success"
    assert deployed.live() == names(deployed)[1]


@pytest.mark.parametrize("form", ["absent", "leading_space"])
def test_a_rollback_is_seen_by_the_config_that_serves_whatever_the_reason_says(deployed, faults, form):
    with faults(
        {"kind": "fail_deployment", "failure_reason": "The ping check failed.", "times": 1},
        {"kind": "failure_reason", "form": form},
    ):
        assert deployed.run(DAY_2).tasks["deploy"] == "failed"
    assert deployed.titles()[-1] == "Rolled back"
    assert re.search(rf"Live now: {names(deployed)[0]}, data date .*, proven, InService\.", deployed.slack()[-1])


def test_a_fault_of_awss_own_is_tried_again_although_it_begins_with_a_space(deployed, faults):
    reason = "Request to service failed. If failure persists after retry, contact customer support."
    with faults(
        {"kind": "fail_deployment", "failure_reason": reason, "times": 1},
        {"kind": "failure_reason", "form": "leading_space"},
    ):
        assert deployed.run(DAY_2).tasks["deploy"] == "success"
    assert deployed.live() == names(deployed)[1]


def test_a_rollback_to_a_later_date_is_told_as_one(deployed, faults):
    """deploy: always of an older data date, which AWS rolls back: nobody else has changed anything."""
    assert deployed.run(DAY_2).state == "success"
    with faults(
        {"kind": "fail_deployment", "failure_reason": "No.", "times": 1},
        {"kind": "failure_reason", "form": "absent"},
    ):
        assert deployed.run(DAY_1, deploy="always").tasks["deploy"] == "failed"
    assert deployed.titles()[-1] == "Rolled back"


def test_what_is_overtaken_by_the_same_data_date_is_told_as_overtaken(deployed, after_the_wait, tried):
    other = f"{deployed.name}-by-hand"
    deployed.sagemaker.create_endpoint_config(
        EndpointConfigName=other,
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "ModelName": names(deployed)[0],
                "InstanceType": "ml.m4.xlarge",
                "InitialInstanceCount": 1,
            }
        ],
    )

    def overtake():
        deployed.sagemaker.update_endpoint(EndpointName=deployed.name, EndpointConfigName=other)
        ends_at = time.monotonic() + 60
        while deployed.endpoint()["EndpointStatus"] != "InService":
            assert time.monotonic() < ends_at
            time.sleep(0.05)

    after_the_wait(overtake)
    assert deployed.run(DAY_2).tasks["deploy"] == "skipped"
    assert deployed.titles()[-1] == "Deployment overtaken"
    assert f'it serves "{other}"' in deployed.slack()[-1]
    tried("deployment overtaken")


def test_a_live_config_that_was_deleted_is_made_again(deployed, tried):
    first = deployed.live()
    deployed.sagemaker.delete_endpoint_config(EndpointConfigName=first)
    assert deployed.run(DAY_2).tasks["deploy"] == "success"
    assert deployed.live() == names(deployed)[1]
    assert config_tags(deployed, first)["fresh-endpoints:data-date"] == "2019-03-04"
    tried("live endpoint config deleted")


def test_the_data_date_of_a_live_config_that_was_deleted_is_in_its_name(deployed, tried):
    assert deployed.run(DAY_3).state == "success"
    deployed.sagemaker.delete_endpoint_config(EndpointConfigName=deployed.live())
    assert deployed.run(DAY_2).tasks["deploy"] == "skipped"
    assert "later data date 2019-03-06" in deployed.slack()[-1]
    tried("live endpoint config deleted")


def test_a_live_config_of_a_persons_that_was_deleted_is_told_in_one_sentence(deployed, tried):
    [variant] = deployed.sagemaker.describe_endpoint_config(EndpointConfigName=deployed.live())["ProductionVariants"]
    deployed.sagemaker.create_endpoint_config(EndpointConfigName="by-hand-1", ProductionVariants=[variant])
    deployed.sagemaker.update_endpoint(EndpointName=deployed.name, EndpointConfigName="by-hand-1")
    deployed.aws.client("sagemaker").get_waiter("endpoint_in_service").wait(
        EndpointName=deployed.name, WaiterConfig={"Delay": 1}
    )
    deployed.sagemaker.delete_endpoint_config(EndpointConfigName="by-hand-1")
    before = deployed.aws.count("UpdateEndpoint")
    assert deployed.run(DAY_2).tasks["deploy"] == "failed"
    assert deployed.aws.count("UpdateEndpoint") == before + 1, "asking again would be in vain"
    assert 'its endpoint config "by-hand-1" has been deleted' in deployed.slack()[-1]
    tried("live endpoint config deleted")


@pytest.fixture
def pauses(monkeypatch):
    """The numbers of the pauses before a change was asked for once more."""
    numbers, pause = [], endpoints.pause_after_fault
    monkeypatch.setattr(endpoints, "pause_after_fault", lambda number: numbers.append(number) or pause(number))
    return numbers


@pytest.fixture
def changing(deployed):
    """A pipeline whose endpoint a person changes, for as long as faults are in force."""
    other, live = f"{deployed.name}-by-hand", deployed.live()
    [variant] = deployed.sagemaker.describe_endpoint_config(EndpointConfigName=live)["ProductionVariants"]
    deployed.sagemaker.create_endpoint_config(EndpointConfigName=other, ProductionVariants=[variant])
    deployed.aws.add_faults({"operation": "endpoint:Updating", "kind": "hold_status", "times": 1})
    deployed.sagemaker.update_endpoint(EndpointName=deployed.name, EndpointConfigName=other)
    yield deployed
    deployed.aws.clear_faults()
    deployed.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=deployed.name, WaiterConfig={"Delay": 1})


# It is looked at twice before each request.
@pytest.mark.parametrize(("looks", "refused"), [(6, 3), (1_000, None)], ids=["for a while", "for good"])
def test_a_change_refused_as_in_progress_that_is_not_seen_is_asked_for_ever_less_often(
    changing, pauses, looks, refused
):
    """DescribeEndpoint tells of the endpoint as it was, UpdateEndpoint knows better."""
    changing.write(lambda content: content.update(retries=0))
    stale = {"operation": "DescribeEndpoint", "kind": "stale_read", "seconds": 3_600, "times": looks}
    [number] = changing.aws.add_faults(stale)
    before = changing.aws.count("UpdateEndpoint")
    releasing = threading.Thread(target=release_once_asked, args=(changing, before + looks // 2))
    releasing.start()
    ended = changing.run(DAY_2)
    asked = changing.aws.count("UpdateEndpoint") - before
    changing.aws.remove_fault(number)
    changing.aws.clear_faults()
    releasing.join()
    if refused:
        assert (ended.tasks["deploy"], asked, pauses) == ("success", refused + 1, [1, 2, 3])
        assert changing.live() == names(changing)[1]
    else:
        assert (ended.tasks["deploy"], asked) == ("failed", endpoints.MAX_UNANSWERED)
        assert pauses == list(range(1, endpoints.MAX_UNANSWERED))
        assert "Cannot update in-progress endpoint" in changing.slack()[-1]


def release_once_asked(pipeline, count):
    """Let the endpoint's change end when so many updates were refused; or when the faults are gone."""
    ends_at = time.monotonic() + 120
    while pipeline.aws.count("UpdateEndpoint") < count and pipeline.aws.faults() and time.monotonic() < ends_at:
        time.sleep(0.05)
    for fault in pipeline.aws.faults():
        if fault["kind"] == "hold_status":
            pipeline.aws.remove_fault(fault["number"])


def test_an_endpoint_that_was_deleted_between_two_runs_is_made_anew(deployed, tried):
    deployed.sagemaker.delete_endpoint(EndpointName=deployed.name)
    deployed.aws.client("sagemaker").get_waiter("endpoint_deleted").wait(
        EndpointName=deployed.name, WaiterConfig={"Delay": 1}
    )
    assert deployed.run(DAY_2).state == "success"
    assert deployed.live() == names(deployed)[1]
    assert deployed.titles() == MESSAGES * 2
    tried("endpoint deleted between runs")


def test_an_endpoint_of_another_pipeline_is_refused_unless_it_is_taken_over(deployed):
    live = deployed.live()
    shared = {"EndpointName": deployed.name}
    deployed.write(lambda content: content.update(name=f"{deployed.name}x", endpoint=shared))
    (deployed.folder / f"{deployed.name}.yaml").rename(deployed.folder / f"{deployed.name}x.yaml")
    endpoint, deployed.name = deployed.name, f"{deployed.name}x"
    for day in (DAY_2, DAY_3):
        deployed.upload(day)
    try:
        assert deployed.run(DAY_2).tasks["deploy"] == "failed"
        assert f'a model of pipeline "{endpoint}", not of "{deployed.name}"' in deployed.slack()[-1]
        assert deployed.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"] == live
        assert deployed.run(DAY_3, deploy="always").tasks["deploy"] == "success"
    finally:
        deployed.name = endpoint


def test_an_endpoint_whose_creation_has_failed_is_made_anew_and_slack_says_so(fast, faults):
    fast.upload(DAY_1)
    fast.upload(DAY_2)
    with faults({"kind": "fail_deployment", "failure_reason": "No image.", "times": 1}):
        assert fast.run(DAY_1).tasks["deploy"] == "failed"
    assert fast.run(DAY_2).tasks["deploy"] == "success"
    assert "Endpoint recreated" in fast.titles()


def test_a_deployment_of_which_a_try_knows_only_by_tags_is_not_asked_for_again(deployed, faults, monkeypatch):
    """The wait has timed out or its trigger has failed: Airflow then forgets what the task was waiting for."""
    monkeypatch.setattr(pace, "WORKER_SECONDS", 0)
    resume = deploy.DeployOperator.execute_complete

    def forget(self, context, event=None, **carried):
        return self.resume_execution("__fail__", {"error": "Trigger failure"}, context)

    monkeypatch.setattr(deploy.DeployOperator, "execute_complete", forget)
    before = deployed.aws.count("UpdateEndpoint")
    with faults({"kind": "fail_deployment", "failure_reason": "The ping check failed.", "times": 1}):
        assert deployed.run(DAY_2).tasks["deploy"] == "failed"
    monkeypatch.setattr(deploy.DeployOperator, "execute_complete", resume)
    assert deployed.aws.count("UpdateEndpoint") == before + 1
    assert deployed.titles()[-1] == "Rolled back"


def test_a_model_that_is_not_loaded_yet_is_asked_again(deployed, faults):
    with_smoke_test(deployed, patience_seconds=60)
    with faults({"kind": "not_ready", "times": 2}):
        assert deployed.run(DAY_2).tasks["deploy"] == "success"
    assert config_tags(deployed, deployed.live())["fresh-endpoints:smoke-test"] == "passed"


# More than botocore's own tries.
@pytest.mark.parametrize(
    "fault",
    [{"kind": "throttle", "operation": "InvokeEndpoint", "times": 9}, {"kind": "not_ready", "times": 9}],
    ids=["throttled", "a cold serverless endpoint"],
)
def test_an_endpoint_that_takes_no_request_yet_is_asked_again(deployed, faults, fault):
    """400 ThrottlingException without a message, and 429 ModelNotReadyException."""
    with_smoke_test(deployed, patience_seconds=60)
    if fault["kind"] == "not_ready":
        serverless = {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 1}}
        variants = [{"VariantName": "AllTraffic", **serverless}]
        deployed.write(lambda content: content["endpoint_config"].update(ProductionVariants=variants))
        deployed.write(lambda content: content.update(model={"EnableNetworkIsolation": False}))
    with faults(fault):
        assert deployed.run(DAY_2).tasks["deploy"] == "success"
    assert config_tags(deployed, deployed.live())["fresh-endpoints:smoke-test"] == "passed"


def test_patience_has_an_end(deployed, faults):
    with_smoke_test(deployed, patience_seconds=1)
    with faults({"kind": "not_ready"}):
        assert deployed.run(DAY_2).tasks["deploy"] == "failed"
    assert deployed.live() == names(deployed)[0]
    assert "ModelError" in deployed.slack()[-2]


def test_the_way_back_leads_to_the_newest_proven_config(deployed):
    """The second day's model fails and stays, for a person has put it back; the third day's goes to the first's."""
    with_smoke_test(deployed)
    first = deployed.live()
    deployed.use_tiny_image(model="bad")
    with_smoke_test(deployed)
    assert deployed.run(DAY_2).tasks["deploy"] == "failed"
    deployed.sagemaker.update_endpoint(EndpointName=deployed.name, EndpointConfigName=names(deployed)[1])
    deployed.aws.client("sagemaker").get_waiter("endpoint_in_service").wait(
        EndpointName=deployed.name, WaiterConfig={"Delay": 1}
    )
    assert deployed.run(DAY_3).tasks["deploy"] == "failed"
    assert deployed.live() == first
    assert re.search(rf"Live now: {first}, data date .*, proven, InService\.", deployed.slack()[-1])


def test_the_way_back_is_at_once_and_without_the_files_policy(deployed, local_aws):
    policy = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 1},
            "TerminationWaitInSeconds": 0,
        }
    }
    deployed.use_tiny_image(model="bad")
    with_smoke_test(deployed)
    with new_alarm(local_aws) as alarm:
        policy["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": alarm}]}
        deployed.write(lambda content: content["endpoint"].update(DeploymentConfig=policy))
        assert deployed.run(DAY_2).tasks["deploy"] == "failed"
    assert "LastDeploymentConfig" not in deployed.endpoint()


def test_a_way_back_for_want_of_capacity_is_tried_again(deployed, faults):
    deployed.use_tiny_image(model="bad")
    with_smoke_test(deployed)
    first = deployed.live()
    reason = "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error."
    with faults({"kind": "fail_deployment", "failure_reason": reason, "skip": 1, "times": 1}):
        assert deployed.run(DAY_2).tasks["deploy"] == "failed"
    assert deployed.live() == first
    assert deployed.titles()[-1] == "Rolled back"


def test_a_way_back_that_is_refused_is_told_with_what_is_live(deployed, faults):
    deployed.use_tiny_image(model="bad")
    with_smoke_test(deployed)
    with faults({"kind": "fail_deployment", "failure_reason": "No.", "skip": 1, "times": 1}):
        assert deployed.run(DAY_2).tasks["deploy"] == "failed"
    second = names(deployed)[1]
    assert deployed.live() == second
    assert deployed.titles()[-1] == "Deployment failed"
    assert f'serves the unproven model "{second}"' in deployed.slack()[-1]
    assert re.search(rf"Live now: {second}, data date .*, failed its smoke test, InService\.", deployed.slack()[-1])


@pytest.mark.parametrize("moment", ["while the model is asked", "after it was chosen"])
def test_where_the_config_to_go_back_to_is_deleted_meanwhile_what_is_live_is_told(deployed, monkeypatch, moment):
    first = deployed.live()
    deployed.use_tiny_image(model="bad")
    with_smoke_test(deployed)
    owner, method = (SmokeTester, "failure") if moment.startswith("while") else (deploy, "way_back")
    original = getattr(owner, method)

    def and_delete(*args, **more):
        found = original(*args, **more)
        with contextlib.suppress(ClientError):  # Deleted before.
            deployed.sagemaker.delete_endpoint_config(EndpointConfigName=first)
        return found

    monkeypatch.setattr(owner, method, and_delete)
    assert deployed.run(DAY_2).tasks["deploy"] == "failed"
    second = names(deployed)[1]
    assert deployed.live() == second
    assert deployed.titles()[-1] == "Deployment failed"
    assert f'serves the unproven model "{second}"' in deployed.slack()[-1]
    assert re.search(rf"Live now: {second}, data date .*, failed its smoke test, InService\.", deployed.slack()[-1])


def test_each_variant_that_serves_the_model_is_asked_and_no_other(deployed):
    champion = deployed.live()
    with_smoke_test(deployed, expect="challenger:ping")
    deployed.use_tiny_image(model="challenger")
    with_smoke_test(deployed, expect="challenger:ping")

    def two_variants(content):
        [variant] = content["endpoint_config"]["ProductionVariants"]
        old = {**variant, "VariantName": "Champion", "ModelName": champion, "InitialVariantWeight": 0.99}
        new = {**variant, "VariantName": "Challenger", "InitialVariantWeight": 0.01}
        content["endpoint_config"]["ProductionVariants"] = [old, new]

    deployed.write(two_variants)
    assert deployed.run(DAY_2).tasks["deploy"] == "success"
    # A request without a target would be answered by the champion ninety-nine times of a hundred.
    assert config_tags(deployed, names(deployed)[1])["fresh-endpoints:smoke-test"] == "passed"


@pytest.fixture
def asynchronous(fast):
    """A pipeline of an asynchronous endpoint, which is asked by a file in S3 and has so many seconds to answer."""
    fast.upload(DAY_1)
    key = f"input-data-validation/2019-03-04/{fast.name}/ping.txt"
    fast.s3.put_object(Bucket="sample-bucket", Key=key, Body=b"ping")

    def run(patience_seconds):
        folder = f"s3://sample-bucket/output-prediction/async/{fast.name}"
        output = {"S3OutputPath": f"{folder}/answers/", "S3FailurePath": f"{folder}/failures/"}
        test = {
            "key": f"input-data-validation/{{{{ data_date }}}}/{fast.name}/ping.txt",
            "content_type": "text/plain",
            "expect": "good:ping",
            "patience_seconds": patience_seconds,
        }
        fast.write(lambda content: content["endpoint_config"].update(AsyncInferenceConfig={"OutputConfig": output}))
        fast.write(lambda content: content.update(smoke_test=test))
        return fast.run(DAY_1).tasks["deploy"]

    return run


def test_an_asynchronous_endpoint_is_asked_by_a_file_and_answers_by_one(fast, asynchronous):
    assert asynchronous(60) == "success"
    assert config_tags(fast, fast.live())["fresh-endpoints:smoke-test"] == "passed"


def test_an_asynchronous_endpoint_that_has_not_loaded_its_model_is_asked_again(fast, asynchronous, faults):
    with faults({"kind": "not_ready", "operation": "InvokeEndpointAsync", "times": 1}):
        assert asynchronous(60) == "success"
    assert fast.aws.calls("InvokeEndpointAsync")[-2]["parameters"]["EndpointName"] == fast.name


def test_the_patience_with_an_asynchronous_endpoint_has_an_end(fast, asynchronous, faults):
    with faults({"kind": "not_ready", "operation": "InvokeEndpointAsync"}):
        assert asynchronous(0) == "failed"
    assert "Smoke test failed" in fast.titles()


def test_an_answer_that_s3_refuses_may_not_be_there_yet(asynchronous, faults):
    """Without s3:ListBucket a missing key is a 403. The first to be read is what is sent."""
    with faults({"kind": "denied", "operation": "s3:GetObject", "skip": 1, "times": 2}):
        assert asynchronous(60) == "success"


def test_an_answer_that_s3_refuses_for_good_is_told_with_what_to_allow(fast, asynchronous, faults):
    with faults({"kind": "denied", "operation": "s3:GetObject", "skip": 1}):
        assert asynchronous(0) == "failed"
    [told] = [text for text in fast.slack() if text.startswith("Smoke test failed")]
    assert "S3 says AccessDenied: User is not authorized to perform: s3:GetObject" in told
    assert "s3:ListBucket" in told


def test_what_autoscaling_has_made_of_the_variants_stays(deployed, tried):
    deployed.write(lambda content: content["endpoint"].update(RetainAllVariantProperties=True))
    deployed.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=deployed.name,
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 3}],
    )
    deployed.aws.client("sagemaker").get_waiter("endpoint_in_service").wait(
        EndpointName=deployed.name, WaiterConfig={"Delay": 1}
    )
    assert deployed.run(DAY_2).tasks["deploy"] == "success"
    [variant] = deployed.endpoint()["ProductionVariants"]
    assert variant["CurrentInstanceCount"] == 3
    tried("variants scaled by others")
