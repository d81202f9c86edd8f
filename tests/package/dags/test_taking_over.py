"""An endpoint that the article's state machine has made is taken over while it serves; docs/from-step-functions.md."""

from __future__ import annotations

from datetime import date

import pytest

DAY = date(2019, 3, 4)
OLD = "dev-sagemaker-multiclass-2019-03-04-00-00-00"


@pytest.fixture
def articles_endpoint(pipeline):
    """What the article leaves: job, model, config and endpoint, without a tag, under names of its own."""
    pipeline.use_tiny_image(model="the article's")
    pipeline.upload(DAY)
    training = pipeline.content["training"]
    image, role = training["AlgorithmSpecification"]["TrainingImage"], "arn:aws:iam::123456789012:role/dev-sagemaker"
    name = f"{OLD}-{pipeline.name}"
    pipeline.sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification=training["AlgorithmSpecification"],
        HyperParameters=training["HyperParameters"],
        RoleArn=role,
        OutputDataConfig={"S3OutputPath": "s3://sample-bucket/output-model/"},
        ResourceConfig=training["ResourceConfig"],
        StoppingCondition={"MaxRuntimeInSeconds": 1800},
    )
    pipeline.sagemaker.get_waiter("training_job_completed_or_stopped").wait(
        TrainingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    artifact = pipeline.sagemaker.describe_training_job(TrainingJobName=name)["ModelArtifacts"]["S3ModelArtifacts"]
    pipeline.sagemaker.create_model(
        ModelName=name, PrimaryContainer={"Image": image, "ModelDataUrl": artifact}, ExecutionRoleArn=role
    )
    variant = {"VariantName": "hoge", "ModelName": name, "InstanceType": "ml.m4.xlarge"}
    pipeline.sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
    )
    pipeline.sagemaker.create_endpoint(EndpointName=pipeline.name, EndpointConfigName=name)
    _until_in_service(pipeline, pipeline.name)
    return name


def _until_in_service(pipeline, endpoint):
    pipeline.sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName=endpoint, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )


def test_the_first_run_updates_it_and_deletes_nothing_that_the_article_made(pipeline, articles_endpoint):
    created = pipeline.endpoint()["CreationTime"]
    pipeline.use_tiny_image(model="ours")
    assert pipeline.run(data_date=str(DAY)).tasks["deploy"] == "success"

    assert pipeline.invoke(b"?") == b"ours:?"
    live = pipeline.endpoint()
    assert live["CreationTime"] == created, "it was updated, and served all the time"
    assert live["EndpointConfigName"].startswith(f"{pipeline.name}-{DAY}-")
    config = pipeline.sagemaker.describe_endpoint_config(EndpointConfigName=live["EndpointConfigName"])
    tags = pipeline.sagemaker.list_tags(ResourceArn=config["EndpointConfigArn"])["Tags"]
    assert {"Key": "fresh-endpoints:pipeline", "Value": pipeline.name} in tags

    pipeline.sagemaker.update_endpoint(EndpointName=live["EndpointName"], EndpointConfigName=articles_endpoint)
    _until_in_service(pipeline, live["EndpointName"])
    assert pipeline.invoke(b"?") == b"the article's:?"
