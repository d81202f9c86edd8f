"""What a user clears is done anew, and nothing else is: every task has a generation of its own."""

from __future__ import annotations

from datetime import date

import pytest

from fresh_endpoints.steps.job import JobStep
from sagemaker_requests import new_bucket, training_job, wait_for, wait_for_training

DAY_1 = date(2019, 3, 4)


@pytest.fixture
def trained(pipeline):
    """A run that has trained and deployed; since then the file asks for another model."""
    pipeline.use_tiny_image(model="first")
    pipeline.upload(DAY_1)
    ended = pipeline.run(DAY_1)
    assert ended.state == "success"
    pipeline.use_tiny_image(model="second")
    return ended


def names(pipeline):
    return [job["TrainingJobName"] for job in pipeline.jobs()]


def test_a_cleared_training_trains_anew_though_its_run_is_active(pipeline, trained):
    [first] = names(pipeline)
    ended = pipeline.clear(trained, "train", "deploy", "publish")
    assert ended.state == "success"
    assert names(pipeline) == [first, f"{first}-c1"]
    assert pipeline.live() == f"{first}-c1-d1"
    assert pipeline.invoke(b"?") == b"second:?"
    again = pipeline.clear(trained, "train", "deploy", "publish")
    assert names(pipeline) == [first, f"{first}-c1", f"{first}-c2"]
    assert again.returned["publish"]["model"] == pipeline.live() == f"{first}-c2-d2"


def test_what_a_cleared_training_has_left_running_is_stopped_by_its_name(pipeline, trained):
    [first] = names(pipeline)
    [fault] = pipeline.aws.add_faults({"operation": "training-job:Downloading", "kind": "hold_status", "times": 2})
    bucket = new_bucket(pipeline.aws)
    # Of this run's: what another Airflow has started goes on.
    arn = pipeline.sagemaker.describe_training_job(TrainingJobName=first)["TrainingJobArn"]
    tags = [{"Key": key, "Value": value} for key, value in pipeline.tags(arn).items()]
    for name in (f"{first}-a2", f"{first}-other"):
        pipeline.sagemaker.create_training_job(**training_job(bucket, {"model": "m"}, TrainingJobName=name, Tags=tags))
        wait_for(
            lambda name=name: pipeline.sagemaker.describe_training_job(TrainingJobName=name),
            lambda job: job["SecondaryStatus"] == "Downloading",
        )
    try:
        assert pipeline.clear(trained, "train", "deploy", "publish").state == "success"
        stopped = [str(call["parameters"]) for call in pipeline.aws.calls("StopTrainingJob") if first in str(call)]
        assert [f"{first}-a2" in call for call in stopped] == [True]
    finally:
        pipeline.aws.remove_fault(fault)
    ended = wait_for_training(pipeline.aws, f"{first}-a2")
    assert ended["TrainingJobStatus"] == "Stopped"
    assert wait_for_training(pipeline.aws, f"{first}-other")["TrainingJobStatus"] == "Completed"


def test_a_cleared_deployment_trains_nothing_and_has_names_of_its_own(pipeline, trained):
    [first] = names(pipeline)
    ended = pipeline.clear(trained, "deploy", "publish")
    assert ended.state == "success"
    assert names(pipeline) == [first]
    assert pipeline.live() == f"{first}-d1"
    assert pipeline.invoke(b"?") == b"first:?"


def test_a_training_that_is_lost_after_its_clear_is_attached_to(pipeline, trained, monkeypatch):
    [first] = names(pipeline)
    wait, died = JobStep.wait_for_end, []

    def die_once(self, *args):
        if not died:
            died.append(args)
            raise RuntimeError("the worker died")
        return wait(self, *args)

    monkeypatch.setattr(JobStep, "wait_for_end", die_once)
    assert pipeline.clear(trained, "train", "deploy", "publish").state == "success"
    assert died
    assert names(pipeline) == [first, f"{first}-c1"]


def test_a_deployment_that_had_not_begun_is_named_after_its_training(pipeline):
    pipeline.use_tiny_image(fail="no such column")
    pipeline.upload(DAY_1)
    failed = pipeline.run(DAY_1)
    assert failed.tasks["deploy"] == "upstream_failed"
    pipeline.use_tiny_image(model="mended")
    assert pipeline.clear(failed, "train", "deploy", "publish").state == "success"
    assert pipeline.live() == names(pipeline)[-1] == f"{names(pipeline)[0]}-c1"
