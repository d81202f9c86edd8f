"""``python -m local_airflow``: local AWS with sample data, and Airflow running the pipelines on it."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

from local_airflow.services import ROOT, AirflowServices
from local_aws import sample_data
from local_aws.connections import airflow_connections
from local_aws.process import LocalAws

_DOWN_TIMEOUT_SECONDS = 120


def main(arguments: list[str] | None = None) -> int:
    """Run until Ctrl-C, or until ``down`` is called; or stop what another call runs.

    Args:
        arguments: Command line without the program's name; None for the process's own.

    Returns:
        Exit code.
    """
    options = _parser().parse_args(arguments)
    state: Path = options.state
    state.mkdir(parents=True, exist_ok=True)
    if options.command == "down":
        return _down(state)
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if not stopped.is_set():
            stopped.set()
            raise KeyboardInterrupt  # also out of the start-up

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with _only_one(state) as first:
        if not first:
            _say("It is running already; `make down` stops it.")
            return 1
        for name, port in (("PORT", options.port), ("AWS_PORT", options.aws_port)):
            if not _is_free(port):
                _say(f"Port {port} of 127.0.0.1 is taken. Choose another one: make up {name}=...")
                return 1
        try:
            return _up(state, options.port, options.aws_port)
        except KeyboardInterrupt:
            _say("Stopped.")
            return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_airflow", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    parser.add_argument("--state", type=Path, default=ROOT / ".state" / "up", help="folder (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="Airflow's port (default: %(default)s)")
    parser.add_argument("--aws-port", type=int, default=5000, help="local AWS's port (default: %(default)s)")
    return parser


def _up(state: Path, port: int, aws_port: int) -> int:
    home = state / "airflow"
    # Local AWS forgets all when it stops, so Airflow must not remember runs on it. The login stays.
    shutil.rmtree(home / "logs", ignore_errors=True)
    (home / "airflow.db").unlink(missing_ok=True)
    with LocalAws(port=aws_port) as aws:
        days = sample_data.recent_days(7)
        sample_data.upload(aws.client("s3"), aws.region, days)
        _say(f"Local AWS: {aws.url}, with sample data for {days[0]} to {days[-1]} in s3://{sample_data.BUCKET}")
        environment = airflow_connections(aws.url, aws.region)
        airflow = AirflowServices(home, environment=environment, port=port, paused=False)
        _say(f"Starting Airflow; its logs: {airflow.log('scheduler').parent}")
        try:
            airflow.start()
            _say(f"Airflow:   {airflow.url}, user {airflow.username}, password {airflow.password}")
            _say(f"Slack:     {aws.url}/slack")
            _say("Running. Ctrl-C or `make down` stops everything.")
            while not (ended := airflow.ended()):
                time.sleep(1)
            for service in ended:
                _say(f"{service} has ended by itself; see {airflow.log(service)}")
            return 1
        finally:
            _say("Stopping ...")
            airflow.stop()


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@contextmanager
def _only_one(state: Path) -> Iterator[bool]:
    """Hold the pid file's lock while this process runs; yields False if another one holds it."""
    with (state / "pid").open("a+") as file:
        if not _lock(file):
            yield False
            return
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield True
        file.truncate(0)


def _lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _down(state: Path) -> int:
    with (state / "pid").open("a+") as file:
        if _lock(file):
            _say("It is not running.")
            return 0
        file.seek(0)
        os.kill(int(file.read()), signal.SIGTERM)
        deadline = time.monotonic() + _DOWN_TIMEOUT_SECONDS
        while not _lock(file):
            if time.monotonic() > deadline:
                _say(f"It has not stopped within {_DOWN_TIMEOUT_SECONDS} s.")
                return 1
            time.sleep(0.2)
    _say("Stopped.")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
