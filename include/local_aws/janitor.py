"""Ends what a server leaves behind, however it ended.

The server starts this as a process and holds the other end of its standard input. The kernel closes that pipe when the
server ends, be it by SIGKILL; then the process groups that are still noted are killed and the server's folder is
removed, and with it what Docker's engine has with a label that was noted. Lines: ``+PGID`` notes a process group,
``-PGID`` forgets it, ``@LABEL`` notes a label. A server that ends in good order closes the pipe and waits.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

# In this order: a volume or a network in use cannot be removed.
_DOCKER = {"container": ("--all",), "volume": (), "network": ()}
_DOCKER_OPTIONS = {"container": ("--force", "--volumes"), "volume": ("--force",), "network": ()}
_DOCKER_TIMEOUT = 60.0
_PAUSE = 0.5


class Janitor:
    """The server's side. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", __file__, str(folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in the server's terminal must not reach it
        )

    def note(self, group: int) -> None:
        """Have a process group killed at the end.

        Args:
            group: Its id.

        Raises:
            ValueError: The server is closing; no more processes may start.
        """
        self._send(f"+{group}\n")

    def forget(self, group: int) -> None:
        """Take a note back: the group has ended.

        Args:
            group: Its id.
        """
        with contextlib.suppress(ValueError):
            self._send(f"-{group}\n")

    def note_label(self, label: str) -> None:
        """Have what Docker's engine has with a label removed at the end.

        Args:
            label: ``name=value``.

        Raises:
            ValueError: The server is closing.
        """
        self._send(f"@{label}\n")

    def close(self) -> None:
        """Have everything ended now, and wait for it."""
        with self._lock:
            assert self._process.stdin
            self._process.stdin.close()
        self._process.wait()

    def _send(self, line: str) -> None:
        with self._lock:
            assert self._process.stdin
            self._process.stdin.write(line.encode())  # ValueError when closed
            self._process.stdin.flush()


def main(folder: str) -> None:
    """Note process groups until standard input closes, then clean up.

    Args:
        folder: The folder to remove at the end.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    labels: set[str] = set()
    for line in sys.stdin:
        if line.startswith("@"):
            labels.add(line[1:].strip())
            continue
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    for label in labels:
        _remove_labelled(label)
        time.sleep(_PAUSE)  # what the engine was asked for before, and has made since
        _remove_labelled(label)
    shutil.rmtree(folder, ignore_errors=True)


def _remove_labelled(label: str) -> None:
    for kind, wide in _DOCKER.items():
        if found := _docker(kind, "ls", *wide, "--quiet", "--filter", f"label={label}").split():
            _docker(kind, "rm", *_DOCKER_OPTIONS[kind], *found)


def _docker(*arguments: str) -> str:
    try:
        command = ["docker", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_DOCKER_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return ""  # no engine, so nothing of ours runs there
    return ended.stdout


if __name__ == "__main__":
    main(sys.argv[1])
