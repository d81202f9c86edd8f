"""One training or serving program, run as SageMaker runs a container, but as a process.

The folder that is /opt/ml in a container is named by SAGEMAKER_BASE_DIR. See
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html and
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html for the contract.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from local_aws.janitor import Janitor

LinesSink = Callable[[list[str]], None]

# What a process needs of the host. A container sees nothing of it, so no credentials and no Airflow settings get in.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
# Below the ranges from which Linux, macOS and the BSDs hand out ports for outgoing connections.
_PORTS = range(20_000, 32_000)


class Container:
    """A running program and its log.

    Attributes:
        exited: Set when the program has ended, all of its log has been passed on and ``exit_code`` is known.
        exit_code: The program's exit code; negative: ended by that signal.
    """

    def __init__(self, command: list[str], base: Path, environment: Mapping[str, str], janitor: Janitor) -> None:
        self.exited = threading.Event()
        self.exit_code: int | None = None
        self._janitor = janitor
        self._process = subprocess.Popen(
            command,
            cwd=base,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            janitor.note(self._process.pid)
        except ValueError:
            self._kill()
            raise

    def watch(self, on_lines: LinesSink, on_exit: Callable[[], None]) -> None:
        """Start to pass on the log and to wait for the end.

        Args:
            on_lines: Gets the lines of standard output and error, as they come.
            on_exit: Called once, after ``exited`` is set.
        """
        assert self._process.stdout
        reader = threading.Thread(target=_read_lines, args=(self._process.stdout, on_lines), daemon=True)
        reader.start()
        threading.Thread(target=self._wait, args=(reader, on_exit), daemon=True).start()

    def stop(self, grace: float) -> None:
        """End the program as SageMaker does: SIGTERM, then SIGKILL. Return when it has ended.

        Args:
            grace: Seconds between the two.
        """
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        if not self.exited.wait(grace):
            self._kill()
            self.exited.wait()

    def _wait(self, reader: threading.Thread, on_exit: Callable[[], None]) -> None:
        exit_code = self._process.wait()
        self._kill()  # a container's other processes end with its first
        reader.join()
        self._janitor.forget(self._process.pid)
        self.exit_code = exit_code
        self.exited.set()
        on_exit()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


class ContainerHost:
    """Where programs run: the images and the folders.

    Attributes:
        closed: Every program has been or is being killed; what fails from now on fails for that reason.
    """

    def __init__(self, images: Mapping[str, Path]) -> None:
        self.closed = False
        self._images = dict(images)
        self._folder = Path(tempfile.mkdtemp(prefix="local-aws-"))
        self._janitor = Janitor(self._folder)

    def has_image(self, uri: str) -> bool:
        """Tell whether an image is here.

        Args:
            uri: Image URI.

        Returns:
            Whether its repository stands for a folder.
        """
        return repository(uri).rpartition("/")[2] in self._images

    def advice(self) -> str:
        """Say which images are here, for where AWS's words for one that is not would have people look in ECR."""
        return (
            f"(local AWS: it has the programs of {', '.join(sorted(self._images))}; those of another image are named "
            "with make up IMAGE=NAME=FOLDER, or with --image.)"
        )

    def new_base(self, name: str) -> Path:
        """Make a folder to stand for a container's /opt/ml.

        Args:
            name: Whose it is, for people.

        Returns:
            The empty folder; :meth:`discard` it when the container has ended.
        """
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._folder))

    def discard(self, base: Path) -> None:
        """Remove a folder of :meth:`new_base`.

        Args:
            base: The folder.
        """
        shutil.rmtree(base, ignore_errors=True)

    def start(self, image: str, program: str, base: Path, environment: Mapping[str, str]) -> Container:
        """Start a program of an image.

        Args:
            image: Image URI; :meth:`has_image` must be true for it.
            program: ``train`` or ``serve``.
            base: Folder that stands for /opt/ml.
            environment: What the container is told.

        Returns:
            The running program; call its ``watch`` next.
        """
        path = self._images[repository(image).rpartition("/")[2]] / program
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        # The interpreter's own folder first, as in an activated virtual environment: serve may start gunicorn.
        inherited["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)])
        ours = {"SAGEMAKER_BASE_DIR": str(base), "PYTHONUNBUFFERED": "1"}
        return Container(_command(path), base, inherited | dict(environment) | ours, self._janitor)

    def report(self, error: str) -> None:
        """Tell people about a fault of local AWS itself.

        Args:
            error: What happened. Nothing is said once the host is closed: then everything fails.
        """
        if not self.closed:
            sys.stderr.write(error)

    def close(self) -> None:
        """Kill every program that still runs and remove all folders."""
        self.closed = True
        self._janitor.close()


def _command(program: Path) -> list[str]:
    """Run an executable as its first line has it, as a container does; else it is Python."""
    return [str(program)] if os.access(program, os.X_OK) else [sys.executable, str(program)]


def repository(uri: str) -> str:
    """Find the repository of an image URI.

    Args:
        uri: ``[registry/]repository[:tag][@digest]``.

    Returns:
        The repository, without registry, tag and digest.
    """
    name = re.sub(r":[^/]*$", "", uri.partition("@")[0])
    registry, _, rest = name.partition("/")
    return rest if rest and ("." in registry or ":" in registry or registry == "localhost") else name


def free_port() -> int:
    """Find a port on 127.0.0.1 for a program that binds it a little later.

    The kernel's own choice (port 0) might be given to someone else's outgoing connection in the meantime; ports of this
    range are not.

    Returns:
        The port.

    Raises:
        OSError: None of many tries was free.
    """
    for _ in range(200):
        port = random.choice(_PORTS)  # noqa: S311 - not secret
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"no free port on 127.0.0.1 between {_PORTS.start} and {_PORTS.stop}")


def _read_lines(stream: IO[bytes], on_lines: LinesSink) -> None:
    rest = b""
    while chunk := os.read(stream.fileno(), 65_536):
        *lines, rest = (rest + chunk).split(b"\n")
        on_lines([line.decode("utf-8", "replace").rstrip("\r") for line in lines])
    if rest:
        on_lines([rest.decode("utf-8", "replace")])
    stream.close()
