"""How an update shifts the traffic: DeploymentConfig
(https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from local_aws.process import LocalAws
from local_aws.traffic import steps
from sagemaker_requests import (
    ask,
    deploy,
    new_alarm,
    new_bucket,
    new_config,
    new_model,
    refused,
    update,
    wait_for,
    wait_for_endpoint,
)

MINUTE = 60  # a second here
QUARTER = {"Type": "CAPACITY_PERCENT", "Value": 25}
LONG = 3600


def policy(kind: str, wait: int = MINUTE, **size: Any) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": wait, **size}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}


def alarms(*names: str) -> dict[str, Any]:
    return {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in names]}}


@pytest.fixture(scope="module")
def good(local_aws: LocalAws) -> str:
    return new_config(local_aws, new_model(local_aws, new_bucket(local_aws), "good"))


@pytest.fixture(scope="module")
def better(local_aws: LocalAws) -> str:
    return new_config(local_aws, new_model(local_aws, new_bucket(local_aws), "better"))


@pytest.fixture
def endpoint(local_aws: LocalAws, good: str) -> Iterator[str]:
    name = deploy(local_aws, good)
    yield name
    wait_for_endpoint(local_aws, name)
    local_aws.client("sagemaker").delete_endpoint(EndpointName=name)


@pytest.fixture
def alarm(local_aws: LocalAws) -> Iterator[str]:
    with new_alarm(local_aws) as name:
        yield name


def trip(aws: LocalAws, alarm: str) -> None:
    aws.client("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="the test says so")


@pytest.mark.parametrize(
    ("deployment", "expected"),
    [
        ({}, [(1.0, 0)]),
        (policy("ALL_AT_ONCE"), [(1.0, 60)]),
        (policy("CANARY", CanarySize=QUARTER), [(0.25, 60), (1.0, 60)]),
        (policy("CANARY", CanarySize={"Type": "INSTANCE_COUNT", "Value": 1}), [(0.5, 60), (1.0, 60)]),
        (policy("LINEAR", LinearStepSize=QUARTER), [(0.25, 60), (0.5, 60), (0.75, 60), (1.0, 60)]),
        (
            {
                "RollingUpdatePolicy": {
                    "MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1},
                    "WaitIntervalInSeconds": 9,
                }
            },
            [(0.5, 9), (1.0, 9)],
        ),
    ],
)
def test_the_traffic_goes_over_in_the_policys_steps(
    deployment: dict[str, Any], expected: list[tuple[float, float]]
) -> None:
    assert list(steps(deployment, instances=2)) == expected


def test_a_blue_green_update_bakes_before_it_is_done(
    local_aws: LocalAws, endpoint: str, good: str, better: str
) -> None:
    client = local_aws.client("sagemaker")
    deployment = policy("ALL_AT_ONCE")
    client.update_endpoint(EndpointName=endpoint, EndpointConfigName=better, DeploymentConfig=deployment)
    wait_for(lambda: {"answer": ask(local_aws, endpoint)}, lambda found: found["answer"] == b"better:1,2")
    baking = client.describe_endpoint(EndpointName=endpoint)
    assert (baking["EndpointStatus"], baking["EndpointConfigName"]) == ("Updating", good)
    pending = baking["PendingDeploymentSummary"]
    assert pending["EndpointConfigName"] == better
    assert [stage["Status"] for stage in pending["ProductionVariants"][0]["VariantStatus"]] == ["Baking"]
    assert wait_for_endpoint(local_aws, endpoint)["LastDeploymentConfig"] == deployment


def test_a_canary_gets_its_share_of_the_traffic_while_the_old_variants_have_the_rest(
    local_aws: LocalAws, endpoint: str, better: str
) -> None:
    client = local_aws.client("sagemaker")
    deployment = policy("CANARY", 10 * MINUTE, CanarySize=QUARTER)
    client.update_endpoint(EndpointName=endpoint, EndpointConfigName=better, DeploymentConfig=deployment)
    wait_for(lambda: {"answer": ask(local_aws, endpoint)}, lambda found: found["answer"] == b"better:1,2")
    answers = Counter(ask(local_aws, endpoint) for _ in range(60))
    summary = client.describe_endpoint(EndpointName=endpoint)["PendingDeploymentSummary"]
    assert [stage["Status"] for stage in summary["ProductionVariants"][0]["VariantStatus"]] == ["ActivatingTraffic"]
    assert answers[b"good:1,2"] > answers[b"better:1,2"] > 0
    assert wait_for_endpoint(local_aws, endpoint)["EndpointConfigName"] == better
    assert {ask(local_aws, endpoint) for _ in range(10)} == {b"better:1,2"}


def test_an_alarm_that_goes_off_during_a_deployment_rolls_it_back(
    local_aws: LocalAws, endpoint: str, good: str, better: str, alarm: str
) -> None:
    client = local_aws.client("sagemaker")
    deployment = policy("CANARY", LONG, CanarySize=QUARTER) | alarms(alarm)
    client.update_endpoint(EndpointName=endpoint, EndpointConfigName=better, DeploymentConfig=deployment)
    wait_for(lambda: {"answer": ask(local_aws, endpoint)}, lambda found: found["answer"] == b"better:1,2")
    trip(local_aws, alarm)
    after = wait_for_endpoint(local_aws, endpoint)
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", good)
    assert f"CloudWatch alarm {alarm} is in ALARM" in after["FailureReason"]
    assert {ask(local_aws, endpoint) for _ in range(20)} == {b"good:1,2"}


def test_an_alarm_that_the_old_variants_have_tripped_ends_the_way_back_too_unless_it_goes_without(
    local_aws: LocalAws, endpoint: str, good: str, better: str, alarm: str
) -> None:
    assert update(local_aws, endpoint, better, DeploymentConfig=alarms(alarm))["EndpointConfigName"] == better
    trip(local_aws, alarm)
    stuck = update(local_aws, endpoint, good, RetainDeploymentConfig=True)
    assert (stuck["EndpointConfigName"], stuck["LastDeploymentConfig"]) == (better, alarms(alarm))
    assert "is in ALARM" in stuck["FailureReason"]
    back = update(local_aws, endpoint, good)
    assert (back["EndpointConfigName"], back.get("LastDeploymentConfig")) == (good, None)


@pytest.mark.parametrize(
    ("deployment", "said"),
    [
        (policy("CANARY"), "CANARY requires CanarySize"),
        (policy("LINEAR", CanarySize=QUARTER), "LINEAR does not take CanarySize"),
        (
            policy("ALL_AT_ONCE") | {"RollingUpdatePolicy": {"MaximumBatchSize": QUARTER, "WaitIntervalInSeconds": 0}},
            "not both",
        ),
        (alarms("no-such-alarm"), "CloudWatch has no alarm no-such-alarm"),
    ],
)
def test_a_deployment_config_that_cannot_be_done_is_refused(
    local_aws: LocalAws, endpoint: str, better: str, deployment: dict[str, Any], said: str
) -> None:
    client = local_aws.client("sagemaker")
    assert said in refused(
        client.update_endpoint, EndpointName=endpoint, EndpointConfigName=better, DeploymentConfig=deployment
    )


def test_a_deployment_that_takes_longer_than_its_policy_allows_is_rolled_back(
    local_aws: LocalAws, endpoint: str, good: str, better: str
) -> None:
    slow = policy("CANARY", wait=LONG, CanarySize=QUARTER)
    slow["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] = 600
    update(local_aws, endpoint, better, DeploymentConfig=slow)
    described = wait_for_endpoint(local_aws, endpoint)
    assert described["EndpointConfigName"] == good
    assert "MaximumExecutionTimeoutInSeconds" in described["FailureReason"]
