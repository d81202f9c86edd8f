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
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from local_airflow.rest_api import AirflowApi
from local_aws.sample_data import recent_days
from pipeline_files import changed

ROOT = Path(__file__).resolve().parents[3]
TINY = ROOT / "tests" / "support" / "images" / "tiny"
SMOKE_TEST = '{body: "1,2", content_type: text/csv}'
DAG_ID = "train_and_deploy_multiclass"
START_SECONDS = 180


class Up:
    """A running ``python -m local_airflow up``."""

    def __init__(self, state: Path, *brought: str) -> None:
        self._state = state
        self._command = [sys.executable, "-m", "local_airflow"]
        self._environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'include'}:{ROOT / 'plugins'}"}
        self.log = state.with_suffix(".log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    *self._command,
                    "up",
                    *self.options,
                    *brought,
                    "--port",
                    str(_free_port()),
                    "--aws-port",
                    str(_free_port()),
                ],
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

    def commands(self) -> dict[str, list[str]]:
        """The commands that it has said, by what they are for."""
        found: dict[str, list[str]] = {}
        for purpose, command in re.findall(r"^  (\w+) +(.+)$", self.log.read_text(), re.MULTILINE):
            found.setdefault(purpose, []).append(command)
        return found

    def terminal(self, command: str) -> str:
        """Run a command as a person does in another terminal, after what was said to come first; its output."""
        first = re.search(r"first `(.+?)`", self.log.read_text())[1]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
        ended = subprocess.run(
            ["bash", "-c", f"{first} && {command}"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def wait_for_success(self, dag_id: str, run_id: str = "") -> None:
        """Wait until a run, or the first of a DAG, has ended well."""
        deadline = time.monotonic() + START_SECONDS
        while not run_id:
            assert time.monotonic() < deadline, "the schedule has made no run"
            run_id = next((run["dag_run_id"] for run in self.airflow.runs(dag_id)), "")
            time.sleep(0.5)
        assert self.airflow.wait_for_run(dag_id, run_id)["state"] == "success"

    def stop(self) -> None:
        """Stop it as a person does."""
        self.process.send_signal(signal.SIGINT)
        self.assert_gone()

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
def start(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    """Starts one after the other, in the same state folder."""
    started: list[Up] = []

    def start(*brought: str) -> Up:
        started.append(Up(tmp_path / "state", *brought))
        return started[-1]

    yield start
    for up in started:
        if up.process.poll() is None:
            up.process.terminate()
        up.assert_gone()


@pytest.fixture
def up(start: Callable[..., Up]) -> Up:
    return start()


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


@pytest.mark.timeout(900)  # Airflow starts three times, on a machine that may be busy
def test_a_persons_own_model_is_kept_until_a_fresh_start(
    start: Callable[..., Up], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A person's own keys are of no stack, whose policies the record is held against.
    monkeypatch.delenv("LOCAL_AWS_RECORD_PERMISSIONS", raising=False)
    (tmp_path / "mine").mkdir()
    change = ("name: iris\n", f"name: iris\nretry_delay_seconds: 1\nsmoke_test: {SMOKE_TEST}\n")
    image = ("repo:latest", "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/my-image:1")
    (tmp_path / "mine" / "iris.yaml").write_text(changed(change, image))
    for channel in ("training", "validation"):
        (tmp_path / "mine" / f"{channel}.csv").write_text("1,2\n")
    pipeline = ("--pipeline", f"{tmp_path}/mine/iris.yaml")
    first = start(*pipeline, "--image", f"my-image={TINY}", "--data", f"{tmp_path}/mine")
    assert f"Image my-image: {TINY}\n" in first.log.read_text()
    first.airflow.wait_for_dag("train_and_deploy_iris")
    first.wait_for_success("train_and_deploy_iris")
    said = first.commands()
    assert first.terminal(*said["invoke"]) == "tiny:1,2"
    assert '"files": ["input/data/training/iris.csv", "input/data/validation/iris.csv"]' in first.terminal(*said["log"])
    (tmp_path / "new.csv").write_text("5,6\n")
    for command in said["upload"]:
        first.terminal(command.replace("FILE", f"{tmp_path}/new.csv"))
    run = re.search(r"manual__\S+", first.terminal(f"{said['train'][0]} --output yaml"))[0].strip("'\"")
    first.wait_for_success("train_and_deploy_iris", run)
    first.stop()

    second = start()
    assert {run["state"] for run in second.airflow.runs("train_and_deploy_iris")} == {"success"}
    assert len(second.airflow.runs("train_and_deploy_iris")) == 2
    assert second.airflow.password == first.airflow.password
    assert second.terminal(*second.commands()["invoke"]) == "tiny:1,2"
    second.stop()

    third = start("--fresh", *pipeline)
    assert "Image my-image" not in third.log.read_text()
    with pytest.raises(AssertionError, match="There is no endpoint iris in ap-northeast-1 yet"):
        third.terminal(*third.commands()["invoke"])


def test_what_cannot_be_used_is_said_before_anything_starts(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "local_airflow", "up", "--state", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'include'}:{ROOT / 'plugins'}"}
    for brought, words in (
        (["--pipeline", "none"], "There is no pipeline 'none' in"),
        (["--image", f"a={tmp_path}"], "the folder has neither a program train nor a program serve"),
        (["--data", f"{tmp_path}/none"], "there is no such folder"),
    ):
        ports = ["--port", str(_free_port()), "--aws-port", str(_free_port())]
        ended = subprocess.run(
            [*command, *ports, *brought], env=environment, capture_output=True, text=True, check=False, timeout=180
        )
        assert (ended.returncode, ended.stderr) == (2, "")
        assert words in ended.stdout
        assert ended.stdout.count("\n") == 1


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
