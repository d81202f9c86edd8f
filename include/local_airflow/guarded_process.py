"""A program that is started below a guard, and so cannot outlive this process (see guard.py)."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

import psutil

_GUARD = Path(__file__).with_name("guard.py")


class GuardedProcess:
    """A running program.

    Attributes:
        started: When it was started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path, grace: float):
        """Start the program.

        Args:
            command: The program and its arguments.
            environment: Its environment variables.
            log: The file that its output is added to.
            grace: Seconds between SIGTERM and SIGKILL.

        Raises:
            RuntimeError: There is no such program.
        """
        self.started = datetime.now(timezone.utc)
        self._grace = grace
        with log.open("ab") as output:
            self._guard = subprocess.Popen(
                [sys.executable, str(_GUARD), str(grace), *command],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,  # Ctrl-C reaches us; we stop it
            )
        self._family = psutil.Process(self._guard.pid)
        self._process: psutil.Process | None = None
        assert self._guard.stdout
        line = self._guard.stdout.readline()
        if not line:
            self.end()
            raise RuntimeError(f"{command[0]} did not start, see {log}")
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended already: is_alive() tells
            self._process = psutil.Process(int(line))

    def is_alive(self) -> bool:
        """Tell whether the program's own process runs."""
        return self._process is not None and self._process.is_running()

    def processes(self) -> Iterator[psutil.Process]:
        """Iterate over the program's own process, if it is alive, and its descendants."""
        with contextlib.suppress(psutil.NoSuchProcess):
            yield from sorted(self._family.children(recursive=True), key=lambda process: process != self._process)

    def send(self, number: int, *, tree: bool) -> None:
        """Send a signal.

        Args:
            number: The signal.
            tree: Whether to all descendants, too.
        """
        for process in list(self.processes()) if tree else filter(None, [self._process]):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def ask_to_end(self) -> None:
        """Let the guard end the program; does not wait."""
        if self._guard.stdin:
            with contextlib.suppress(OSError):
                self._guard.stdin.close()

    def end(self) -> None:
        """End the program and wait until nothing of it is left. Again does nothing."""
        self.ask_to_end()
        self._guard.wait(self._grace + 30)
        if self._guard.stdout:
            self._guard.stdout.close()
