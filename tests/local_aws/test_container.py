from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws.container import Container, free_port, repository
from local_aws.container_host import ContainerHost
from processes import is_running

TIMEOUT = 30


@pytest.fixture
def host(tmp_path: Path) -> Iterator[ContainerHost]:
    host = ContainerHost({"image": tmp_path / "image"})
    yield host
    host.close()


def start(host: ContainerHost, tmp_path: Path, program: str) -> tuple[Container, list[str], threading.Event]:
    (tmp_path / "image").mkdir()
    (tmp_path / "image/train").write_text(program)
    container = host.start("registry.example.com/image:1", "train", host.new_base("test"), {"GIVEN": "1"})
    lines: list[str] = []
    ended = threading.Event()
    container.watch(lines.extend, ended.set)
    return container, lines, ended


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/sagemaker-repo", "sagemaker-repo"),
        ("123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/team/sagemaker-repo:latest", "team/sagemaker-repo"),
        ("localhost:5000/sagemaker-repo@sha256:0123", "sagemaker-repo"),
        ("localhost:5000/sagemaker-repo:1@sha256:0123", "sagemaker-repo"),
        ("team/sagemaker-repo", "team/sagemaker-repo"),
        ("sagemaker-repo:1", "sagemaker-repo"),
    ],
)
def test_the_repository_of_an_image_uri(uri: str, name: str) -> None:
    assert repository(uri) == name


def test_a_program_gets_its_folder_and_its_log_is_passed_on_whole(host: ContainerHost, tmp_path: Path) -> None:
    program = "import os, sys; print(os.environ['GIVEN'], os.getcwd() == os.environ['SAGEMAKER_BASE_DIR']); "
    program += "sys.stderr.write('no newline'); sys.exit(3)"
    container, lines, ended = start(host, tmp_path, program)
    assert ended.wait(TIMEOUT)
    assert (container.exit_code, lines) == (3, ["1 True", "no newline"])


def test_a_container_ends_with_its_first_process(host: ContainerHost, tmp_path: Path) -> None:
    child = "import time; time.sleep(600)"
    program = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {child!r}]).pid)"
    container, lines, ended = start(host, tmp_path, program)
    assert ended.wait(TIMEOUT)
    assert container.exit_code == 0
    deadline = time.monotonic() + TIMEOUT
    while is_running(int(lines[0])):
        assert time.monotonic() < deadline


def test_stop_asks_first(host: ContainerHost, tmp_path: Path) -> None:
    program = "import signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); print('ready'); "
    program += "sys.exit(signal.sigwait([signal.SIGTERM]))"
    container, lines, _ = start(host, tmp_path, program)
    wait_for_line(lines, "ready")
    container.stop(TIMEOUT)
    assert container.exit_code == 15


def test_stop_kills_what_does_not_listen(host: ContainerHost, tmp_path: Path) -> None:
    program = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready')\nwhile True: signal.pause()"
    container, lines, _ = start(host, tmp_path, program)
    wait_for_line(lines, "ready")
    container.stop(0.1)
    assert container.exit_code == -9


def test_closing_the_host_ends_programs_and_removes_folders(host: ContainerHost, tmp_path: Path) -> None:
    container, lines, ended = start(host, tmp_path, "import os, time; print(os.getcwd(), flush=True); time.sleep(600)")
    deadline = time.monotonic() + TIMEOUT
    while not lines:
        assert time.monotonic() < deadline
    host.close()
    assert ended.wait(TIMEOUT)
    assert container.exit_code == -9
    assert not Path(lines[0]).exists()


def test_a_free_port_can_be_bound_and_is_no_ephemeral_one() -> None:
    assert 20_000 <= free_port() < 32_000


def wait_for_line(lines: list[str], line: str) -> None:
    deadline = time.monotonic() + TIMEOUT
    while line not in lines:
        assert time.monotonic() < deadline, lines
