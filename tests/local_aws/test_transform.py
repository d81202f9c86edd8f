from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.process import LocalAws
from sagemaker_requests import log_lines, new_bucket, new_model, unique, wait_for

INPUT = {"in/day/one.csv": b"1,2\n3,4\n5,6", "in/day/deep/two.csv": b"7,8\n"}


@pytest.fixture(scope="module")
def bucket(local_aws: LocalAws) -> str:
    return new_bucket(local_aws, INPUT)


@pytest.fixture(scope="module")
def model(local_aws: LocalAws, bucket: str) -> str:
    return new_model(local_aws, bucket, "m")


def request_for(bucket: str, model: str, **members: Any) -> dict[str, Any]:
    return {
        "TransformJobName": unique("transform"),
        "ModelName": model,
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in/day/"}},
            "ContentType": "text/csv",
        },
        "TransformOutput": {"S3OutputPath": f"s3://{bucket}/{unique('out')}"},
        "TransformResources": {"InstanceType": "ml.m4.xlarge", "InstanceCount": 1},
        **members,
    }


def run(aws: LocalAws, request: dict[str, Any]) -> dict[str, Any]:
    client = aws.client("sagemaker")
    client.create_transform_job(**request)
    return wait_for(
        lambda: client.describe_transform_job(TransformJobName=request["TransformJobName"]),
        lambda job: job["TransformJobStatus"] not in ("InProgress", "Stopping"),
    )


def output(aws: LocalAws, request: dict[str, Any]) -> dict[str, bytes]:
    bucket, _, prefix = request["TransformOutput"]["S3OutputPath"].removeprefix("s3://").partition("/")
    s3 = aws.client("s3")
    keys = [found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]
    return {key.removeprefix(f"{prefix}/"): s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def test_each_object_is_sent_whole_and_its_answer_kept(local_aws: LocalAws, bucket: str, model: str) -> None:
    request = request_for(bucket, model, Tags=[{"Key": "pipeline", "Value": "multiclass"}])
    job = run(local_aws, request)
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    assert job["CreationTime"] <= job["TransformStartTime"] <= job["TransformEndTime"]
    assert output(local_aws, request) == {"one.csv.out": b"m:1,2\n3,4\n5,6", "deep/two.csv.out": b"m:7,8\n"}
    assert job["TransformInput"] == {**request["TransformInput"], "CompressionType": "None", "SplitType": "None"}
    tags = local_aws.client("sagemaker").list_tags(ResourceArn=job["TransformJobArn"])["Tags"]
    assert tags == [{"Key": "pipeline", "Value": "multiclass"}]
    listed = local_aws.client("sagemaker").list_transform_jobs(NameContains=request["TransformJobName"])
    assert [found["TransformJobStatus"] for found in listed["TransformJobSummaries"]] == ["Completed"]


def test_lines_are_sent_one_by_one_and_assembled(local_aws: LocalAws, bucket: str, model: str) -> None:
    request = request_for(bucket, model, BatchStrategy="SingleRecord")
    request["TransformInput"]["SplitType"] = "Line"
    request["TransformOutput"]["AssembleWith"] = "Line"
    assert run(local_aws, request)["TransformJobStatus"] == "Completed"
    assert output(local_aws, request)["one.csv.out"] == b"m:1,2\nm:3,4\nm:5,6\n"


def test_lines_go_together_as_far_as_the_payload_allows(local_aws: LocalAws, bucket: str, model: str) -> None:
    line = b"x" * (700 * 1024) + b"\n"
    local_aws.client("s3").put_object(Bucket=bucket, Key="large/rows.csv", Body=line * 3)
    request = request_for(bucket, model, BatchStrategy="MultiRecord", MaxPayloadInMB=1)
    request["TransformInput"]["SplitType"] = "Line"
    request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"] = f"s3://{bucket}/large/rows.csv"
    assert run(local_aws, request)["TransformJobStatus"] == "Completed"
    assert output(local_aws, request) == {"rows.csv.out": (b"m:" + line) * 3}


def test_a_bad_record_fails_the_job_and_the_log_says_which(local_aws: LocalAws, bucket: str, model: str) -> None:
    local_aws.client("s3").put_object(Bucket=bucket, Key="bad/rows.csv", Body=b"status 400")
    request = request_for(bucket, model)
    request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"] = f"s3://{bucket}/bad"
    job = run(local_aws, request)
    assert (job["TransformJobStatus"], job["FailureReason"]) == (
        "Failed",
        "ClientError: See job logs for more information",
    )
    assert f"{bucket}/bad/rows.csv: Message: as you wish" in log_lines(
        local_aws, "/aws/sagemaker/TransformJobs", request["TransformJobName"]
    )
    assert output(local_aws, request) == {}


def test_a_model_that_cannot_serve_fails_the_job(local_aws: LocalAws, bucket: str) -> None:
    job = run(local_aws, request_for(bucket, new_model(local_aws, bucket, "broken")))
    assert job["TransformJobStatus"] == "Failed"
    assert "did not pass the ping health check" in job["FailureReason"]


def test_a_job_can_be_stopped(local_aws: LocalAws, bucket: str, model: str) -> None:
    client = local_aws.client("sagemaker")
    request = request_for(bucket, model)
    [fault] = local_aws.add_faults({"operation": "transform-job:InProgress", "kind": "hold_status"})
    try:
        client.create_transform_job(**request)
        client.stop_transform_job(TransformJobName=request["TransformJobName"])
        found = client.describe_transform_job(TransformJobName=request["TransformJobName"])
        assert found["TransformJobStatus"] == "Stopping"
    finally:
        local_aws.remove_fault(fault)
    job = wait_for(
        lambda: client.describe_transform_job(TransformJobName=request["TransformJobName"]),
        lambda found: found["TransformJobStatus"] != "Stopping",
    )
    assert job["TransformJobStatus"] == "Stopped"
    assert output(local_aws, request) == {}
    with pytest.raises(ClientError, match="in status Stopped"):
        client.stop_transform_job(TransformJobName=request["TransformJobName"])


def test_what_is_wrong_is_refused_at_once(local_aws: LocalAws, bucket: str, model: str) -> None:
    client = local_aws.client("sagemaker")
    request = request_for(bucket, model)
    run(local_aws, request)
    with pytest.raises(client.exceptions.ResourceInUse, match="a job with this name already exists"):
        client.create_transform_job(**request)
    with pytest.raises(ClientError, match='Could not find model "arn:'):
        client.create_transform_job(**request_for(bucket, unique("nothing")))
    with pytest.raises(ClientError, match="local AWS: CreateTransformJob cannot do DataProcessing"):
        client.create_transform_job(**request_for(bucket, model, DataProcessing={"JoinSource": "Input"}))
    with pytest.raises(ClientError, match="Could not find requested job with name"):
        client.describe_transform_job(TransformJobName=unique("nobody"))
