"""From what is seen to what comes next: a row a case."""

from __future__ import annotations

import datetime as dt

import pytest

from fresh_endpoints.aws.endpoint import Seen
from fresh_endpoints.steps.decision import Next, SoFar, next_step

MOMENT = dt.datetime(2019, 3, 5, tzinfo=dt.timezone.utc)
NO_ENDPOINT = Seen()


def seen(status, live="old", becoming=None, reason=None):
    description = {"EndpointStatus": status, "EndpointConfigName": live, "LastModifiedTime": MOMENT}
    if becoming:
        description["PendingDeploymentSummary"] = {"EndpointConfigName": becoming}
    return Seen.of({**description, "FailureReason": reason})


FRESH = SoFar("new")
ASKED = SoFar("new", asked=True)
TOO_LATE = SoFar("new", asked=True, is_too_late=True)
FAILED = SoFar("new", failed_test="failed: wrong answer", previous="old")
FAILED_FIRST = SoFar("new", failed_test="failed: wrong answer", previous="")
ASKED_BACK = SoFar("new", failed_test="failed: wrong answer", previous="old", asked_back=True)
REFUSED_BACK = SoFar("new", failed_test="failed: wrong answer", previous="old", refused="it has been deleted.")

GOING_THERE = [
    ("there is no endpoint", NO_ENDPOINT, FRESH, Next.CREATE),
    ("it serves another config", seen("InService"), FRESH, Next.UPDATE),
    ("an earlier creation has failed", seen("Failed"), FRESH, Next.RECREATE),
    ("it serves the config", seen("InService", live="new"), FRESH, Next.PROVE),
    ("it serves the config that was asked for", seen("InService", live="new"), ASKED, Next.PROVE),
    ("it is created by somebody else", seen("Creating", live="other"), FRESH, Next.WAIT_FOR_OTHERS),
    ("it is created by an earlier try", seen("Creating", live="new"), FRESH, Next.WAIT_FOR_OWN),
    ("it is updated by somebody else", seen("Updating", becoming="other"), FRESH, Next.WAIT_FOR_OTHERS),
    ("it is updated by an earlier try", seen("Updating", becoming="new"), FRESH, Next.WAIT_FOR_OWN),
    ("it is updated as asked", seen("Updating", becoming="new"), ASKED, Next.WAIT_FOR_OWN),
    ("it is rolling back what was asked", seen("RollingBack"), ASKED, Next.WAIT_FOR_OWN),
    ("AWS patches it", seen("SystemUpdating"), FRESH, Next.WAIT_FOR_OTHERS),
    ("it is being deleted", seen("Deleting"), FRESH, Next.WAIT_FOR_OTHERS),
    ("the change takes too long", seen("Updating", becoming="new"), TOO_LATE, Next.STUCK),
    ("what was asked has been rolled back", seen("InService", reason="no capacity"), ASKED, Next.NOT_DEPLOYED),
    ("the creation that was asked has failed", seen("Failed", live="new"), ASKED, Next.NOT_DEPLOYED),
    ("it was deleted meanwhile", NO_ENDPOINT, ASKED, Next.NOT_DEPLOYED),
    ("it is out of service", seen("OutOfService"), FRESH, Next.UNUSABLE),
    ("a rollback has failed", seen("UpdateRollbackFailed"), ASKED, Next.UNUSABLE),
    ("AWS has a new status", seen("Hibernating"), FRESH, Next.UNUSABLE),
]
GOING_BACK = [
    ("it serves the failed config", seen("InService", live="new"), FAILED, Next.PUT_BACK),
    ("there is nothing to go back to", seen("InService", live="new"), FAILED_FIRST, Next.LEFT_UNPROVEN),
    ("what to go back to is gone", seen("InService", live="new"), REFUSED_BACK, Next.LEFT_UNPROVEN),
    ("the way back was rolled back", seen("InService", live="new", reason="alarm"), ASKED_BACK, Next.LEFT_UNPROVEN),
    ("it is going back", seen("Updating", live="new", becoming="old"), ASKED_BACK, Next.WAIT_FOR_OWN),
    ("somebody else changes it", seen("Updating", live="new", becoming="other"), FAILED, Next.WAIT_FOR_OTHERS),
    ("it is back", seen("InService", live="old"), ASKED_BACK, Next.TAKEN_BACK),
    ("somebody else has put another one live", seen("InService", live="other"), FAILED, Next.TAKEN_BACK),
    ("it cannot be changed", seen("UpdateRollbackFailed", live="new"), FAILED, Next.LEFT_UNPROVEN),
    ("it was deleted", NO_ENDPOINT, FAILED, Next.LEFT_UNPROVEN),
]


@pytest.mark.parametrize(
    ("what_is_seen", "so_far", "expected"),
    [pytest.param(*row[1:], id=row[0]) for row in GOING_THERE],
)
def test_on_the_way_there(what_is_seen, so_far, expected):
    assert next_step(what_is_seen, so_far) is expected


@pytest.mark.parametrize(
    ("what_is_seen", "so_far", "expected"),
    [pytest.param(*row[1:], id=row[0]) for row in GOING_BACK],
)
def test_on_the_way_back(what_is_seen, so_far, expected):
    assert next_step(what_is_seen, so_far) is expected


def test_every_step_is_the_answer_to_some_case():
    assert {row[3] for row in [*GOING_THERE, *GOING_BACK]} == set(Next)
