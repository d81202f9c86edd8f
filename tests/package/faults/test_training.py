"""How training jobs end, and what the run makes of it."""

from __future__ import annotations

import json
import threading
import time
from datetime import date, datetime, timezone

import pytest

from fresh_endpoints.aws import errors
from fresh_endpoints.waiting import pace

DAY_1 = date(2019, 3, 4)
HOUR = 3_600
DEPLOYED = ["Deployment started", "Deployment completed"]


def names(pipeline):
    return [job["TrainingJobName"] for job in pipeline.jobs()]


def fail(reason, times=1):
    return {"kind": "fail_training", "failure_reason": reason, "times": times}


def test_a_fault_of_awss_own_is_followed_by_another_job(fast, faults):
    fast.upload(DAY_1)
    with faults(fail("InternalServerError: We encountered", times=2)):
        ended = fast.run(DAY_1)
    assert ended.state == "success"
    first, second, third = names(fast)
    assert (second, third) == (f"{first}-a2", f"{first}-a3")
    assert fast.endpoint()["EndpointConfigName"] == third
    assert fast.titles() == ["Training started"] * 3 + ["Training complete", *DEPLOYED]


def test_attempts_that_have_run_and_are_billed_are_bounded_by_the_retries(fast, faults, monkeypatch):
    fast.upload(DAY_1)
    change_answers(monkeypatch, {"TrainingStartTime": datetime.now(timezone.utc)})
    fast.write(lambda content: content.update(retries=2))
    with faults(fail("CapacityError: no", times=9)):
        ended = fast.run(DAY_1)
    assert ended.tasks == {**ended.tasks, "train": "failed", "deploy": "upstream_failed"}
    assert len(names(fast)) == 3
    assert fast.titles() == ["Training started"] * 3 + ["Training failed"]
    assert "CapacityError: no" in fast.slack()[-1]


@pytest.mark.parametrize("reason", ["AlgorithmError: bad data, exit code: 1", "ClientError: Data download failed"])
def test_any_other_failure_fails_at_once_with_awss_own_words(fast, faults, reason):
    fast.upload(DAY_1)
    with faults(fail(reason, times=9)):
        ended = fast.run(DAY_1)
    assert ended.tasks["train"] == "failed"
    assert len(names(fast)) == 1
    assert fast.titles() == ["Training started", "Training failed"]
    assert reason in fast.slack()[-1]


def test_the_log_of_a_failed_training_shows_the_last_lines_of_its_own(fast, capfd):
    fast.upload(DAY_1)
    fast.use_tiny_image(fail="no such column", print="line 1|line 2")
    assert fast.run(DAY_1).tasks["train"] == "failed"
    task_log = "".join(capfd.readouterr())
    assert "AlgorithmError: no such column, exit code: 1" in task_log
    assert "line 1\nline 2" in task_log.partition("The last lines of its log:")[2]


def test_a_training_that_exceeds_its_runtime_is_told_apart(fast):
    fast.upload(DAY_1)
    fast.use_tiny_image(wait="1")
    fast.write(lambda content: content["training"]["StoppingCondition"].update(MaxRuntimeInSeconds=1))
    assert fast.run(DAY_1).tasks["train"] == "failed"
    assert "MaxRuntimeExceeded: SageMaker stopped it at StoppingCondition.MaxRuntimeInSeconds" in fast.slack()[-1]
    assert len(names(fast)) == 1


def test_a_training_that_is_stopped_by_hand_fails_without_another(fast):
    fast.upload(DAY_1)
    fast.use_tiny_image(wait="1")

    def stop():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for name in names(fast):
                job = fast.sagemaker.describe_training_job(TrainingJobName=name)
                if job["SecondaryStatus"] == "Training":  # which a list does not tell
                    fast.sagemaker.stop_training_job(TrainingJobName=name)
                    return
            time.sleep(0.5)  # the rate at which jobs may be listed

    stopping = threading.Thread(target=stop)
    stopping.start()
    ended = fast.run(DAY_1)
    stopping.join()
    assert ended.tasks["train"] == "failed"
    assert len(names(fast)) == 1
    assert fast.titles() == ["Training started", "Training failed"]
    assert "It was stopped before its end" in fast.slack()[-1]


def change_answers(monkeypatch, change):
    """Has DescribeTrainingJob answer what AWS may, and local AWS does not."""
    from fresh_endpoints.steps.job import JobStep

    describe = JobStep._describe
    monkeypatch.setattr(JobStep, "_describe", lambda self, name: {**describe(self, name), **change})


def test_an_unknown_status_fails_with_its_name_rather_than_waits(fast, monkeypatch, tried):
    fast.upload(DAY_1)
    change_answers(monkeypatch, {"TrainingJobStatus": "Hibernating", "SecondaryStatus": "Frozen"})
    assert fast.run(DAY_1).tasks["train"] == "failed"
    assert "Hibernating" in fast.slack()[-1]
    assert len(names(fast)) == 1
    tried("unknown status: training job")


def test_a_training_that_outlasts_its_limits_is_stopped(fast, monkeypatch, tried):
    from fresh_endpoints.steps import train

    fast.upload(DAY_1)
    fast.use_tiny_image(wait="1")
    fast.write(lambda content: content["training"]["StoppingCondition"].update(MaxRuntimeInSeconds=3_600))
    # The margin is taken back, so that the limit is over 1 s after the creation.
    monkeypatch.setattr(train, "MARGIN_SECONDS", -3_599)
    monkeypatch.setattr(pace, "WORKER_SECONDS", 1.5)
    assert fast.run(DAY_1).tasks["train"] == "failed"
    assert "past its limits: stopped" in fast.slack()[-1]
    [job] = fast.jobs()
    assert job["TrainingJobStatus"] in ("Stopping", "Stopped")
    tried("training outlasts its limits")


def test_a_training_that_waits_for_capacity_longer_than_it_may_run_is_not_stopped(fast, faults, monkeypatch):
    from fresh_endpoints.steps import train

    fast.upload(DAY_1)
    # Its runtime's limit and the margin are together less than the wait for capacity.
    monkeypatch.setattr(train, "MARGIN_SECONDS", -HOUR + 2)
    fast.write(lambda content: content["training"]["StoppingCondition"].update(MaxRuntimeInSeconds=HOUR))
    monkeypatch.setattr(pace, "WORKER_SECONDS", 4)
    with faults({"kind": "pending", "seconds": 5}):
        ended = fast.run(DAY_1)
    assert ended.state == "success"
    assert [job["TrainingJobStatus"] for job in fast.jobs()] == ["Completed"]


def test_a_new_try_attaches_to_the_job_that_exists(fast, monkeypatch, tried):
    """The first try dies after CreateTrainingJob, before anything else."""
    from fresh_endpoints.steps.job import JobStep

    fast.upload(DAY_1)
    create, died = JobStep._create, []

    def die_after_the_first_creation(self, name, *request):
        created = create(self, name, *request)
        if not died:
            died.append(name)
            raise RuntimeError("the worker died")
        return created

    monkeypatch.setattr(JobStep, "_create", die_after_the_first_creation)
    ended = fast.run(DAY_1)
    assert ended.state == "success"
    assert names(fast) == died
    assert fast.titles() == ["Training started", "Training complete", *DEPLOYED]
    tried("death after CreateTrainingJob")


def test_a_training_that_is_not_seen_right_after_its_creation_is_looked_for_again(fast, faults):
    fast.upload(DAY_1)
    with faults({"operation": "DescribeTrainingJob", "kind": "stale_read", "seconds": 2}):
        assert fast.run(DAY_1).state == "success"
    assert len(names(fast)) == 1
    assert names(fast)[0] not in str(fast.aws.calls("StopTrainingJob"))
    assert fast.titles() == ["Training started", "Training complete", *DEPLOYED]


@pytest.mark.parametrize("operations", [["DescribeTransformJob"], ["CreateTransformJob", "DescribeModel"]])
def test_a_prediction_that_does_not_see_what_was_just_made_looks_again(fast, faults, operations):
    fast.upload(DAY_1)
    # Not deployed, so the prediction makes the model.
    assert fast.run(DAY_1, deploy="never").state == "success"
    with faults(*({"operation": operation, "kind": "stale_read", "seconds": 2} for operation in operations)):
        assert fast.predict(data_date=str(DAY_1)).state == "success"
    assert fast.titles()[2:] == ["Prediction started", "Prediction complete"]


@pytest.mark.parametrize("operation", ["CreateTrainingJob", "CreateModel"])
def test_an_execution_role_that_was_just_made_is_waited_for(fast, faults, operation):
    fast.upload(DAY_1)
    with faults({"operation": operation, "kind": "role_not_ready", "times": 2}):
        assert fast.run(DAY_1).state == "success"
    assert len(names(fast)) == 1
    assert fast.titles() == ["Training started", "Training complete", *DEPLOYED]


def test_an_execution_role_that_a_prediction_cannot_assume_yet_is_waited_for(fast, faults):
    fast.upload(DAY_1)
    fast.run(DAY_1)
    with faults({"operation": "CreateTransformJob", "kind": "role_not_ready", "times": 2}):
        assert fast.predict(data_date=str(DAY_1)).state == "success"


def test_a_role_that_never_becomes_ready_fails_in_awss_words(fast, faults, monkeypatch):
    monkeypatch.setattr(errors, "NEW_ROLE_SECONDS", 1.0)
    fast.upload(DAY_1)
    with faults({"operation": "CreateTrainingJob", "kind": "role_not_ready"}):
        assert fast.run(DAY_1).tasks["train"] == "failed"
    assert fast.titles() == ["Training failed"]
    assert "Could not assume role arn:aws:iam::" in fast.slack()[-1]


@pytest.mark.parametrize(
    ("operation", "title"), [("CreateTrainingJob", "Training failed"), ("CreateEndpoint", "Deployment failed")]
)
def test_a_quota_below_the_request_is_told_once_and_not_tried_again(fast, faults, operation, title):
    fast.upload(DAY_1)
    before = fast.aws.count(operation)
    with faults({"operation": operation, "kind": "quota", "limit": 0}):
        assert fast.run(DAY_1).state == "failed"
    assert fast.aws.count(operation) == before + 1
    assert [told for told in fast.titles() if "failed" in told] == [title]
    assert "The quota allows 0 and this asks for 1, so it is not tried again" in fast.slack()[-1]


def test_everything_created_is_tagged(fast):
    fast.upload(DAY_1)
    fast.write(lambda content: content.update(aws_tags={"cost-center": "ml-1"}))
    ended = fast.run(DAY_1)
    [name] = names(fast)
    sagemaker = fast.sagemaker
    arns = [
        sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobArn"],
        sagemaker.describe_model(ModelName=name)["ModelArn"],
        sagemaker.describe_endpoint_config(EndpointConfigName=name)["EndpointConfigArn"],
        sagemaker.describe_endpoint(EndpointName=fast.name)["EndpointArn"],
    ]
    for arn in arns:
        tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
        assert {
            "cost-center": "ml-1",
            "fresh-endpoints:pipeline": fast.name,
            "fresh-endpoints:data-date": "2019-03-04",
            "fresh-endpoints:dag-id": f"train_and_deploy_{fast.name}",
            "fresh-endpoints:run-id": ended.run_id,
        }.items() <= tags.items()


def test_the_messages_link_to_the_log_and_the_job(fast, faults):
    fast.upload(DAY_1)
    with faults(fail("AlgorithmError: x")):
        fast.run(DAY_1)
    [failed] = [m for m in fast.aws.slack_messages() if m["text"].startswith(f"Training failed: {fast.name},")]
    links = json.dumps(failed["blocks"])
    assert (
        f"https://ap-northeast-1.console.aws.amazon.com/sagemaker/home?region=ap-northeast-1#/jobs/{names(fast)[0]}"
        in links
    )
    assert f"/dags/train_and_deploy_{fast.name}/runs/" in links
