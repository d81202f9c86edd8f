"""docker-compose.yaml for real: up, healthy, a triggered run succeeds, an edited pipeline is live, down."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.request import urlopen
from zoneinfo import ZoneInfo

import pytest
import requests

from compose_stack import WORKERS, Stack, wait_until
from local_airflow.rest_api import AirflowApi, ApiError

DAG_ID = "train_and_deploy_multiclass"
with_local_executor = pytest.mark.parametrize("stack", ["local"], indirect=True)
with_celery = pytest.mark.parametrize("stack", ["celery"], indirect=True)


def finished(stack: Stack, run_id: str) -> list[dict[str, Any]]:
    """The tasks of a run, which has succeeded and told so."""
    run = stack.airflow.wait_for_run(DAG_ID, run_id, timeout=300)
    tasks = stack.airflow.task_instances(DAG_ID, run_id)
    logs = {task["task_id"]: stack.airflow.task_log(DAG_ID, run_id, task["task_id"]) for task in tasks}
    assert run["state"] == "success", "\n".join(logs.values())
    assert all(task["state"] == "success" for task in tasks)
    # The api-server has the logs, whoever wrote them.
    assert [task_id for task_id, log in logs.items() if "Pre Execute" not in log] == []
    return tasks


def hostnames(stack: Stack, *services: str) -> set[str]:
    return {stack.containers()[service]["Config"]["Hostname"] for service in services}


@with_local_executor
def test_a_triggered_run_succeeds(stack: Stack) -> None:
    yesterday = datetime.now(ZoneInfo("Asia/Tokyo")).date() - timedelta(days=1)
    stack.airflow.wait_for_dag(DAG_ID)
    run_id = stack.airflow.trigger(DAG_ID, conf={"data_date": yesterday.isoformat(), "deploy": "always"})
    tasks = finished(stack, run_id)
    assert {task["hostname"] for task in tasks} == hostnames(stack, "scheduler")
    # Slack's address is in secrets/connections.json only.
    completed = [text for text in stack.slack_messages() if text.startswith("Deployment completed")]
    assert any(f"data date {yesterday}" in text for text in completed)
    with urlopen(f"{stack.aws_url}/slack", timeout=30) as page:
        assert "Deployment completed" in page.read().decode()


@with_celery
def test_the_first_scheduled_run_succeeds_on_celery_workers(stack: Stack) -> None:
    stack.airflow.wait_for_dag(DAG_ID)
    wait_until(lambda: stack.airflow.runs(DAG_ID) != [], 120)
    tasks = finished(stack, stack.airflow.runs(DAG_ID)[0]["dag_run_id"])
    assert {task["hostname"] for task in tasks} <= hostnames(stack, *WORKERS)
    assert any(text.startswith("Deployment completed") for text in stack.slack_messages())


def test_new_dags_run_at_once_on_local_aws(stack: Stack) -> None:
    stack.airflow.wait_for_dag(DAG_ID)
    assert stack.airflow.api("GET", f"/dags/{DAG_ID}")["is_paused"] is False


@with_local_executor
def test_airflows_command_line_creates_a_backfill(stack: Stack) -> None:
    stack.airflow.wait_for_dag(DAG_ID)
    command = ["airflow", "backfill", "create", "--dag-id", DAG_ID, "--dry-run"]
    command += ["--from-date", "2019-03-04T15:00:00+00:00", "--to-date", "2019-03-08T15:00:00+00:00"]
    planned = stack.exec("scheduler", *command)
    assert [f"2019-03-0{day} 15:00" in planned or f"2019-03-0{day}T15:00" in planned for day in range(4, 9)] == [
        True
    ] * 5


def test_nobody_gets_in_without_logging_in(stack: Stack) -> None:
    assert requests.get(f"{stack.airflow.url}/api/v2/dags", timeout=60).status_code == requests.codes.unauthorized
    with pytest.raises(ApiError):
        AirflowApi(stack.airflow.url, "admin", "admin").token()


@with_local_executor
def test_an_edited_pipeline_file_is_live_within_a_minute(stack: Stack) -> None:
    stack.airflow.wait_for_dag(DAG_ID)
    file = stack.pipelines / "multiclass.yaml"
    old = "Classifies iris flowers with LightGBM."
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, "Edited."))
    wait_until(lambda: stack.airflow.api("GET", f"/dags/{DAG_ID}")["description"] == "Edited.", 60)


@with_celery
def test_the_workers_answer_their_health_check(stack: Stack) -> None:
    wait_until(lambda: stack.healthy(*WORKERS), 120, lambda: stack.run("logs", "--no-color", "--tail", "60", *WORKERS))
