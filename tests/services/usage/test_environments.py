"""Two Airflows, one of them of the environment dev, with one pipeline file and one AWS: neither meets the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import pytest
import yaml

from local_airflow.services import ROOT, AirflowServices
from local_aws.connections import airflow_connections
from local_aws.process import LocalAws
from local_aws.sample_data import upload

DAG_ID = "train_and_deploy_multiclass"
DAY_1, DAY_2, DAY_3 = (date(2019, 3, day) for day in (4, 5, 6))
WHOLE = ["Training started", "Training complete", "Deployment started", "Deployment completed"]
# Two Airflows share the machine: nothing here is a claim about speed.
PATIENCE = 400.0

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture
def airflows(aws: LocalAws, tmp_path: Path) -> Iterator[tuple[AirflowServices, AirflowServices]]:
    """One without an environment, which is prod, and dev."""
    sample = yaml.safe_load((ROOT / "include" / "pipelines" / "multiclass.yaml").read_text())
    pipelines = tmp_path / "pipelines"
    pipelines.mkdir()
    (pipelines / "multiclass.yaml").write_text(yaml.safe_dump({**sample, "schedule": None, "retries": 0}))
    (pipelines / "multiclass.dev.yaml").write_text("description: the one to try things with\n")
    upload(aws.client("s3"), aws.region, [DAY_1, DAY_2, DAY_3])
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                AirflowServices(
                    tmp_path / (environment or "prod"),
                    pipelines_dir=pipelines,
                    environment={**airflow_connections(aws.url, aws.region), "PIPELINES_ENV": environment},
                    boot_timeout=PATIENCE,
                )
            )
            for environment in ("", "dev")
        ]
        for airflow in started:
            airflow.wait_for_dag(DAG_ID, timeout=PATIENCE)
            airflow.unpause(DAG_ID)
        yield started[0], started[1]


def test_no_job_endpoint_tag_or_message_of_one_is_touched_by_the_other(
    airflows: tuple[AirflowServices, AirflowServices], aws: LocalAws
) -> None:
    prod, dev = airflows
    first = run(prod, DAY_1)
    assert ended(prod, first) == "success"
    live = state_of(aws, "multiclass")

    # Both train at once; a person ends dev's, and only that one's job is stopped.
    aws.add_faults({"operation": "training-job:Downloading", "kind": "hold_status"})
    of_prod, of_dev = run(prod, DAY_2), run(dev, DAY_2)
    for airflow, run_id in ((prod, of_prod), (dev, of_dev)):
        airflow.wait_for_task(DAG_ID, run_id, "train", ("deferred",), timeout=PATIENCE)
    dev.set_task_state(DAG_ID, of_dev, "train", "failed")
    wait_until(lambda: bool(stopped(aws)), "dev's job was not stopped")
    aws.clear_faults()
    assert ended(dev, of_dev) == "failed"
    assert ended(prod, of_prod) == "success"
    assert {name[: len("dev-multiclass-2019-03-05-")] for name in stopped(aws)} == {"dev-multiclass-2019-03-05-"}
    statuses = [(job["TrainingJobName"][:10], job["TrainingJobStatus"]) for job in jobs(aws)]
    assert sorted(statuses) == [("dev-multic", "Stopped"), *[("multiclass", "Completed")] * 2]

    newer = state_of(aws, "multiclass")
    assert newer != live
    assert ended(dev, run(dev, DAY_1)) == "success"
    assert state_of(aws, "multiclass") == newer
    config, _, _ = state_of(aws, "dev-multiclass")
    assert config.startswith("dev-multiclass-2019-03-04-")

    # Each looks at what no file deploys to, and finds the other's endpoint to be none of its business.
    for airflow in airflows:
        watched = airflow.trigger("watch_models")
        assert airflow.wait_for_run("watch_models", watched, timeout=PATIENCE)["state"] == "success"
    assert state_of(aws, "multiclass") == newer
    told_by_dev = ["Training started", "Training failed", *WHOLE]
    assert titles(aws, "multiclass") == WHOLE * 2
    assert titles(aws, "multiclass (dev)") == told_by_dev

    # And the other way round: prod goes on, and nothing of dev's is touched.
    of_dev_before = everything_of_dev(aws)
    assert ended(prod, run(prod, DAY_3)) == "success"
    assert state_of(aws, "multiclass") != newer
    assert everything_of_dev(aws) == of_dev_before
    assert titles(aws, "multiclass") == WHOLE * 3
    assert titles(aws, "multiclass (dev)") == told_by_dev
    assert len(aws.slack_messages()) == len(WHOLE) * 4 + 2


def run(airflow: AirflowServices, day: date) -> str:
    return airflow.trigger(DAG_ID, logical_date=f"{day}T15:00:00+00:00")


def ended(airflow: AirflowServices, run_id: str) -> str:
    return str(airflow.wait_for_run(DAG_ID, run_id, timeout=PATIENCE)["state"])


def jobs(aws: LocalAws) -> list[dict[str, str]]:
    return list(aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"])


def stopped(aws: LocalAws) -> list[str]:
    return [call["parameters"]["TrainingJobName"] for call in aws.calls("StopTrainingJob")]


def state_of(aws: LocalAws, endpoint: str) -> tuple[str, object, dict[str, str]]:
    """What the endpoint serves, when it was last changed, and its tags."""
    sagemaker = aws.client("sagemaker")
    found = sagemaker.describe_endpoint(EndpointName=endpoint)
    tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=found["EndpointArn"])["Tags"]}
    return found["EndpointConfigName"], found["LastModifiedTime"], tags


def everything_of_dev(aws: LocalAws) -> list[object]:
    """Dev's endpoint with its tags, and each of its jobs, endpoint configs and models with status and tags."""
    sagemaker = aws.client("sagemaker")
    found: list[object] = [state_of(aws, "dev-multiclass")]
    for operation, members in (
        ("list_training_jobs", "TrainingJob"),
        ("list_endpoint_configs", "EndpointConfig"),
        ("list_models", "Model"),
    ):
        [listed] = sagemaker.get_paginator(operation).paginate().build_full_result().values()
        mine = [each for each in listed if each[f"{members}Name"].startswith("dev-")]
        assert mine, operation
        found += [(each, sagemaker.list_tags(ResourceArn=each[f"{members}Arn"])["Tags"]) for each in mine]
    return found


def titles(aws: LocalAws, pipeline: str) -> list[str]:
    texts = [message["text"] for message in aws.slack_messages()]
    return [text.partition(":")[0] for text in texts if f": {pipeline}, data date" in text]


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)
