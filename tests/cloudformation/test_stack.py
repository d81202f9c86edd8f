import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

import pipelines_stack
from pipelines_stack import ACCOUNT, REGION


@pytest.fixture
def aws():
    with mock_aws():
        yield


def roles() -> list[str]:
    return [role["RoleName"] for role in boto3.client("iam", REGION).list_roles()["Roles"]]


def repositories() -> list[str]:
    found = boto3.client("ecr", REGION).describe_repositories()["repositories"]
    return [repository["repositoryName"] for repository in found]


def test_is_created_with_what_its_outputs_name(aws):
    outputs = pipelines_stack.create(Bucket="my-data", Target="iris", NumClass="4")

    assert pipelines_stack.describe()["StackStatus"] == "CREATE_COMPLETE"
    assert outputs["BucketName"] == "my-data"
    encryption = boto3.client("s3", REGION).get_bucket_encryption(Bucket="my-data")
    rule = encryption["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert repositories() == ["iris-training-image"]
    assert outputs["RepositoryUri"] == f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/iris-training-image"
    assert [f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in roles()] == [outputs["ExecutionRoleArn"]]
    assert boto3.client("iam", REGION).get_policy(PolicyArn=outputs["WorkerPolicyArn"])["Policy"]["IsAttachable"]
    assert outputs["DotEnv"].splitlines() == [
        "AIRFLOW_VAR_SAGEMAKER_BUCKET=my-data",
        f"AIRFLOW_VAR_SAGEMAKER_ROLE={outputs['ExecutionRoleArn']}",
        "AIRFLOW_VAR_SAGEMAKER_NUM_CLASS=4",
    ]


def test_takes_an_execution_role_that_exists(aws):
    own = f"arn:aws:iam::{ACCOUNT}:role/dev-sagemaker"
    outputs = pipelines_stack.create(Bucket="my-data", ExecutionRole=own)

    assert roles() == []
    assert outputs["ExecutionRoleArn"] == own
    assert f"AIRFLOW_VAR_SAGEMAKER_ROLE={own}" in outputs["DotEnv"]
    iam = boto3.client("iam", REGION)
    document = iam.get_policy_version(PolicyArn=outputs["WorkerPolicyArn"], VersionId="v1")["PolicyVersion"]["Document"]
    assert [s["Resource"] for s in document["Statement"] if s["Action"] == "iam:PassRole"] == [own]


def test_tags_are_those_that_it_is_told_of_and_its_own(aws):
    outputs = pipelines_stack.create(Bucket="my-data", TagKeys="project,cost center")
    version = {"PolicyArn": outputs["WorkerPolicyArn"], "VersionId": "v1"}
    policy = boto3.client("iam", REGION).get_policy_version(**version)["PolicyVersion"]["Document"]
    [tag] = [statement for statement in policy["Statement"] if statement["Action"] == "sagemaker:AddTags"]
    assert tag["Condition"]["ForAllValues:StringLike"] == {
        "aws:TagKeys": ["fresh-endpoints:*", "project", "cost center"]
    }


def test_an_update_changes_what_it_is_given_and_keeps_the_rest(aws):
    before = pipelines_stack.create(Bucket="my-data", NumClass="4")
    s3 = boto3.client("s3", REGION)
    s3.put_object(Bucket="my-data", Key="input-data-training/x", Body=b"data")
    after = pipelines_stack.update(NumClass="5", ArtifactDays="400")

    assert pipelines_stack.describe()["StackStatus"] == "UPDATE_COMPLETE"
    assert "NUM_CLASS=5" in after["DotEnv"]
    assert [after[name] for name in ("BucketName", "RepositoryUri")] == [
        before[name] for name in ("BucketName", "RepositoryUri")
    ]
    assert s3.get_object(Bucket="my-data", Key="input-data-training/x")["Body"].read() == b"data"
    parameters = {p["ParameterKey"]: p["ParameterValue"] for p in pipelines_stack.describe()["Parameters"]}
    assert (parameters["Bucket"], parameters["ArtifactDays"]) == ("my-data", "400")


def test_is_deleted(aws):
    pipelines_stack.create(Bucket="my-data")
    boto3.client("cloudformation", REGION).delete_stack(StackName=pipelines_stack.STACK)

    with pytest.raises(ClientError, match="does not exist"):
        pipelines_stack.describe()
    assert repositories() == []
