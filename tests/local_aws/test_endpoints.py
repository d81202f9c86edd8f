from __future__ import annotations

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.process import LocalAws
from sagemaker_requests import (
    ROLE,
    TINY,
    ask,
    deploy,
    log_lines,
    new_bucket,
    new_config,
    new_model,
    unique,
    wait_for,
    wait_for_endpoint,
)

IMAGES = Path(__file__).parents[1] / "support" / "images"
UNHEALTHY = (
    "The primary container for production variant variant-0 did not pass the ping health check. Please check "
    "CloudWatch logs for this endpoint."
)


@pytest.fixture(scope="module")
def good(local_aws: LocalAws, bucket: str) -> str:
    """A config whose model answers "good:"."""
    return new_config(local_aws, new_model(local_aws, bucket, "good"))


@pytest.fixture(scope="module")
def better(local_aws: LocalAws, bucket: str) -> str:
    """A config whose model answers "better:"."""
    return new_config(local_aws, new_model(local_aws, bucket, "better"))


@pytest.fixture(scope="module")
def broken(local_aws: LocalAws, bucket: str) -> str:
    """A config whose program exits at once."""
    return new_config(local_aws, new_model(local_aws, bucket, "broken"))


def create(aws: LocalAws, config: str) -> str:
    name = unique("endpoint")
    aws.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=config)
    return name


def delete(aws: LocalAws, name: str) -> None:
    client = aws.client("sagemaker")
    client.delete_endpoint(EndpointName=name)
    wait_for(lambda: {"names": names(client, name)}, lambda found: not found["names"])


def names(client: Any, contains: str) -> list[str]:
    return [endpoint["EndpointName"] for endpoint in client.list_endpoints(NameContains=contains)["Endpoints"]]


def test_an_endpoint_is_created_asked_and_deleted(local_aws: LocalAws, good: str) -> None:
    client = local_aws.client("sagemaker")
    name = create(local_aws, good)
    creating = client.describe_endpoint(EndpointName=name)
    assert creating["EndpointStatus"] in ("Creating", "InService")
    endpoint = wait_for_endpoint(local_aws, name)
    assert endpoint["EndpointStatus"] == "InService"
    assert endpoint["EndpointConfigName"] == good
    assert endpoint["LastModifiedTime"] > endpoint["CreationTime"]
    assert "FailureReason" not in endpoint
    assert "PendingDeploymentSummary" not in endpoint
    [variant] = endpoint["ProductionVariants"]
    assert variant["DeployedImages"][0]["SpecifiedImage"] == TINY
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"], variant["CurrentWeight"]) == (1, 1, 1.0)

    answer = local_aws.client("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=b"\x00\xff", Accept="text/x")
    assert answer["Body"].read() == b"good:\x00\xff"
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("text/x", "variant-0")
    assert "asked /invocations" in log_lines(local_aws, f"/aws/sagemaker/Endpoints/{name}", "variant-0/i-")
    headers = json.loads(ask(local_aws, name, b"headers", ContentType="text/csv", CustomAttributes="trace-1"))
    assert (headers["content-type"], headers["x-amzn-sagemaker-custom-attributes"]) == ("text/csv", "trace-1")

    delete(local_aws, name)
    with pytest.raises(
        ClientError, match='Could not find endpoint "arn:aws:sagemaker:ap-northeast-1:123456789012:endpoint/'
    ):
        client.describe_endpoint(EndpointName=name)
    with pytest.raises(ClientError, match=f"Endpoint {name} of account 123456789012 not found"):
        ask(local_aws, name)


def test_an_update_shifts_to_the_new_config_without_a_gap(local_aws: LocalAws, good: str, better: str) -> None:
    name = deploy(local_aws, good)
    client = local_aws.client("sagemaker")
    local_aws_hold = {"operation": "endpoint:Updating", "kind": "hold_status"}
    local_aws.add_faults(local_aws_hold)
    try:
        client.update_endpoint(EndpointName=name, EndpointConfigName=better)
        updating = client.describe_endpoint(EndpointName=name)
        assert (updating["EndpointStatus"], updating["EndpointConfigName"]) == ("Updating", good)
        assert ask(local_aws, name) == b"good:1,2"
        for operation in (client.update_endpoint, client.delete_endpoint):
            with pytest.raises(ClientError, match='Cannot update in-progress endpoint "arn:aws:sagemaker:'):
                operation(
                    EndpointName=name,
                    **({"EndpointConfigName": good} if operation == client.update_endpoint else {}),
                )
    finally:
        local_aws.clear_faults()
    answers: Counter[bytes] = Counter()
    while client.describe_endpoint(EndpointName=name)["EndpointStatus"] != "InService":
        answers[ask(local_aws, name)] += 1
    assert set(answers) <= {b"good:1,2", b"better:1,2"}
    assert ask(local_aws, name) == b"better:1,2"
    assert client.describe_endpoint(EndpointName=name)["EndpointConfigName"] == better
    delete(local_aws, name)


def test_a_deployment_under_way_is_summarized(local_aws: LocalAws, good: str, better: str) -> None:
    client = local_aws.client("sagemaker")
    local_aws.add_faults(
        *({"kind": "hold_status", "operation": f"endpoint:{status}"} for status in ("Creating", "Updating"))
    )

    def pending(name: str, status: str) -> dict[str, Any]:
        endpoint = client.describe_endpoint(EndpointName=name)
        assert endpoint["EndpointStatus"] == status
        assert endpoint["PendingDeploymentSummary"]["StartTime"] >= endpoint["CreationTime"]
        [variant] = endpoint["PendingDeploymentSummary"]["ProductionVariants"]
        assert [stage["Status"] for stage in variant["VariantStatus"]] == ["Creating"]
        assert variant["DeployedImages"][0]["SpecifiedImage"] == TINY
        told = [variant[member] for member in ("VariantName", "DesiredWeight", "DesiredInstanceCount", "InstanceType")]
        assert told == ["variant-0", 1.0, 1, "ml.m4.xlarge"]
        return endpoint

    name = create(local_aws, good)
    assert pending(name, "Creating")["PendingDeploymentSummary"]["EndpointConfigName"] == good
    local_aws.clear_faults()
    assert "PendingDeploymentSummary" not in wait_for_endpoint(local_aws, name)

    local_aws.add_faults({"kind": "hold_status", "operation": "endpoint:Updating"})
    client.update_endpoint(EndpointName=name, EndpointConfigName=better)
    updating = pending(name, "Updating")
    assert (updating["EndpointConfigName"], updating["PendingDeploymentSummary"]["EndpointConfigName"]) == (
        good,
        better,
    )
    local_aws.clear_faults()
    assert "PendingDeploymentSummary" not in wait_for_endpoint(local_aws, name)
    delete(local_aws, name)


def test_no_request_is_lost_while_updates_shift_the_traffic(local_aws: LocalAws, good: str, better: str) -> None:
    name = deploy(local_aws, good)
    runtime, client = local_aws.client("sagemaker-runtime"), local_aws.client("sagemaker")
    finished = threading.Event()

    def ask_until_finished() -> set[bytes]:
        answers = set()
        while not finished.is_set():
            answers.add(runtime.invoke_endpoint(EndpointName=name, Body=b"")["Body"].read())
        return answers

    with ThreadPoolExecutor(4) as pool:
        askers = [pool.submit(ask_until_finished) for _ in range(4)]
        try:
            for config in (better, good, better, good):
                client.update_endpoint(EndpointName=name, EndpointConfigName=config)
                assert wait_for_endpoint(local_aws, name)["EndpointConfigName"] == config
        finally:
            finished.set()
        assert set.union(*(asker.result() for asker in askers)) == {b"good:", b"better:"}
    delete(local_aws, name)


def test_a_failed_update_rolls_back_and_says_why(local_aws: LocalAws, good: str, better: str, broken: str) -> None:
    name = deploy(local_aws, good)
    client = local_aws.client("sagemaker")
    before = client.describe_endpoint(EndpointName=name)
    [fault] = local_aws.add_faults({"operation": "endpoint:RollingBack", "kind": "hold_status"})
    try:
        client.update_endpoint(EndpointName=name, EndpointConfigName=broken)
        rolling = wait_for(
            lambda: client.describe_endpoint(EndpointName=name), lambda found: found["EndpointStatus"] != "Updating"
        )
        assert (rolling["EndpointStatus"], rolling["EndpointConfigName"]) == ("RollingBack", good)
        assert ask(local_aws, name) == b"good:1,2"
    finally:
        local_aws.remove_fault(fault)
    after = wait_for_endpoint(local_aws, name)
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", good)
    assert after["FailureReason"] == UNHEALTHY
    assert after["LastModifiedTime"] > before["LastModifiedTime"]
    assert ask(local_aws, name) == b"good:1,2"
    assert "cannot load the model" in log_lines(local_aws, f"/aws/sagemaker/Endpoints/{name}", "variant-0/i-")

    client.update_endpoint(EndpointName=name, EndpointConfigName=better)
    mended = wait_for_endpoint(local_aws, name)
    assert (mended["EndpointConfigName"], mended.get("FailureReason")) == (better, None)
    delete(local_aws, name)


def test_a_deployment_can_be_made_to_fail_as_aws_itself_fails(local_aws: LocalAws, good: str, better: str) -> None:
    name = deploy(local_aws, good)
    reason = "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error."
    local_aws.add_faults({"kind": "fail_deployment", "failure_reason": reason, "times": 2})
    local_aws.client("sagemaker").update_endpoint(EndpointName=name, EndpointConfigName=better)
    updated = wait_for_endpoint(local_aws, name)
    created = create(local_aws, better)
    failed = wait_for_endpoint(local_aws, created)
    local_aws.clear_faults()
    assert [updated[m] for m in ("EndpointStatus", "EndpointConfigName", "FailureReason")] == [
        "InService",
        good,
        reason,
    ]
    assert (failed["EndpointStatus"], failed["FailureReason"]) == ("Failed", reason)
    for endpoint in (name, created):
        delete(local_aws, endpoint)


def test_a_failed_creation_can_only_be_deleted(local_aws: LocalAws, good: str, broken: str) -> None:
    name = create(local_aws, broken)
    endpoint = wait_for_endpoint(local_aws, name)
    assert (endpoint["EndpointStatus"], endpoint["FailureReason"]) == ("Failed", UNHEALTHY)
    client = local_aws.client("sagemaker")
    with pytest.raises(ClientError, match="Cannot update failed endpoint"):
        client.update_endpoint(EndpointName=name, EndpointConfigName=good)
    with pytest.raises(ClientError, match='Cannot create already existing endpoint "arn:'):
        client.create_endpoint(EndpointName=name, EndpointConfigName=good)
    delete(local_aws, name)


def test_a_program_that_never_gets_healthy_fails_in_time() -> None:
    with LocalAws(images={"tiny": IMAGES / "tiny"}, ping_timeout=0.5) as aws:
        config = new_config(aws, new_model(aws, new_bucket(aws), "unhealthy"))
        endpoint = wait_for_endpoint(aws, create(aws, config))
        assert (endpoint["EndpointStatus"], endpoint["FailureReason"]) == ("Failed", UNHEALTHY)


def test_an_artifact_that_is_no_archive_cannot_be_served(local_aws: LocalAws, bucket: str) -> None:
    local_aws.client("s3").put_object(Bucket=bucket, Key="text/model.tar.gz", Body=b"not an archive")
    model = unique("model")
    container = {"Image": TINY, "ModelDataUrl": f"s3://{bucket}/text/model.tar.gz"}
    local_aws.client("sagemaker").create_model(ModelName=model, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    endpoint = wait_for_endpoint(local_aws, create(local_aws, new_config(local_aws, model)))
    assert endpoint["EndpointStatus"] == "Failed"
    assert "Please ensure that the object located at the URL is a valid tar.gz archive." in endpoint["FailureReason"]


@pytest.mark.parametrize(("status", "side"), [(400, "client"), (415, "client"), (500, "server")])
def test_a_models_error_comes_back_as_a_model_error(local_aws: LocalAws, good: str, status: int, side: str) -> None:
    name = deploy(local_aws, good)
    runtime = local_aws.client("sagemaker-runtime")
    with pytest.raises(runtime.exceptions.ModelError) as refused:
        runtime.invoke_endpoint(EndpointName=name, Body=f"status {status}".encode())
    answer = refused.value.response
    assert (answer["OriginalStatusCode"], answer["OriginalMessage"]) == (status, "as you wish")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert f'Received {side} error ({status}) from primary with message "as you wish".' in answer["Error"]["Message"]
    delete(local_aws, name)


def test_a_program_that_dies_in_service_is_started_again(local_aws: LocalAws, good: str) -> None:
    name = deploy(local_aws, good)
    runtime = local_aws.client("sagemaker-runtime")
    with pytest.raises(runtime.exceptions.ModelError):
        ask(local_aws, name, b"die")

    def answer() -> dict[str, Any]:
        try:
            return {"answer": ask(local_aws, name)}
        except runtime.exceptions.ModelError as error:
            return {"answer": error}

    wait_for(answer, lambda found: found["answer"] == b"good:1,2")
    delete(local_aws, name)


def test_variants_share_the_traffic_by_weight(local_aws: LocalAws, bucket: str) -> None:
    models = [new_model(local_aws, bucket, text) for text in ("a", "b", "c")]
    name = deploy(local_aws, new_config(local_aws, *models, weights=(1.0, 3.0, 0.0)))
    answers = Counter(ask(local_aws, name)[:1] for _ in range(60))
    assert set(answers) == {b"a", b"b"}
    assert answers[b"b"] > answers[b"a"]
    assert ask(local_aws, name, TargetVariant="variant-2") == b"c:1,2"
    with pytest.raises(ClientError, match="Variant nobody not found"):
        ask(local_aws, name, TargetVariant="nobody")
    delete(local_aws, name)


def test_a_serverless_variant_is_served(local_aws: LocalAws, bucket: str) -> None:
    config = unique("config")
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    variant = {
        "VariantName": "all",
        "ModelName": new_model(local_aws, bucket, "serverless"),
        "ServerlessConfig": serverless,
    }
    client = local_aws.client("sagemaker")
    client.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[variant])
    name = deploy(local_aws, config)
    [described] = client.describe_endpoint(EndpointName=name)["ProductionVariants"]
    assert described["CurrentServerlessConfig"] == serverless
    assert ask(local_aws, name) == b"serverless:1,2"
    delete(local_aws, name)


def test_models_and_configs_are_records_with_unique_names(local_aws: LocalAws, bucket: str) -> None:
    client = local_aws.client("sagemaker")
    model = new_model(local_aws, bucket, "record")
    config = new_config(local_aws, model)
    with pytest.raises(ClientError, match='Cannot create already existing model "arn:aws:sagemaker:'):
        client.create_model(ModelName=model, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": TINY})
    variants = client.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    assert [variant["ModelName"] for variant in variants] == [model]
    with pytest.raises(ClientError, match='Cannot create already existing endpoint configuration "arn:'):
        client.create_endpoint_config(EndpointConfigName=config, ProductionVariants=variants)
    assert [m["ModelName"] for m in client.list_models(NameContains=model)["Models"]] == [model]
    found = client.list_endpoint_configs(NameContains=config)["EndpointConfigs"]
    assert [c["EndpointConfigName"] for c in found] == [config]
    client.delete_endpoint_config(EndpointConfigName=config)
    client.delete_model(ModelName=model)
    for operation in (client.describe_endpoint_config, client.delete_endpoint_config):
        with pytest.raises(ClientError, match='Could not find endpoint configuration "arn:'):
            operation(EndpointConfigName=config)
    with pytest.raises(ClientError, match='Could not find model "arn:'):
        client.describe_model(ModelName=model)


def test_what_a_create_refers_to_must_exist(local_aws: LocalAws, bucket: str, good: str) -> None:
    client = local_aws.client("sagemaker")
    name = deploy(local_aws, good)
    for operation in (client.create_endpoint, client.update_endpoint):
        endpoint = name if operation == client.update_endpoint else unique("endpoint")
        with pytest.raises(ClientError, match='Could not find endpoint configuration "arn:'):
            operation(EndpointName=endpoint, EndpointConfigName=unique("nothing"))
    with pytest.raises(ClientError, match='Could not find model "arn:'):
        new_config(local_aws, unique("nothing"))
    with pytest.raises(ClientError, match=f"Could not find model data at s3://{bucket}/nothing"):
        client.create_model(
            ModelName=unique("model"),
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": TINY, "ModelDataUrl": f"s3://{bucket}/nothing"},
        )
    with pytest.raises(ClientError, match=r"Requested image r\.example\.com/nothing:1 not found"):
        client.create_model(
            ModelName=unique("model"), ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "r.example.com/nothing:1"}
        )
    delete(local_aws, name)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (
            {
                "AsyncInferenceConfig": {
                    "OutputConfig": {"NotificationConfig": {"SuccessTopic": "arn:aws:sns:eu-west-1:123456789012:t"}}
                }
            },
            "local AWS: CreateEndpointConfig cannot do AsyncInferenceConfig.OutputConfig.NotificationConfig",
        ),
        (
            {
                "ShadowProductionVariants": [
                    {"VariantName": "s", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m4.xlarge"}
                ]
            },
            "local AWS: CreateEndpointConfig cannot do ShadowProductionVariants",
        ),
        (
            {
                "DataCaptureConfig": {
                    "EnableCapture": True,
                    "InitialSamplingPercentage": 10,
                    "DestinationS3Uri": "s3://b/",
                    "CaptureOptions": [{"CaptureMode": "Input"}],
                }
            },
            "local AWS: CreateEndpointConfig cannot do DataCaptureConfig.EnableCapture True, only False",
        ),
    ],
)
def test_what_local_aws_cannot_do_is_refused(local_aws: LocalAws, members: dict[str, Any], said: str) -> None:
    variant = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m4.xlarge"}
    with pytest.raises(ClientError) as refused:
        local_aws.client("sagemaker").create_endpoint_config(
            EndpointConfigName=unique("config"), ProductionVariants=[variant], **members
        )
    assert said in str(refused.value)
