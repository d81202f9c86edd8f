"""The services themselves: they run the pipeline, come back after a kill, and leave nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import psutil
import pytest
import requests

from local_airflow.rest_api import ApiError
from local_airflow.services import SERVICES, AirflowServices
from local_aws.connections import FAST, airflow_connections
from local_aws.process import LocalAws
from local_aws.sample_data import upload

ROOT = Path(__file__).resolve().parents[3]
DAG_ID = "train_and_deploy_multiclass"
DATA_DATE = date(2026, 11, 1)
# Its task tells what the process held before it read this file.
WHAT_IS_LOADED = """
import sys

BEFORE = sorted({"boto3", "fresh_endpoints.steps.deploy"} & sys.modules.keys())

from airflow.sdk import dag, task

@dag
def what_is_loaded():
    @task
    def tell():
        return BEFORE

    tell()

what_is_loaded()
"""


@pytest.fixture(scope="module")
def airflow(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowServices]:
    """All services; they are gone afterwards."""
    upload(aws.client("s3"), aws.region, [DATA_DATE])
    home = tmp_path_factory.mktemp("airflow")
    dags = shutil.copytree(ROOT / "dags", home / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    (dags / "what_is_loaded.py").write_text(WHAT_IS_LOADED)
    environment = {**airflow_connections(aws.url, aws.region), **FAST}
    with AirflowServices(home / "airflow", dags_folder=dags, environment=environment) as airflow:
        yield airflow
        processes = [psutil.Process(pid) for service in SERVICES for pid in airflow.pids(service)]
        assert len(processes) >= len(SERVICES)
    assert [process for process in processes if process.is_running()] == []


def test_a_triggered_run_succeeds(airflow: AirflowServices, aws: LocalAws) -> None:
    airflow.wait_for_dag(DAG_ID)
    airflow.unpause(DAG_ID)
    run_id = airflow.trigger(DAG_ID, conf={"data_date": DATA_DATE.isoformat()})
    assert airflow.wait_for_run(DAG_ID, run_id)["state"] == "success"
    states = {task["task_id"]: task["state"] for task in airflow.task_instances(DAG_ID, run_id)}
    assert states.keys() >= {"wait_for_data", "train", "deploy"}
    assert set(states.values()) == {"success"}
    endpoint = aws.client("sagemaker").describe_endpoint(EndpointName="multiclass")
    assert endpoint["EndpointStatus"] == "InService"
    assert endpoint["EndpointConfigName"].startswith(f"multiclass-{DATA_DATE}-")
    assert endpoint["EndpointConfigName"] in airflow.task_log(DAG_ID, run_id, "deploy")


def test_a_task_starts_with_what_the_scheduler_has_loaded(airflow: AirflowServices) -> None:
    airflow.wait_for_dag("what_is_loaded")
    airflow.unpause("what_is_loaded")
    run_id = airflow.trigger("what_is_loaded")
    assert airflow.wait_for_run("what_is_loaded", run_id)["state"] == "success"
    path = f"/dags/what_is_loaded/dagRuns/{run_id}/taskInstances/tell/xcomEntries/return_value?deserialize=true"
    assert airflow.api("GET", path)["value"] == ["boto3", "fresh_endpoints.steps.deploy"]


def test_nobody_gets_in_without_logging_in(airflow: AirflowServices) -> None:
    assert requests.get(f"{airflow.url}/api/v2/dags", timeout=60).status_code == requests.codes.unauthorized
    login = {"username": "admin", "password": "admin"}
    answer = requests.post(f"{airflow.url}/auth/token", json=login, timeout=60)
    assert answer.status_code == requests.codes.unauthorized


def test_params_that_the_dag_does_not_allow_are_refused(airflow: AirflowServices) -> None:
    with pytest.raises(ApiError, match="deploy") as refusal:
        airflow.trigger(DAG_ID, conf={"deploy": "perhaps"})
    assert refusal.value.status == requests.codes.bad_request


@pytest.mark.parametrize("service", ["scheduler", "triggerer"])
def test_a_killed_service_comes_back(airflow: AirflowServices, service: str) -> None:
    before = airflow.pids(service)
    airflow.kill(service)
    airflow.restart(service)
    assert not set(before) & set(airflow.pids(service))


def test_commands_run_in_the_services_environment(airflow: AirflowServices) -> None:
    airflow.wait_for_dag(DAG_ID)
    assert DAG_ID in airflow.cli("dags", "list", "--output", "plain").stdout
    with pytest.raises(RuntimeError, match="no_such_dag"):
        airflow.cli("dags", "details", "no_such_dag")


def test_secrets_are_readable_by_the_owner_only_and_logged_nowhere(airflow: AirflowServices) -> None:
    for name in ("airflow.cfg", "passwords.json"):
        assert (airflow.home / name).stat().st_mode & 0o077 == 0
    for log in (airflow.home / "logs").rglob("*.log"):
        assert airflow.password not in log.read_text(errors="replace")


def test_nothing_outlives_a_starter_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from local_airflow.services import AirflowServices\n"
        f"airflow = AirflowServices(Path({str(tmp_path)!r})); airflow.start()\n"
        "print(flush=True); time.sleep(600)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT / "include")},
        stdout=subprocess.PIPE,
    )
    try:
        assert starter.stdout
        assert starter.stdout.readline(), "the services did not start"
        family = psutil.Process(starter.pid).children(recursive=True)
        assert len(family) > len(SERVICES)
    finally:
        starter.send_signal(signal.SIGKILL)
        starter.communicate()
    _wait_until(lambda: not any(process.is_running() for process in family))


def _wait_until(condition: Callable[[], bool], timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)
