"""Requests and waits that the local AWS tests share. Waits poll with a deadline, as a fast client would."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.process import LocalAws

ROLE = "arn:aws:iam::123456789012:role/sagemaker-role"
TINY = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/tiny:latest"
TIMEOUT = 60.0


def unique(stem: str) -> str:
    return f"{stem}-{uuid.uuid4().hex[:10]}"


def new_bucket(aws: LocalAws, objects: dict[str, bytes] | None = None) -> str:
    name = unique("bucket")
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": aws.region})
    for key, content in (objects or {}).items():
        s3.put_object(Bucket=name, Key=key, Body=content)
    return name


@contextmanager
def new_alarm(aws: LocalAws) -> Iterator[str]:
    name, cloudwatch = unique("alarm"), aws.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        MetricName="Invocation5XXErrors",
        Namespace="AWS/SageMaker",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    yield name
    cloudwatch.delete_alarms(AlarmNames=[name])


def training_job(bucket: str, hyperparameters: dict[str, str], **members: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": unique("job"),
        "HyperParameters": hyperparameters,
        "AlgorithmSpecification": {"TrainingImage": TINY, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/models"},
        "ResourceConfig": {"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **members,
    }


def channel(name: str, url: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": url, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}


def wait_for(describe: Callable[[], dict[str, Any]], is_reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + TIMEOUT
    while not is_reached(found := describe()):
        assert time.monotonic() < deadline, f"not reached in {TIMEOUT} s: {found}"
        time.sleep(0.02)
    return found


def start_training(aws: LocalAws, request: dict[str, Any]) -> str:
    aws.client("sagemaker").create_training_job(**request)
    return str(request["TrainingJobName"])


def secondary_statuses(job: dict[str, Any]) -> list[str]:
    return [transition["Status"] for transition in job["SecondaryStatusTransitions"]]


def wait_for_training(aws: LocalAws, name: str) -> dict[str, Any]:
    client = aws.client("sagemaker")
    return wait_for(
        lambda: client.describe_training_job(TrainingJobName=name),
        lambda job: job["TrainingJobStatus"] not in ("InProgress", "Stopping"),
    )


def wait_for_endpoint(aws: LocalAws, name: str) -> dict[str, Any]:
    client = aws.client("sagemaker")
    return wait_for(
        lambda: client.describe_endpoint(EndpointName=name),
        lambda endpoint: endpoint["EndpointStatus"] in ("InService", "Failed"),
    )


def new_model(aws: LocalAws, bucket: str, text: str) -> str:
    """Trains the tiny image and makes a model of what came out."""
    request = training_job(bucket, {"model": text})
    client = aws.client("sagemaker")
    client.create_training_job(**request)
    job = wait_for_training(aws, request["TrainingJobName"])
    name = unique("model")
    url = job["ModelArtifacts"]["S3ModelArtifacts"]
    client.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": TINY, "ModelDataUrl": url})
    return name


def new_config(aws: LocalAws, *models: str, weights: tuple[float, ...] = ()) -> str:
    name = unique("config")
    variants = [
        {
            "VariantName": f"variant-{number}",
            "ModelName": model,
            "InitialInstanceCount": 1,
            "InstanceType": "ml.m4.xlarge",
            "InitialVariantWeight": weights[number] if weights else 1.0,
        }
        for number, model in enumerate(models)
    ]
    aws.client("sagemaker").create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
    return name


def log_lines(aws: LocalAws, group: str, prefix: str) -> list[str]:
    logs = aws.client("logs")
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)["logStreams"]
    return [
        event["message"]
        for stream in streams
        for event in logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    ]


def deploy(aws: LocalAws, config: str) -> str:
    """Makes an endpoint and waits until it is in service."""
    name = unique("endpoint")
    aws.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=config)
    assert wait_for_endpoint(aws, name)["EndpointStatus"] == "InService"
    return name


def update(aws: LocalAws, name: str, config: str, **members: Any) -> dict[str, Any]:
    """Updates an endpoint, waits for the end and describes it."""
    aws.client("sagemaker").update_endpoint(EndpointName=name, EndpointConfigName=config, **members)
    return wait_for_endpoint(aws, name)


def ask(aws: LocalAws, name: str, body: bytes = b"1,2", **options: Any) -> bytes:
    answer = aws.client("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=body, **options)
    content: bytes = answer["Body"].read()
    return content


def refused(call: Callable[..., Any], **request: Any) -> str:
    """Makes a call that AWS refuses with ValidationException, and tells in which words."""
    with pytest.raises(ClientError) as error:
        call(**request)
    told = error.value.response["Error"]
    assert told["Code"] in ("ValidationException", "ValidationError")
    return str(told["Message"])
