"""A test a row: every status that AWS documents, and the one that it will add."""

from __future__ import annotations

import boto3
import botocore.session
import pytest

from fresh_endpoints.aws.kinds import ENDPOINT, KINDS, TRAINING_JOB, TRANSFORM_JOB, Answer, is_healable

ROWS = [
    (TRAINING_JOB, "InProgress", Answer.WAIT),
    (TRAINING_JOB, "Completed", Answer.DONE),
    (TRAINING_JOB, "Failed", Answer.FAILED),
    (TRAINING_JOB, "Stopping", Answer.WAIT),
    (TRAINING_JOB, "Stopped", Answer.STOPPED),
    (TRAINING_JOB, "Deleting", Answer.STOPPED),
    (TRANSFORM_JOB, "InProgress", Answer.WAIT),
    (TRANSFORM_JOB, "Completed", Answer.DONE),
    (TRANSFORM_JOB, "Failed", Answer.FAILED),
    (TRANSFORM_JOB, "Stopping", Answer.WAIT),
    (TRANSFORM_JOB, "Stopped", Answer.STOPPED),
    (ENDPOINT, "Creating", Answer.WAIT),
    (ENDPOINT, "Updating", Answer.WAIT),
    (ENDPOINT, "SystemUpdating", Answer.WAIT),
    (ENDPOINT, "RollingBack", Answer.WAIT),
    (ENDPOINT, "Deleting", Answer.WAIT),
    (ENDPOINT, "InService", Answer.DONE),
    (ENDPOINT, "Failed", Answer.FAILED),
    (ENDPOINT, "OutOfService", Answer.UNUSABLE),
    (ENDPOINT, "UpdateRollbackFailed", Answer.UNUSABLE),
]


@pytest.mark.parametrize(("kind", "status", "answer"), ROWS)
def test_every_row(kind, status, answer):
    assert kind.answer_to(status) is answer


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_status_that_aws_adds_later_is_unknown(kind):
    assert kind.answer_to("Hibernating") is Answer.UNKNOWN


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_tables_hold_what_botocores_service_model_holds(kind):
    member = output_of(kind.describe).members[f"{kind.stem}Status"]
    assert set(kind.statuses) == set(member.enum)
    assert set(kind.statuses) == {status for rows, status, _ in ROWS if rows is kind}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_members_and_calls_of_a_kind_are_botocores(kind):
    model = botocore.session.get_session().get_service_model("sagemaker")
    described, listed = output_of(kind.describe), output_of(kind.list)
    summary = listed.members[kind.summaries].member
    for shape in (described, summary):
        assert {f"{kind.stem}Name", f"{kind.stem}Arn", f"{kind.stem}Status"} <= set(shape.members)
    if kind.can_be_stopped:
        assert {kind.end_member} <= set(described.members) & set(summary.members)
    assert (f"Stop{kind.stem}" in model.operation_names) is kind.can_be_stopped


def test_what_is_waited_for_is_what_the_table_says():
    assert TRAINING_JOB.waiting_statuses == ("InProgress", "Stopping")
    assert "InService" not in ENDPOINT.waiting_statuses


def output_of(method):
    client = boto3.client("sagemaker", "eu-west-1")
    return client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method]).output_shape


@pytest.mark.parametrize(
    ("reason", "healable"),
    [
        ("CapacityError: Unable to provision requested ML compute capacity.", True),
        ("Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error.", True),
        ("InternalServerError: We encountered an internal error. Please try again.", True),
        ("Request to service failed. If failure persists after retry, contact customer support.", True),
        (" Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error.", True),
        (" The primary container for production variant a did not pass the ping health check.", False),
        ("AlgorithmError: CapacityError in my own words, exit code: 1", False),
        ("ClientError: Data download failed", False),
        ("", False),
        (None, False),
    ],
)
def test_only_faults_of_awss_own_heal(reason, healable):
    assert is_healable({"FailureReason": reason}) is healable
