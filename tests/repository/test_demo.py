"""include/demo.py as `make demo` runs it, in a state folder of the test's own."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from local_aws.process import LocalAws

ROOT = Path(__file__).parents[2]
TIMEOUT = 300


class Demo:
    """One run of the demo, in a process group of its own as in a terminal."""

    def __init__(self, state: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "include" / "demo.py")],
            env={**environment, "DEMO_STATE": str(state)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # A shell starts what runs in its background with Ctrl-C ignored, and that would be inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        self.output = ""

    def read_until(self, text: str) -> None:
        """Read the output up to a line with a text."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.output += line
            if text in line:
                return
        pytest.fail(f"the demo ended without saying {text!r}: {self.output}")

    def end(self) -> int:
        """Read the rest of the output; return the exit code."""
        self.output += self.process.communicate(timeout=TIMEOUT)[0]
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
            self.process.communicate(timeout=60)


@pytest.fixture
def state(tmp_path: Path, airflow_database: None) -> Path:
    """A state folder with a migrated Airflow database, which a demo would take most of its time to make."""
    (tmp_path / "airflow").mkdir()
    with (
        closing(sqlite3.connect(Path(os.environ["AIRFLOW_HOME"]) / "airflow.db")) as migrated,
        closing(sqlite3.connect(tmp_path / "airflow" / "airflow.db")) as copy,
    ):
        migrated.backup(copy)
    return tmp_path


@pytest.fixture
def demos(state: Path) -> Iterator[Any]:
    """Starts demos."""
    started: list[Demo] = []

    def start() -> Demo:
        started.append(Demo(state))
        return started[-1]

    yield start
    for demo in started:
        demo.close()


def live(state: Path) -> dict[str, Any]:
    """The endpoint, asked of a local AWS that goes on from where the demo's has stopped."""
    with LocalAws(state=state / "aws") as aws:
        answer = aws.client("sagemaker-runtime").invoke_endpoint(
            EndpointName="multiclass", ContentType="text/csv", Accept="text/csv", Body=b"5.1,3.5,1.4,0.2"
        )
        assert answer["Body"].read().decode().strip() == "0"
        endpoint: dict[str, Any] = aws.client("sagemaker").describe_endpoint(EndpointName="multiclass")
        return endpoint


@pytest.mark.timeout(900)  # three demos, on a machine that may be busy
def test_the_second_demo_updates_what_the_first_has_created_also_after_ctrl_c(state: Path, demos: Any) -> None:
    first = demos()
    assert first.end() == 0, first.output
    created = live(state)
    assert created["EndpointConfigName"].startswith("multiclass-2019-03-04-")
    assert re.search(r"Endpoint +multiclass \(InService\), created\n", first.output)

    interrupted = demos()
    interrupted.read_until("Training started")
    processes = psutil.Process(interrupted.process.pid).children(recursive=True)
    commands = "\n".join(" ".join(process.cmdline()) for process in processes)
    for program in ("-m local_aws", "local_aws/janitor.py", "-m airflow dags test", "gunicorn"):
        assert program in commands
    os.killpg(interrupted.process.pid, signal.SIGINT)
    assert interrupted.end() == 130
    assert interrupted.output.endswith("Stopped.\n")
    assert "Traceback" not in interrupted.output
    assert not psutil.wait_procs(processes, timeout=30)[1]

    second = demos()
    assert second.end() == 0, second.output
    updated = live(state)
    assert updated["EndpointConfigName"].startswith("multiclass-2019-03-05-")
    assert updated["CreationTime"] == created["CreationTime"]
    assert f"(InService), updated from {created['EndpointConfigName']}\n" in second.output
