"""What an endpoint runs on, from what the two Describe operations return."""

from __future__ import annotations

import pytest

from fresh_endpoints.aws.instances import UNKNOWN_TYPE, instances_of


def config(**types):
    return {"ProductionVariants": [{"VariantName": name, "InstanceType": type_} for name, type_ in types.items()]}


def endpoint(**counts):
    return {"ProductionVariants": [{"VariantName": name, "CurrentInstanceCount": n} for name, n in counts.items()]}


@pytest.mark.parametrize(
    ("described", "of", "counted"),
    [
        (endpoint(a=2), config(a="ml.m5.large"), {"ml.m5.large": 2}),
        (endpoint(a=2, b=1), config(a="ml.m5.large", b="ml.m5.large"), {"ml.m5.large": 3}),
        (endpoint(a=2, b=1), config(a="ml.m5.large", b="ml.g5.xlarge"), {"ml.m5.large": 2, "ml.g5.xlarge": 1}),
        (endpoint(a=0), config(a="ml.m5.large"), {}),
        (endpoint(a=2), {}, {UNKNOWN_TYPE: 2}),
        ({}, config(a="ml.m5.large"), {}),
        (
            {"ProductionVariants": [{"VariantName": "a", "CurrentServerlessConfig": {"MaxConcurrency": 5}}]},
            {"ProductionVariants": [{"VariantName": "a", "ServerlessConfig": {"MaxConcurrency": 5}}]},
            {},
        ),
        (
            {"ShadowProductionVariants": [{"VariantName": "s", "CurrentInstanceCount": 4}], **endpoint(a=1)},
            {
                "ShadowProductionVariants": [{"VariantName": "s", "InstanceType": "ml.c5.large"}],
                **config(a="ml.m5.large"),
            },
            {"ml.m5.large": 1, "ml.c5.large": 4},
        ),
    ],
)
def test_every_instance_counts_by_its_type_but_those_that_aws_runs_itself(described, of, counted):
    assert instances_of(described, of) == counted
