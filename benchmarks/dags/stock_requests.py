"""The SageMaker requests of the systems that the pipelines are measured against: what the pipelines ask for, too."""

from __future__ import annotations

from typing import Any

BUCKET = "sample-bucket"
KEYS = [f"input-data-{kind}/2026-10-01/bench/iris.csv" for kind in ("training", "validation")]
# Of the fleet: how long its jobs take, and the pool that stands for their quota.
FLEET_SECONDS = 20.0
FLEET_POOL = "fleet"
_IMAGE = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/timed:1"
_ROLE = "arn:aws:iam::123456789012:role/dev-sagemaker"
_ARTIFACTS = f"s3://{BUCKET}/output-model/stock/"


def stock_requests(name: str, train_seconds: float | str, serve_seconds: float | str) -> tuple[dict, dict]:
    """Make the requests of one training and its deployment.

    Args:
        name: Of the job, the model, the endpoint config and the endpoint; may be a template.
        train_seconds: How long the training takes; may be a template.
        serve_seconds: How long the deployment takes; may be a template.

    Returns:
        The CreateTrainingJob request; the Model, EndpointConfig and Endpoint requests.
    """
    tags = [{"Key": "project", "Value": "bench"}]
    training: dict[str, Any] = {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": _IMAGE, "TrainingInputMode": "File"},
        "RoleArn": _ROLE,
        "HyperParameters": {"train_seconds": str(train_seconds), "serve_seconds": str(serve_seconds)},
        "InputDataConfig": [_channel("training"), _channel("validation")],
        "OutputDataConfig": {"S3OutputPath": _ARTIFACTS},
        "ResourceConfig": {"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 1800},
        "Tags": tags,
    }
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": "ml.m4.xlarge",
        "InitialInstanceCount": 1,
    }
    endpoint: dict[str, Any] = {
        "Model": {
            "ModelName": name,
            "ExecutionRoleArn": _ROLE,
            "PrimaryContainer": {"Image": _IMAGE, "ModelDataUrl": f"{_ARTIFACTS}{name}/output/model.tar.gz"},
            "Tags": tags,
        },
        "EndpointConfig": {"EndpointConfigName": name, "ProductionVariants": [variant], "Tags": tags},
        "Endpoint": {"EndpointName": name, "EndpointConfigName": name},
    }
    return training, endpoint


def _channel(name: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/input-data-{name}/2026-10-01/bench/"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}
