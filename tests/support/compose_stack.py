"""docker-compose.yaml as a user runs it, with settings, secrets, ports and names of its own."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import base_images
from docker_under_test import docker
from local_airflow.rest_api import AirflowApi

ROOT = Path(__file__).resolve().parents[2]
ONE_SHOT = {"check-settings", "init", "sample-data"}
WORKERS = {"worker-1", "worker-2"}
ALWAYS = {"postgres", "api-server", "scheduler", "dag-processor", "triggerer", "local-aws"} | ONE_SHOT
SERVICES = {"local": ALWAYS, "celery": ALWAYS | {"redis"} | WORKERS}


class Settings:
    """What `make env` writes, and docker-compose with it."""

    def __init__(self, folder: Path):
        self.project = f"pipelines-{secrets.token_hex(4)}"
        self.port, self.aws_port = _free_ports(2)
        self.file = folder / "env"
        folder.chmod(0o755)  # read by the containers' users
        made = [sys.executable, str(ROOT / "include" / "compose_env.py"), "--file", str(self.file)]
        subprocess.run([*made, f"--port={self.port}", f"--aws-port={self.aws_port}"], check=True, capture_output=True)
        if os.environ.get("BASE_IMAGES_BY_TAG"):  # where no registry is reached, and local images have the tags
            self.set(**{name: base_images.by_tag(image) for name, image in base_images.images().items()})

    def set(self, **settings: str) -> None:
        """Write settings into the file, in the place of those that it has."""
        lines = [line for line in self.file.read_text().splitlines() if line.split("=")[0] not in settings]
        self.file.write_text("\n".join([*lines, *(f"{name}={value}" for name, value in settings.items()), ""]))

    @property
    def connections(self) -> Path:
        """The file of the connections that hold secrets."""
        return self.file.parent / "secrets" / "connections.json"

    @property
    def secrets(self) -> dict[str, str]:
        """The secrets that were generated, by file name."""
        files = [file for file in self.connections.parent.iterdir() if file != self.connections]
        return {file.name: file.read_text() for file in files}

    def compose(
        self, *arguments: str, timeout: float = 120, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a docker-compose command in the repository's folder."""
        command = [*_compose(), "--project-name", self.project, "--env-file", str(self.file), *arguments]
        ended = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or ended.returncode == 0, f"{arguments}: {ended.stdout}{ended.stderr}"
        return ended

    def down(self) -> None:
        """Remove everything."""
        every = ["--profile", "local-aws", "--profile", "celery"]
        self.compose(*every, "down", "--volumes", "--remove-orphans", "--timeout", "1", timeout=300)


class Stack:
    """One docker-compose project."""

    def __init__(self, executor: str, folder: Path):
        self.executor = executor
        self.settings = Settings(folder)
        self._tell_slack_by_the_file()
        self.pipelines = folder / "pipelines"
        shutil.copytree(ROOT / "include" / "pipelines", self.pipelines)
        self.pipelines.chmod(0o755)
        self.aws_url = f"http://127.0.0.1:{self.settings.aws_port}"
        self.airflow = AirflowApi(
            f"http://127.0.0.1:{self.settings.port}", "admin", self.settings.secrets["airflow_password"]
        )
        self.seen_in_arguments: set[str] = set()
        self._environment = {"PIPELINES_DIR": str(self.pipelines)}
        if executor == "celery":
            self._environment |= {"AIRFLOW_EXECUTOR": "CeleryExecutor", "COMPOSE_PROFILES": "local-aws,celery"}

    def _tell_slack_by_the_file(self) -> None:
        # Messages arrive only if tasks, in whatever container, take the connection from the file.
        url = "http%3A%2F%2Flocal-aws%3A5000%2F"
        self.settings.set(AIRFLOW_CONN_SLACK_DEFAULT=f"slackwebhook://:{url}nowhere@")
        connection = f"slackwebhook://:{url}slack%2Fservices%2FT000%2FB000%2Flocal@"
        self.settings.connections.write_text(json.dumps({"slack_default": connection}))

    def up(self) -> None:
        """Build and start it; has the names of the secrets that appear in any process's arguments."""
        with _watched_arguments(self.settings.secrets, self.seen_in_arguments):
            self.run("up", "--detach", "--build", timeout=1200)
            wait_until(self.is_up, 600, lambda: self.run("logs", "--no-color", "--tail", "40"))

    def run(self, *arguments: str, timeout: float = 120) -> str:
        """Run a docker-compose command; returns what it prints."""
        return self.settings.compose(*arguments, timeout=timeout, **self._environment).stdout

    def exec(self, service: str, *command: str) -> str:
        """Run a command in a service's container; returns what it prints."""
        return self.run("exec", "-T", service, *command)

    def containers(self) -> dict[str, dict[str, Any]]:
        """What the engine knows of the project's containers, by service."""
        label = f"label=com.docker.compose.project={self.settings.project}"
        ids = docker("ps", "--all", "--quiet", "--filter", label).split()
        found = json.loads(docker("inspect", *ids)) if ids else []
        return {container["Config"]["Labels"]["com.docker.compose.service"]: container for container in found}

    def is_up(self) -> bool:
        """Whether each service is healthy, and each that runs once has ended well."""
        containers = self.containers()
        assert containers.keys() == SERVICES[self.executor]
        for name, container in containers.items():
            assert container["RestartCount"] < 3, self.run("logs", "--no-color", "--tail", "60", name)
        for name in ONE_SHOT:
            state = containers[name]["State"]
            assert state["Status"] != "exited" or state["ExitCode"] == 0, self.run("logs", "--no-color", name)
        # The workers' health is asked for every half a minute only.
        services = containers.keys() - ONE_SHOT - WORKERS
        return all(containers[name]["State"]["Status"] == "exited" for name in ONE_SHOT) and self.healthy(*services)

    def healthy(self, *services: str) -> bool:
        """Whether the services' health checks pass."""
        containers = self.containers()
        return all(containers[name]["State"].get("Health", {}).get("Status") == "healthy" for name in services)

    def slack_messages(self) -> list[str]:
        """The messages that Slack has received, oldest first."""
        with urlopen(f"{self.aws_url}/slack/messages", timeout=30) as response:
            return [message["payload"]["text"] for message in json.load(response)]

    def down(self) -> None:
        """Remove everything."""
        self.settings.down()


def wait_until(condition: Callable[[], bool], timeout: float, complain: Callable[[], str] = str) -> None:
    """Wait for a condition; fails with what `complain` returns when it does not come true."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"it did not come true within {timeout} s\n{complain()}"
        time.sleep(1)


@contextmanager
def _watched_arguments(wanted: dict[str, str], seen: set[str]) -> Iterator[None]:
    """Look for secrets in the arguments of all of the machine's processes, ten times a second."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.1):
            for arguments in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    text = arguments.read_text(errors="replace")
                except OSError:  # the process has ended
                    continue
                seen.update(name for name, secret in wanted.items() if secret in text)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _compose() -> list[str]:
    """Compose v2 where it is installed, else v1."""
    version = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return ["docker", "compose"] if version.returncode == 0 else ["docker-compose"]


def _free_ports(count: int) -> list[int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports
