"""Models and endpoint configs as a pipeline's deployments leave them, made by hand."""

from __future__ import annotations

from datetime import date

from fresh_endpoints.aws.clients import SageMakerHook
from fresh_endpoints.aws.endpoint import Endpoint

FIRST = date(2019, 3, 4)


def names(pipeline, kind):
    operation, key = {
        "configs": ("list_endpoint_configs", "EndpointConfigName"),
        "models": ("list_models", "ModelName"),
    }[kind]
    return {item[key] for item in pipeline.listed(operation, NameContains=pipeline.name)}


def copy_model(pipeline, name, model, **members):
    """Make a model of another's container, which DescribeModel tells with more than CreateModel takes."""
    container = {member: model["PrimaryContainer"][member] for member in ("Image", "ModelDataUrl")}
    pipeline.sagemaker.create_model(
        ModelName=name, PrimaryContainer=container, ExecutionRoleArn=model["ExecutionRoleArn"], **members
    )


def endpoint_of(pipeline):
    return Endpoint(SageMakerHook(aws_conn_id="aws_default", region_name=pipeline.aws.region), pipeline.name)


class Store:
    """Makes models and endpoint configs by hand, as a pipeline's deployments leave them."""

    def __init__(self, pipeline):
        self.pipeline, self.sagemaker = pipeline, pipeline.sagemaker
        pipeline.use_tiny_image(model="m")
        pipeline.upload(FIRST)
        self.first = pipeline.run(FIRST).returned["deploy"]["model"]
        self.request = self.sagemaker.describe_model(ModelName=self.first)

    def add(self, suffix, *, tagged=True, previous=None, smoke_test=None, made=None):
        name = f"{self.pipeline.name}-{suffix}"
        tags = [{"Key": "fresh-endpoints:pipeline", "Value": self.pipeline.name}] if tagged else []
        more = {"previous-config": previous, "smoke-test": smoke_test, "made": made}
        tags += [{"Key": f"fresh-endpoints:{key}", "Value": value} for key, value in more.items() if value]
        copy_model(self.pipeline, name, self.request, Tags=tags)
        variant = {"VariantName": "v", "ModelName": name, "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1}
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], Tags=tags)
        return name
