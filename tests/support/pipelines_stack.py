"""The pipelines' CloudFormation stack, created in moto: tests see its policies as AWS would resolve them."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path
from typing import Any

import boto3
from moto import mock_aws
from moto.cloudformation import parsing

TEMPLATE = Path(__file__).parents[2] / "include" / "cloudformation" / "pipelines.yaml"
REGION = "ap-northeast-1"
ACCOUNT = "123456789012"
STACK = "fresh-endpoints"

_clean_json = parsing.clean_json


def _without_no_value(value: Any, resources: Any) -> Any:
    """Take AWS::NoValue out of lists, where moto leaves a None: as with any other value, AWS removes it.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/pseudo-parameter-reference.html
    """
    cleaned = _clean_json(value, resources)
    return [item for item in cleaned if item is not None] if isinstance(value, list) else cleaned


parsing.clean_json = _without_no_value


def create(**parameters: str) -> dict[str, str]:
    """Create the stack in the moto that is active, and return its outputs."""
    return _apply("create_stack", parameters)


def update(**parameters: str) -> dict[str, str]:
    """Update the stack, and return its outputs. Parameters that are not given keep their values."""
    kept = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in describe()["Parameters"]}
    return _apply("update_stack", kept | parameters)


def describe() -> dict[str, Any]:
    """Return DescribeStacks' answer for the stack."""
    return boto3.client("cloudformation", REGION).describe_stacks(StackName=STACK)["Stacks"][0]


def _apply(operation: str, parameters: dict[str, str]) -> dict[str, str]:
    client = boto3.client("cloudformation", REGION)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Tried to parse AWS::S3::BucketPolicy")  # moto has no bucket policies
        getattr(client, operation)(
            StackName=STACK,
            TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
    return {output["OutputKey"]: output["OutputValue"] for output in describe()["Outputs"]}


def policies(**parameters: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """Return the worker's policy, the execution role's policy and the stack's outputs.

    Args:
        parameters: The stack's parameters. With ExecutionRole the stack makes no role, so the role's policy is empty.
    """
    role: dict[str, Any] = {"Statement": []}
    with mock_aws():
        outputs = create(**parameters)
        iam = boto3.client("iam", REGION)
        worker = iam.get_policy_version(PolicyArn=outputs["WorkerPolicyArn"], VersionId="v1")
        if not parameters.get("ExecutionRole"):
            name = outputs["ExecutionRoleArn"].split("/")[-1]
            found = iam.get_role_policy(RoleName=name, PolicyName="containers")["PolicyDocument"]
            # moto answers a role's inline policy of a stack as Python's notation, not as JSON.
            role = ast.literal_eval(found)
    return worker["PolicyVersion"]["Document"], role, outputs
