"""The stack's policies and those of ``fresh-endpoints iam`` have two homes, and say the same of the sample pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest

from fresh_endpoints.permissions.reach import Variables, reach_of
from fresh_endpoints.permissions.statements import execution_policy, worker_policy
from fresh_endpoints.pipeline_file.loading import load_pipeline
from iam import Decision, as_list, evaluate, statements
from pipelines_stack import ACCOUNT, REGION, policies

SAMPLE = Path(__file__).parents[2] / "include" / "pipelines" / "multiclass.yaml"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/dev-sagemaker"
# The stack does not read the files: of these the sample makes no use.
UNUSED = {"sagemaker:InvokeEndpointAsync", "cloudwatch:DescribeAlarms"}
PAIRS = ["worker", "execution"]


@pytest.fixture(scope="module")
def of_stack():
    parameters = {"Bucket": "sample-bucket", "Target": "multiclass", "CreateRepository": "false"}
    repository = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/sagemaker-repo"
    worker, _, _ = policies(**parameters, ExecutionRole=ROLE)
    _, execution, _ = policies(**parameters, Repositories=repository)
    return {"worker": worker, "execution": execution}


@pytest.fixture(scope="module")
def derived():
    reach = reach_of(load_pipeline(SAMPLE), Variables({}))
    return {"worker": worker_policy([reach]), "execution": execution_policy([reach])}


def actions_of(policy):
    return {action for statement in statements([policy]) for action in as_list(statement["Action"])}


@pytest.mark.parametrize("whose", PAIRS)
def test_both_allow_the_same_actions(of_stack, derived, whose):
    assert actions_of(of_stack[whose]) - UNUSED == actions_of(derived[whose])


@pytest.mark.parametrize("whose", PAIRS)
def test_what_the_files_need_is_nowhere_wider_than_what_the_stack_allows(of_stack, derived, whose):
    """Each action on each resource, with the same conditions: a star of the file's pattern is one of the stack's."""
    for statement in statements([derived[whose]]):
        for action in as_list(statement["Action"]):
            for resource in as_list(statement["Resource"]):
                for context in contexts(statement):
                    decision = evaluate([of_stack[whose]], action, resource.replace("*", "x"), context)
                    assert decision is Decision.ALLOWED, (action, resource, context)


def contexts(statement):
    """A request for each value that the statement's conditions allow."""
    found = {
        key: [value.replace("*", "x") for value in as_list(values)]
        for test, keys in statement.get("Condition", {}).items()
        if test != "Null"
        for key, values in keys.items()
    }
    if "s3:prefix" in found:
        return [{"s3:prefix": value} for value in found["s3:prefix"]]
    if "cloudwatch:namespace" in found:
        return [{"cloudwatch:namespace": value} for value in found["cloudwatch:namespace"]]
    return [{key: values if key == "aws:TagKeys" else values[0] for key, values in found.items()}]
