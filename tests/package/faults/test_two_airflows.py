"""Two Airflows with the same pipeline file in one account: their runs have the same ids, and so the same job names."""

from __future__ import annotations

from datetime import date

import pytest

from fresh_endpoints.aws import requests
from fresh_endpoints.steps.job import JobStep
from fresh_endpoints.steps.train import TrainOperator

DAY_1 = date(2019, 3, 4)


@pytest.fixture
def first(fast, monkeypatch):
    """Has another Airflow ask for the run's training job first, by its own file."""
    create = JobStep._create

    def comes_first(**differing):
        def create_second(self, name, request, asked):
            tags = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
            tags["fresh-endpoints:run-started"] = "2019-03-04T15:00:01.250001+00:00"
            theirs = {**request, **differing, "Tags": [{"Key": key, "Value": tags[key]} for key in tags]}
            fast.sagemaker.create_training_job(**theirs)
            return create(self, name, request, asked)

        monkeypatch.setattr(JobStep, "_create", create_second)
        fast.upload(DAY_1)

    return comes_first


def statuses(pipeline):
    return [job["TrainingJobStatus"] for job in pipeline.jobs()]


def test_a_job_that_is_not_what_this_one_asks_for_fails_the_task_and_goes_on(fast, first, tried):
    first(HyperParameters={"model": "another"})
    ended = fast.run(DAY_1)
    assert ended.tasks["train"] == "failed"
    assert statuses(fast) in (["InProgress"], ["Completed"])
    assert fast.titles() == ["Training failed"]
    assert "exists, another Airflow or run has started it" in fast.slack()[-1]
    assert "HyperParameters.model: found 'another', wanted 'good'." in fast.slack()[-1]
    assert "different names" in fast.slack()[-1]
    tried("another Airflow's job of the name")


def test_a_job_that_is_just_what_this_one_asks_for_is_shared(fast, first):
    first()
    ended = fast.run(DAY_1)
    assert ended.state == "success"
    assert statuses(fast) == ["Completed"]


def test_a_user_who_ends_the_task_does_not_stop_the_others_job(fast, first, monkeypatch):
    look = TrainOperator.look_for_a_while
    fast.aws.add_faults({"operation": "training-job:Starting", "kind": "hold_status"})

    def killed(self, *args):
        self.on_kill()
        fast.aws.clear_faults()
        return look(self, *args)

    monkeypatch.setattr(TrainOperator, "look_for_a_while", killed)
    monkeypatch.setattr(TrainOperator, "_is_still_wanted", lambda self: False)
    first()
    assert fast.run(DAY_1).tasks["train"] == "failed"
    assert statuses(fast) in (["InProgress"], ["Completed"])


def test_the_runs_own_job_is_attached_to_though_the_file_has_changed_since(fast, monkeypatch, capfd):
    wait, request, died = JobStep.wait_for_end, requests.create_training_job, []

    def changed(section, **given):
        return request({**section, "HyperParameters": {"model": "changed"}}, **given)

    def die_once(self, *args):
        if not died:
            died.append(args)
            monkeypatch.setattr(requests, "create_training_job", changed)
            raise RuntimeError("the worker died")
        return wait(self, *args)

    monkeypatch.setattr(JobStep, "wait_for_end", die_once)
    fast.upload(DAY_1)
    assert fast.run(DAY_1).state == "success"
    assert statuses(fast) == ["Completed"]
    assert "is what the pipeline file asked for then: HyperParameters.model: found 'good'" in "".join(
        capfd.readouterr()
    )
