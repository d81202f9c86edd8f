"""A hold outlives the next runs: they train, and leave what is live alone."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from botocore.exceptions import ClientError

from fresh_endpoints.aws import hold, tags
from fresh_endpoints.aws.hold import Hold
from fresh_endpoints.steps.asking import Asking

DAY_1, DAY_2, DAY_3 = (date(2019, 3, day) for day in (4, 5, 6))
WHY = "the new model is slow"


@pytest.fixture
def deployed(pipeline):
    """A pipeline whose first day is live, without what its training and serving need no time for."""
    pipeline.use_tiny_image(model="m")
    for day in (DAY_1, DAY_2, DAY_3):
        pipeline.upload(day)
    assert pipeline.run(DAY_1).tasks["deploy"] == "success"
    return pipeline


def held_until(pipeline, until=None):
    held = Hold(until or datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=7), "ann", WHY)
    hold.write(pipeline.sagemaker, pipeline.endpoint()["EndpointArn"], held)
    return held


def config_names(pipeline):
    return {config["EndpointConfigName"] for config in pipeline.listed("list_endpoint_configs")}


def test_a_held_endpoint_is_left_alone_day_after_day_and_every_day_says_so(deployed):
    live, held = deployed.live(), held_until(deployed)
    for day in (DAY_2, DAY_3):
        ended = deployed.run(day)
        assert ended.state == "success"
        assert ended.tasks == {
            "wait_for_data": "success",
            "train": "success",
            "deploy": "skipped",
            "publish": "success",
        }
        assert deployed.live() == live
        name = deployed.jobs()[-1]["TrainingJobName"]
        assert name not in config_names(deployed), "nothing is made that is not used"
        assert deployed.titles()[-3:] == ["Training started", "Training complete", "Deployment on hold"]
        told = deployed.slack()[-1]
        assert f'Not deploying "{name}": endpoint "{deployed.name}" serves "{live}", which ann holds until ' in told
        assert f"{held.until:%Y-%m-%d %H:%M} UTC ({WHY})" in told
        assert f'trigger redeploy_{deployed.name} with {{"model": "live", "hold_days": 0}}' in told
    assert len(deployed.published()) == 3, "a model that is not deployed may predict all the same"


def test_a_hold_that_has_ended_is_told_of_once_and_deployments_go_on(deployed):
    live = deployed.live()
    held_until(deployed, datetime.now(timezone.utc) - timedelta(minutes=1))
    assert deployed.run(DAY_2).tasks["deploy"] == "success"
    assert deployed.run(DAY_3).tasks["deploy"] == "success"
    assert deployed.live() == deployed.jobs()[-1]["TrainingJobName"]
    assert deployed.titles().count("Hold ended") == 1
    [told] = [text for text in deployed.slack() if text.startswith("Hold ended")]
    assert f'The hold of ann on endpoint "{deployed.name}" has ended' in told
    assert f'it served "{live}" until now ({WHY})' in told


def test_deploy_always_overrides_a_hold_says_so_and_leaves_it_for_the_next_run(deployed):
    live = deployed.live()
    held_until(deployed)
    assert deployed.run(DAY_2, deploy="always").tasks["deploy"] == "success"
    assert deployed.live() != live
    [told] = [text for text in deployed.slack() if text.startswith("Hold overridden")]
    assert f'over "{live}", which ann holds until ' in told
    assert "The hold stands" in told

    overriding = deployed.live()
    assert deployed.run(DAY_3).tasks["deploy"] == "skipped"
    assert deployed.live() == overriding


def test_a_released_hold_is_no_hold(deployed):
    held_until(deployed)
    hold.write(deployed.sagemaker, deployed.endpoint()["EndpointArn"], None)
    assert deployed.run(DAY_2).tasks["deploy"] == "success"
    assert "Deployment on hold" not in deployed.titles()


def test_a_run_in_flight_meets_a_hold_that_is_set_after_its_permission_and_before_its_request(deployed, monkeypatch):
    """A person may decide in the seconds in which a deployment creates its model and endpoint config."""
    live, create = deployed.live(), Asking._create_model_and_config

    def create_and_be_held(self, deployment, with_tags):
        has_created = create(self, deployment, with_tags)
        held_until(deployed)
        return has_created

    monkeypatch.setattr(Asking, "_create_model_and_config", create_and_be_held)
    assert deployed.run(DAY_2).tasks["deploy"] == "skipped"
    assert deployed.live() == live
    assert [call for call in deployed.aws.calls("UpdateEndpoint") if deployed.name in str(call)] == []
    assert deployed.titles()[-1] == "Deployment on hold"


def test_where_a_hold_cannot_be_looked_for_nothing_is_deployed(deployed, monkeypatch):
    """A worker without the right to read the endpoint's tags must not take that for no hold."""
    live, read = deployed.live(), tags.read

    def read_no_endpoints(client, arn):
        if ":endpoint/" in arn:
            denied = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized to ListTags"}}
            raise ClientError(denied, "ListTags")
        return read(client, arn)

    monkeypatch.setattr(tags, "read", read_no_endpoints)
    assert deployed.run(DAY_2).tasks["deploy"] == "failed"
    assert deployed.live() == live
    assert "Could not read the tags of the endpoint." in deployed.slack()[-1]


def test_a_refused_model_is_refused_whoever_holds_the_endpoint(deployed):
    """Else it would be published, and predict."""
    held_until(deployed)
    deployed.write(lambda content: content.update(quality={"rules": ["accuracy >= 0.9"]}))
    ended = deployed.run(DAY_2)
    assert ended.tasks["deploy"] == ended.tasks["publish"] == "skipped"
    assert deployed.titles()[-1] == "Quality gate failed"


def test_an_endpoint_without_a_hold_has_no_tag_of_one(deployed):
    assert tags.HOLD not in deployed.tags(deployed.endpoint()["EndpointArn"])
