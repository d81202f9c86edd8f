"""Loads pipelines folders in a process that may crash, hang or eat memory, and says how it went with each."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
SECONDS = 20
_MEGABYTES = 1500

_CHILD = """
import json, resource, sys, time
from pathlib import Path
limit = int(sys.argv[1]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
from fresh_endpoints.pipeline_file.checks import pipeline
from fresh_endpoints.pipeline_file.loading import load_pipelines
load_pipelines(Path(sys.argv[2]))  # What the first load costs is no file's own.
sys.stdout.write("ready\\n"); sys.stdout.flush()
for line in sys.stdin:
    started = time.perf_counter()
    loaded = load_pipelines(Path(json.loads(line)))
    print(json.dumps({
        "names": [pipeline.name for pipeline in loaded.pipelines],
        "errors": {error.path.name.encode("utf-8", "backslashreplace").decode(): str(error) for error in loaded.errors},
        "seconds": time.perf_counter() - started,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }), flush=True)
"""


@dataclass(frozen=True)
class Outcome:
    """How loading a folder went.

    Attributes:
        names: The pipelines.
        errors: The errors' texts by the files' names.
        seconds: How long it took.
        megabytes: The most memory that the process had held by then.
        end: How the process ended, where it did.
    """

    names: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    megabytes: float = 0.0
    end: str = ""


class GuardedLoader:
    """Loads folders, in one process for as long as that lives.

    Args:
        temporary: A folder for what is remembered of files.
        warm: A pipelines folder that is loaded first.
    """

    def __init__(self, temporary: Path, warm: Path) -> None:
        self._temporary, self._warm = temporary, warm
        self._child: subprocess.Popen[str] | None = None

    def load(self, folder: Path) -> Outcome:
        """Load a folder."""
        child = self._child or self._start()
        assert child.stdin
        child.stdin.write(json.dumps(str(folder)) + "\n")
        child.stdin.flush()
        if (answer := self._answer(child, SECONDS)) is None:
            return Outcome(end=f"no answer in {SECONDS} s")
        if answer:
            return Outcome(**json.loads(answer))
        self._child = None
        return Outcome(end=f"ended with {child.wait(SECONDS)}")

    def stop(self) -> None:
        """End the process."""
        if self._child:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _start(self) -> subprocess.Popen[str]:
        self._child = child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(_MEGABYTES), str(self._warm)],
            env={**os.environ, "TMPDIR": str(self._temporary), "PYTHONPATH": str(PLUGINS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._answer(child, 120) == "ready\n"
        return child

    def _answer(self, child: subprocess.Popen[str], seconds: float) -> str | None:
        """Read one line; None, and no child, where there is none in time."""
        assert child.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            if selector.select(seconds):
                return child.stdout.readline()
        self.stop()
        return None


@contextlib.contextmanager
def guarded_loader(temporary: Path, warm: Path) -> Iterator[GuardedLoader]:
    """Start a loader, and end it."""
    loader = GuardedLoader(temporary, warm)
    try:
        yield loader
    finally:
        loader.stop()
