"""The AWS CLI, which knows nothing of this project, drives local AWS from training to an answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aws_cli import Cli
from local_aws.process import LocalAws
from sagemaker_requests import (
    ROLE,
    channel,
    deploy,
    new_bucket,
    new_config,
    new_model,
    training_job,
    unique,
    wait_for,
    wait_for_training,
)

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/sagemaker-repo:latest"


@pytest.fixture
def cli(local_aws: LocalAws, tmp_path: Path) -> Iterator[Cli]:
    yield Cli(local_aws, tmp_path)
    local_aws.clear_faults()


def test_the_aws_cli_trains_deploys_and_asks(local_aws: LocalAws, cli: Cli, tmp_path: Path) -> None:
    splits = ("training", "validation")
    sample_data = {f"{name}/iris.csv": (ROOT / f"include/sample_data/{name}/iris.csv").read_bytes() for name in splits}
    bucket = new_bucket(local_aws, sample_data)
    request = training_job(
        bucket,
        {"objective": "multiclass", "num_class": "3", "max_leaf_nodes": "15"},
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        InputDataConfig=[channel(name, f"s3://{bucket}/{name}/iris.csv") for name in splits],
    )
    job = request["TrainingJobName"]
    cli("sagemaker", "create-training-job", cli_input_json=request)
    cli("sagemaker", "wait", "training-job-completed-or-stopped", training_job_name=job)
    described = cli("sagemaker", "describe-training-job", training_job_name=job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")

    artifact = described["ModelArtifacts"]["S3ModelArtifacts"]
    container = {"Image": IMAGE, "ModelDataUrl": artifact}
    cli("sagemaker", "create-model", model_name=job, execution_role_arn=ROLE, primary_container=container)
    variant = {"VariantName": "all", "ModelName": job, "InitialInstanceCount": 1, "InstanceType": "ml.m4.xlarge"}
    cli("sagemaker", "create-endpoint-config", endpoint_config_name=job, production_variants=[variant])
    endpoint = unique("endpoint")
    cli("sagemaker", "create-endpoint", endpoint_name=endpoint, endpoint_config_name=job)
    cli("sagemaker", "wait", "endpoint-in-service", endpoint_name=endpoint)
    (tmp_path / "rows.csv").write_text("5.1,3.5,1.4,0.2\n6.9,3.1,5.4,2.1\n")
    cli(
        "sagemaker-runtime",
        "invoke-endpoint",
        "answer.csv",
        endpoint_name=endpoint,
        content_type="text/csv",
        body="fileb://rows.csv",
    )
    assert (tmp_path / "answer.csv").read_text().split() == ["0", "2"]
    cli("sagemaker", "delete-endpoint", endpoint_name=endpoint)
    cli("sagemaker", "wait", "endpoint-deleted", endpoint_name=endpoint)


def test_the_command_of_contributing_asks_local_aws(local_aws: LocalAws, cli: Cli) -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    [command] = re.findall(r"^\.venv/bin/aws (.* list-models)$", page, re.MULTILINE)
    url = "http://127.0.0.1:5000"
    assert url in command
    assert cli.typed(command.replace(url, local_aws.url))["Models"] is not None


def start_training(aws: LocalAws) -> str:
    request = training_job(new_bucket(aws), {})
    aws.client("sagemaker").create_training_job(**request)
    return str(request["TrainingJobName"])


def start_endpoint(aws: LocalAws) -> str:
    name = unique("endpoint")
    config = new_config(aws, new_model(aws, new_bucket(aws), "m"))
    aws.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=config)
    return name


def delete_endpoint(aws: LocalAws) -> str:
    name = deploy(aws, new_config(aws, new_model(aws, new_bucket(aws), "m")))
    aws.client("sagemaker").delete_endpoint(EndpointName=name)
    return name


def start_transform(aws: LocalAws) -> str:
    name, bucket = unique("transform"), new_bucket(aws, {"in/rows.csv": b"1,2\n"})
    aws.client("sagemaker").create_transform_job(
        TransformJobName=name,
        ModelName=new_model(aws, bucket, "m"),
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in/"}}},
        TransformOutput={"S3OutputPath": f"s3://{bucket}/out"},
        TransformResources={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1},
    )
    return name


@pytest.mark.parametrize(
    ("waiter", "operation", "held", "begin"),
    [
        ("training-job-completed-or-stopped", "DescribeTrainingJob", "training-job:Downloading", start_training),
        ("transform-job-completed-or-stopped", "DescribeTransformJob", "transform-job:InProgress", start_transform),
        ("endpoint-in-service", "DescribeEndpoint", "endpoint:Creating", start_endpoint),
        ("endpoint-deleted", "DescribeEndpoint", "endpoint:Deleting", delete_endpoint),
    ],
)
def test_a_waiter_waits_while_it_is_under_way_and_no_longer(
    local_aws: LocalAws, cli: Cli, waiter: str, operation: str, held: str, begin: Callable[[LocalAws], str]
) -> None:
    kind = operation.removeprefix("Describe")
    local_aws.add_faults({"kind": "hold_status", "operation": held})
    name = begin(local_aws)
    option = {"TrainingJob": "training_job_name", "TransformJob": "transform_job_name", "Endpoint": "endpoint_name"}

    def looks() -> dict[str, Any]:
        return {"calls": [c for c in local_aws.calls(operation) if name in c["parameters"].values()]}

    before = len(looks()["calls"])
    waiting = cli.start("sagemaker", "wait", waiter, **{option[kind]: name})
    wait_for(looks, lambda found: len(found["calls"]) >= before + 2)
    assert waiting.poll() is None
    local_aws.clear_faults()
    _, errors = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, errors


def test_a_waiter_tells_that_what_it_waits_for_has_failed(local_aws: LocalAws, cli: Cli) -> None:
    request = training_job(new_bucket(local_aws), {"fail": "no such luck"})
    local_aws.client("sagemaker").create_training_job(**request)
    job = request["TrainingJobName"]
    waiting = cli.start("sagemaker", "wait", "training-job-completed-or-stopped", training_job_name=job)
    _, errors = waiting.communicate(timeout=60)
    assert waiting.returncode == 255
    assert "Waiter TrainingJobCompletedOrStopped failed: Waiter encountered a terminal failure state" in errors


def test_lists_are_paged_through_filtered_cut_and_gone_on_with(local_aws: LocalAws, cli: Cli) -> None:
    stem, created = unique("listed"), []
    names = [f"{stem}-{number}" for number in range(3)]
    for name in names:  # each has another between it and the next
        for job in (name, unique("other")):
            request = training_job(new_bucket(local_aws), {}, TrainingJobName=job)
            local_aws.client("sagemaker").create_training_job(**request)
            created.append(wait_for_training(local_aws, job)["CreationTime"])

    def listed(**options: Any) -> tuple[list[str], str | None]:
        # Only the time of creation bounds what is paged through.
        since = (created[0] - timedelta(seconds=1)).isoformat()
        page = cli("sagemaker", "list-training-jobs", name_contains=stem, creation_time_after=since, **options)
        return [job["TrainingJobName"] for job in page["TrainingJobSummaries"]], page.get("NextToken")

    assert listed(page_size=1) == (names[::-1], None)
    newest, token = listed(page_size=3, max_items=1)
    assert newest == names[2:]
    assert token
    assert listed(page_size=3, starting_token=token) == (names[1::-1], None)
    # Without its paginator the CLI answers one page, which the filter has emptied.
    page = cli("sagemaker", "list-training-jobs", "--no-paginate", name_contains=stem, max_results=1)
    assert page["TrainingJobSummaries"] == []
    assert page["NextToken"]
