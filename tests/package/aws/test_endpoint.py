"""How long a deployment may take, and what a description of an endpoint says."""

from __future__ import annotations

import datetime as dt

import pytest

from fresh_endpoints.aws.endpoint import Seen
from fresh_endpoints.aws.longest_change import longest_change

HOUR = 3_600


@pytest.mark.parametrize(
    ("endpoint", "config", "seconds"),
    [
        ({}, {"ProductionVariants": [{}]}, 2 * HOUR + HOUR),
        ({}, {"ProductionVariants": [{"ContainerStartupHealthCheckTimeoutInSeconds": 600}]}, 600 + HOUR + HOUR),
        (
            {},
            {
                "ProductionVariants": [
                    {"ModelDataDownloadTimeoutInSeconds": 60, "ContainerStartupHealthCheckTimeoutInSeconds": 60},
                    {"ModelDataDownloadTimeoutInSeconds": 600, "ContainerStartupHealthCheckTimeoutInSeconds": 300},
                ]
            },
            900 + HOUR,
        ),
        (
            {"DeploymentConfig": {"BlueGreenUpdatePolicy": {"MaximumExecutionTimeoutInSeconds": 14_400}}},
            {"ProductionVariants": [{}]},
            14_400 + HOUR,
        ),
        (
            {"DeploymentConfig": {"RollingUpdatePolicy": {"MaximumExecutionTimeoutInSeconds": 900}}},
            {"ProductionVariants": [{}]},
            900 + HOUR,
        ),
        (
            {"DeploymentConfig": {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": "LINEAR"}}}},
            {"ProductionVariants": [{}]},
            28_800 + HOUR,
        ),
    ],
)
def test_the_longest_wait_is_the_requests_own_limit_and_a_margin(endpoint, config, seconds):
    assert longest_change({"Endpoint": endpoint, "EndpointConfig": config}) == seconds


MOMENT = dt.datetime(2019, 3, 5, tzinfo=dt.timezone.utc)


@pytest.mark.parametrize(
    ("status", "pending", "becoming"),
    [
        ("Creating", None, "a"),
        ("Creating", "a", "a"),
        ("Updating", "b", "b"),
        ("RollingBack", None, None),
        ("InService", None, None),
    ],
)
def test_the_config_that_an_endpoint_changes_to(status, pending, becoming):
    description = {"EndpointArn": "arn:e", "EndpointStatus": status, "EndpointConfigName": "a"}
    description["LastModifiedTime"] = MOMENT
    if pending:
        description["PendingDeploymentSummary"] = {"EndpointConfigName": pending}
    assert Seen.of(description).becoming == becoming


def test_an_endpoint_that_is_not_there_has_no_status():
    assert Seen.of({}) == Seen()
