"""Deployed means verified, and never backwards: whatever happens to the endpoint, or to the run that deploys."""

from __future__ import annotations

import threading
import time
from datetime import date

import pytest
from airflow.triggers.base import TriggerEvent

from fresh_endpoints.aws import endpoint as endpoints
from fresh_endpoints.aws.endpoint import Endpoint, Seen
from fresh_endpoints.steps import asking
from fresh_endpoints.steps.deploy import DeployOperator
from fresh_endpoints.waiting import pace
from fresh_endpoints.waiting.triggers import SageMakerTrigger

DAY_1, DAY_2 = date(2019, 3, 4), date(2019, 3, 5)
TRAINED = ["Training started", "Training complete"]
MESSAGES = [*TRAINED, "Deployment started", "Deployment completed"]


def names(pipeline):
    return [job["TrainingJobName"] for job in pipeline.jobs()]


def live(pipeline):
    endpoint = pipeline.endpoint()
    assert endpoint["EndpointStatus"] == "InService"
    return endpoint["EndpointConfigName"]


def config_by_hand(pipeline, name, /, **tags):
    """An endpoint config that serves the first day's model."""
    pipeline.sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "ModelName": names(pipeline)[0],
                "InstanceType": "ml.m4.xlarge",
                "InitialInstanceCount": 1,
            }
        ],
        Tags=[{"Key": f"fresh-endpoints:{key}", "Value": value} for key, value in tags.items()],
    )
    return name


def tags_read(pipeline):
    return [call["parameters"]["ResourceArn"] for call in pipeline.aws.calls("ListTags")]


def wait_for_status(pipeline, status):
    deadline = time.monotonic() + 60
    while pipeline.endpoint()["EndpointStatus"] != status:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("mode", "deploys"), [("auto", False), ("always", True), ("never", False)], ids=["auto", "always", "never"]
)
def test_an_earlier_day_is_deployed_over_a_later_one_only_when_told_always(fast, mode, deploys):
    fast.upload(DAY_1)
    fast.upload(DAY_2)
    fast.run(DAY_2)
    newest = live(fast)
    ended = fast.run(DAY_1, deploy=mode)
    assert ended.state == "success"
    assert ended.tasks["deploy"] == ("success" if deploys else "skipped")
    assert (live(fast) != newest) == deploys
    extra = {"auto": [*TRAINED, "Deployment skipped"], "always": MESSAGES, "never": TRAINED}[mode]
    assert fast.titles() == MESSAGES + extra
    if mode == "auto":
        assert newest in fast.slack()[-1]
        assert "later data date 2019-03-05" in fast.slack()[-1]


def test_the_same_day_is_deployed_again(deployed):
    assert deployed.run(DAY_1).tasks["deploy"] == "success"
    assert live(deployed) == names(deployed)[1]


def test_what_is_live_and_was_not_deployed_by_the_pipeline_is_replaced(deployed):
    config_by_hand(deployed, f"{deployed.name}-by-hand")
    deployed.sagemaker.update_endpoint(EndpointName=deployed.name, EndpointConfigName=f"{deployed.name}-by-hand")
    wait_for_status(deployed, "InService")
    assert deployed.run(DAY_2).tasks["deploy"] == "success"
    assert live(deployed) == names(deployed)[1]


def test_the_tags_of_a_live_config_of_somebody_elses_are_not_read(deployed):
    """The worker may read those of its own names only."""
    other = config_by_hand(deployed, f"dev-{deployed.name}-by-hand")
    deployed.sagemaker.update_endpoint(EndpointName=deployed.name, EndpointConfigName=other)
    wait_for_status(deployed, "InService")
    assert deployed.run(DAY_2).tasks["deploy"] == "success"
    assert [arn for arn in tags_read(deployed) if f"/{other}" in arn] == []


def test_a_live_config_that_was_deleted_is_replaced(deployed):
    deployed.sagemaker.delete_endpoint_config(EndpointConfigName=live(deployed))
    assert deployed.run(DAY_2).tasks["deploy"] == "success"


@pytest.mark.parametrize("deferred", [False, True], ids=["in the worker", "deferred"])
@pytest.mark.parametrize("later", [False, True], ids=["unknown date", "later date"])
def test_an_endpoint_that_somebody_else_changes_is_waited_for_and_checked_again(
    deployed, monkeypatch, tried, later, deferred
):
    if deferred:
        monkeypatch.setattr(pace, "WORKER_SECONDS", 0)
    tags = {"pipeline": deployed.name, "data-date": "2019-03-09"} if later else {}
    other = config_by_hand(deployed, f"{deployed.name}-other", **tags)
    deployed.aws.add_faults({"operation": "endpoint:Updating", "kind": "hold_status", "times": 1})
    deployed.sagemaker.update_endpoint(EndpointName=deployed.name, EndpointConfigName=other)
    wait_for_status(deployed, "Updating")
    before = deployed.aws.count("DescribeEndpoint")

    def release():
        deadline = time.monotonic() + 60
        while deployed.aws.count("DescribeEndpoint") < before + 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        deployed.aws.clear_faults()

    releasing = threading.Thread(target=release)
    releasing.start()
    ended = deployed.run(DAY_2)
    releasing.join()
    assert ended.state == "success"
    if later:
        assert ended.tasks["deploy"] == "skipped"
        assert live(deployed) == other
        assert deployed.titles() == [*MESSAGES, *TRAINED, "Deployment skipped"]
    else:
        assert live(deployed) == names(deployed)[1]
        assert deployed.titles() == MESSAGES * 2
    tried("endpoint changed by somebody else")


def test_a_later_day_deployed_between_the_check_and_the_update_stays(deployed, monkeypatch, tried):
    """Another Airflow deploys while this run, which has found an earlier day live, creates its model."""
    create, other = Endpoint.create_config, []

    def create_while_another_deploys(self, *args):
        found = create(self, *args)
        if not other:
            tags = {"pipeline": deployed.name, "data-date": "2019-03-09"}
            other.append(config_by_hand(deployed, f"{deployed.name}-other", **tags))
            deployed.sagemaker.update_endpoint(EndpointName=deployed.name, EndpointConfigName=other[0])
            wait_for_status(deployed, "InService")
        return found

    monkeypatch.setattr(Endpoint, "create_config", create_while_another_deploys)
    ended = deployed.run(DAY_2)
    assert ended.tasks["deploy"] == "skipped"
    assert live(deployed) == other[0]
    tried("two runs deploy at once")


def test_a_try_that_finds_its_model_and_config_uses_them(deployed, monkeypatch, tried):
    create, died = Endpoint.create_config, []

    def create_and_die_once(self, *args):
        found = create(self, *args)
        if not died:
            died.append(True)
            raise RuntimeError("the worker died")
        return found

    monkeypatch.setattr(Endpoint, "create_config", create_and_die_once)
    before = [deployed.aws.count(op) for op in ("CreateModel", "UpdateEndpoint")]
    assert deployed.run(DAY_2).state == "success"
    after = [deployed.aws.count(op) for op in ("CreateModel", "UpdateEndpoint")]
    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 1]
    assert live(deployed) == names(deployed)[1]
    assert deployed.titles() == MESSAGES * 2
    tried("death between CreateModel and UpdateEndpoint")


@pytest.mark.parametrize("kind", ["Model", "Endpoint config"])
def test_a_model_or_config_that_differs_is_refused(deployed, monkeypatch, kind):
    """Somebody has taken the name for something else, before the run came to it."""
    create_model = asking.create_model

    def taken(*args, name, **kwargs):
        if kind == "Model":
            deployed.sagemaker.create_model(
                ModelName=name,
                ExecutionRoleArn="arn:aws:iam::123456789012:role/dev-sagemaker",
                PrimaryContainer={"Image": "1.dkr.ecr.x.amazonaws.com/tiny:2"},
            )
        else:
            config_by_hand(deployed, name)
        return create_model(*args, name=name, **kwargs)

    monkeypatch.setattr(asking, "create_model", taken)
    ended = deployed.run(DAY_2)
    assert ended.tasks["deploy"] == "failed"
    assert live(deployed) == names(deployed)[0]
    assert deployed.titles() == [*MESSAGES, *TRAINED, "Deployment failed"]
    said = deployed.slack()[-1]
    assert f"{kind} {names(deployed)[1]} exists and differs" in said
    assert ("ModelDataUrl" if kind == "Model" else "ModelName") in said


def test_a_rollback_is_a_failure_that_names_both_configs(deployed):
    deployed.use_tiny_image(model="broken")
    ended = deployed.run(DAY_2)
    assert ended.tasks["deploy"] == "failed"
    first, second = names(deployed)
    assert live(deployed) == first
    assert deployed.titles() == [*MESSAGES, *TRAINED, "Deployment started", "Rolled back"]
    assert f'it serves "{first}", not "{second}"' in deployed.slack()[-1]


def test_a_rollback_by_a_fault_of_awss_own_is_tried_again(deployed, faults):
    with faults({"kind": "fail_deployment", "failure_reason": "Request to service failed.", "times": 1}):
        ended = deployed.run(DAY_2)
    assert ended.state == "success"
    assert live(deployed) == names(deployed)[1]
    assert deployed.titles() == MESSAGES * 2


def test_an_update_overtaken_by_a_later_day_ends_skipped(deployed, after_the_wait):
    """InService with another config than the one asked for, which is of a later data date."""
    other = config_by_hand(deployed, f"{deployed.name}-x", **{"pipeline": deployed.name, "data-date": "2019-03-09"})

    def overtake():
        deployed.sagemaker.update_endpoint(EndpointName=deployed.name, EndpointConfigName=other)
        wait_for_status(deployed, "InService")

    after_the_wait(overtake)
    ended = deployed.run(DAY_2)
    assert ended.tasks["deploy"] == "skipped"
    assert deployed.titles()[-1] == "Deployment skipped"


@pytest.mark.parametrize("status", ["OutOfService", "UpdateRollbackFailed", "Hibernating"])
def test_a_status_that_cannot_be_deployed_to_fails_with_its_name(deployed, monkeypatch, tried, status):
    of = Seen.of
    monkeypatch.setattr(endpoints.Seen, "of", lambda description: of({**description, "EndpointStatus": status}))
    ended = deployed.run(DAY_2)
    assert ended.tasks["deploy"] == "failed"
    assert f"it is {status}" in deployed.slack()[-1]
    assert deployed.titles() == [*MESSAGES, *TRAINED, "Deployment failed"]
    tried(f"{'unknown' if status == 'Hibernating' else 'unusable'} status: endpoint")


def test_a_change_that_never_ends_fails_at_the_limit(deployed, monkeypatch, faults):
    """dag.test knows no timeouts: the task is resumed as the scheduler resumes one whose time is over."""

    async def fire(self):
        yield TriggerEvent({})

    def resume_late(self, context, event=None, asked_over=None, **carried):
        return self.resume_execution("__fail__", {"error": "Trigger timeout"}, context)

    monkeypatch.setattr(SageMakerTrigger, "run", fire)
    monkeypatch.setattr(DeployOperator, "execute_complete", resume_late)
    monkeypatch.setattr(pace, "WORKER_SECONDS", 0)
    with faults({"operation": "endpoint:Updating", "kind": "hold_status", "times": 1}):
        ended = deployed.run(DAY_2)
        assert ended.tasks["deploy"] == "failed"
        assert "it was still Updating" in deployed.slack()[-1]
    wait_for_status(deployed, "InService")


def test_a_wait_for_somebody_elses_change_that_timed_out_leaves_time_for_the_own_one(deployed, monkeypatch):
    def resume_late(self, context, event=None, asked_over=None, **carried):
        monkeypatch.setattr(DeployOperator, "execute_complete", resume)
        assert asked_over is None, "the change that was waited for is somebody else's"
        deployed.aws.clear_faults()
        wait_for_status(deployed, "InService")
        return self.resume_execution("__fail__", {"error": "Trigger timeout"}, context)

    async def fire(self):
        yield TriggerEvent({})

    resume = DeployOperator.execute_complete
    other = config_by_hand(deployed, f"{deployed.name}-other")
    monkeypatch.setattr(SageMakerTrigger, "run", fire)
    monkeypatch.setattr(DeployOperator, "execute_complete", resume_late)
    monkeypatch.setattr(pace, "WORKER_SECONDS", 0)
    deployed.aws.add_faults({"operation": "endpoint:Updating", "kind": "hold_status", "times": 1})
    deployed.sagemaker.update_endpoint(EndpointName=deployed.name, EndpointConfigName=other)
    wait_for_status(deployed, "Updating")
    ended = deployed.run(DAY_2)
    assert ended.state == "success"
    assert live(deployed) == names(deployed)[1]


def test_a_train_task_marked_success_by_hand_is_explained(deployed, monkeypatch):
    from fresh_endpoints.steps.train import TrainOperator

    monkeypatch.setattr(TrainOperator, "look_and_act", lambda self, context, event: None)
    ended = deployed.run(DAY_2)
    assert ended.tasks["deploy"] == "failed"
    assert "Task 'train' has returned no model; was it marked success by hand?" in deployed.slack()[-1]
