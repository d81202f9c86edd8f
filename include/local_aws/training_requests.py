"""What CreateTrainingJob takes, and what it is refused for.

See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html.
"""

from __future__ import annotations

import re
from typing import Any

from local_aws.container import repository
from local_aws.resources import Region, Request
from local_aws.unsupported import refuse_unsupported
from local_aws.wire import validation_error

_ANY = None  # done, or needs nothing done on a laptop
_SUPPORTED: dict[str, Any] = {
    "TrainingJobName": _ANY,
    "HyperParameters": _ANY,
    "AlgorithmSpecification": {
        "TrainingImage": _ANY,
        "TrainingInputMode": {"File"},
        "MetricDefinitions": _ANY,
        "EnableSageMakerMetricsTimeSeries": _ANY,
    },
    "RoleArn": _ANY,
    "InputDataConfig": {
        "ChannelName": _ANY,
        "ContentType": _ANY,
        "CompressionType": {"None"},
        "RecordWrapperType": {"None"},
        "InputMode": {"File"},
        "DataSource": {
            "S3DataSource": {
                "S3DataType": {"S3Prefix"},
                "S3Uri": _ANY,
                "S3DataDistributionType": _ANY,  # one instance gets everything either way
            }
        },
    },
    "OutputDataConfig": {"KmsKeyId": _ANY, "S3OutputPath": _ANY, "CompressionType": {"GZIP", "NONE"}},
    "ResourceConfig": {"InstanceType": _ANY, "InstanceCount": {1}, "VolumeSizeInGB": _ANY, "VolumeKmsKeyId": _ANY},
    "VpcConfig": _ANY,
    "StoppingCondition": {"MaxRuntimeInSeconds": _ANY, "MaxWaitTimeInSeconds": _ANY, "MaxPendingTimeInSeconds": _ANY},
    "Tags": _ANY,
    "EnableNetworkIsolation": _ANY,
    "EnableInterContainerTrafficEncryption": _ANY,
    "EnableManagedSpotTraining": _ANY,
    "CheckpointConfig": {"S3Uri": _ANY, "LocalPath": {"/opt/ml/checkpoints", "/opt/ml/checkpoints/"}},
    # The image's own hook writes what it asks for; what it writes is not brought to S3.
    "DebugHookConfig": _ANY,
    # Rules are evaluated beside the job, in images of AWS's. Here they are not, and no status of one is told.
    "DebugRuleConfigurations": _ANY,
    "ProfilerRuleConfigurations": _ANY,
    "ProfilerConfig": {"S3OutputPath": _ANY, "ProfilingIntervalInMilliseconds": _ANY, "DisableProfiler": _ANY},
    "Environment": _ANY,
    "RetryStrategy": _ANY,  # after AWS's own faults, which a laptop has only where a fault is set
    "RemoteDebugConfig": {"EnableRemoteDebug": {False}},
    "InfraCheckConfig": {"EnableInfraCheck": _ANY},
    "SessionChainingConfig": {"EnableSessionTagChaining": {False}},
}


def refuse_unsound(region: Region, request: Request) -> None:
    """Refuse a job that AWS would refuse, or that local AWS cannot do.

    Args:
        region: Where the job is to run.
        request: CreateTrainingJob's input, checked against its model.

    Raises:
        AwsError: Why.
    """
    refuse_unsupported("CreateTrainingJob", request, _SUPPORTED)
    for member in ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition"):
        if member not in request:  # botocore's model has them optional for serverless jobs only
            where = member[0].lower() + member[1:]
            raise validation_error(
                f"1 validation error detected: Value null at '{where}' failed to satisfy constraint: "
                "Member must not be null"
            )
    _check_stopping_condition(request)
    for definition in request["AlgorithmSpecification"].get("MetricDefinitions", []):
        try:
            re.compile(definition["Regex"])
        except re.error as error:
            raise validation_error(f"Invalid metric definition {definition['Name']!r}: {error}.") from error
    _check_image(region, request)
    arn = region.arn("training-job", request["TrainingJobName"])
    for channel in request.get("InputDataConfig", []):
        region.refuse_without_objects(channel["DataSource"]["S3DataSource"]["S3Uri"], request["RoleArn"], arn)


def _check_stopping_condition(request: Request) -> None:
    condition = request["StoppingCondition"]
    wait = condition.get("MaxWaitTimeInSeconds")
    if not request.get("EnableManagedSpotTraining"):
        if wait is not None:
            raise validation_error(
                "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true"
            )
    elif wait is None or wait < condition.get("MaxRuntimeInSeconds", 86_400):
        raise validation_error(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
        )


def _check_image(region: Region, request: Request) -> None:
    image = request["AlgorithmSpecification"].get("TrainingImage")
    if not image:
        raise validation_error("local AWS: CreateTrainingJob needs AlgorithmSpecification.TrainingImage.")
    if not region.host.has_image(image):
        raise validation_error(
            f"Cannot find repository: {repository(image)} in registry ID: {region.settings.account_id} Please "
            f"check if your ECR repository exists and role {request['RoleArn']} has proper pull permissions for "
            "SageMaker: ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer "
            f"{region.host.advice()}"
        )
