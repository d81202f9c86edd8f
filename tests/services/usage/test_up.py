"""`make up` and `make down`: the whole thing on one machine, without Docker."""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from local_airflow.rest_api import AirflowApi
from local_aws.sample_data import recent_days

ROOT = Path(__file__).resolve().parents[3]
DAG_ID = "train_and_deploy_multiclass"
START_SECONDS = 180


class Up:
    """A running ``python -m local_airflow up``."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._command = [sys.executable, "-m", "local_airflow"]
        self._environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'include'}:{ROOT / 'plugins'}"}
        self.log = state.with_suffix(".log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*self._command, "up", *self.options, "--port", str(_free_port()), "--aws-port", str(_free_port())],
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_SECONDS
        while "Running." not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.2)
        said = self.log.read_text()
        url, username, password = re.search(r"(http://\S+), user (\S+), password (\S+)", said).groups()
        self.airflow = AirflowApi(url, username, password)
        self.slack_url = re.search(r"Slack: +(\S+)", said)[1]
        self.family = [self._process(), *self._process().children(recursive=True)]

    @property
    def home(self) -> Path:
        """Airflow's home."""
        return self._state / "airflow"

    @property
    def options(self) -> list[str]:
        """What names this instance."""
        return ["--state", str(self._state)]

    def _process(self) -> psutil.Process:
        """The command's own process."""
        return psutil.Process(self.process.pid)

    def call(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the same program beside it."""
        called = [*self._command, command, *self.options, *options]
        return subprocess.run(called, env=self._environment, capture_output=True, text=True, check=False, timeout=180)

    def arguments(self) -> str:
        """The arguments of all that runs of it now, which every user of the machine may read."""
        found = ""
        for process in [self._process(), *self._process().children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                found += " ".join(process.cmdline()) + "\n"
        return found

    def secrets(self) -> set[str]:
        """What nobody else may see: the login, Airflow's own keys, and the Slack webhook's path."""
        configuration = configparser.ConfigParser(interpolation=None)
        configuration.read(self.home / "airflow.cfg")
        keys = [("core", "fernet_key"), ("api", "secret_key"), ("api_auth", "jwt_secret")]
        found = {configuration.get(*key) for key in keys} | {self.airflow.password, "services/T000/B000/local"}
        assert len(found) == 5
        return found

    def assert_gone(self) -> None:
        """Nothing that it has started is left."""
        self.process.wait(timeout=60)
        assert [process for process in self.family if process.is_running()] == []


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    up = Up(tmp_path / "state")
    yield up
    if up.process.poll() is None:
        up.process.terminate()
    up.assert_gone()


def test_it_runs_the_latest_day_and_down_stops_it(up: Up) -> None:
    up.airflow.wait_for_dag(DAG_ID)
    deadline = time.monotonic() + 60
    arguments = up.arguments()
    while not (runs := up.airflow.runs(DAG_ID)):
        assert time.monotonic() < deadline, "the schedule has made no run"
        time.sleep(0.5)
    while not up.airflow.run(DAG_ID, runs[0]["dag_run_id"])["end_date"]:
        arguments += up.arguments()
        assert time.monotonic() < deadline + START_SECONDS, "the run has not ended"
        time.sleep(0.2)
    assert up.airflow.wait_for_run(DAG_ID, runs[0]["dag_run_id"])["state"] == "success"
    with urlopen(f"{up.slack_url}/messages", timeout=30) as messages:
        told = messages.read().decode()
    assert "Deployment completed" in told
    assert str(recent_days(0)[0] - timedelta(days=1)) in told

    assert "scheduler" in arguments
    assert [secret for secret in up.secrets() if secret in arguments] == []
    assert files_that_hold(up.secrets(), up.home) == ["airflow.cfg", "passwords.json"]
    for path in (up.home, up.home / "airflow.cfg", up.home / "passwords.json"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path

    again = up.call("up")
    assert (again.returncode, again.stdout) == (1, "It is running already; `make down` stops it.\n")
    down = up.call("down")
    assert (down.returncode, down.stdout) == (0, "Stopped.\n")
    up.assert_gone()
    assert up.process.returncode == 0
    down = up.call("down")
    assert (down.returncode, down.stdout) == (0, "It is not running.\n")


def test_interrupt_stops_everything(up: Up) -> None:
    up.process.send_signal(signal.SIGINT)
    up.assert_gone()
    assert up.process.returncode == 0
    port = up.airflow.url.rpartition(":")[2]
    with socket.create_server(("127.0.0.1", int(port))):
        taken = up.call("up", "--port", port)
    assert taken.returncode == 1
    assert f"Port {port} of 127.0.0.1 is taken" in taken.stdout


def files_that_hold(secrets: set[str], folder: Path) -> list[str]:
    """The files of Airflow's home that hold a secret: none of the database's (with XComs and templates) or the logs."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if any(secret.encode() in content for secret in secrets):
            found.append(str(path.relative_to(folder)))
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
