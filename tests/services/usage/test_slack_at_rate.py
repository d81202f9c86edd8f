"""Many runs at once, and a Slack that takes a message now and then: all is told, and no run waits for it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fresh_endpoints.steps.tell_later import TellLaterOperator
from fresh_endpoints.telling.later import Later
from local_airflow.services import AirflowServices
from local_aws.connections import airflow_connections
from local_aws.process import LocalAws
from pipeline_under_test import PipelineUnderTest

PATIENCE = 400.0
pytestmark = pytest.mark.timeout(900)
DAY, LATER_DAY = date(2019, 3, 4), date(2019, 3, 6)
RUNS = 4
MESSAGES = ["Training started", "Training complete", "Deployment started", "Deployment completed"]
IMAGES = Path(__file__).parents[2] / "support" / "images"


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """A local AWS whose Slack takes a message each 4 seconds."""
    with LocalAws(images={"tiny": IMAGES / "tiny"}, status_seconds=0.1, slack_per_second=0.25) as aws:
        yield aws


@pytest.fixture(scope="module")
def pipelines(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> list[PipelineUnderTest]:
    folder = tmp_path_factory.mktemp("pipelines")
    pipelines = [PipelineUnderTest(aws, folder) for _ in range(RUNS)]
    for pipeline in pipelines:
        pipeline.content["schedule"] = None
        pipeline.content.pop("transform", None)
        pipeline.use_tiny_image(model="good")
        pipeline.upload(DAY)
    return pipelines


@pytest.fixture(scope="module")
def airflow(
    aws: LocalAws, database: str | None, pipelines: list[PipelineUnderTest], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowServices]:
    with AirflowServices(
        tmp_path_factory.mktemp("airflow"),
        database=database,
        pipelines_dir=pipelines[0].folder,
        environment=airflow_connections(aws.url, aws.region),
        paused=False,
        boot_timeout=PATIENCE,
    ) as airflow:
        yield airflow


def test_all_is_told_also_where_a_triggerer_dies_and_no_worker_is_needed_for_it(
    airflow: AirflowServices, aws: LocalAws, pipelines: list[PipelineUnderTest]
) -> None:
    for dag_id in ("tell_later", *(f"train_and_deploy_{pipeline.name}" for pipeline in pipelines)):
        airflow.wait_for_dag(dag_id, timeout=PATIENCE)
    runs = {}
    for pipeline in pipelines:
        dag_id = f"train_and_deploy_{pipeline.name}"
        runs[dag_id] = airflow.trigger(dag_id, logical_date=f"{DAY}T15:00:00+00:00", conf={})
    wait_until(lambda: len(airflow.runs("tell_later")) >= 2)
    airflow.kill("triggerer")
    airflow.restart("triggerer")
    for dag_id, run_id in runs.items():
        assert airflow.wait_for_run(dag_id, run_id, timeout=PATIENCE)["state"] == "success"

    wait_until(lambda: all(run["state"] in ("success", "failed") for run in airflow.runs("tell_later")))

    told = Counter(text.partition(",")[0] for text in (message["text"] for message in aws.slack_messages()))
    wanted = [f"{title}: {pipeline.name}" for pipeline in pipelines for title in MESSAGES]
    # At least once: what the triggerer had just sent when it was killed may come again.
    assert set(told) == set(wanted)
    assert sum(told.values()) <= len(wanted) + 1
    assert {run["state"] for run in airflow.runs("tell_later")} == {"success"}
    assert worked_in_a_worker(airflow) == set()


@pytest.mark.skipif(not TellLaterOperator.start_from_trigger, reason="Airflow does not tell whose run it is")
def test_nobody_writes_to_slack_by_triggering_the_dag(airflow: AirflowServices, aws: LocalAws) -> None:
    told = len(aws.slack_messages())
    body = {"text": "I say so."}
    message = Later("iris", "e", "slack_default", "slack_default", body, since=time.time()).to_json()
    run_id = airflow.trigger("tell_later", conf={"message": message})
    assert airflow.wait_for_run("tell_later", run_id, timeout=PATIENCE)["state"] == "failed"
    assert len(aws.slack_messages()) == told


def test_what_a_dags_callback_could_not_tell_is_told_by_the_daily_watch(
    airflow: AirflowServices, aws: LocalAws, pipelines: list[PipelineUnderTest]
) -> None:
    pipeline = pipelines[0]
    dag_id = f"train_and_deploy_{pipeline.name}"
    for name in (dag_id, "watch_models", "tell_later"):
        airflow.wait_for_dag(name, timeout=PATIENCE)
    pipeline.upload(LATER_DAY)
    aws.add_faults(
        {"operation": "training-job:Downloading", "kind": "hold_status", "times": 1},
        {"operation": "slack", "kind": "throttle"},
    )
    run_id = airflow.trigger(dag_id, logical_date=f"{LATER_DAY}T15:00:00+00:00", conf={})
    airflow.wait_for_task(dag_id, run_id, "train", ("deferred",), timeout=PATIENCE)
    airflow.set_task_state(dag_id, run_id, "train", "failed")
    wait_until(lambda: f"fresh_endpoints_untold_{dag_id}" in variables(airflow))
    aws.clear_faults()
    watch(airflow)
    wait_until(lambda: failures(aws, pipeline))
    assert len(failures(aws, pipeline)) == 1
    assert f"fresh_endpoints_untold_{dag_id}" not in variables(airflow)


def watch(airflow: AirflowServices) -> None:
    """Have a daily watch at once: a new one, or the scheduled one that would be tried again in minutes."""
    going_on = [run["dag_run_id"] for run in airflow.runs("watch_models") if run["state"] in ("queued", "running")]
    if going_on:
        airflow.clear("watch_models", going_on[0], ["watch_models"])
    else:
        airflow.trigger("watch_models")


def variables(airflow: AirflowServices) -> list[str]:
    return [variable["key"] for variable in airflow.api("GET", "/variables")["variables"]]


def failures(aws: LocalAws, pipeline: PipelineUnderTest) -> list[str]:
    texts = [message["text"] for message in aws.slack_messages()]
    return [text for text in texts if text.startswith(f"Training failed: {pipeline.name},")]


def wait_until(is_so: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def worked_in_a_worker(airflow: AirflowServices) -> set[str]:
    """Return the runs of tell_later that a worker has had to do with, where it needs none."""
    if not TellLaterOperator.start_from_trigger:
        return set()
    paths = [f"/dags/tell_later/dagRuns/{run['dag_run_id']}/taskInstances" for run in airflow.runs("tell_later")]
    found = [task for path in paths for task in airflow.api("GET", path)["task_instances"]]
    return {task["dag_run_id"] for task in found if task["pid"]}
