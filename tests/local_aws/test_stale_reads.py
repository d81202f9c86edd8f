"""Reads that miss what was just written: CreateEndpoint and CreateEndpointConfig are eventually consistent
(https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws.__main__ import main
from local_aws.process import LocalAws
from sagemaker_requests import (
    ROLE,
    TINY,
    new_bucket,
    new_config,
    new_model,
    training_job,
    unique,
    wait_for,
    wait_for_endpoint,
)

LONG = 3600
IMAGES = Path(__file__).parents[1] / "support" / "images"


def create_model(aws: LocalAws) -> str:
    name = unique("unseen")
    aws.client("sagemaker").create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": TINY})
    return name


def said(call: Callable[..., Any], **request: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**request)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    return refused.value.response["Error"]["Message"]


def without_metadata(answer: dict[str, Any]) -> dict[str, Any]:
    return {member: value for member, value in answer.items() if member != "ResponseMetadata"}


def arn(kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:ap-northeast-1:123456789012:{kind}/{name}"


def variants(model: str) -> list[dict[str, Any]]:
    return [{"VariantName": "v", "ModelName": model, "InitialInstanceCount": 1, "InstanceType": "ml.m4.xlarge"}]


def test_an_endpoint_config_is_not_made_of_a_model_that_is_not_seen_yet(aws: LocalAws) -> None:
    client, model = aws.client("sagemaker"), create_model(aws)
    aws.add_faults({"kind": "stale_read", "operation": "CreateEndpointConfig", "seconds": LONG, "times": 1})
    request = {"EndpointConfigName": unique("config"), "ProductionVariants": variants(model)}
    assert said(client.create_endpoint_config, **request) == f'Could not find model "{arn("model", model)}".'
    client.create_endpoint_config(**request)


@pytest.mark.parametrize("operation", ["create_endpoint", "update_endpoint"])
def test_an_endpoint_config_that_is_not_seen_yet_is_refused(aws: LocalAws, operation: str) -> None:
    config = new_config(aws, create_model(aws))
    aws.add_faults({"kind": "stale_read", "seconds": LONG, "times": 1, "resource": config})
    call = getattr(aws.client("sagemaker"), operation)
    refusal = said(call, EndpointName=unique("unseen"), EndpointConfigName=config)
    assert refusal == f'Could not find endpoint configuration "{arn("endpoint-config", config)}".'


def test_each_describe_may_miss_what_was_just_created(aws: LocalAws) -> None:
    client, bucket = aws.client("sagemaker"), new_bucket(aws, {"in/rows.csv": b"1"})
    model = create_model(aws)
    config = new_config(aws, model)
    aws.add_faults(
        {"kind": "fail_deployment", "failure_reason": "no need to run"},
        {"kind": "hold_status", "operation": "transform-job:InProgress"},
    )
    endpoint, job, transform = unique("endpoint"), unique("job"), unique("transform")
    client.create_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    client.create_training_job(**training_job(bucket, {}, TrainingJobName=job))
    client.create_transform_job(
        TransformJobName=transform,
        ModelName=model,
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in"}}},
        TransformOutput={"S3OutputPath": f"s3://{bucket}/out"},
        TransformResources={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1},
    )
    described = {
        "describe_model": ({"ModelName": model}, f'Could not find model "{arn("model", model)}".'),
        "describe_endpoint_config": (
            {"EndpointConfigName": config},
            f'Could not find endpoint configuration "{arn("endpoint-config", config)}".',
        ),
        "describe_endpoint": ({"EndpointName": endpoint}, f'Could not find endpoint "{arn("endpoint", endpoint)}".'),
        "describe_training_job": ({"TrainingJobName": job}, "Requested resource not found."),
        "describe_transform_job": (
            {"TransformJobName": transform},
            f"Could not find requested job with name: {transform}",
        ),
    }
    for operation, (request, refusal) in described.items():
        [fault] = aws.add_faults({"kind": "stale_read", "seconds": LONG})
        assert said(getattr(client, operation), **request) == refusal
        aws.remove_fault(fault)
        getattr(client, operation)(**request)


def test_what_was_written_long_ago_is_seen(aws: LocalAws) -> None:
    model = create_model(aws)
    [fault] = aws.add_faults({"kind": "stale_read", "seconds": 0.3})
    client = aws.client("sagemaker", config=Config(retries={"total_max_attempts": 1}))
    assert said(client.describe_model, ModelName=model).startswith("Could not find model")

    def look() -> dict[str, Any]:
        try:
            return client.describe_model(ModelName=model)
        except ClientError:
            return {}

    assert wait_for(look, bool)["ModelName"] == model
    assert [rule["matched"] > 0 for rule in aws.faults() if rule["number"] == fault] == [True]


def test_a_setting_has_all_reads_lag_behind() -> None:
    with LocalAws(images={"tiny": IMAGES / "tiny"}, read_lag=1.0) as aws:
        client, written = aws.client("sagemaker"), time.monotonic()
        model = create_model(aws)
        request = {"EndpointConfigName": unique("config"), "ProductionVariants": variants(model)}

        def create_config() -> dict[str, Any]:
            try:
                return client.create_endpoint_config(**request)
            except ClientError as error:
                assert error.response["Error"]["Message"] == f'Could not find model "{arn("model", model)}".'  # noqa: PT017
                return {}

        assert wait_for(create_config, bool)
        assert time.monotonic() - written >= 0.9
        assert client.describe_model(ModelName=model)["ModelName"] == model


@pytest.mark.parametrize("lag", ["-1", "nan", "inf", "long"])
def test_a_lag_that_cannot_be_is_refused(lag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([f"--read-lag={lag}"])
    assert "expected a number of seconds, 0 or more" in capsys.readouterr().err


def test_only_resources_of_the_pattern_are_missed(aws: LocalAws) -> None:
    model = create_model(aws)
    aws.add_faults({"kind": "stale_read", "seconds": LONG, "resource": "another-pipeline-*"})
    assert aws.client("sagemaker").describe_model(ModelName=model)["ModelName"] == model


def test_an_endpoint_may_be_described_once_as_before_its_update(aws: LocalAws) -> None:
    client, bucket = aws.client("sagemaker"), new_bucket(aws)
    old, new = (new_config(aws, new_model(aws, bucket, text)) for text in ("old", "new"))
    name = unique("stale")
    client.create_endpoint(EndpointName=name, EndpointConfigName=old)
    before = without_metadata(wait_for_endpoint(aws, name))
    aws.add_faults({"kind": "hold_status", "operation": "endpoint:Updating"})
    client.update_endpoint(EndpointName=name, EndpointConfigName=new)
    aws.add_faults({"kind": "stale_read", "operation": "DescribeEndpoint", "seconds": LONG, "times": 1})
    assert without_metadata(client.describe_endpoint(EndpointName=name)) == before
    assert client.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Updating"
    aws.clear_faults()
    assert wait_for_endpoint(aws, name)["EndpointConfigName"] == new
    client.delete_endpoint(EndpointName=name)


def test_an_update_that_was_refused_leaves_no_old_description(aws: LocalAws) -> None:
    client = aws.client("sagemaker")
    aws.add_faults({"kind": "fail_deployment", "failure_reason": "no need to run"})
    name, config = unique("refused"), new_config(aws, create_model(aws))
    client.create_endpoint(EndpointName=name, EndpointConfigName=config)
    assert wait_for_endpoint(aws, name)["EndpointStatus"] == "Failed"
    assert said(client.update_endpoint, EndpointName=name, EndpointConfigName=config).startswith("Cannot update failed")
    aws.add_faults({"kind": "stale_read", "operation": "DescribeEndpoint", "seconds": LONG, "times": 1})
    assert said(client.describe_endpoint, EndpointName=name).startswith("Could not find endpoint"), "it is new"
    assert client.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Failed"


@pytest.mark.parametrize(
    ("fault", "refusal"),
    [
        ({"kind": "stale_read"}, "stale_read needs 'seconds'"),
        ({"kind": "quota"}, "quota needs 'limit'"),
        ({"kind": "quota", "limit": 1, "seconds": 3}, "quota has no 'seconds'"),
    ],
)
def test_a_fault_says_what_it_lacks(aws: LocalAws, fault: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ValueError, match=refusal):
        aws.add_faults(fault)
