"""Want of capacity is a wait: told once, without a retry, until it is over or the time is."""

from __future__ import annotations

import re
from datetime import date

import pytest

from fresh_endpoints.steps import instances_wait
from fresh_endpoints.waiting.refused import RefusedTrigger

pytestmark = pytest.mark.usefixtures("soon")
DAY_1, DAY_2 = date(2019, 3, 4), date(2019, 3, 5)
TRAINED = ["Training started", "Training complete"]
DEPLOYED = ["Deployment started", "Deployment completed"]
FIRST_TOLD = [*TRAINED, *DEPLOYED]
NO_INSTANCE = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different instance."
)
MINUTES = r"(less than a minute|\d+ minutes?)"


def names(pipeline):
    return [job["TrainingJobName"] for job in pipeline.jobs()]


@pytest.mark.parametrize("times", [1, 3])
def test_a_training_for_which_aws_has_no_instance_is_tried_again_without_a_retry(fast, faults, waits, times):
    fast.upload(DAY_1)
    with faults({"kind": "fail_training", "failure_reason": NO_INSTANCE, "times": times}):
        ended = fast.run(DAY_1)
    assert ended.state == "success"
    first, *others = names(fast)
    assert others == [f"{first}-a{attempt}" for attempt in range(2, times + 2)]
    assert fast.titles() == ["Training started", "Waiting for capacity", *TRAINED, *DEPLOYED]
    assert "nothing is billed for it. CapacityError" in fast.slack()[1]
    assert re.search(rf"\(attempt {times + 1}\). It waited {MINUTES} for capacity", fast.slack()[2])
    assert [(wait.name, wait.key) for wait in waits] == [(name, first) for name in others]


def test_want_of_capacity_for_as_long_as_a_run_may_wait_fails_it(fast, faults, monkeypatch):
    monkeypatch.setattr(instances_wait, "LONGEST_SECONDS", 3.0)
    fast.upload(DAY_1)
    with faults({"kind": "fail_training", "failure_reason": NO_INSTANCE}):
        assert fast.run(DAY_1).tasks["train"] == "failed"
    assert fast.titles() == ["Training started", "Waiting for capacity", "Training failed"]
    assert re.search(f"It has waited {MINUTES} for capacity", fast.slack()[-1])
    assert "Choose another instance type" in fast.slack()[-1]


def test_a_prediction_for_which_aws_has_no_instance_is_tried_again_without_a_retry(fast, faults, waits):
    fast.upload(DAY_1)
    assert fast.run(DAY_1, deploy="never").state == "success"
    told = len(fast.titles())
    with faults({"kind": "fail_transform", "failure_reason": NO_INSTANCE, "times": 2}):
        ended = fast.predict(data_date=str(DAY_1))
    assert ended.state == "success"
    assert fast.titles()[told:] == [
        "Prediction started", "Waiting for capacity", "Prediction started", "Prediction complete"
    ]  # fmt: skip
    assert re.search(f"It waited {MINUTES} for capacity", fast.slack()[told + 2])
    first = waits[0].key
    assert [(wait.name, wait.key) for wait in waits] == [(f"{first}-a{attempt}", first) for attempt in (2, 3)]


# A deployment for which AWS has no instances.


def no_instances(**more):
    reason = "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error."
    return {"kind": "fail_deployment", "failure_reason": reason, **more}


@pytest.mark.parametrize("times", [1, 3])
def test_an_update_for_which_aws_has_no_instances_is_asked_for_again_without_a_retry(deployed, faults, waits, times):
    before = deployed.aws.count("UpdateEndpoint")
    with faults(no_instances(times=times)):
        ended = deployed.run(DAY_2)
    assert ended.state == "success"
    assert deployed.live() == names(deployed)[1]
    assert deployed.aws.count("UpdateEndpoint") == before + times + 1
    assert deployed.titles() == [
        *FIRST_TOLD, *TRAINED, "Deployment started", "Waiting for capacity", "Deployment completed"
    ]  # fmt: skip
    assert f"Live now: {names(deployed)[0]}, data date 2019-03-04" in deployed.slack()[-2]
    assert re.search(f"It waited {MINUTES} for capacity", deployed.slack()[-1])
    assert len(waits) == times
    assert {(wait.key, wait.since, wait.is_capacity) for wait in waits} == {(names(deployed)[1], waits[0].since, True)}


def test_an_endpoint_that_could_not_be_created_for_want_of_instances_is_made_anew(fast, faults, waits):
    fast.upload(DAY_1)
    with faults(no_instances(times=2)):
        ended = fast.run(DAY_1)
    assert ended.state == "success"
    assert fast.live() == names(fast)[0]
    assert len(waits) == 2
    assert fast.titles() == [
        *TRAINED, "Deployment started", "Waiting for capacity", "Endpoint recreated", "Deployment completed"
    ]  # fmt: skip


def test_a_redeploy_for_which_aws_has_no_instances_waits_too(fast, two_days, faults, waits):
    with faults(no_instances(times=2)):
        ended = fast.redeploy()
    assert ended.state == "success"
    assert fast.live() == names(fast)[0]
    assert len(waits) == 2
    assert fast.titles()[two_days:] == ["Redeploy started", "Waiting for capacity", "Redeployed"]
    assert re.search(f"It waited {MINUTES} for capacity", fast.slack()[-1])


def test_a_redeploy_of_an_endpoint_that_is_gone_tells_each_event_once(fast, two_days, faults, waits):
    first = names(fast)[0]
    fast.sagemaker.delete_endpoint(EndpointName=fast.name)
    fast.sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=fast.name, WaiterConfig={"Delay": 1})
    with faults(no_instances(times=2)):
        ended = fast.redeploy(model=first)
    assert ended.state == "success"
    assert fast.live() == first
    titles = fast.titles()[two_days:]
    assert [titles.count(title) for title in ("Redeploy started", "Waiting for capacity", "Redeployed")] == [1, 1, 1]


def test_whether_to_deploy_is_decided_anew_after_the_wait(deployed, faults, monkeypatch):
    """A model of a later data date has gone live meanwhile."""
    run, later = RefusedTrigger.run, f"{deployed.name}-x"

    def overtaken(self):
        if deployed.live() != later:
            deployed.aws.clear_faults()
            deployed.sagemaker.update_endpoint(EndpointName=deployed.name, EndpointConfigName=later)
            waiter = deployed.sagemaker.get_waiter("endpoint_in_service")
            waiter.wait(EndpointName=deployed.name, WaiterConfig={"Delay": 1})
        return run(self)

    variant = {"VariantName": "v", "ModelName": names(deployed)[0], "InstanceType": "ml.m4.xlarge"}
    tags = {"fresh-endpoints:pipeline": deployed.name, "fresh-endpoints:data-date": "2019-03-09"}
    deployed.sagemaker.create_endpoint_config(
        EndpointConfigName=later,
        ProductionVariants=[{**variant, "InitialInstanceCount": 1}],
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )
    monkeypatch.setattr(RefusedTrigger, "run", overtaken)
    deployed.aws.add_faults(no_instances(times=1))
    assert deployed.run(DAY_2).tasks["deploy"] == "skipped"
    assert deployed.live() == later
    assert deployed.titles()[-2:] == ["Waiting for capacity", "Deployment skipped"]


def test_want_of_instances_for_as_long_as_a_deployment_may_wait_fails_it(deployed, faults, monkeypatch):
    monkeypatch.setattr(instances_wait, "LONGEST_SECONDS", 3.0)
    with faults(no_instances()):
        assert deployed.run(DAY_2).tasks["deploy"] == "failed"
    assert deployed.live() == names(deployed)[0]
    assert deployed.titles()[-3:] == ["Deployment started", "Waiting for capacity", "Rolled back"]
    assert re.search(f"It has waited {MINUTES} for capacity", deployed.slack()[-1])
    assert "Choose another instance type" in deployed.slack()[-1]


def test_a_file_may_say_not_to_wait_for_instances(deployed, faults):
    deployed.write(lambda content: content.update(quota_wait_minutes=0))
    with faults(no_instances()):
        ended = deployed.run(DAY_2)
    assert ended.tasks["deploy"] == "failed"
    assert deployed.titles()[-2:] == ["Deployment started", "Rolled back"]
    assert deployed.clear(ended, "deploy").tasks["deploy"] == "success"
    assert deployed.live().startswith(names(deployed)[1])
