"""What a redeploy goes to, and how, in the cases that are not the 3 a.m. drill of tests/package/dags."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import pytest

from fresh_endpoints.aws import tags
from fresh_endpoints.aws.hold import Hold
from fresh_endpoints.steps.choose_model import SOMEBODY, _who
from fresh_endpoints.steps.redeploy import RedeployOperator
from fresh_endpoints.steps.redeploy_progress import Progress
from fresh_endpoints.waiting import pace

DAYS = [date(2019, 3, day) for day in (4, 5, 6)]
DONE = {"choose_model": "success", "hold": "success", "redeploy": "success"}
BAD_SMOKE = {"body": "x", "content_type": "text/csv", "expect": "never", "patience_seconds": 0}
POLICY = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 1},
        "TerminationWaitInSeconds": 0,
    }
}


@pytest.fixture
def deployed(pipeline):
    pipeline.deploy_first(2, DAYS)
    return pipeline


def jobs(pipeline):
    return [job["TrainingJobName"] for job in pipeline.jobs()]


def tag_config(pipeline, name, **values):
    arn = pipeline.sagemaker.describe_endpoint_config(EndpointConfigName=name)["EndpointConfigArn"]
    given = [{"Key": f"fresh-endpoints:{key}".replace("_", "-"), "Value": value} for key, value in values.items()]
    pipeline.sagemaker.add_tags(ResourceArn=arn, Tags=given)


def all_updates(pipeline):
    calls = [call["parameters"] for call in pipeline.aws.calls("UpdateEndpoint")]
    return [call for call in calls if call["EndpointName"] == pipeline.name]


def updates(pipeline):
    return [call["EndpointConfigName"] for call in all_updates(pipeline)]


def last_update(pipeline):
    return all_updates(pipeline)[-1]


@pytest.mark.parametrize("proven", [True, False])
def test_what_is_proven_comes_at_once_and_anything_else_as_the_file_says(deployed, proven):
    """The alarms that the bad model trips would end the way back from it."""
    first, _ = jobs(deployed)
    if not proven:
        tag_config(deployed, first, smoke_test="failed: it is slow")
    deployed.write(lambda content: content["endpoint"].update(DeploymentConfig=POLICY))
    assert deployed.redeploy(model=first).tasks == DONE
    request = last_update(deployed)
    assert request["EndpointConfigName"] == first
    assert ("LastDeploymentConfig" in deployed.endpoint()) is not proven


def test_templates_that_name_a_field_of_the_daily_form_are_rendered(deployed):
    first = jobs(deployed)[0]
    note = "{{ params.deploy }}-{{ params.data_date or data_date }}-{{ params.wait_minutes }}"

    def name_them(content):
        content["endpoint_config"]["ProductionVariants"][0]["VariantName"] = note

    deployed.write(name_them)
    deployed.sagemaker.delete_endpoint_config(EndpointConfigName=first)
    assert deployed.redeploy(model=first).tasks == DONE
    config = deployed.sagemaker.describe_endpoint_config(EndpointConfigName=first)
    assert config["ProductionVariants"][0]["VariantName"] == "auto-2019-03-04-None"


def test_previous_goes_over_what_has_failed_its_smoke_test(deployed):
    deployed.run(DAYS[2])
    first, second, _ = jobs(deployed)
    tag_config(deployed, second, smoke_test="failed: it is slow")
    assert deployed.redeploy().tasks == DONE
    assert deployed.live() == first


def test_previous_goes_to_what_a_person_has_put_there_where_nothing_is_proven(deployed):
    """Whose endpoint config it is, nobody here need be able to read."""
    first, second = jobs(deployed)
    by_hand = f"{deployed.name}"[::-1]
    config = deployed.sagemaker.describe_endpoint_config(EndpointConfigName=first)
    deployed.sagemaker.create_endpoint_config(
        EndpointConfigName=by_hand, ProductionVariants=config["ProductionVariants"]
    )
    tag_config(deployed, second, previous_config=by_hand)
    assert deployed.redeploy(hold_days=0).tasks == DONE
    assert deployed.live() == by_hand


def test_where_the_live_config_was_deleted_nothing_is_known_to_go_back_to_but_a_date_is(deployed):
    first, second = jobs(deployed)
    deployed.sagemaker.delete_endpoint_config(EndpointConfigName=second)
    assert deployed.redeploy().tasks["choose_model"] == "failed"
    assert f"• 2019-03-04: {first} (proven)" in deployed.slack()[-1]
    assert deployed.redeploy(model="2019-03-04").tasks == DONE
    assert deployed.live() == first


def test_a_training_that_was_cleared_and_deployed_under_another_name_is_found_by_its_date(deployed):
    first, _ = jobs(deployed)
    config = deployed.sagemaker.describe_endpoint_config(EndpointConfigName=first)
    tags = [{"Key": key, "Value": value} for key, value in deployed.tags(config["EndpointConfigArn"]).items()]
    cleared = f"{first}-d2"
    deployed.sagemaker.create_endpoint_config(
        EndpointConfigName=cleared, ProductionVariants=config["ProductionVariants"], Tags=tags
    )
    deployed.sagemaker.delete_endpoint_config(EndpointConfigName=first)
    assert deployed.redeploy(model="2019-03-04").tasks == DONE
    assert deployed.live() == cleared


def test_an_endpoint_whose_creation_had_failed_is_made_anew_with_the_hold(deployed):
    deployed.sagemaker.delete_endpoint(EndpointName=deployed.name)
    first, second = jobs(deployed)
    deployed.sagemaker.get_waiter("endpoint_deleted").wait(
        EndpointName=deployed.name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    [fault] = deployed.aws.add_faults({"kind": "fail_deployment", "failure_reason": "No ping."})
    try:
        deployed.sagemaker.create_endpoint(EndpointName=deployed.name, EndpointConfigName=second)
        with pytest.raises(Exception, match="Failed"):
            deployed.sagemaker.get_waiter("endpoint_in_service").wait(
                EndpointName=deployed.name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
            )
    finally:
        deployed.aws.remove_fault(fault)
    assert deployed.redeploy(model=first, reason="again").tasks == DONE
    assert deployed.live() == first
    assert Hold.of(deployed.tags(deployed.endpoint()["EndpointArn"])).why == "again"


def test_a_failed_smoke_test_puts_back_what_was_left_and_the_model_is_no_longer_proven(deployed):
    first, left = jobs(deployed)
    deployed.write(lambda content: content.update(smoke_test=BAD_SMOKE))
    assert deployed.redeploy().tasks["redeploy"] == "failed"
    assert deployed.live() == left
    assert deployed.titles()[-3:] == ["Redeploy started", "Smoke test failed", "Rolled back"]
    deployed.write(lambda content: content.pop("smoke_test"))
    assert deployed.redeploy(model=first).tasks == DONE
    assert "Model: not proven: failed: Found the answer" in deployed.slack()[-1]


def test_where_what_was_left_has_failed_too_the_way_back_leads_on_from_it(deployed):
    deployed.run(DAYS[2])
    first, second, left = jobs(deployed)
    tag_config(deployed, left, smoke_test="failed: it is slow")
    deployed.write(lambda content: content.update(smoke_test=BAD_SMOKE))
    assert deployed.redeploy(model=first).tasks["redeploy"] == "failed"
    assert deployed.live() == second


def test_a_try_that_died_after_it_had_asked_is_taken_up_by_the_next_one(deployed, monkeypatch):
    note_asked, died = RedeployOperator._note_asked, []

    def die_once(self, deployment, so_far, version):
        if not died:
            died.append(1)
            raise ConnectionError("the worker died")
        return note_asked(self, deployment, so_far, version)

    monkeypatch.setattr(RedeployOperator, "_note_asked", die_once)
    deployed.write(lambda content: content.update(retries=1))
    first = jobs(deployed)[0]
    assert deployed.redeploy().tasks == DONE
    assert deployed.live() == first
    calls = [call["parameters"]["EndpointConfigName"] for call in deployed.aws.calls("UpdateEndpoint")]
    assert calls.count(first) == 1
    assert deployed.titles()[-2:] == ["Redeploy started", "Redeployed"]


@pytest.fixture
def forgetful(deployed, monkeypatch):
    """A pipeline whose redeploys do not know what they were waiting for.

    Airflow forgets that where a wait has timed out or its trigger has failed, and where a task dies.
    """

    def forget(self, context, event=None, **carried):
        assert len(updates(deployed)) < 5, "it goes round in circles"
        return self.resume_execution("__fail__", {"error": "Trigger failure"}, context)

    monkeypatch.setattr(pace, "WORKER_SECONDS", 0)
    monkeypatch.setattr(RedeployOperator, "execute_complete", forget)
    return deployed


def test_a_failed_smoke_test_is_not_forgotten_over_a_wait(forgetful):
    first, second = jobs(forgetful)
    before = len(updates(forgetful))
    forgetful.write(lambda content: content.update(smoke_test=BAD_SMOKE))
    assert forgetful.redeploy().tasks == {**DONE, "redeploy": "failed"}
    assert updates(forgetful)[before:] == [first, second]
    assert forgetful.live() == second
    assert forgetful.titles()[-3:] == ["Redeploy started", "Smoke test failed", "Rolled back"]


def test_a_rollback_is_known_as_one_after_a_forgotten_wait_and_the_next_redeploy_asks_anew(forgetful):
    first, second = jobs(forgetful)
    before = len(updates(forgetful))
    [fault] = forgetful.aws.add_faults({"kind": "fail_deployment", "failure_reason": "The ping check failed."})
    try:
        assert forgetful.redeploy().tasks == {**DONE, "redeploy": "failed"}
    finally:
        forgetful.aws.remove_fault(fault)
    assert updates(forgetful)[before:] == [first]
    assert forgetful.live() == second
    assert forgetful.titles()[-2:] == ["Redeploy started", "Rolled back"]
    assert forgetful.redeploy().tasks == DONE
    assert forgetful.live() == first


def test_a_redeploy_that_has_failed_for_good_is_asked_for_again_when_a_person_clears_it(deployed):
    first, _ = jobs(deployed)
    [fault] = deployed.aws.add_faults({"kind": "fail_deployment", "failure_reason": "The ping check failed."})
    try:
        ended = deployed.redeploy()
    finally:
        deployed.aws.remove_fault(fault)
    assert ended.tasks["redeploy"] == "failed"
    assert deployed.clear(ended, "redeploy").tasks == DONE
    assert deployed.live() == first


LONGEST = "n" * 63
VERSION = "2019-03-05T15:00:00.123456+00:00"


@pytest.mark.parametrize(
    "progress",
    [
        Progress(),
        Progress(VERSION),
        Progress(VERSION, LONGEST),
        Progress(None, LONGEST, True),
        Progress(VERSION, LONGEST, True),
    ],
)
def test_how_far_it_has_come_is_read_as_it_was_written_and_fits_into_a_tag(progress):
    written = progress.as_tag(LONGEST)
    assert all(tags.fits(value) for value in written.values())
    assert Progress.of(written, LONGEST) == progress
    assert Progress.of(written, "another") == Progress()


@pytest.mark.parametrize("value", ["", "to", "by hand", "to=another failed=yes", "= to= failed=yes"])
def test_what_another_redeploy_or_a_person_has_written_there_says_nothing(value):
    assert Progress.of({tags.REDEPLOY: value}, "c") == Progress.of({}, "c") == Progress()


@pytest.mark.parametrize(
    ("name", "conf", "who"),
    [
        ("ann", {"who": "bob"}, "ann"),
        (None, {"who": "bob"}, "bob"),
        (None, {}, SOMEBODY),
        (None, None, SOMEBODY),
        ("Ann  Other\n", None, "Ann Other"),
    ],
)
def test_the_person_is_the_user_who_has_triggered_the_run(name, conf, who):
    assert _who({"dag_run": SimpleNamespace(triggering_user_name=name, conf=conf)}) == who
