"""docker-compose.yaml for real: up, healthy, a triggered run succeeds, an edited pipeline is live, down."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from zoneinfo import ZoneInfo

import pytest
import requests
import yaml

import compose_env
from local_airflow.rest_api import AirflowApi, ApiError

ROOT = Path(__file__).resolve().parents[2]
DAG_ID = "train_and_deploy_multiclass"
ONE_SHOT = {"init", "sample-data"}
ALWAYS = {"postgres", "api-server", "scheduler", "dag-processor", "triggerer", "local-aws"} | ONE_SHOT
SERVICES = {"local": ALWAYS, "celery": ALWAYS | {"redis", "worker-1", "worker-2"}}


class Stack:
    """One docker-compose project."""

    def __init__(self, profile: str, folder: Path):
        self.profile = profile
        self.project = f"pipelines-{profile}-{secrets.token_hex(4)}"
        self.pipelines = folder / "pipelines"
        shutil.copytree(ROOT / "include" / "pipelines", self.pipelines)
        self.pipelines.chmod(0o755)  # read by the containers' user
        folder.chmod(0o755)
        self.aws_url, url = (f"http://127.0.0.1:{port}" for port in _free_ports(2))
        env_file = folder / "env"
        made = [sys.executable, str(ROOT / "include" / "compose_env.py"), "--file", str(env_file)]
        made += ["--port", url.rpartition(":")[2], "--aws-port", self.aws_url.rpartition(":")[2]]
        subprocess.run(made, check=True, capture_output=True)
        env = dict(line.split("=", 1) for line in env_file.read_text().splitlines() if line and line[0] != "#")
        self.airflow = AirflowApi(url, env["AIRFLOW_USERNAME"], env["AIRFLOW_PASSWORD"])
        self._command = [*_compose(), "--project-name", self.project, "--env-file", str(env_file)]
        self._environment = {**os.environ, "PIPELINES_DIR": str(self.pipelines)}
        if profile == "celery":
            self._command += ["--profile", "celery"]
            self._environment["AIRFLOW_EXECUTOR"] = "CeleryExecutor"

    def run(self, *arguments: str, timeout: float = 120) -> str:
        """Run a docker-compose command in the repository's folder; returns what it prints."""
        command = [*self._command, *arguments]
        ended = subprocess.run(
            command, cwd=ROOT, env=self._environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert ended.returncode == 0, f"{arguments}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def containers(self) -> dict[str, dict[str, Any]]:
        """What the engine knows of the project's containers, by service."""
        label = f"label=com.docker.compose.project={self.project}"
        ids = _docker("ps", "--all", "--quiet", "--filter", label).split()
        found = json.loads(_docker("inspect", *ids)) if ids else []
        return {container["Config"]["Labels"]["com.docker.compose.service"]: container for container in found}

    def is_up(self) -> bool:
        """Whether each service is healthy, and each that runs once has ended well."""
        containers = self.containers()
        assert containers.keys() == SERVICES[self.profile]
        for name, container in containers.items():
            assert container["RestartCount"] < 3, self.run("logs", "--no-color", "--tail", "60", name)
        for name in ONE_SHOT:
            state = containers[name]["State"]
            assert state["Status"] != "exited" or state["ExitCode"] == 0, self.run("logs", "--no-color", name)
        return all(
            container["State"]["Status"] == "exited"
            if name in ONE_SHOT
            else container["State"].get("Health", {}).get("Status") == "healthy"
            for name, container in containers.items()
        )

    def slack_messages(self) -> list[str]:
        """The messages that Slack has received, oldest first."""
        with urlopen(f"{self.aws_url}/slack/messages", timeout=30) as response:
            return [message["payload"]["text"] for message in json.load(response)]

    def down(self) -> None:
        """Remove everything."""
        self.run("down", "--volumes", "--remove-orphans", "--timeout", "20", timeout=300)


@pytest.fixture(scope="module", params=["local", "celery"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole stack of one profile, up and healthy."""
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.fail("found no Docker engine that answers `docker info`; start one")
    base = tmp_path_factory.mktemp("compose")
    base.parent.chmod(0o755)
    stack = Stack(request.param, base)
    try:
        stack.run("up", "--detach", "--build", timeout=1200)
        _wait_until(stack.is_up, 900, lambda: stack.run("logs", "--no-color", "--tail", "40"))
        yield stack
    finally:
        stack.down()
    assert stack.containers() == {}
    assert _docker("volume", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={stack.project}") == ""


def test_a_triggered_run_succeeds(stack: Stack) -> None:
    yesterday = datetime.now(ZoneInfo("Asia/Tokyo")).date() - timedelta(days=1)
    stack.airflow.wait_for_dag(DAG_ID)
    run_id = stack.airflow.trigger(DAG_ID, conf={"data_date": yesterday.isoformat(), "deploy": "always"})
    run = stack.airflow.wait_for_run(DAG_ID, run_id, timeout=300)
    tasks = stack.airflow.task_instances(DAG_ID, run_id)
    failed = [task["task_id"] for task in tasks if task["state"] in ("failed", "up_for_retry")]
    assert run["state"] == "success", "\n".join(stack.airflow.task_log(DAG_ID, run_id, task) for task in failed)
    assert all(task["state"] == "success" for task in tasks)
    completed = [text for text in stack.slack_messages() if text.startswith("Deployment completed")]
    assert any(f"data date {yesterday}" in text for text in completed)
    with urlopen(f"{stack.aws_url}/slack", timeout=30) as page:
        assert "Deployment completed" in page.read().decode()
    # Who ran the tasks: the scheduler's own processes, or a Celery worker.
    runners = {"local": ["scheduler"], "celery": ["worker-1", "worker-2"]}[stack.profile]
    names = {stack.containers()[service]["Config"]["Hostname"] for service in runners}
    assert {task["hostname"] for task in tasks} <= names


def test_airflows_command_line_creates_a_backfill(stack: Stack) -> None:
    stack.airflow.wait_for_dag(DAG_ID)
    command = ["airflow", "backfill", "create", "--dag-id", DAG_ID, "--dry-run"]
    command += ["--from-date", "2019-03-04T15:00:00+00:00", "--to-date", "2019-03-08T15:00:00+00:00"]
    planned = stack.run("exec", "-T", "scheduler", *command)
    assert [f"2019-03-0{day} 15:00" in planned or f"2019-03-0{day}T15:00" in planned for day in range(4, 9)] == [
        True
    ] * 5


def test_nobody_gets_in_without_logging_in(stack: Stack) -> None:
    assert requests.get(f"{stack.airflow.url}/api/v2/dags", timeout=60).status_code == requests.codes.unauthorized
    with pytest.raises(ApiError):
        AirflowApi(stack.airflow.url, "admin", "admin").token()


def test_ports_are_published_on_the_loopback_address_only(stack: Stack) -> None:
    published = [
        binding["HostIp"]
        for container in stack.containers().values()
        for bindings in (container["NetworkSettings"]["Ports"] or {}).values()
        for binding in bindings or []
    ]
    assert published == ["127.0.0.1", "127.0.0.1"]


def test_an_edited_pipeline_file_is_live_within_a_minute(stack: Stack) -> None:
    stack.airflow.wait_for_dag(DAG_ID)
    file = stack.pipelines / "multiclass.yaml"
    old = "Classifies iris flowers with LightGBM."
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, "Edited."))
    _wait_until(lambda: stack.airflow.api("GET", f"/dags/{DAG_ID}")["description"] == "Edited.", 60)


def test_what_env_sets_reaches_airflow(tmp_path: Path) -> None:
    settings = {
        "AIRFLOW_CONN_AWS_DEFAULT": '{"conn_type": "aws", "extra": {"region_name": "ap-northeast-1"}}',
        "AIRFLOW_VAR_SAGEMAKER_NUM_CLASS": "4",
        "AIRFLOW__SECRETS__BACKEND": "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": '{"variables_prefix": null}',
    }
    compose_env.write(tmp_path / "env")
    with (tmp_path / "env").open("a") as env:
        env.writelines(f"{name}='{value}'\n" for name, value in settings.items())
    command = [*_compose(), "--env-file", str(tmp_path / "env"), "config"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout
    services = yaml.safe_load(shown)["services"]
    for name in ("scheduler", "dag-processor", "triggerer"):
        assert {setting: services[name]["environment"].get(setting) for setting in settings} == settings


def _compose() -> list[str]:
    """Compose v2 where it is installed, else v1."""
    version = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return ["docker", "compose"] if version.returncode == 0 else ["docker-compose"]


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True, timeout=60).stdout


def _free_ports(count: int) -> list[int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


def _wait_until(condition: Callable[[], bool], timeout: float, complain: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"it did not come true within {timeout} s\n{complain()}"
        time.sleep(2)
