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


def documents() -> dict[str, dict]:
    """The managed policies of the stack, by the output that names them."""
    iam = boto3.client("iam", REGION)
    found = {output["OutputKey"]: output["OutputValue"] for output in pipelines_stack.describe()["Outputs"]}
    found = {key: arn for key, arn in found.items() if key.startswith("WorkerPolicy")}
    versions = {key: iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] for key, arn in found.items()}
    return {
        key: iam.get_policy_version(PolicyArn=arn, VersionId=versions[key])["PolicyVersion"]["Document"]
        for key, arn in found.items()
    }


def test_takes_a_bucket_and_repositories_that_exist_and_changes_nothing_of_them(aws):
    where = {"LocationConstraint": REGION}
    boto3.client("s3", REGION).create_bucket(Bucket="team-data", CreateBucketConfiguration=where)
    own = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/churn"
    outputs = pipelines_stack.create(
        Bucket="team-data", Target="iris", CreateBucket="false", CreateRepository="false", Repositories=own
    )

    assert pipelines_stack.describe()["StackStatus"] == "CREATE_COMPLETE"
    assert (outputs["BucketName"], "RepositoryUri" in outputs, repositories()) == ("team-data", False, [])
    [stack] = boto3.client("cloudformation", REGION).describe_stacks(StackName=pipelines_stack.STACK)["Stacks"]
    held = boto3.client("cloudformation", REGION).describe_stack_resources(StackName=stack["StackName"])
    types = {resource.get("ResourceType") for resource in held["StackResources"] if resource.get("PhysicalResourceId")}
    assert types == {"AWS::IAM::Role", "AWS::IAM::ManagedPolicy"}


def test_other_prefixes_and_repositories_are_in_the_policies():
    own = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/churn"
    worker, container, _ = pipelines_stack.policies(
        Bucket="my-data", Target="iris", Repositories=own, InputPrefix="raw/features", ArtifactPrefix="models"
    )
    [pull] = [s for s in container["Statement"] if s["Sid"] == "PullTrainingImage"]
    assert pull["Resource"] == [f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/iris-training-image", own]
    [data] = [s for s in worker["Statement"] if s["Sid"] == "WaitForData"]
    assert data["Resource"] == [f"arn:aws:s3:::my-data/raw/features/iris{more}/*" for more in ("", "-*")]
    [written] = [s for s in container["Statement"] if s["Sid"] == "WriteArtifactsAndPredictions"]
    assert written["Resource"][0] == "arn:aws:s3:::my-data/models/iris/*"


def test_more_targets_come_and_go_by_updates_and_each_has_its_own_names_only(aws):
    pipelines_stack.create(Bucket="my-data", Target="iris", Target2="fraud")
    before = documents()
    assert before.keys() == {"WorkerPolicyArn", "WorkerPolicy2Arn"}
    assert "iris" not in str(before["WorkerPolicy2Arn"])
    assert "training-job/fraud-*" in str(before["WorkerPolicy2Arn"])
    [role] = roles()
    names = boto3.client("iam", REGION).list_role_policies(RoleName=role)["PolicyNames"]
    assert names == ["containers", "containers-2"]

    pipelines_stack.update(Target3="churn")
    after = documents()
    # moto forgets the output of a resource that an update leaves as it is.
    assert after.keys() >= {"WorkerPolicy3Arn"}
    assert "training-job/churn-*" in str(after["WorkerPolicy3Arn"])
    assert "iris" not in str(after["WorkerPolicy3Arn"])


def test_is_deleted(aws):
    pipelines_stack.create(Bucket="my-data")
    boto3.client("cloudformation", REGION).delete_stack(StackName=pipelines_stack.STACK)

    with pytest.raises(ClientError, match="does not exist"):
        pipelines_stack.describe()
    assert repositories() == []
