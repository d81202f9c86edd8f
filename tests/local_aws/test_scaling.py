"""Counts and weights of variants, and what an update does with them
(https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-update.html)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local_aws.process import LocalAws
from sagemaker_requests import (
    deploy,
    new_bucket,
    new_config,
    new_model,
    refused,
    unique,
    update,
    wait_for,
    wait_for_endpoint,
)


@pytest.fixture(scope="module")
def models(local_aws: LocalAws) -> list[str]:
    bucket = new_bucket(local_aws)
    return [new_model(local_aws, bucket, text) for text in ("a", "b")]


@pytest.fixture(scope="module")
def config(local_aws: LocalAws, models: list[str]) -> str:
    return new_config(local_aws, *models)


@pytest.fixture
def endpoint(local_aws: LocalAws, config: str) -> Iterator[str]:
    name = deploy(local_aws, config)
    yield name
    local_aws.client("sagemaker").delete_endpoint(EndpointName=name)


def scale(aws: LocalAws, name: str, *wanted: dict[str, Any]) -> None:
    aws.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName=name, DesiredWeightsAndCapacities=list(wanted)
    )


def properties(endpoint: dict[str, Any], prefix: str = "Current") -> list[tuple[float, int]]:
    variants = endpoint["ProductionVariants"]
    return [(variant[f"{prefix}Weight"], variant[f"{prefix}InstanceCount"]) for variant in variants]


def scaled(aws: LocalAws, name: str) -> dict[str, Any]:
    scale(
        aws,
        name,
        {"VariantName": "variant-0", "DesiredInstanceCount": 3, "DesiredWeight": 9.0},
        {"VariantName": "variant-1", "DesiredInstanceCount": 2},
    )
    return wait_for_endpoint(aws, name)


def test_counts_and_weights_are_desired_while_it_is_updated_and_current_after(
    local_aws: LocalAws, endpoint: str, config: str
) -> None:
    client = local_aws.client("sagemaker")
    local_aws.add_faults({"kind": "hold_status", "operation": "endpoint:Updating"})
    scale(local_aws, endpoint, {"VariantName": "variant-1", "DesiredInstanceCount": 4, "DesiredWeight": 0.5})
    updating = client.describe_endpoint(EndpointName=endpoint)
    assert updating["EndpointStatus"] == "Updating"
    assert properties(updating) == [(1.0, 1), (1.0, 1)]
    assert properties(updating, "Desired") == [(1.0, 1), (0.5, 4)]
    assert "PendingDeploymentSummary" not in updating
    local_aws.clear_faults()
    after = wait_for_endpoint(local_aws, endpoint)
    assert properties(after) == properties(after, "Desired") == [(1.0, 1), (0.5, 4)]
    assert after["EndpointConfigName"] == config
    assert after["LastModifiedTime"] > updating["LastModifiedTime"]


def test_an_update_resets_counts_and_weights_to_the_configs(
    local_aws: LocalAws, endpoint: str, config: str, models: list[str]
) -> None:
    assert properties(scaled(local_aws, endpoint)) == [(9.0, 3), (1.0, 2)]
    other = new_config(local_aws, *reversed(models))
    assert properties(update(local_aws, endpoint, other)) == [(1.0, 1), (1.0, 1)]
    scaled(local_aws, endpoint)
    assert properties(update(local_aws, endpoint, config, RetainAllVariantProperties=False)) == [(1.0, 1), (1.0, 1)]


def test_an_update_that_retains_variant_properties_keeps_those_of_variants_of_the_same_name(
    local_aws: LocalAws, endpoint: str, models: list[str]
) -> None:
    scaled(local_aws, endpoint)
    local_aws.add_faults({"kind": "hold_status", "operation": "endpoint:Updating"})
    client = local_aws.client("sagemaker")
    third = new_config(local_aws, *models, models[0], weights=(2.0, 2.0, 2.0))
    client.update_endpoint(EndpointName=endpoint, EndpointConfigName=third, RetainAllVariantProperties=True)
    pending = client.describe_endpoint(EndpointName=endpoint)["PendingDeploymentSummary"]["ProductionVariants"]
    assert [variant["DesiredInstanceCount"] for variant in pending] == [3, 2, 1]
    local_aws.clear_faults()
    assert properties(wait_for_endpoint(local_aws, endpoint)) == [(9.0, 3), (1.0, 2), (2.0, 1)]


@pytest.mark.parametrize(
    ("excluded", "kept"),
    [("DesiredInstanceCount", [(9.0, 1), (1.0, 1)]), ("DesiredWeight", [(2.0, 3), (2.0, 2)])],
)
def test_what_is_excluded_from_retaining_is_the_configs(
    local_aws: LocalAws, endpoint: str, models: list[str], excluded: str, kept: list[tuple[float, int]]
) -> None:
    scaled(local_aws, endpoint)
    after = update(
        local_aws,
        endpoint,
        new_config(local_aws, *models, weights=(2.0, 2.0)),
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": excluded}],
    )
    assert properties(after) == kept


def test_a_scaling_that_fails_leaves_a_reason_on_an_endpoint_whose_update_went_well(
    local_aws: LocalAws, endpoint: str, config: str
) -> None:
    reason = "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error."
    operation = "UpdateEndpointWeightsAndCapacities"
    local_aws.add_faults({"kind": "fail_deployment", "operation": operation, "failure_reason": reason})
    after = scaled(local_aws, endpoint)
    assert (after["EndpointStatus"], after["EndpointConfigName"], after["FailureReason"]) == (
        "InService",
        config,
        reason,
    )
    assert properties(after) == properties(after, "Desired") == [(1.0, 1), (1.0, 1)]


def test_an_unknown_variant_and_an_endpoint_in_progress_are_not_scaled(local_aws: LocalAws, endpoint: str) -> None:
    client = local_aws.client("sagemaker")
    request: dict[str, Any] = {
        "EndpointName": endpoint,
        "DesiredWeightsAndCapacities": [{"VariantName": "nobody", "DesiredWeight": 1.0}],
    }
    assert '"nobody"' in refused(client.update_endpoint_weights_and_capacities, **request)
    local_aws.add_faults({"kind": "hold_status", "operation": "endpoint:Updating"})
    scale(local_aws, endpoint, {"VariantName": "variant-0", "DesiredWeight": 1.0})
    said = refused(client.update_endpoint_weights_and_capacities, **request)
    assert said.startswith('Cannot update in-progress endpoint "arn:aws:sagemaker:')
    local_aws.clear_faults()
    wait_for_endpoint(local_aws, endpoint)


def test_the_concurrency_of_a_serverless_variant_is_scaled_and_it_has_no_instances(
    local_aws: LocalAws, models: list[str]
) -> None:
    client, config = local_aws.client("sagemaker"), unique("config")
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    variant = {"VariantName": "all", "ModelName": models[0], "ServerlessConfig": serverless}
    client.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[variant])
    name = deploy(local_aws, config)
    scale(local_aws, name, {"VariantName": "all", "ServerlessUpdateConfig": {"MaxConcurrency": 9}})
    [described] = wait_for_endpoint(local_aws, name)["ProductionVariants"]
    assert described["CurrentServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 9}
    counted = {"VariantName": "all", "DesiredInstanceCount": 2}
    said = refused(
        client.update_endpoint_weights_and_capacities, EndpointName=name, DesiredWeightsAndCapacities=[counted]
    )
    assert "DesiredInstanceCount is not supported" in said
    client.delete_endpoint(EndpointName=name)


def test_the_instance_type_of_a_scaling_target_cannot_be_changed_its_model_can(
    local_aws: LocalAws, config: str, models: list[str]
) -> None:
    client, autoscaling = local_aws.client("sagemaker"), local_aws.client("application-autoscaling")
    name, larger = deploy(local_aws, config), unique("config")
    variants = client.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    client.create_endpoint_config(
        EndpointConfigName=larger, ProductionVariants=[{**v, "InstanceType": "ml.m5.large"} for v in variants]
    )
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{name}/variant/variant-0",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    autoscaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=4)
    said = refused(client.update_endpoint, EndpointName=name, EndpointConfigName=larger)
    assert "instance type of variant variant-0" in said
    assert "registered as a scalable target" in said
    assert client.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"

    other_model = new_config(local_aws, *reversed(models))
    assert update(local_aws, name, other_model)["EndpointConfigName"] == other_model
    without = new_config(local_aws, models[0])
    assert update(local_aws, name, without)["EndpointConfigName"] == without
    autoscaling.deregister_scalable_target(**target)
    assert update(local_aws, name, larger)["EndpointConfigName"] == larger

    autoscaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=4)
    client.delete_endpoint(EndpointName=name)
    wait_for(
        lambda: autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[target["ResourceId"]]),
        lambda found: not found["ScalableTargets"],
    )
