"""Resources of every kind that SageMaker lists."""

from __future__ import annotations

from local_aws.process import LocalAws
from sagemaker_requests import ROLE, TINY, new_bucket, training_job, wait_for_training

# Newest first.
NAMES = ["bar-1", "bar-2", "foobar-1", "foobar-2"]
# List operation: its output member, and the member that names a resource.
LISTS = {
    "list_training_jobs": ("TrainingJobSummaries", "TrainingJobName"),
    "list_transform_jobs": ("TransformJobSummaries", "TransformJobName"),
    "list_models": ("Models", "ModelName"),
    "list_endpoint_configs": ("EndpointConfigs", "EndpointConfigName"),
    "list_endpoints": ("Endpoints", "EndpointName"),
}


def make_four_of_each(aws: LocalAws) -> None:
    """Make ``NAMES`` of each kind; nothing runs. The server needs the image ``tiny``."""
    aws.add_faults(
        {"kind": "fail_training", "failure_reason": "AlgorithmError: no need to run"},
        {"kind": "fail_deployment", "failure_reason": "no need to run"},
        {"kind": "hold_status", "operation": "transform-job:InProgress"},
    )
    bucket = new_bucket(aws, {"in/rows.csv": b"1"})
    sagemaker = aws.client("sagemaker")
    for name in reversed(NAMES):
        sagemaker.create_training_job(**training_job(bucket, {}, TrainingJobName=name))
        sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": TINY})
        variant = {"VariantName": "v", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m4.xlarge"}
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        sagemaker.create_transform_job(
            TransformJobName=name,
            ModelName=name,
            TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in/"}}},
            TransformOutput={"S3OutputPath": f"s3://{bucket}/out"},
            TransformResources={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1},
        )
    for name in NAMES:
        assert wait_for_training(aws, name)["TrainingJobStatus"] == "Failed"
