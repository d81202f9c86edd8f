"""Shapes and words of answers, as AWS was recorded: cloud-custodian's flight recordings (tests/data/placebo), a CLI
transcript of 2025, error texts in public issues."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws.process import LocalAws
from sagemaker_requests import ROLE, TINY, new_bucket, new_model, unique, wait_for

ONCE = Config(retries={"total_max_attempts": 1})


def said(refused: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def create_model(aws: LocalAws, **members: Any) -> str:
    name = unique("model")
    container = {"Image": TINY}
    answer = aws.client("sagemaker").create_model(
        ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container, **members
    )
    return answer["ModelArn"]


def transform_job(model: str, url: str, out: str) -> dict[str, Any]:
    return {
        "TransformJobName": unique("transform"),
        "ModelName": model,
        "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": url}}},
        "TransformOutput": {"S3OutputPath": out},
        "TransformResources": {"InstanceType": "ml.m4.xlarge", "InstanceCount": 1},
    }


def test_add_tags_answers_the_tags_added_only(local_aws: LocalAws) -> None:
    """test_sagemaker_tag_model: of a model with two tags, AddTags of a third answers the third."""
    client = local_aws.client("sagemaker")
    two = [{"Key": "OpMe", "Value": "TestValue"}, {"Key": "custodian_cleanup", "Value": "delete"}]
    third = {"Key": "Category", "Value": "TestValue"}
    arn = create_model(local_aws, Tags=two)
    assert client.add_tags(ResourceArn=arn, Tags=[third])["Tags"] == [third]
    assert client.list_tags(ResourceArn=arn)["Tags"] == [*two, third]


def test_a_resource_has_fifty_tags_at_most(local_aws: LocalAws) -> None:
    client = local_aws.client("sagemaker")
    arn = create_model(local_aws, Tags=[{"Key": f"tag-{number}", "Value": ""} for number in range(50)])
    client.add_tags(ResourceArn=arn, Tags=[{"Key": "tag-0", "Value": "overwritten"}])
    with pytest.raises(ClientError) as refused:
        client.add_tags(ResourceArn=arn, Tags=[{"Key": "one-more", "Value": ""}])
    code, message = said(refused)
    assert code == "ValidationException"
    assert "at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50" in message
    assert len(client.list_tags(ResourceArn=arn)["Tags"]) == 50


def test_describe_model_adds_mode_environment_data_source_and_network_isolation(local_aws: LocalAws) -> None:
    """test_sagemaker_delete_model, and the transcript of 2025 for ModelDataSource."""
    client = local_aws.client("sagemaker")
    model = new_model(local_aws, new_bucket(local_aws), "m")
    found = client.describe_model(ModelName=model)
    url = found["PrimaryContainer"]["ModelDataUrl"]
    assert found["EnableNetworkIsolation"] is False
    assert found["PrimaryContainer"] == {
        "Image": TINY,
        "Mode": "SingleModel",
        "Environment": {},
        "ModelDataUrl": url,
        "ModelDataSource": {
            "S3DataSource": {"S3Uri": url, "S3DataType": "S3Object", "CompressionType": "Gzip"},
        },
    }
    without_data = client.describe_model(ModelName=create_model(local_aws).rpartition("/")[2])
    assert without_data["PrimaryContainer"] == {"Image": TINY, "Mode": "SingleModel", "Environment": {}}


def test_a_transform_job_is_described_without_last_modified_time_and_with_its_defaults(local_aws: LocalAws) -> None:
    """test_sagemaker_transform_job_stop and _query."""
    client, bucket = local_aws.client("sagemaker"), new_bucket(local_aws, {"in/rows.csv": b"1"})
    request = transform_job(new_model(local_aws, bucket, "m"), f"s3://{bucket}/in/", f"s3://{bucket}/out")
    name = request["TransformJobName"]
    [held] = local_aws.add_faults({"kind": "hold_status", "operation": "transform-job:InProgress"})
    try:
        client.create_transform_job(**request)
        runs = client.describe_transform_job(TransformJobName=name)
        [listed] = client.list_transform_jobs(MaxResults=1)["TransformJobSummaries"]
    finally:
        local_aws.remove_fault(held)
    always = {"TransformJobName", "TransformJobArn", "TransformJobStatus", "CreationTime"}
    described = always | {"ModelName", "TransformInput", "TransformOutput", "TransformResources"}
    assert set(runs) - {"ResponseMetadata"} == described
    assert set(listed) == always | {"LastModifiedTime"}
    given = request["TransformInput"]
    assert runs["TransformInput"] == {**given, "CompressionType": "None", "SplitType": "None"}
    assert runs["TransformOutput"] == {**request["TransformOutput"], "AssembleWith": "None", "KmsKeyId": ""}
    ended = wait_for(
        lambda: client.describe_transform_job(TransformJobName=name),
        lambda job: job["TransformJobStatus"] == "Completed",
    )
    assert set(ended) - {"ResponseMetadata"} == described | {"TransformStartTime", "TransformEndTime"}
    for member in ("TransformStartTime", "TransformEndTime"):
        assert not ended[member].microsecond or ended[member] == ended["CreationTime"], "whole seconds"


def test_a_transform_job_without_input_is_refused_at_once(local_aws: LocalAws) -> None:
    """aws/amazon-sagemaker-examples issues 2270 and 2414."""
    client, bucket = local_aws.client("sagemaker"), new_bucket(local_aws)
    model = create_model(local_aws).rpartition("/")[2]
    for url, named in ((f"s3://{bucket}/none/", bucket), ("s3://no-such-bucket/in", "no-such-bucket")):
        request = transform_job(model, url, f"s3://{bucket}/out")
        with pytest.raises(ClientError) as refused:
            client.create_transform_job(**request)
        text = (
            f'No S3 objects found under S3 URL "{url}" given in input data source. Please ensure that the bucket '
            "exists in the selected region (ap-northeast-1), that objects exist under that S3 prefix, and that the "
            f'role "{ROLE}" has "s3:ListBucket" permissions on bucket "{named}".'
        )
        assert said(refused) == ("ValidationException", text)
        with pytest.raises(ClientError, match="Could not find requested job with name"):
            client.describe_transform_job(TransformJobName=request["TransformJobName"])


def test_stopping_an_unknown_transform_job_has_its_own_words(local_aws: LocalAws) -> None:
    """DIAGNijmegen/rse-grand-challenge allows this answer by its beginning."""
    with pytest.raises(ClientError) as refused:
        local_aws.client("sagemaker").stop_transform_job(TransformJobName=unique("nobody"))
    code, message = said(refused)
    assert code == "ValidationException"
    assert message.startswith("Could not find job to update with name")


def test_a_throttled_invocation_has_no_message(local_aws: LocalAws) -> None:
    """opensearch-project/ml-commons issue 2429: status 400, {"message": null}."""
    [fault] = local_aws.add_faults({"kind": "throttle", "operation": "InvokeEndpoint", "times": 1})
    try:
        with pytest.raises(ClientError) as refused:
            local_aws.client("sagemaker-runtime", config=ONCE).invoke_endpoint(EndpointName="any", Body=b"")
    finally:
        local_aws.remove_fault(fault)
    assert said(refused) == ("ThrottlingException", None)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_an_arn_is_in_lower_case_and_the_name_is_not(local_aws: LocalAws) -> None:
    """test_sagemaker_transform_job_query, of a job whose name begins with Batch-Transform."""
    client, name = local_aws.client("sagemaker"), unique("Batch-Model")
    client.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": TINY})
    found = client.describe_model(ModelName=name)
    assert found["ModelName"] == name
    assert found["ModelArn"].endswith(f":model/{name.lower()}")


def test_a_missing_bucket_is_a_bare_404_as_a_missing_key_is(local_aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html: HEAD has no body, so no code either."""
    s3 = local_aws.client("s3")
    for bucket in (new_bucket(local_aws), "no-such-bucket"):
        with pytest.raises(ClientError) as refused:
            s3.head_object(Bucket=bucket, Key="nothing")
        assert said(refused) == ("404", "Not Found")
