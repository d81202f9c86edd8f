"""Runs one program and sees to it that nothing of it outlives whoever started the guard.

Airflow's services fork: executor workers, task supervisors, task runners (each the leader of a process group of its
own). The guard is their subreaper (https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html), so even
orphans stay its descendants. It holds a pipe to its starter; when that closes, however the starter ended, the program
gets SIGTERM, and after a grace period whatever is left gets SIGKILL.

Usage: ``python guard.py GRACE_SECONDS COMMAND...``. The program's process id is written to standard output, its own
output goes to the guard's standard error.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

import psutil

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(grace: float, command: list[str]) -> int:
    """Run the program until it has ended with all its descendants, or until standard input closes.

    Args:
        grace: Seconds between SIGTERM and SIGKILL.
        command: The program and its arguments.

    Returns:
        The program's exit status, 128 plus the signal's number if a signal ended it.
    """
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    stopped: list[int] = []
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: stopped.append(number))
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    program = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        start_new_session=True,
        preexec_fn=lambda: _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM),
    )
    sys.stdout.write(f"{program.pid}\n")
    sys.stdout.flush()
    family = _Family(program.pid)
    while family.exists() and not stopped:
        ready, _, _ = select.select([sys.stdin, wake_read], [], [])
        if wake_read in ready:
            os.read(wake_read, 1024)
        if sys.stdin in ready and not os.read(sys.stdin.fileno(), 1024):
            break
    family.end(grace)
    return family.status


class _Family:
    """The program and all its descendants."""

    def __init__(self, program: int):
        self._program = program
        self.status = 0

    def exists(self) -> bool:
        """Reap who has ended, and tell whether anybody is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._program:
                code = os.waitstatus_to_exitcode(status)
                self.status = code if code >= 0 else 128 - code

    def end(self, grace: float) -> None:
        """Ask the program to end, then its orphans, then end them all."""
        deadline = time.monotonic() + grace
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._program, signal.SIGTERM)
        while self.exists() and psutil.pid_exists(self._program) and time.monotonic() < deadline:
            time.sleep(0.05)
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + 2
            while self.exists() and (time.monotonic() < deadline or number == signal.SIGKILL):
                for process in psutil.Process().children(recursive=True):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.send_signal(number)
                time.sleep(0.1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
