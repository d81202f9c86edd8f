"""A test a row: every status that AWS documents, and the one that it will add."""

from __future__ import annotations

import botocore.session
import pytest

from fresh_endpoints.aws.kinds import ENDPOINT, TRAINING_JOB, TRANSFORM_JOB, Answer, answer_to, is_healable

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


@pytest.mark.parametrize(("table", "status", "answer"), ROWS)
def test_every_row(table, status, answer):
    assert answer_to(table, status) is answer


@pytest.mark.parametrize("table", [TRAINING_JOB, TRANSFORM_JOB, ENDPOINT])
def test_a_status_that_aws_adds_later_is_unknown(table):
    assert answer_to(table, "Hibernating") is Answer.UNKNOWN


@pytest.mark.parametrize(
    ("operation", "member", "table"),
    [
        ("DescribeTrainingJob", "TrainingJobStatus", TRAINING_JOB),
        ("DescribeTransformJob", "TransformJobStatus", TRANSFORM_JOB),
        ("DescribeEndpoint", "EndpointStatus", ENDPOINT),
    ],
)
def test_the_tables_hold_what_botocores_service_model_holds(operation, member, table):
    model = botocore.session.get_session().get_service_model("sagemaker").operation_model(operation)
    assert set(table) == set(model.output_shape.members[member].enum)
    assert set(table) == {status for rows, status, _ in ROWS if rows is table}


@pytest.mark.parametrize(
    ("reason", "healable"),
    [
        ("CapacityError: Unable to provision requested ML compute capacity.", True),
        ("Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error.", True),
        ("InternalServerError: We encountered an internal error. Please try again.", True),
        ("AlgorithmError: CapacityError in my own words, exit code: 1", False),
        ("ClientError: Data download failed", False),
        ("", False),
        (None, False),
    ],
)
def test_only_faults_of_awss_own_heal(reason, healable):
    assert is_healable({"FailureReason": reason}) is healable
