"""From what is seen to what comes next: a row a case."""

from __future__ import annotations

import datetime as dt

import pytest

from fresh_endpoints.aws.endpoint import Seen
from fresh_endpoints.steps.decision import Next, SoFar, next_step

BEFORE = dt.datetime(2019, 3, 5, tzinfo=dt.timezone.utc)
AFTER = BEFORE + dt.timedelta(minutes=5)
NO_ENDPOINT = Seen()


def seen(status, live="old", becoming=None, reason=None, changed=AFTER, has_served=True):
    description = {"EndpointArn": "arn:e", "EndpointStatus": status, "EndpointConfigName": live}
    description["LastModifiedTime"] = changed
    if becoming:
        description["PendingDeploymentSummary"] = {"EndpointConfigName": becoming}
    if has_served:
        description["ProductionVariants"] = [{"VariantName": "AllTraffic"}]
    return Seen.of({**description, "FailureReason": reason})


OVER = seen("InService", changed=BEFORE).version
WHY = "failed: wrong answer"
NO_CAPACITY = "Unable to provision requested ML compute capacity."
FRESH = SoFar("new")
ASKED = SoFar("new", asked_over=OVER, asks=1, may_be_unseen=True)
ASKED_LONG_AGO = SoFar("new", asked_over=OVER, asks=1)
ASKED_BY_AN_EARLIER_TRY = SoFar("new", asked_over=OVER)
ASKED_IN_VAIN = SoFar("new", asked_over=OVER, asks=3)
ASKED_TO_CREATE = SoFar("new", asked_over="none", asks=1, may_be_unseen=True)
TOO_LATE = SoFar("new", asked_over=OVER, is_too_late=True)
FAILED = SoFar("new", failed_test=WHY, back_to="old")
NOWHERE_TO_GO = SoFar("new", failed_test=WHY)
ASKED_BACK = SoFar("new", failed_test=WHY, back_to="old", back_over=OVER, asks=2, may_be_unseen=True)
ASKED_BACK_LONG_AGO = SoFar("new", failed_test=WHY, back_to="old", back_over=OVER, asks=2)
ASKED_BACK_IN_VAIN = SoFar("new", failed_test=WHY, back_to="old", back_over=OVER, asks=3)
REFUSED_BACK = SoFar("new", failed_test=WHY, back_to="old", refused="denied")
UNCHANGED, UNCHANGED_NEW = seen("InService", changed=BEFORE), seen("InService", live="new", changed=BEFORE)

GOING_THERE = [
    ("there is no endpoint", NO_ENDPOINT, FRESH, Next.CREATE),
    ("it serves another config", seen("InService"), FRESH, Next.UPDATE),
    ("its creation has failed", seen("Failed", has_served=False), FRESH, Next.RECREATE),
    ("it has served and is Failed", seen("Failed"), FRESH, Next.UNUSABLE),
    ("it serves the config", seen("InService", live="new"), FRESH, Next.PROVE),
    ("it serves the config that was asked for", seen("InService", live="new"), ASKED, Next.PROVE),
    ("it serves it, and patching has failed since", seen("InService", live="new", reason="no"), ASKED, Next.PROVE),
    ("it is created by somebody else", seen("Creating", live="other"), FRESH, Next.WAIT_FOR_OTHERS),
    ("it is created by an earlier try", seen("Creating", live="new"), FRESH, Next.WAIT_FOR_OWN),
    ("it is updated by somebody else", seen("Updating", becoming="other"), FRESH, Next.WAIT_FOR_OTHERS),
    ("it is updated by an earlier try", seen("Updating", becoming="new"), FRESH, Next.WAIT_FOR_OWN),
    ("it is updated as asked", seen("Updating", becoming="new"), ASKED, Next.WAIT_FOR_OWN),
    ("it is rolling back what was asked", seen("RollingBack"), ASKED, Next.WAIT_FOR_OWN),
    ("AWS patches it", seen("SystemUpdating"), FRESH, Next.WAIT_FOR_OTHERS),
    ("it is being deleted", seen("Deleting"), FRESH, Next.WAIT_FOR_OTHERS),
    ("the change takes too long", seen("Updating", becoming="new"), TOO_LATE, Next.STUCK),
    ("the update is not seen yet", UNCHANGED, ASKED, Next.LOOK_AGAIN),
    ("the creation is not seen yet", NO_ENDPOINT, ASKED_TO_CREATE, Next.LOOK_AGAIN),
    ("the update was lost", UNCHANGED, ASKED_LONG_AGO, Next.UPDATE),
    ("an earlier try asked in vain", UNCHANGED, ASKED_BY_AN_EARLIER_TRY, Next.UPDATE),
    ("each update was lost", UNCHANGED, ASKED_IN_VAIN, Next.NOT_DEPLOYED),
    ("what was asked has been rolled back", seen("InService", reason="no"), ASKED, Next.NOT_DEPLOYED),
    ("it has been rolled back without a reason", seen("InService"), ASKED, Next.NOT_DEPLOYED),
    ("the creation that was asked has failed", seen("Failed", live="new"), ASKED, Next.NOT_DEPLOYED),
    ("it was deleted meanwhile", NO_ENDPOINT, ASKED, Next.NOT_DEPLOYED),
    ("it is out of service", seen("OutOfService"), FRESH, Next.UNUSABLE),
    ("a rollback has failed", seen("UpdateRollbackFailed"), ASKED, Next.UNUSABLE),
    ("AWS has a new status", seen("Hibernating"), FRESH, Next.UNUSABLE),
]
GOING_BACK = [
    ("it serves the failed config", seen("InService", live="new"), FAILED, Next.PUT_BACK),
    ("there is nothing to go back to", seen("InService", live="new"), NOWHERE_TO_GO, Next.LEFT_UNPROVEN),
    ("going back is refused", seen("InService", live="new"), REFUSED_BACK, Next.LEFT_UNPROVEN),
    ("the way back was rolled back", seen("InService", live="new", reason="alarm"), ASKED_BACK, Next.LEFT_UNPROVEN),
    ("the way back found no capacity", seen("InService", live="new", reason=NO_CAPACITY), ASKED_BACK, Next.PUT_BACK),
    ("it never finds any", seen("InService", live="new", reason=NO_CAPACITY), ASKED_BACK_IN_VAIN, Next.LEFT_UNPROVEN),
    ("the way back is not seen yet", UNCHANGED_NEW, ASKED_BACK, Next.LOOK_AGAIN),
    ("the way back was lost", UNCHANGED_NEW, ASKED_BACK_LONG_AGO, Next.PUT_BACK),
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
