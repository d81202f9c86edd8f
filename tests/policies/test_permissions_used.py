"""The template's policies against what the test suites really used; `make test-permissions` runs this after them.

The record is in the folder LOCAL_AWS_RECORD_PERMISSIONS; without that variable there is nothing to judge. CI has all
suites write to it, those on real Airflow services, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import permissions_used
from iam import Decision, as_list, evaluate, statements
from permissions_used import Use
from pipelines_stack import policies

RECORD = os.environ.get("LOCAL_AWS_RECORD_PERMISSIONS")
pytestmark = pytest.mark.skipif(
    not RECORD, reason="LOCAL_AWS_RECORD_PERMISSIONS is not set; make test-permissions sets it"
)

BUCKET = "sample-bucket"
# A stack for each bucket and what the names of the tests' pipelines in it begin with.
STACKS = (
    (BUCKET, "iris"),
    (BUCKET, "multiclass"),
    ("recent", "multiclass"),
    ("recent", "every-minute"),
    ("recent", "unscheduled"),
)
EXECUTION_ROLE = "arn:aws:iam::123456789012:role/dev-sagemaker"  # the pipelines' RoleArn

# Of the execution role: what SageMaker itself does with it around a container, as its documentation demands
# (https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html). Local AWS has nothing of the kind to do.
DONE_BY_SAGEMAKER = {
    "ecr:GetAuthorizationToken": "images are folders here",
    "ecr:BatchCheckLayerAvailability": "images are folders here",
    "ecr:BatchGetImage": "images are folders here",
    "ecr:GetDownloadUrlForLayer": "images are folders here",
    "logs:CreateLogGroup": "logs are written without a request",
    "logs:CreateLogStream": "logs are written without a request",
    "logs:DescribeLogStreams": "logs are written without a request",
    "logs:PutLogEvents": "logs are written without a request",
    "cloudwatch:PutMetricData": "metrics are written without a request",
    "s3:AbortMultipartUpload": "artifacts are small here and uploaded in one part",
}
READS = ("Get", "Describe", "List")


@pytest.fixture(scope="module")
def stacks() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The worker's and the execution role's policy of each stack."""
    workers = [policies(Bucket=bucket, Target=target, ExecutionRole=EXECUTION_ROLE)[0] for bucket, target in STACKS]
    containers = [policies(Bucket=bucket, Target=target)[1] for bucket, target in STACKS]
    return list(zip(workers, containers, strict=True))


@pytest.fixture(scope="module")
def worker_policies(stacks: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[dict[str, Any]]:
    return [worker for worker, _ in stacks]


@pytest.fixture(scope="module")
def container_policies(stacks: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[dict[str, Any]]:
    return [container for _, container in stacks]


@pytest.fixture(scope="module")
def used() -> tuple[set[Use], set[Use]]:
    assert RECORD
    return permissions_used.read(Path(RECORD))


def denied(policies: list[dict[str, Any]], uses: Iterable[Use]) -> list[str]:
    return sorted(f"{use.action} on {use.resource} {dict(use.context)}" for use in uses if not _allows(policies, use))


def unused(policies: list[dict[str, Any]], uses: Iterable[Use]) -> set[tuple[str, str]]:
    """The grants that no use needed in any of the stacks: a statement's Sid, and an action of it."""
    grants: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for statement in statements(policies):
        for action in as_list(statement["Action"]):
            alone = {"Statement": [{**statement, "Action": action}]}
            grants.setdefault((statement["Sid"], action), []).append(alone)
    return {grant for grant, alone in grants.items() if not any(_allows(alone, use) for use in uses)}


def test_workers_were_allowed_all_that_they_did(used, worker_policies):
    workers, _ = used
    assert {"sagemaker:CreateTrainingJob", "sagemaker:UpdateEndpoint", "s3:GetObject"} <= {u.action for u in workers}
    # tests/faults has a pipeline file name a role that is not the stack's: that, IAM denies, too.
    roles = {use for use in workers if use.action == "iam:PassRole" and use.resource != EXECUTION_ROLE}
    assert {use.resource.rpartition("/")[2] for use in roles} == {"no-such-role"}
    # Another file names a bucket that does not exist.
    by_design = roles | {use for use in workers if use.resource.startswith("arn:aws:s3:::no-such-bucket")}
    assert len(denied(worker_policies, by_design)) == len(by_design)
    assert denied(worker_policies, workers - by_design) == []


def test_containers_were_allowed_all_that_they_did_in_s3(used, container_policies):
    _, containers = used
    assert {use.action for use in containers} == {"s3:ListBucket", "s3:GetObject", "s3:PutObject"}
    assert {use.principal for use in containers} == {EXECUTION_ROLE}
    assert denied(container_policies, containers) == []


def test_workers_are_granted_nothing_that_they_did_not_use(used, worker_policies):
    workers, _ = used
    assert unused(worker_policies, workers) == set()


def test_the_execution_role_is_granted_nothing_that_its_containers_and_sagemaker_do_not_use(used, container_policies):
    _, containers = used
    assert {action for _, action in unused(container_policies, containers)} == set(DONE_BY_SAGEMAKER)


@pytest.mark.parametrize(
    ("kind", "found", "other"),
    [
        ("account", ":123456789012:", ":210987654321:"),
        ("region", ":ap-northeast-1:", ":us-east-1:"),
        ("bucket", f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}-of-others"),
        ("role", ":role/dev-sagemaker", ":role/dev-sagemaker-of-others"),
    ],
)
def test_the_same_on_a_neighbour_is_denied(used, worker_policies, container_policies, kind, found, other):
    for attached, uses in zip((worker_policies, container_policies), used, strict=True):
        neighbours = {use: use.resource.replace(found, other) for use in uses if found in use.resource}
        assert neighbours or attached is container_policies, f"nothing recorded has this {kind}"
        for use, neighbour in neighbours.items():
            assert evaluate(attached, use.action, neighbour, dict(use.context)) is Decision.IMPLICIT_DENY, neighbour


def test_no_change_is_allowed_to_what_has_another_name(used, worker_policies, container_policies):
    for attached, uses in zip((worker_policies, container_policies), used, strict=True):
        changes = [use for use in uses if not use.action.partition(":")[2].startswith(READS)]
        renamed = {use: name for use in changes if (name := _of_others(use.resource)) != use.resource}
        assert renamed
        for use, neighbour in renamed.items():
            assert evaluate(attached, use.action, neighbour, dict(use.context)) is Decision.IMPLICIT_DENY, neighbour


@pytest.mark.parametrize(
    "action",
    [
        *("sagemaker:DeleteTrainingJob", "sagemaker:DeleteTransformJob", "sagemaker:DeleteTags"),
        *("s3:PutObject", "s3:DeleteObject", "s3:DeleteBucket", "logs:DeleteLogGroup", "iam:UpdateRole"),
    ],
)
def test_workers_may_not_do_more_with_what_they_used(used, worker_policies, action):
    workers, _ = used
    resources = {use.resource for use in workers if use.resource.split(":")[2:3] == [action.partition(":")[0]]}
    assert resources
    for resource in resources:
        assert evaluate(worker_policies, action, resource) is Decision.IMPLICIT_DENY, resource


def _of_others(arn: str) -> str:
    """The ARN with each pipeline's name replaced: as a name's beginning, and as a folder of a key."""
    for _, target in STACKS:
        arn = arn.replace(f"/{target}", "/others")
    return arn


def _allows(policies: list[dict[str, Any]], use: Use) -> bool:
    return evaluate(policies, use.action, use.resource, dict(use.context)) is Decision.ALLOWED
