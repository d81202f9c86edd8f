"""One training or serving program, run as SageMaker runs a container: as a process, or see docker_container.py.

The folder that is /opt/ml in a container is named by SAGEMAKER_BASE_DIR. See
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html and
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html for the contract.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from local_aws.janitor import Janitor

LinesSink = Callable[[list[str]], None]
Address = tuple[str, int]

# Below the ranges from which Linux, macOS and the BSDs hand out ports for outgoing connections.
_PORTS = range(20_000, 32_000)


class Container:
    """A running program and its log.

    Attributes:
        exited: Set when the program has ended, all of its log has been passed on and ``exit_code`` is known.
        exit_code: The program's exit code; negative: ended by that signal.
        fault: Why what it has left cannot be used; None where it can.
    """

    def __init__(
        self,
        command: list[str],
        base: Path,
        environment: Mapping[str, str],
        janitor: Janitor,
        address: Address | None = None,
    ) -> None:
        self.exited = threading.Event()
        self.exit_code: int | None = None
        self.fault: str | None = None
        self._address = address
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

    @property
    def address(self) -> Address | None:
        """Where ``serve`` can be asked; None for another program."""
        return self._address

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
        self._terminate(grace)
        if not self.exited.wait(grace):
            self._kill()
            self.exited.wait()

    def _terminate(self, grace: float) -> None:
        """Send SIGTERM, at the latest after some seconds."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def _wait(self, reader: threading.Thread, on_exit: Callable[[], None]) -> None:
        exit_code = self._process.wait()
        Container._kill(self)  # a container's other processes end with its first
        reader.join()
        self._janitor.forget(self._process.pid)
        self.exit_code = self._conclude(exit_code)
        self.exited.set()
        on_exit()

    def _conclude(self, exit_code: int) -> int:
        """Do what comes after the end, and return the program's exit code."""
        return exit_code

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


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
