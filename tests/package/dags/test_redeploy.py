"""The redeploy DAG, run whole on local AWS: the way back at 3 a.m., and the hold that keeps it."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone

import pytest
from airflow.exceptions import ParamValidationError

from fresh_endpoints.aws.hold import Hold
from fresh_endpoints.waiting import pace

DAYS = [date(2019, 3, day) for day in range(4, 10)]
DONE = {"choose_model": "success", "hold": "success", "redeploy": "success"}
ONLY_THE_HOLD = {**DONE, "redeploy": "skipped"}
REFUSED = {"choose_model": "failed", "hold": "upstream_failed", "redeploy": "upstream_failed"}


@pytest.fixture
def deployed(pipeline):
    """A pipeline of which two days were deployed, and further days have data."""
    pipeline.deploy_first(2, DAYS)
    return pipeline


def jobs(pipeline):
    return [job["TrainingJobName"] for job in pipeline.jobs()]


def hold_of(pipeline):
    return Hold.of(pipeline.tags(pipeline.endpoint()["EndpointArn"]))


def updates(pipeline):
    calls = [call["parameters"] for call in pipeline.aws.calls("UpdateEndpoint")]
    return [call["EndpointConfigName"] for call in calls if call["EndpointName"] == pipeline.name]


def test_the_way_back_outlives_the_next_runs_until_it_is_released(deployed):
    """The drill: a bad model is live → redeploy → two daily runs leave it → release → the next run deploys."""
    good, bad = jobs(deployed)
    before = updates(deployed)

    went_back = deployed.redeploy(reason="it predicts nonsense")
    assert went_back.tasks == DONE
    assert went_back.returned["redeploy"]["endpoint_config"] == good == deployed.live()
    assert updates(deployed)[len(before) :] == [good], "one request"
    assert len(jobs(deployed)) == 2, "nothing is trained"
    held = hold_of(deployed)
    assert (held.who, held.why) == ("dag_test", "it predicts nonsense")
    assert timedelta(days=6.9) < held.until - datetime.now(timezone.utc) <= timedelta(days=7)
    assert deployed.titles()[-2:] == ["Redeploy started", "Redeployed"]
    started, done = deployed.slack()[-2:]
    for told in (started, done):
        assert f"{deployed.name}, data date 2019-03-04." in told
        assert "(it predicts nonsense)" in told
        assert f"It stays until {held.end}." in told
        assert "Model: proven." in told
    assert f'dag_test redeploys "{good}" to endpoint "{deployed.name}" in the place of "{bad}"' in started
    assert f'Endpoint "{deployed.name}" serves "{good}", as dag_test wanted' in done

    for day in DAYS[2:4]:
        assert deployed.run(day).tasks["deploy"] == "skipped"
        assert deployed.live() == good

    assert deployed.redeploy(model="live", hold_days=0).tasks == ONLY_THE_HOLD
    assert hold_of(deployed) is None
    assert deployed.titles()[-1] == "Hold released"
    assert f'It serves "{good}" until the next deployment. dag_test held it until {held.end}' in deployed.slack()[-1]

    assert deployed.run(DAYS[4]).tasks["deploy"] == "success"
    assert deployed.live() == jobs(deployed)[-1]


def test_previous_leads_on_from_what_is_live_and_never_back_to_what_was_left(deployed):
    deployed.run(DAYS[2])
    first, second, third = jobs(deployed)
    for expected in (second, first):
        assert deployed.redeploy().tasks == DONE
        assert deployed.live() == expected
    assert deployed.redeploy().tasks == REFUSED
    assert deployed.live() == first
    assert f"Before {first}, which endpoint {deployed.name} serves, no endpoint config is known" in deployed.slack()[-1]
    assert deployed.redeploy(model="2019-03-06", hold_days=0).tasks == DONE
    assert deployed.live() == third
    assert hold_of(deployed) is None, "the latest decision is no hold"
    assert "It is not held: the next run may deploy over it." in deployed.slack()[-1]


def test_what_is_live_is_held_without_a_change(deployed):
    before = updates(deployed)
    assert deployed.redeploy(model="live", hold_days=30, reason="the fair").tasks == ONLY_THE_HOLD
    assert updates(deployed) == before
    assert hold_of(deployed).why == "the fair"
    assert deployed.titles()[-1] == "Hold set"
    assert f'dag_test holds "{jobs(deployed)[1]}" on endpoint "{deployed.name}" (the fair).' in deployed.slack()[-1]
    assert deployed.redeploy(model=jobs(deployed)[1], hold_days=1).tasks == ONLY_THE_HOLD, "by its name, too"


@pytest.mark.parametrize("by", ["name", "date"])
def test_what_retention_has_deleted_is_made_again_from_its_training_job(deployed, by):
    first = jobs(deployed)[0]
    deployed.sagemaker.delete_endpoint_config(EndpointConfigName=first)
    deployed.sagemaker.delete_model(ModelName=first)
    assert deployed.redeploy(model=first if by == "name" else "2019-03-04").tasks == DONE
    assert deployed.live() == first
    config = deployed.sagemaker.describe_endpoint_config(EndpointConfigName=first)
    found = deployed.tags(config["EndpointConfigArn"])
    assert found["fresh-endpoints:data-date"] == "2019-03-04"
    assert found["fresh-endpoints:training-job"] == first
    assert found["fresh-endpoints:smoke-test"] == "verified"
    assert deployed.invoke(b"x", ContentType="text/csv")


def test_a_model_without_its_config_and_a_config_without_its_model_are_completed(deployed):
    first, second = jobs(deployed)
    deployed.sagemaker.delete_endpoint_config(EndpointConfigName=first)
    assert deployed.redeploy(model=first).tasks == DONE
    deployed.sagemaker.delete_model(ModelName=second)
    assert deployed.redeploy(model=second).tasks == DONE
    assert deployed.live() == second


def test_an_endpoint_that_was_deleted_is_created_with_the_newest_that_was_proven_and_its_hold(deployed):
    deployed.sagemaker.delete_endpoint(EndpointName=deployed.name)
    assert deployed.redeploy(reason="it was deleted").tasks == DONE
    assert deployed.live() == jobs(deployed)[1]
    assert hold_of(deployed).why == "it was deleted"
    assert deployed.titles()[-2:] == ["Redeploy started", "Redeployed"]
    assert deployed.run(DAYS[2]).tasks["deploy"] == "skipped"


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("2018-01-01", "There is no completed training job of data date 2018-01-01."),
        ("2019-13-01", "model: found 2019-13-01, which is no day."),
        ("{name}-2019-03-04-00000000", "There is no training job {name}-2019-03-04-00000000 of pipeline {name}."),
        ("somebody-elses", "There is no training job somebody-elses of pipeline {name}."),
        ("prevoius", "There is no training job prevoius of pipeline {name}."),
    ],
)
def test_what_does_not_exist_changes_nothing_and_lists_what_there_is(deployed, model, why):
    before, calls = deployed.endpoint()["LastModifiedTime"], updates(deployed)
    ended = deployed.redeploy(model=model.format(name=deployed.name))
    assert (ended.state, ended.tasks) == ("failed", REFUSED)
    assert deployed.endpoint()["LastModifiedTime"] == before
    assert updates(deployed) == calls
    assert hold_of(deployed) is None
    told = deployed.slack()[-1]
    assert told.startswith("Redeploy failed")
    assert why.format(name=deployed.name) + " Nothing was changed." in told
    first, second = jobs(deployed)
    assert f"• 2019-03-05: {second} (proven, live)\n• 2019-03-04: {first} (proven)" in told


def test_a_job_that_made_no_model_or_is_another_pipelines_is_refused(deployed):
    [fault] = deployed.aws.add_faults({"kind": "fail_training", "failure_reason": "AlgorithmError: no", "times": 1})
    try:
        deployed.run(DAYS[2])
    finally:
        deployed.aws.remove_fault(fault)
    failed = jobs(deployed)[-1]
    assert deployed.redeploy(model=failed).tasks == REFUSED
    assert f"Training job {failed} is Failed and has made no model." in deployed.slack()[-1]
    first = deployed.jobs()[0]
    tag = {"Key": "fresh-endpoints:pipeline", "Value": "another"}
    deployed.sagemaker.add_tags(ResourceArn=first["TrainingJobArn"], Tags=[tag])
    assert deployed.redeploy(model=first["TrainingJobName"]).tasks == REFUSED
    assert f"is not of pipeline {deployed.name}." in deployed.slack()[-1]


def test_a_refused_model_is_gone_to_by_its_name_only_and_told_as_unproven(deployed):
    deployed.write(lambda content: content.update(quality={"rules": ["accuracy >= 0.9"]}))
    assert deployed.run(DAYS[2]).tasks["deploy"] == "skipped"
    refused = jobs(deployed)[-1]
    assert deployed.redeploy(model="2019-03-06").tasks == REFUSED
    assert "Data date 2019-03-06 has no model that may be used." in deployed.slack()[-1]
    assert f"{refused} was refused: " in deployed.slack()[-1]
    assert deployed.redeploy(model=refused).tasks == DONE
    assert deployed.live() == refused
    assert "Model: not proven: " in deployed.slack()[-1]


def test_it_runs_while_a_change_is_going_on_and_the_run_in_flight_meets_the_hold(deployed, after_the_wait):
    """A deployment is on its way; a person goes back; the deployment ends as overtaken, and says why."""
    good, redeployed = jobs(deployed)[1], []
    after_the_wait(lambda: redeployed.append(deployed.redeploy(model=good, reason="not today")))
    ended = deployed.run(DAYS[2])
    assert redeployed[0].tasks == DONE
    assert ended.tasks["deploy"] == "skipped"
    assert deployed.live() == good
    assert deployed.titles()[-1] == "Deployment on hold"
    assert "(not today)" in deployed.slack()[-1]


def test_waits_that_outlast_the_worker_are_deferred(deployed, monkeypatch):
    monkeypatch.setattr(pace, "WORKER_SECONDS", 0)
    assert deployed.redeploy().tasks == DONE
    assert deployed.titles()[-2:] == ["Redeploy started", "Redeployed"]


def test_the_same_model_is_told_of_each_time_that_it_is_redeployed(deployed):
    first, second = jobs(deployed)
    for name in (first, second, first):
        deployed.redeploy(model=name)
        assert deployed.live() == name
        assert deployed.titles()[-2:] == ["Redeploy started", "Redeployed"]


def test_a_redeploy_that_sagemaker_rolls_back_says_so_and_its_hold_stands(deployed):
    bad = deployed.live()
    [fault] = deployed.aws.add_faults({"kind": "fail_deployment", "failure_reason": "The ping check failed."})
    try:
        ended = deployed.redeploy(reason="it is slow")
    finally:
        deployed.aws.remove_fault(fault)
    assert ended.tasks == {**DONE, "redeploy": "failed"}
    assert deployed.live() == bad
    assert deployed.titles()[-1] == "Rolled back"
    assert re.search(rf"Live now: {bad}, data date .*, proven, InService\.", deployed.slack()[-1])
    assert f"Hold: stands until {hold_of(deployed).end}." in deployed.slack()[-1]


def test_a_redeploy_that_fails_the_smoke_test_puts_back_what_was_left(deployed):
    _, left = jobs(deployed)

    def ask(content):
        content["smoke_test"] = {"body": "x", "content_type": "text/csv", "expect": "never", "patience_seconds": 0}

    deployed.write(ask)
    ended = deployed.redeploy()
    assert ended.tasks == {**DONE, "redeploy": "failed"}
    assert deployed.live() == left
    assert deployed.titles()[-3:] == ["Redeploy started", "Smoke test failed", "Rolled back"]
    assert "Hold: stands until" in deployed.slack()[-1]


def test_what_cannot_be_made_again_is_said_before_anything_changes(deployed):
    first, second = jobs(deployed)
    deployed.sagemaker.delete_endpoint_config(EndpointConfigName=first)
    deployed.sagemaker.delete_model(ModelName=first)
    artifact = deployed.sagemaker.describe_training_job(TrainingJobName=first)["ModelArtifacts"]["S3ModelArtifacts"]
    bucket, _, key = artifact.removeprefix("s3://").partition("/")
    deployed.s3.delete_object(Bucket=bucket, Key=key)
    ended = deployed.redeploy(model=first)
    assert ended.tasks == {"choose_model": "success", "hold": "failed", "redeploy": "upstream_failed"}
    assert deployed.live() == second
    assert hold_of(deployed) is None
    assert f'"{first}" was not redeployed to endpoint "{deployed.name}". Could not create model' in deployed.slack()[-1]


def test_an_endpoint_of_another_pipeline_is_left_alone(deployed):
    live = deployed.sagemaker.describe_endpoint_config(EndpointConfigName=deployed.live())
    tag = {"Key": "fresh-endpoints:pipeline", "Value": "another"}
    deployed.sagemaker.add_tags(ResourceArn=live["EndpointConfigArn"], Tags=[tag])
    assert deployed.redeploy(model=jobs(deployed)[0]).tasks == REFUSED
    assert 'a model of pipeline "another"' in deployed.slack()[-1]
    assert hold_of(deployed) is None


@pytest.mark.parametrize("conf", [{"hold_days": -1}, {"hold_days": 366}, {"model": ""}, {"reason": "x" * 501}])
def test_the_form_takes_nothing_else(deployed, conf):
    with pytest.raises(ParamValidationError):
        deployed.redeploy(**conf)
    assert hold_of(deployed) is None


def test_a_pipeline_that_never_deploys_has_no_redeploy(pipeline):
    pipeline.write(lambda content: content.update(deploy="never"))
    with pytest.raises(KeyError):
        pipeline.redeploy()
