"""The command ``fresh-endpoints adopt``, on an endpoint that boto3 has made: with a training by hand, as people do."""

from __future__ import annotations

import json
import os
import time
from datetime import date, datetime, timedelta, timezone

import pytest
import yaml

from fresh_endpoints import __main__ as commands

IMAGE = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/tiny:1"
ROLE = "arn:aws:iam::123456789012:role/dev-sagemaker"
INSTANCES = {"InstanceType": "ml.m4.xlarge", "InstanceCount": 1}


@pytest.fixture
def by_hand(pipeline):
    """The training, the model, the config and the endpoint of a person; no file names them."""
    (pipeline.folder / f"{pipeline.name}.yaml").unlink()
    name, client = pipeline.name, pipeline.sagemaker
    yesterday = (datetime.now(timezone.utc) - timedelta(days=1)).date()
    pipeline.upload(yesterday)
    job = f"by-hand-{name}"
    client.create_training_job(
        TrainingJobName=job,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        RoleArn=ROLE,
        HyperParameters={"model": "m", "api_key": "hunter2"},
        InputDataConfig=[
            {
                "ChannelName": channel,
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": f"s3://sample-bucket/input-data-{channel}/{yesterday}/{name}/",
                    }
                },
            }
            for channel in ("training", "validation")
        ],
        OutputDataConfig={"S3OutputPath": f"s3://sample-bucket/output-model/{yesterday}/{name}/"},
        ResourceConfig={**INSTANCES, "VolumeSizeInGB": 10},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    settled(lambda: client.describe_training_job(TrainingJobName=job)["TrainingJobStatus"] == "Completed")
    artifact = client.describe_training_job(TrainingJobName=job)["ModelArtifacts"]["S3ModelArtifacts"]
    client.create_model(
        ModelName=f"model-{name}",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": artifact, "Environment": {"THREADS": "2"}},
    )
    variant = {"VariantName": "main", "ModelName": f"model-{name}", "InstanceType": "ml.m4.xlarge"}
    client.create_endpoint_config(
        EndpointConfigName=f"config-{name}", ProductionVariants=[{**variant, "InitialInstanceCount": 2}]
    )
    tags = [{"Key": "project", "Value": "flowers"}]
    client.create_endpoint(EndpointName=name, EndpointConfigName=f"config-{name}", Tags=tags)
    settled(lambda: pipeline.endpoint()["EndpointStatus"] == "InService")
    return pipeline


def settled(is_so, seconds=60):
    ends_at = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < ends_at
        time.sleep(0.1)


def adopt(pipeline, capsys, *arguments):
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patched:
        # A person looks, who has more rights than the workers.
        connection = {**json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"]), "login": "a person"}
        patched.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
        status = commands.main(["adopt", *(arguments or (pipeline.name,))])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_the_file_of_an_endpoint_made_by_hand_passes_the_check_and_its_next_run_updates_that_endpoint(by_hand, capsys):
    pipeline, name = by_hand, by_hand.name
    path = pipeline.folder / f"{name}.yaml"
    last = pipeline.aws.calls()[-1]["number"]
    status, out, err = adopt(pipeline, capsys)
    assert status == 0, err
    assert out.splitlines()[-1] == f"{name}: ok"
    asked = [call["operation"] for call in pipeline.aws.calls() if call["number"] > last]
    assert asked
    assert [operation for operation in asked if not operation.startswith(("Describe", "List"))] == []

    text = path.read_text()
    content = yaml.safe_load(text)
    assert content["data"] == {
        channel: f"input-data-{channel}/{{{{ data_date }}}}/{name}/iris.csv" for channel in ("training", "validation")
    }
    assert content["training"]["OutputDataConfig"]["S3OutputPath"].startswith(
        "s3://sample-bucket/output-model/{{ data_date }}/"
    )
    assert "InputDataConfig" not in content["training"]
    assert content["model"] == {"PrimaryContainer": {"Environment": {"THREADS": "2"}}}
    [variant] = content["endpoint_config"]["ProductionVariants"]
    assert (variant["VariantName"], variant["InitialInstanceCount"]) == ("main", 2)
    assert "ModelName" not in variant
    assert content["endpoint"] == {"EndpointName": name, "RetainAllVariantProperties": True}
    assert (content["schedule"], content["aws_tags"]) == (None, {"project": "flowers"})
    for said in (out, " ".join(line.strip("# ") for line in text.splitlines())):
        assert "schedule: AWS does not tell it." in said
        assert "HyperParameters.api_key was left out" in said
    assert "hunter2" not in text

    # The config is a person's, with no pipeline's tags: deploy auto takes the endpoint over.
    pipeline.upload(date(2019, 3, 4))
    arn = pipeline.endpoint()["EndpointArn"]
    outcome = pipeline.run(logical_date=datetime(2019, 3, 5, tzinfo=timezone.utc))
    assert outcome.tasks["deploy"] == "success"
    assert pipeline.endpoint()["EndpointArn"] == arn
    assert pipeline.live().startswith(f"{name}-2019-03-04-")

    before = path.read_text()
    status, out, err = adopt(pipeline, capsys)
    assert (status, out) == (1, "")
    assert f"{path} exists, and stays as it is." in err
    status, out, err = adopt(pipeline, capsys, name, "--name", f"{name}-again")
    assert (status, out) == (1, "")
    assert f"serves a model of pipeline {name} already" in err
    assert path.read_text() == before
    assert [file.name for file in pipeline.folder.glob("*.yaml")] == [path.name]


def test_a_model_whose_training_is_not_to_be_found_is_written_as_far_as_it_is_known(by_hand, capsys):
    pipeline, name = by_hand, by_hand.name
    pipeline.s3.copy_object(
        Bucket="sample-bucket",
        Key=f"copies/{name}/model.tar.gz",
        CopySource=f"sample-bucket/{_key_of_artifact(pipeline)}",
    )
    copied = {"Image": IMAGE, "ModelDataUrl": f"s3://sample-bucket/copies/{name}/model.tar.gz"}
    client = pipeline.sagemaker
    client.create_model(ModelName=f"copy-{name}", ExecutionRoleArn=ROLE, PrimaryContainer=copied)
    variant = {"VariantName": "main", "ModelName": f"copy-{name}", "InstanceType": "ml.m4.xlarge"}
    client.create_endpoint_config(
        EndpointConfigName=f"copy-{name}", ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
    )
    client.update_endpoint(EndpointName=name, EndpointConfigName=f"copy-{name}")
    settled(lambda: pipeline.endpoint()["EndpointConfigName"] == f"copy-{name}")
    settled(lambda: pipeline.endpoint()["EndpointStatus"] == "InService")
    status, out, err = adopt(pipeline, capsys)
    assert status == 1
    assert f"no training job was found that has made s3://sample-bucket/copies/{name}/model.tar.gz" in out
    assert "It cannot be used yet." in err
    assert "found nothing; a value is required here" in err
    content = yaml.safe_load((pipeline.folder / f"{name}.yaml").read_text())
    assert content["endpoint_config"]["ProductionVariants"][0]["VariantName"] == "main"


def test_what_cannot_be_adopted_is_said_and_nothing_is_written(pipeline, capsys):
    (pipeline.folder / f"{pipeline.name}.yaml").unlink()
    for arguments, reason in (
        (("no-such-endpoint",), "There is no endpoint no-such-endpoint in ap-northeast-1."),
        (("x", "--name", "a/b"), "'a/b' cannot be a pipeline's name"),
        (("x" * 40,), "Give another one with --name."),
    ):
        status, out, err = adopt(pipeline, capsys, *arguments)
        assert (status, out) == (1, "")
        assert reason in err
    assert list(pipeline.folder.iterdir()) == []


def _key_of_artifact(pipeline):
    job = pipeline.sagemaker.describe_training_job(TrainingJobName=f"by-hand-{pipeline.name}")
    return job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://sample-bucket/")
