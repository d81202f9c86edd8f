"""The Docker engine of this machine, asked through its command line, which knows where the engine is.

Whatever makes something in the engine is noted with the janitor while it runs, so that nothing comes into being once
the server has ended.
"""

from __future__ import annotations

import contextlib
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from local_aws.janitor import Janitor

SCHEME = "docker://"
_TIMEOUT = 120.0  # seconds for one command that copies nothing


@dataclass(frozen=True)
class DockerImage:
    """An image that the engine has.

    Attributes:
        tag: Its name there, as ``docker run`` takes it.
    """

    tag: str

    def __str__(self) -> str:
        return SCHEME + self.tag


class DockerError(Exception):
    """The engine did not do what it was asked; ``str()`` says why, in its own words."""


def docker(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Ask the engine.

    Args:
        arguments: What follows ``docker``.
        environment: The command's own; None for this process's.

    Returns:
        What it prints.

    Raises:
        DockerError: It refused, does not answer, or there is no such command.
    """
    command = ["docker", *arguments]
    try:
        ended = subprocess.run(
            command, capture_output=True, env=environment, stdin=subprocess.DEVNULL, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DockerError(str(error)) from error
    _refuse_failed(ended.returncode, ended.stderr)
    return ended.stdout.decode("utf-8", "replace").strip()


def refuse_missing(image: DockerImage) -> None:
    """Refuse an image that cannot be run here.

    Args:
        image: The image.

    Raises:
        ValueError: There is no Docker, no engine answers, or it has no such image; what to do is said.
    """
    try:
        docker("version", "--format", "{{.Server.Version}}")
    except DockerError as error:
        raise ValueError(
            f"local AWS: {image} needs Docker, and no engine answers `docker version` ({error}). Start one, or name a "
            "folder with the programs train and serve: IMAGE=NAME=FOLDER"
        ) from error
    try:
        docker("image", "inspect", "--format", "{{.Id}}", "--", image.tag)
    except DockerError as error:
        raise ValueError(
            f"local AWS: Docker has no image {image.tag!r} here ({error}). Build it (docker build --tag {image.tag} "
            f"FOLDER) or fetch it (docker pull {image.tag}); `docker image ls` lists those that there are"
        ) from error


class Engine:
    """The engine, for one server: what is made is the server's, and goes with it. Thread-safe."""

    def __init__(self, janitor: Janitor) -> None:
        self._janitor = janitor

    def make(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """Ask for something that stays until it is removed.

        Args:
            arguments: What follows ``docker``.
            environment: The command's own; None for this process's.

        Returns:
            What it prints.

        Raises:
            DockerError: The engine refused.
            ValueError: The server is closing.
        """
        with self.stream(*arguments, stdout=subprocess.PIPE, env=environment) as process:
            assert process.stdout
            return process.stdout.read().decode("utf-8", "replace").strip()

    @contextlib.contextmanager
    def stream(self, *arguments: str, **pipes: Any) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command that is fed or read while it runs; leaving the block waits for its end.

        Args:
            arguments: What follows ``docker``.
            pipes: ``stdin``, ``stdout`` and ``env`` of the process.

        Yields:
            The process.

        Raises:
            DockerError: The engine refused.
            ValueError: The server is closing.
        """
        with tempfile.TemporaryFile() as said, _started(["docker", *arguments], said, pipes) as process:
            self._janitor.note(process.pid)
            fault = None
            try:
                yield process
                _drain(process)
            except (BrokenPipeError, tarfile.TarError) as error:  # the command has ended early, and says why
                fault = error
            finally:
                _close_pipes(process)
                code = process.wait()
                self._janitor.forget(process.pid)
            said.seek(0)
            _refuse_failed(code, said.read())
            if fault:
                raise DockerError(str(fault)) from fault


@contextlib.contextmanager
def _started(command: list[str], said: IO[bytes], pipes: Mapping[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        process = subprocess.Popen(
            command, stderr=said, start_new_session=True, **{"stdin": subprocess.DEVNULL, **pipes}
        )
    except OSError as error:
        raise DockerError(str(error)) from error
    try:
        yield process
    finally:
        process.kill()  # where the server is closing
        process.wait()
        _close_pipes(process)


def _drain(process: subprocess.Popen[bytes]) -> None:
    """Read what an archive has after its end: the command would fail if nobody did."""
    while process.stdout and process.stdout.read(65_536):
        pass


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in filter(None, (process.stdin, process.stdout)):
        with contextlib.suppress(BrokenPipeError):
            pipe.close()


def _refuse_failed(code: int, said: bytes) -> None:
    if code:
        raise DockerError(said.decode("utf-8", "replace").strip() or f"exit code {code}")
