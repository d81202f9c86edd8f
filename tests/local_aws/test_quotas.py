"""Quotas of instances, in the words that AWS was recorded with (aws/amazon-sagemaker-examples issue 307)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.process import LocalAws
from sagemaker_requests import (
    ROLE,
    TIMEOUT,
    TINY,
    new_bucket,
    new_config,
    new_model,
    training_job,
    unique,
    wait_for,
    wait_for_endpoint,
    wait_for_training,
)

IMAGES = {"tiny": Path(__file__).parents[1] / "support/images/tiny"}


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    """A server whose instances no other test uses."""
    with LocalAws(images=IMAGES, stop_grace=1, ping_timeout=20) as server:
        yield server


def refusal(call: Callable[..., Any], **request: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**request)
    answer = refused.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("ResourceLimitExceeded", 400)
    return answer["Error"]["Message"]


def words(usage: str, limit: int, in_use: int, delta: int) -> str:
    return (
        f"The account-level service limit '{usage} usage' is {limit} Instances, with current utilization of {in_use} "
        f"Instances and a request delta of {delta} Instances. Please contact AWS support to request an increase for "
        "this limit."
    )


def transform_job(bucket: str, model: str, instances: int) -> dict[str, Any]:
    return {
        "TransformJobName": unique("transform"),
        "ModelName": model,
        "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in"}}},
        "TransformOutput": {"S3OutputPath": f"s3://{bucket}/out"},
        "TransformResources": {"InstanceType": "ml.m4.xlarge", "InstanceCount": instances},
    }


def test_a_training_beyond_the_quota_is_refused_until_another_ends(aws: LocalAws) -> None:
    client, bucket = aws.client("sagemaker"), new_bucket(aws)
    aws.add_faults({"kind": "quota", "operation": "CreateTrainingJob", "instance_type": "ml.m4.xlarge", "limit": 1})
    [held] = aws.add_faults({"kind": "hold_status", "operation": "training-job:Downloading"})
    first, second = training_job(bucket, {}), training_job(bucket, {})
    client.create_training_job(**first)
    assert refusal(client.create_training_job, **second) == words("ml.m4.xlarge for training job", 1, 1, 1)
    with pytest.raises(client.exceptions.ResourceInUse, match="already exists"):
        client.create_training_job(**first)
    aws.remove_fault(held)
    wait_for_training(aws, first["TrainingJobName"])
    client.create_training_job(**second)
    assert wait_for_training(aws, second["TrainingJobName"])["TrainingJobStatus"] == "Completed"


def test_a_quota_below_the_request_can_never_be_met(aws: LocalAws) -> None:
    client, bucket = aws.client("sagemaker"), new_bucket(aws)
    aws.add_faults({"kind": "quota", "limit": 0})
    request = training_job(bucket, {})
    assert refusal(client.create_training_job, **request) == words("ml.m4.xlarge for training job", 0, 0, 1)
    with pytest.raises(ClientError, match="Requested resource not found"):
        client.describe_training_job(TrainingJobName=request["TrainingJobName"])


def test_spot_trainings_and_other_types_have_quotas_of_their_own(aws: LocalAws) -> None:
    client, bucket = aws.client("sagemaker"), new_bucket(aws)
    aws.add_faults(
        {"kind": "hold_status", "operation": "training-job:Downloading"},
        {"kind": "quota", "limit": 1, "instance_type": "ml.m4.*"},
    )
    spot = {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
    }
    client.create_training_job(**training_job(bucket, {}))
    client.create_training_job(**training_job(bucket, {}, **spot))
    assert refusal(client.create_training_job, **training_job(bucket, {}, **spot)) == words(
        "ml.m4.xlarge for spot training job", 1, 1, 1
    )
    large = {"ResourceConfig": {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10}}
    for _ in range(2):
        client.create_training_job(**training_job(bucket, {}, **large))


def test_a_transform_job_counts_its_instances(aws: LocalAws) -> None:
    client, bucket = aws.client("sagemaker"), new_bucket(aws, {"in/rows.csv": b"1"})
    client.create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": TINY})
    aws.add_faults(
        {"kind": "hold_status", "operation": "transform-job:InProgress"},
        {"kind": "quota", "operation": "CreateTransformJob", "limit": 4},
    )
    client.create_transform_job(**transform_job(bucket, "m", 3))
    assert refusal(client.create_transform_job, **transform_job(bucket, "m", 2)) == words(
        "ml.m4.xlarge for transform job", 4, 3, 2
    )
    client.create_transform_job(**transform_job(bucket, "m", 1))


def test_an_endpoint_counts_until_it_is_deleted_and_an_update_needs_both_fleets(aws: LocalAws) -> None:
    client, bucket = aws.client("sagemaker"), new_bucket(aws)
    one, two = (new_config(aws, new_model(aws, bucket, text)) for text in ("one", "two"))
    [quota] = aws.add_faults({"kind": "quota", "limit": 1, "operation": "*Endpoint"})
    client.create_endpoint(EndpointName="e", EndpointConfigName=one)
    wait_for_endpoint(aws, "e")
    said = words("ml.m4.xlarge for endpoint", 1, 1, 1)
    assert refusal(client.update_endpoint, EndpointName="e", EndpointConfigName=two) == said
    assert client.describe_endpoint(EndpointName="e")["EndpointStatus"] == "InService"
    assert refusal(client.create_endpoint, EndpointName="f", EndpointConfigName=two) == said
    aws.remove_fault(quota)
    aws.add_faults({"kind": "quota", "limit": 2, "operation": "*Endpoint"})
    client.update_endpoint(EndpointName="e", EndpointConfigName=two)
    assert wait_for_endpoint(aws, "e")["EndpointConfigName"] == two
    client.delete_endpoint(EndpointName="e")

    def is_there() -> dict[str, Any]:
        return {"found": client.list_endpoints()["Endpoints"]}

    wait_for(is_there, lambda found: not found["found"])
    client.create_endpoint(EndpointName="f", EndpointConfigName=two)


def test_scaling_counts_what_it_adds_and_an_update_what_it_retains(aws: LocalAws) -> None:
    client, bucket = aws.client("sagemaker"), new_bucket(aws)
    config = new_config(aws, new_model(aws, bucket, "scaled"))
    client.create_endpoint(EndpointName="e", EndpointConfigName=config)
    [variant] = wait_for_endpoint(aws, "e")["ProductionVariants"]
    aws.add_faults({"kind": "quota", "limit": 3, "operation": "*Endpoint*"})

    def scale(count: int) -> dict[str, Any]:
        desired = [{"VariantName": variant["VariantName"], "DesiredInstanceCount": count}]
        return {"EndpointName": "e", "DesiredWeightsAndCapacities": desired}

    said = refusal(client.update_endpoint_weights_and_capacities, **scale(4))
    assert said == words("ml.m4.xlarge for endpoint", 3, 1, 3)
    client.update_endpoint_weights_and_capacities(**scale(2))
    wait_for_endpoint(aws, "e")
    update = {"EndpointName": "e", "EndpointConfigName": config, "RetainAllVariantProperties": True}
    assert refusal(client.update_endpoint, **update) == words("ml.m4.xlarge for endpoint", 3, 2, 2)
    client.update_endpoint(**{**update, "RetainAllVariantProperties": False})


def test_two_creations_at_once_do_not_both_take_the_last_instance(aws: LocalAws) -> None:
    client, bucket = aws.client("sagemaker"), new_bucket(aws)
    aws.add_faults({"kind": "quota", "limit": 1}, {"kind": "hold_status", "operation": "training-job:Downloading"})
    outcomes: list[str] = []

    def create(request: dict[str, Any]) -> None:
        try:
            client.create_training_job(**request)
            outcomes.append("created")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    callers = [threading.Thread(target=create, args=(training_job(bucket, {}),)) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(TIMEOUT)
    assert sorted(outcomes) == ["ResourceLimitExceeded"] * 7 + ["created"]


def test_a_quota_may_be_in_the_way_for_a_number_of_tries(aws: LocalAws) -> None:
    client, bucket = aws.client("sagemaker"), new_bucket(aws)
    aws.add_faults({"kind": "quota", "limit": 0, "times": 1})
    request = training_job(bucket, {})
    refusal(client.create_training_job, **request)
    client.create_training_job(**request)
