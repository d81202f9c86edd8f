"""A DAG of the Amazon provider's own SageMaker operators, run whole on local AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.providers.amazon.aws.hooks import sagemaker as hooks
from airflow.providers.amazon.aws.operators.sagemaker import (
    SageMakerDeleteModelOperator,
    SageMakerEndpointConfigOperator,
    SageMakerEndpointOperator,
    SageMakerModelOperator,
    SageMakerTrainingOperator,
    SageMakerTransformOperator,
)
from airflow.sdk import DAG, chain

from hasty_clock import HastyClock
from local_aws.connections import airflow_connections
from local_aws.process import LocalAws
from sagemaker_requests import ROLE, TINY, ask, channel, new_bucket, training_job, unique, wait_for

BLOCKING, DEFERRABLE = pytest.param(False, id="blocking"), pytest.param(True, id="deferrable")


@pytest.fixture
def stem(local_aws: LocalAws, airflow_database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What the names of a test's DAG, endpoint, models and jobs begin with. Airflow's connection leads to local AWS."""
    connection = json.loads(airflow_connections(local_aws.url, local_aws.region)["AIRFLOW_CONN_AWS_DEFAULT"])
    # A test's own key: what these operators use is nothing that the policy of the pipelines' workers must allow.
    connection |= {"login": "local", "password": "local"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    monkeypatch.setattr(hooks, "time", HastyClock())
    name = unique("stock")
    yield name
    sagemaker = local_aws.client("sagemaker")
    found = sagemaker.get_paginator("list_endpoints").paginate(NameContains=name).build_full_result()
    for endpoint in found["Endpoints"]:
        sagemaker.delete_endpoint(EndpointName=endpoint["EndpointName"])


@pytest.fixture
def bucket(local_aws: LocalAws) -> str:
    return new_bucket(local_aws, {"in/training.csv": b"1,2\n", "in/rows.csv": b"3,4\n"})


def model(name: str, job: str, bucket: str) -> dict[str, Any]:
    artifact = f"s3://{bucket}/models/{job}/output/model.tar.gz"
    return {
        "ModelName": name,
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"Image": TINY, "ModelDataUrl": artifact},
    }


def endpoint_config(name: str, of_model: str) -> dict[str, Any]:
    # Counts as text: the operators turn them into numbers, as they do for templates.
    variant = {
        "VariantName": "all",
        "ModelName": of_model,
        "InstanceType": "ml.m4.xlarge",
        "InitialInstanceCount": "1",
    }
    return {"EndpointConfigName": name, "ProductionVariants": [variant]}


def training(name: str, bucket: str) -> dict[str, Any]:
    return training_job(
        bucket,
        {"model": name},
        TrainingJobName=name,
        InputDataConfig=[channel("training", f"s3://{bucket}/in/training.csv")],
        Tags=[{"Key": "project", "Value": "stock"}],
    )


def transform(name: str, of_model: str, bucket: str) -> dict[str, Any]:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in/rows.csv"}}
    return {
        "TransformJobName": name,
        "ModelName": of_model,
        "TransformInput": {"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"},
        "TransformOutput": {"S3OutputPath": f"s3://{bucket}/out", "AssembleWith": "Line"},
        "TransformResources": {"InstanceType": "ml.m4.xlarge", "InstanceCount": "1"},
    }


def waiting(deferrable: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """How an endpoint's operators wait, and those of jobs: where the hook's own clock counts, as long as they like."""
    endpoints = {"deferrable": deferrable, "check_interval": 1}
    return endpoints, endpoints if deferrable else {"deferrable": False}


def run(*tasks: Any, dag: DAG) -> dict[str, str]:
    """Run the tasks one after the other, and tell how each has ended."""
    chain(*tasks)
    # dag.test() runs what the database knows.
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(collect_dags=False)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    outcome = dag.test(run_after=datetime.now(timezone.utc))
    return {ti.task_id: str(ti.state) for ti in outcome.get_task_instances()}


@pytest.mark.parametrize("deferrable", [BLOCKING, DEFERRABLE])
def test_stock_operators_train_deploy_predict_and_update(
    local_aws: LocalAws, stem: str, bucket: str, deferrable: bool
) -> None:
    first, second = f"{stem}-1", f"{stem}-2"
    waits, jobs = waiting(deferrable)
    endpoint = {"EndpointName": stem}
    with DAG(stem, schedule=None) as dag:
        tasks = [
            SageMakerTrainingOperator(task_id="train", config=training(first, bucket), **jobs),
            # One operator for all three.
            SageMakerEndpointOperator(
                task_id="deploy",
                config={
                    "Model": model(first, first, bucket),
                    "EndpointConfig": endpoint_config(first, first),
                    "Endpoint": {**endpoint, "EndpointConfigName": first},
                },
                **waits,
            ),
            SageMakerTransformOperator(task_id="predict", config=transform(first, first, bucket), **jobs),
            SageMakerTrainingOperator(task_id="train_again", config=training(second, bucket), **jobs),
            # And one for each.
            SageMakerModelOperator(task_id="create_model", config=model(second, second, bucket)),
            SageMakerEndpointConfigOperator(task_id="create_config", config=endpoint_config(second, second)),
            SageMakerEndpointOperator(
                task_id="update", operation="update", config={**endpoint, "EndpointConfigName": second}, **waits
            ),
            SageMakerDeleteModelOperator(task_id="delete_model", config={"ModelName": first}),
        ]
    assert set(run(*tasks, dag=dag).values()) == {"success"}
    sagemaker = local_aws.client("sagemaker")
    assert sagemaker.describe_endpoint(EndpointName=stem)["EndpointConfigName"] == second
    assert ask(local_aws, stem) == f"{second}:1,2".encode()
    answer = local_aws.client("s3").get_object(Bucket=bucket, Key="out/rows.csv.out")["Body"].read()
    assert answer == f"{first}:3,4\n".encode()
    tags = sagemaker.list_tags(ResourceArn=sagemaker.describe_training_job(TrainingJobName=first)["TrainingJobArn"])
    assert tags["Tags"] == [{"Key": "project", "Value": "stock"}]


@pytest.mark.parametrize("deferrable", [BLOCKING, DEFERRABLE])
def test_stock_operators_fail_with_what_the_job_says(
    local_aws: LocalAws, stem: str, bucket: str, deferrable: bool
) -> None:
    request = training(stem, bucket)
    request["HyperParameters"] = {"fail": "no such luck"}
    with DAG(stem, schedule=None) as dag:
        train = SageMakerTrainingOperator(task_id="train", config=request, **waiting(deferrable)[1])
    assert run(train, dag=dag) == {"train": "failed"}
    described = local_aws.client("sagemaker").describe_training_job(TrainingJobName=stem)
    assert described["FailureReason"] == "AlgorithmError: no such luck, exit code: 1"


def test_a_stock_creation_of_what_exists_becomes_an_update(local_aws: LocalAws, stem: str, bucket: str) -> None:
    # The operators know what exists by the words of AWS's refusals.
    def deploy(number: int) -> SageMakerEndpointOperator:
        return SageMakerEndpointOperator(
            task_id=f"deploy_{number}",
            config={
                "Model": model(f"{stem}-{number}", stem, bucket),
                "EndpointConfig": endpoint_config(f"{stem}-{number}", f"{stem}-{number}"),
                "Endpoint": {"EndpointName": stem, "EndpointConfigName": f"{stem}-{number}"},
            },
            deferrable=False,
            check_interval=1,
        )

    with DAG(stem, schedule=None) as dag:
        train = SageMakerTrainingOperator(task_id="train", config=training(stem, bucket))
        # A second job of a name that is taken gets a time of day.
        again = SageMakerTrainingOperator(task_id="train_again", config=training(stem, bucket))
        tasks = [train, deploy(1), again, deploy(2)]
    assert set(run(*tasks, dag=dag).values()) == {"success"}
    sagemaker = local_aws.client("sagemaker")
    settled = wait_for(
        lambda: sagemaker.describe_endpoint(EndpointName=stem), lambda found: found["EndpointStatus"] == "InService"
    )
    assert settled["EndpointConfigName"] == f"{stem}-2"
    made = [call for call in local_aws.calls("CreateTrainingJob") if stem in call["parameters"]["TrainingJobName"]]
    assert len({call["parameters"]["TrainingJobName"] for call in made}) == 2
