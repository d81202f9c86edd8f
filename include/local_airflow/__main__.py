"""``python -m local_airflow``: local AWS with data, and Airflow running the pipelines on it.

Both keep what they know between two runs, so they must know it of each other: they start anew together or not at all.
"""

from __future__ import annotations

import argparse
import datetime as dt
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

from local_airflow.ready_lines import ready_lines, write_terminal
from local_airflow.services import ROOT, AirflowServices
from local_aws import sample_data
from local_aws.connections import FAST, airflow_connections
from local_aws.own_model import OwnModel, add_options
from local_aws.process import LocalAws

_SAMPLE_DAYS = 7  # before today
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
            return _up(options)
        except KeyboardInterrupt:
            _say("Stopped.")
            return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_airflow", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    parser.add_argument("--state", type=Path, default=ROOT / ".state" / "up", help="folder (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="Airflow's port (default: %(default)s)")
    parser.add_argument("--aws-port", type=int, default=5000, help="local AWS's port (default: %(default)s)")
    add_options(parser)
    return parser


def _up(options: argparse.Namespace) -> int:
    state: Path = options.state.resolve()
    try:
        own = OwnModel(options, state / "own_model.json")
        data_date = options.data_date or own.newest_data_date()
        own.files(data_date)
    except ValueError as error:
        _say(str(error))
        return 2
    _forget(state, everything=options.fresh)
    own.remember()
    try:
        aws = LocalAws(port=options.aws_port, region=own.pipeline.region, images=own.images, state=state / "aws")
    except RuntimeError as error:
        _say(f"{error}. `make up FRESH=1` starts anew.")
        return 1
    with aws:
        _say(f"Local AWS: {aws.url}")
        for name, image in own.images.items():
            _say(f"Image {name}: {image}")
        for line in own.put(aws.client("s3"), data_date, sample_data.recent_days(_SAMPLE_DAYS)):
            _say(line)
        return _run_airflow(options.port, own, data_date, aws, state)


def _forget(state: Path, *, everything: bool) -> None:
    """Have Airflow forget its runs where local AWS does not know them, or is to forget them, too. The login stays."""
    if (state / "aws" / "state.json").exists() and not everything:
        return
    shutil.rmtree(state / "aws", ignore_errors=True)
    shutil.rmtree(state / "airflow" / "logs", ignore_errors=True)
    (state / "airflow" / "airflow.db").unlink(missing_ok=True)


def _run_airflow(port: int, own: OwnModel, data_date: dt.date, aws: LocalAws, state: Path) -> int:
    environment = {**airflow_connections(aws.url, aws.region), **FAST}
    airflow = AirflowServices(
        state / "airflow", environment=environment, port=port, paused=False, pipelines_dir=own.pipelines_dir
    )
    _say(f"Starting Airflow; its logs: {airflow.log('scheduler').parent}")
    try:
        airflow.start()
        _say(f"Airflow:   {airflow.url}, user {airflow.username}, password {airflow.password}")
        _say(f"Slack:     {aws.url}/slack")
        terminal = write_terminal(state / "terminal.sh", aws, airflow.home, own.pipelines_dir)
        for line in ready_lines(own.pipeline, data_date, aws.url, terminal):
            _say(line)
        _say("Running. Ctrl-C or `make down` stops it; the next `make up` goes on, `make up FRESH=1` starts anew.")
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
