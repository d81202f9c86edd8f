"""How long a deployment may take, and which config an endpoint is changing to."""

from __future__ import annotations

import pytest

from fresh_endpoints.steps.deploy import _configs_in_work, longest_wait

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
    assert longest_wait({"Endpoint": endpoint, "EndpointConfig": config}) == seconds


@pytest.mark.parametrize(
    ("endpoint", "configs"),
    [
        ({"EndpointStatus": "Creating", "EndpointConfigName": "a"}, {"a"}),
        (
            {
                "EndpointStatus": "Updating",
                "EndpointConfigName": "a",
                "PendingDeploymentSummary": {"EndpointConfigName": "b"},
            },
            {"b"},
        ),
        ({"EndpointStatus": "RollingBack", "EndpointConfigName": "a"}, set()),
    ],
)
def test_the_config_that_an_endpoint_changes_to(endpoint, configs):
    assert _configs_in_work(endpoint) == configs
