"""What people are told of what the daily watch finds, word by word."""

from __future__ import annotations

from datetime import date, datetime, timezone
from zoneinfo import ZoneInfo

from fresh_endpoints.aws.hold import Hold
from fresh_endpoints.live import LiveModel
from fresh_endpoints.telling import findings

TODAY = date(2019, 3, 6)
LIVE = LiveModel("iris", "iris-ep", "InService", "iris-2019-03-04-41fa4f4f", data_date=date(2019, 3, 4), proof="proven")
STANDING = "iris-2019-03-04-41fa4f4f, data date 2019-03-04 (2 days ago), proven, InService"


def test_a_file_that_cannot_be_used():
    message = findings.pipeline_file_unusable(
        LIVE, TODAY, file="iris.yaml", problems=["bucket: found nothing", "x", "y"]
    )
    assert message.sentence == (
        "iris.yaml cannot be used: bucket: found nothing (and 2 more). Until it can, nothing is trained or deployed; "
        'endpoint "iris-ep" serves on.'
    )
    assert message.remedy == "Correct the file; `fresh-endpoints check` says what is wrong with it."
    assert message.facts == {"Endpoint": "iris-ep", "Live now": STANDING}


def test_a_model_that_is_too_old():
    message = findings.model_too_old(LIVE, TODAY, most_days=1)
    assert message.sentence == ('Endpoint "iris-ep" serves a model of 2019-03-04, 2 days ago, and max_age_days is 1.')
    assert message.remedy == (
        "Look at the newest runs of train_and_deploy_iris: they have failed, found no data, were refused by the "
        "quality gate, are held back, or never began."
    )
    assert message.facts["Live now"] == STANDING


def test_an_endpoint_without_a_file():
    message = findings.endpoint_without_file(LIVE, TODAY, instances={"ml.m5.large": 2, "ml.c5.large": 1})
    assert message.sentence == (
        'No pipeline file deploys to endpoint "iris-ep", which serves on with the last model of pipeline "iris". It '
        "costs 72 instance hours a day (2 of ml.m5.large, 1 of ml.c5.large)."
    )
    assert message.remedy == "Put the file back, or delete the endpoint; where another Airflow keeps it fresh: nothing."
    assert message.facts == {"Endpoint": "iris-ep", "Live now": STANDING, "A day": "72 instance hours"}
    assert "costs by the request at most" in findings.endpoint_without_file(LIVE, TODAY, instances={}).sentence


def test_a_run_that_never_began():
    due = datetime(2019, 3, 6, 5, 30, tzinfo=ZoneInfo("Asia/Tokyo"))
    message = findings.run_never_began("iris", due, LIVE, TODAY, minutes=90)
    assert message.sentence == (
        "The run of train_and_deploy_iris that was due at 2019-03-06 05:30 JST has never begun, and its deadline, 90 "
        "minutes later, is over."
    )
    assert message.remedy == (
        "See whether the DAG is paused, a run before it is still going on, or the scheduler is down; then trigger it."
    )
    assert message.facts == {"Live now": STANDING}
    nothing = LiveModel("iris", "iris-ep", problem="there is no endpoint of this name")
    assert findings.run_never_began("iris", due, nothing, TODAY, minutes=90).facts == {
        "Live now": "nothing (there is no endpoint of this name)"
    }


def test_a_hold_that_has_ended():
    hold = Hold(datetime(2019, 3, 6, 5, 30, tzinfo=timezone.utc), "ann", "the new one is slow")
    message = findings.hold_ended(LIVE, hold, TODAY)
    assert message.sentence == (
        'The hold of ann on endpoint "iris-ep" has ended at 2019-03-06 05:30 UTC. The next run of '
        "train_and_deploy_iris deploys again."
    )
    assert message.remedy == ('Nothing, or, to hold on to what is live, trigger redeploy_iris with {"model": "live"}.')
    assert message.facts == {"Endpoint": "iris-ep", "Live now": STANDING, "Why": "the new one is slow"}
