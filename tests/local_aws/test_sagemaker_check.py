from __future__ import annotations

from typing import Any

import pytest

from local_aws.sagemaker import check
from local_aws.wire import AwsError

VARIANT = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m4.xlarge"}


@pytest.mark.parametrize(
    ("operation", "request_", "code", "message"),
    [
        (
            "DescribeTrainingJob",
            {},
            "ValidationException",
            (
                "1 validation error detected: Value null at 'trainingJobName' failed to satisfy constraint: "
                "Member must not be null"
            ),
        ),
        (
            "StopTrainingJob",
            {"TrainingJobName": "a_b"},
            "ValidationException",
            (
                "1 validation error detected: Value 'a_b' at 'trainingJobName' failed to satisfy constraint: "
                "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
            ),
        ),
        (
            "UpdateEndpoint",
            {"EndpointName": "-", "EndpointConfigName": "-"},
            "ValidationException",
            "2 validation errors detected: Value '-' at 'endpointName' failed",
        ),
        (
            "CreateEndpointConfig",
            {"EndpointConfigName": "c", "ProductionVariants": [{**VARIANT, "InitialInstanceCount": 0}]},
            "ValidationException",
            (
                "1 validation error detected: Value 0 at 'productionVariants.1.member.initialInstanceCount' failed to "
                "satisfy constraint: Member must have value greater than or equal to 1"
            ),
        ),
        (
            "StopTrainingJob",
            {"TrainingJobName": 7},
            "SerializationException",
            "TrainingJobName: Member must be a string",
        ),
        (
            "StopTrainingJob",
            {"TrainingJobName": "a", "TrainingJobname": "b"},
            "ValidationException",
            "local AWS: StopTrainingJob has no such member: TrainingJobname",
        ),
    ],
)
def test_requests_are_refused_in_awss_wire_form(
    operation: str, request_: dict[str, Any], code: str, message: str
) -> None:
    with pytest.raises(AwsError) as refused:
        check(operation, request_)
    assert refused.value.code == code
    assert refused.value.message.startswith(message)


def test_a_sound_request_passes() -> None:
    check("CreateEndpointConfig", {"EndpointConfigName": "c", "ProductionVariants": [VARIANT]})
