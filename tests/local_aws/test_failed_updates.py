"""What a failed update leaves, and an update that AWS refuses because the live config is gone
(hashicorp/terraform-provider-aws issues 39099, 46663 and 48997; its acceptance test of pull request 48993)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local_aws.process import LocalAws
from sagemaker_requests import (
    ask,
    deploy,
    refused,
    unique,
    update,
    wait_for_endpoint,
)

PING = (
    "The primary container for production variant variant-0 did not pass the ping health check. Please check "
    "CloudWatch logs for this endpoint."
)


@pytest.fixture
def endpoint(local_aws: LocalAws, configs: dict[str, str]) -> Iterator[str]:
    name = deploy(local_aws, configs["good"])
    yield name
    local_aws.client("sagemaker").delete_endpoint(EndpointName=name)


def state(endpoint: dict[str, Any]) -> list[Any]:
    return [endpoint.get(member) for member in ("EndpointStatus", "EndpointConfigName", "FailureReason")]


def test_a_failed_update_leaves_the_old_config_and_a_reason_that_the_next_one_wipes(
    local_aws: LocalAws, configs: dict[str, str], endpoint: str
) -> None:
    assert state(update(local_aws, endpoint, configs["broken"])) == ["InService", configs["good"], PING]
    local_aws.add_faults({"kind": "hold_status", "operation": "endpoint:Updating"})
    client = local_aws.client("sagemaker")
    client.update_endpoint(EndpointName=endpoint, EndpointConfigName=configs["better"])
    assert state(client.describe_endpoint(EndpointName=endpoint)) == ["Updating", configs["good"], None]
    local_aws.clear_faults()
    assert state(wait_for_endpoint(local_aws, endpoint)) == ["InService", configs["better"], None]


@pytest.mark.parametrize(("form", "told"), [("absent", None), ("leading_space", f" {PING}")])
def test_the_reason_of_a_failed_update_may_be_absent_or_begin_with_a_space(
    local_aws: LocalAws, configs: dict[str, str], endpoint: str, form: str, told: str | None
) -> None:
    local_aws.add_faults({"kind": "failure_reason", "form": form, "operation": "UpdateEndpoint"})
    assert state(update(local_aws, endpoint, configs["broken"])) == ["InService", configs["good"], told]


def test_the_reason_of_a_failed_creation_may_begin_with_a_space(local_aws: LocalAws, configs: dict[str, str]) -> None:
    local_aws.add_faults({"kind": "failure_reason", "form": "leading_space", "operation": "CreateEndpoint"})
    client, name = local_aws.client("sagemaker"), unique("endpoint")
    client.create_endpoint(EndpointName=name, EndpointConfigName=configs["broken"])
    assert state(wait_for_endpoint(local_aws, name)) == ["Failed", configs["broken"], f" {PING}"]
    client.delete_endpoint(EndpointName=name)


def test_a_deployment_can_be_made_to_fail_without_a_reason(
    local_aws: LocalAws, configs: dict[str, str], endpoint: str
) -> None:
    local_aws.add_faults({"kind": "fail_deployment", "times": 1})
    assert state(update(local_aws, endpoint, configs["better"])) == ["InService", configs["good"], None]


def test_the_reason_of_an_endpoint_in_service_may_stem_from_maintenance(
    local_aws: LocalAws, configs: dict[str, str], endpoint: str
) -> None:
    reason = "Request to service failed. If failure persists after retry, contact customer support."
    local_aws.add_faults({"kind": "fail_maintenance", "failure_reason": reason, "times": 1})
    assert state(update(local_aws, endpoint, configs["better"])) == ["InService", configs["better"], reason]
    assert ask(local_aws, endpoint) == b"better:1,2"


def test_an_update_needs_the_config_that_the_endpoint_runs_on_and_is_refused_when_it_was_deleted(
    local_aws: LocalAws, configs: dict[str, str]
) -> None:
    client = local_aws.client("sagemaker")
    variants = client.describe_endpoint_config(EndpointConfigName=configs["good"])["ProductionVariants"]
    live = unique("config")
    client.create_endpoint_config(EndpointConfigName=live, ProductionVariants=variants)
    name = deploy(local_aws, live)
    before = client.describe_endpoint(EndpointName=name)
    client.delete_endpoint_config(EndpointConfigName=live)
    arn = f"arn:aws:sagemaker:ap-northeast-1:123456789012:endpoint-config/{live}"
    said = refused(client.update_endpoint, EndpointName=name, EndpointConfigName=configs["better"])
    assert said == f'Could not find endpoint configuration "{arn}".'
    after = client.describe_endpoint(EndpointName=name)
    assert (state(after), after["LastModifiedTime"]) == (state(before), before["LastModifiedTime"])
    assert ask(local_aws, name) == b"good:1,2"

    client.create_endpoint_config(EndpointConfigName=live, ProductionVariants=variants)
    assert state(update(local_aws, name, configs["better"])) == ["InService", configs["better"], None]
    client.delete_endpoint(EndpointName=name)
