"""The template's policies against what the test suites really used; `make test-permissions` runs this after them.

The record is in the folder LOCAL_AWS_RECORD_PERMISSIONS; without that variable there is nothing to judge. CI has all
suites write to it, those on real Airflow services, too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import permissions_used
from fresh_endpoints.permissions.reach import Variables, reach_of
from fresh_endpoints.permissions.statements import execution_policy, worker_policy
from fresh_endpoints.pipeline_file.loading import load_pipeline
from iam import Decision, as_list, evaluate, statements
from permissions_used import Use
from pipelines_stack import policies

RECORD = os.environ.get("LOCAL_AWS_RECORD_PERMISSIONS")
pytestmark = pytest.mark.skipif(
    not RECORD, reason="LOCAL_AWS_RECORD_PERMISSIONS is not set; make test-permissions sets it"
)

PIPELINES = Path(__file__).parents[2] / "include" / "pipelines"
BUCKET = "sample-bucket"
# A stack for each bucket and target of the tests' pipelines.
STACKS = (
    (BUCKET, "iris"),
    (BUCKET, "multiclass"),
    ("recent", "multiclass"),
    ("recent", "every-minute"),
    ("recent", "unscheduled"),
    *((BUCKET, path.stem) for path in sorted(PIPELINES.glob("examples/*.yaml"))),
)
TAG_KEYS = "project,cost-center,team"  # all that their files have under aws_tags
NEIGHBOURS = ("{}2", "{}fraud", "my-{}", "others")  # names that only look like a target's, and another
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
# Of the worker: what SageMaker needs in the worker's name.
SELDOM = {
    "application-autoscaling:DeregisterScalableTarget": "SageMaker asks for it itself; local AWS just does it",
}
# What may be seen whatever its name: what is deleted must be in nobody's use, and a stream has to be looked for.
SEEN_OF_ALL = {
    *("sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig", "sagemaker:DescribeTransformJob"),
    "logs:DescribeLogStreams",
    # Of the bucket's own keys: what is missing is told from what is denied.
    "s3:ListBucket",
}


@pytest.fixture(scope="module")
def stacks() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The worker's and the execution role's policy of each stack."""
    given = [{"Bucket": bucket, "Target": target, "TagKeys": TAG_KEYS} for bucket, target in STACKS]
    workers = [policies(**parameters, ExecutionRole=EXECUTION_ROLE)[0] for parameters in given]
    containers = [policies(**parameters)[1] for parameters in given]
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
    workers, containers = permissions_used.read(Path(RECORD))
    return {use for use in workers if _of_stacks(use)}, {use for use in containers if _of_stacks(use)}


# What is of no stack: an environment's names, whose policies `iam --env` makes; and what tests have trained
# themselves, under a role of their own and with artifacts in a folder of their own.
_OF_NO_STACK = re.compile(r"[:/](dev|prod)-(iris|multiclass)|:role/sagemaker-role$|:::sample-bucket/models/")


def _of_stacks(use: Use) -> bool:
    return not any(_OF_NO_STACK.search(text or "") for text in (use.resource, use.principal))


SAMPLE = PIPELINES / "multiclass.yaml"
# Of the DAGs' runs of the sample; what the commands, and people, look at is not the workers'.
RUNS = re.compile(r":(?:training-job|transform-job|model|endpoint-config)/multiclass-\d{4}-\d{2}-\d{2}-")


def derived(**options: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The policies that `fresh-endpoints iam` makes of the sample pipeline's file."""
    reach = reach_of(load_pipeline(SAMPLE), Variables(options))
    return worker_policy([reach]), execution_policy([reach])


def _of_sample(uses: Iterable[Use]) -> list[Use]:
    """What was used on the sample's own names, and in its folders of the bucket."""
    folders = re.compile(rf"arn:aws:s3:::{BUCKET}/(input-data-\w+|output-\w+)/[0-9-]+/multiclass/")
    tagged = re.compile(r":endpoint/multiclass$")
    return [use for use in uses if any(form.search(use.resource) for form in (RUNS, folders, tagged))]


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
    # And a redeploy is asked for another's job, or goes back to a person's config: the stack's policy allows neither.
    others = re.compile(r":(training-job/job-|endpoint-config/[0-9]+-siri)")
    by_design |= {use for use in workers if others.search(use.resource) and use.action not in SEEN_OF_ALL}
    assert len(denied(worker_policies, by_design)) == len(by_design)
    assert denied(worker_policies, workers - by_design) == []


def test_containers_were_allowed_all_that_they_and_their_deployments_did(used, container_policies):
    _, containers = used
    actions = {use.action for use in containers}
    assert actions == {"s3:ListBucket", "s3:GetObject", "s3:PutObject", "cloudwatch:DescribeAlarms"}
    assert {use.principal for use in containers} == {EXECUTION_ROLE}
    assert denied(container_policies, containers) == []


def test_the_policies_of_the_samples_file_allow_all_that_its_runs_did_and_nothing_of_neighbours(used):
    for policy, uses in zip(derived(), used, strict=True):
        of_sample = _of_sample(uses)
        assert of_sample
        assert denied([policy], of_sample) == []
        for name in NEIGHBOURS:
            renamed = {_renamed(use, name) for use in of_sample if use.action not in SEEN_OF_ALL} - uses
            assert [use for use in renamed if _allows([policy], use)] == []


def test_workers_are_granted_nothing_that_they_did_not_use(used, worker_policies):
    workers, _ = used
    assert {action for _, action in unused(worker_policies, workers)} <= set(SELDOM)


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


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_nothing_else_is_allowed_on_what_has_another_name(used, worker_policies, container_policies, name):
    for attached, uses in zip((worker_policies, container_policies), used, strict=True):
        renamed = {_renamed(use, name) for use in uses if use.action not in SEEN_OF_ALL} - uses
        assert renamed
        assert [use for use in renamed if _allows(attached, use)] == []


def test_no_tag_of_others_is_set_on_what_was_tagged(used, worker_policies):
    workers, _ = used
    tagged = [use for use in workers if use.action == "sagemaker:AddTags"]
    assert {use.resource.split(":")[5].split("/")[0] for use in tagged} >= {"training-job", "model", "endpoint-config"}
    for use in tagged:
        keys = dict(use.context)["aws:TagKeys"]
        for other in (("owner",), (*keys, "owner"), ("projects",), ()):
            context = {**dict(use.context), "aws:TagKeys": other}
            assert evaluate(worker_policies, use.action, use.resource, context) is Decision.IMPLICIT_DENY, use


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


def _renamed(use: Use, name: str) -> Use:
    """The use with each pipeline's name replaced: at a name's beginning, and as a folder of a key or of a prefix."""
    names = "|".join({target for _, target in STACKS})

    def rename(text: str) -> str:
        return re.sub(rf"(?<=[/:])({names})(?=[-/:]|$)", lambda match: name.format(match[1]), text)

    context = {key: rename(value) if key == "s3:prefix" else value for key, value in use.context}
    return replace(use, resource=rename(use.resource), context=tuple(sorted(context.items())))


def _allows(policies: list[dict[str, Any]], use: Use) -> bool:
    return evaluate(policies, use.action, use.resource, dict(use.context)) is Decision.ALLOWED
