"""Models that are not ready, throttled requests, variants, and asynchronous endpoints (deep-learning-containers issue
2917, sagemaker-inference-toolkit issue 138, ml-commons issue 2429, and the API references of sagemaker-runtime)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws.process import LocalAws
from sagemaker_requests import (
    ask,
    deploy,
    new_bucket,
    new_config,
    new_model,
    refused,
    unique,
    wait_for,
)


@pytest.fixture(scope="module")
def bucket(local_aws: LocalAws) -> str:
    return new_bucket(local_aws, {"request.csv": b"5.1,3.5"})


@pytest.fixture(scope="module")
def models(local_aws: LocalAws, bucket: str) -> list[str]:
    return [new_model(local_aws, bucket, text) for text in ("champion", "new")]


@pytest.fixture(scope="module")
def endpoint(local_aws: LocalAws, models: list[str]) -> Iterator[str]:
    name = deploy(local_aws, new_config(local_aws, *models, weights=(95.0, 5.0)))
    yield name
    local_aws.client("sagemaker").delete_endpoint(EndpointName=name)


def new_endpoint(aws: LocalAws, model: str, *, variant: dict[str, Any] | None = None, **members: Any) -> str:
    config = unique("config")
    instances = {"InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    variants = [{"VariantName": "v", "ModelName": model, **(variant or instances)}]
    aws.client("sagemaker").create_endpoint_config(EndpointConfigName=config, ProductionVariants=variants, **members)
    return deploy(aws, config)


@pytest.fixture(scope="module")
def asynchronous(local_aws: LocalAws, models: list[str], bucket: str) -> Iterator[str]:
    output = {"S3OutputPath": f"s3://{bucket}/out/", "S3FailurePath": f"s3://{bucket}/failed"}
    name = new_endpoint(local_aws, models[0], AsyncInferenceConfig={"OutputConfig": output})
    yield name
    local_aws.client("sagemaker").delete_endpoint(EndpointName=name)


def answer_of(call: Any, **request: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as error:
        call(**request)
    answer: dict[str, Any] = error.value.response
    return answer


def content(aws: LocalAws, url: str) -> bytes | None:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    s3 = aws.client("s3")
    try:
        found: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
    return found


def arrives(aws: LocalAws, url: str) -> bytes:
    found: bytes = wait_for(lambda: {"content": content(aws, url)}, lambda got: got["content"] is not None)["content"]
    return found


def test_a_model_that_is_not_loaded_yet_gives_a_model_error_of_its_503(local_aws: LocalAws, endpoint: str) -> None:
    local_aws.add_faults({"kind": "not_ready", "times": 2})
    runtime = local_aws.client("sagemaker-runtime")
    for _ in range(2):
        answer = answer_of(runtime.invoke_endpoint, EndpointName=endpoint, Body=b"1")
        assert answer["Error"]["Code"] == "ModelError"
        assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["OriginalStatusCode"]) == (424, 503)
        assert "Received server error (503) from primary" in answer["Error"]["Message"]
    assert ask(local_aws, endpoint, TargetVariant="variant-0") == b"champion:1,2"


def test_a_model_is_not_ready_for_some_time_after_it_came_into_service(local_aws: LocalAws, models: list[str]) -> None:
    local_aws.add_faults({"kind": "not_ready", "seconds": 1.5})
    name = new_endpoint(local_aws, models[0])
    runtime = local_aws.client("sagemaker-runtime")
    assert answer_of(runtime.invoke_endpoint, EndpointName=name, Body=b"1")["OriginalStatusCode"] == 503

    def asked() -> dict[str, Any]:
        try:
            return {"answer": ask(local_aws, name)}
        except runtime.exceptions.ModelError:
            return {"answer": None}

    wait_for(asked, lambda found: found["answer"] == b"champion:1,2")
    local_aws.client("sagemaker").delete_endpoint(EndpointName=name)


def test_a_cold_serverless_endpoint_is_not_ready(local_aws: LocalAws, models: list[str]) -> None:
    serverless = {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 1}}
    name = new_endpoint(local_aws, models[0], variant=serverless)
    local_aws.add_faults({"kind": "not_ready", "times": 1})
    runtime = local_aws.client("sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}))
    answer = answer_of(runtime.invoke_endpoint, EndpointName=name, Body=b"1")
    assert answer["Error"]["Code"] == "ModelNotReadyException"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert ask(local_aws, name) == b"champion:1,2"
    local_aws.client("sagemaker").delete_endpoint(EndpointName=name)


def test_a_throttled_request_is_refused_without_a_word(local_aws: LocalAws, endpoint: str) -> None:
    local_aws.add_faults({"kind": "throttle", "operation": "InvokeEndpoint"})
    runtime = local_aws.client("sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}))
    answer = answer_of(runtime.invoke_endpoint, EndpointName=endpoint, Body=b"1")
    assert answer["Error"] == {"Message": None, "Code": "ThrottlingException"}
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_variant_of_little_weight_is_asked_by_its_name(local_aws: LocalAws, endpoint: str) -> None:
    runtime = local_aws.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName=endpoint, Body=b"1", TargetVariant="variant-1")
    assert (answer["Body"].read(), answer["InvokedProductionVariant"]) == (b"new:1", "variant-1")
    assert b"champion:1,2" in {ask(local_aws, endpoint) for _ in range(20)}
    assert "Variant shadow not found" in refused(
        runtime.invoke_endpoint, EndpointName=endpoint, Body=b"1", TargetVariant="shadow"
    )


def test_what_local_aws_cannot_ask_is_refused(local_aws: LocalAws, endpoint: str) -> None:
    runtime = local_aws.client("sagemaker-runtime")
    for member in ("TargetContainerHostname", "TargetModel", "InferenceComponentName"):
        said = refused(runtime.invoke_endpoint, EndpointName=endpoint, Body=b"1", **{member: "other"})
        assert said.startswith("local AWS: InvokeEndpoint cannot do x-amzn-sagemaker-")


def test_an_asynchronous_endpoint_answers_into_s3(local_aws: LocalAws, asynchronous: str, bucket: str) -> None:
    runtime = local_aws.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint_async(
        EndpointName=asynchronous, InputLocation=f"s3://{bucket}/request.csv", InferenceId="mine"
    )
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["InferenceId"]) == (202, "mine")
    assert answer["OutputLocation"].startswith(f"s3://{bucket}/out/")
    assert answer["OutputLocation"].endswith(".out")
    assert arrives(local_aws, answer["OutputLocation"]) == b"champion:5.1,3.5"
    config = local_aws.client("sagemaker").describe_endpoint(EndpointName=asynchronous)["AsyncInferenceConfig"]
    assert config["OutputConfig"]["S3OutputPath"] == f"s3://{bucket}/out/"


def test_an_asynchronous_failure_is_told_in_s3(local_aws: LocalAws, asynchronous: str, bucket: str) -> None:
    local_aws.client("s3").put_object(Bucket=bucket, Key="bad", Body=b"status 500")
    runtime = local_aws.client("sagemaker-runtime")
    for key, expected in (("bad", b"Received server error (500) from primary"), ("nothing", b"NoSuchKey")):
        answer = runtime.invoke_endpoint_async(EndpointName=asynchronous, InputLocation=f"s3://{bucket}/{key}")
        assert answer["FailureLocation"].startswith(f"s3://{bucket}/failed/")
        assert expected in arrives(local_aws, answer["FailureLocation"])
        assert content(local_aws, answer["OutputLocation"]) is None


def test_an_asynchronous_endpoint_is_asked_by_its_own_call_only_and_no_other_by_it(
    local_aws: LocalAws, asynchronous: str, endpoint: str, bucket: str
) -> None:
    runtime = local_aws.client("sagemaker-runtime")
    answer = answer_of(runtime.invoke_endpoint, EndpointName=asynchronous, Body=b"1")
    assert answer["Error"]["Code"] == "ValidationError"
    assert "Use InvokeEndpointAsync" in answer["Error"]["Message"]
    location = f"s3://{bucket}/request.csv"
    said = refused(runtime.invoke_endpoint_async, EndpointName=endpoint, InputLocation=location)
    assert "not an asynchronous endpoint" in said
    said = refused(runtime.invoke_endpoint_async, EndpointName=unique("nobody"), InputLocation=location)
    assert "of account 123456789012 not found" in said
