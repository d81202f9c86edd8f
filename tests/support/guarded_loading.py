"""Loads pipelines folders in a process that may crash, hang or eat memory, and says how it went with each."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
SECONDS = 20
_MEGABYTES = 3000

_CHILD = """
import json, os, resource, sys, time
from pathlib import Path
megabytes, warm, *dag_files = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_AS, (int(megabytes) * 2**20,) * 2)
from fresh_endpoints.pipeline_file.loading import load_pipelines

def load(folder):
    os.environ["PIPELINES_DIR"] = folder
    started = time.process_time()
    loaded = load_pipelines()
    errors = list(loaded.errors)
    if dag_files:
        from fresh_endpoints.pipeline_file.building import find_build_errors
        errors += find_build_errors(map(Path, dag_files))
    return {
        "names": [pipeline.name for pipeline in loaded.pipelines],
        "errors": {error.path.name.encode("utf-8", "backslashreplace").decode(): str(error) for error in errors},
        "seconds": time.process_time() - started,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # What Airflow logs is no answer.
print(json.dumps(load(warm)), file=answers, flush=True)  # What the first load costs is no file's own.
for line in sys.stdin:
    print(json.dumps(load(json.loads(line))), file=answers, flush=True)
"""


@dataclass(frozen=True)
class Outcome:
    """How loading a folder went.

    Attributes:
        names: The pipelines.
        errors: The errors' texts by the files' names.
        seconds: How much of a processor's time it took.
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
        dag_files: DAG files that are to build what is loaded; their errors count as the pipeline file's.

    Attributes:
        first: How the first load went.
    """

    def __init__(self, temporary: Path, warm: Path, dag_files: Sequence[Path]) -> None:
        self._temporary, self._warm, self._dag_files = temporary, warm, dag_files
        self.first = Outcome()
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
            [sys.executable, "-c", _CHILD, str(_MEGABYTES), str(self._warm), *map(str, self._dag_files)],
            env={
                **os.environ,
                "TMPDIR": str(self._temporary),
                "PYTHONPATH": str(PLUGINS),
                "AIRFLOW_HOME": str(self._temporary),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        answer = self._answer(child, 120)
        assert answer, "the first load has failed"
        self.first = Outcome(**json.loads(answer))
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
def guarded_loader(temporary: Path, warm: Path, dag_files: Sequence[Path] = ()) -> Iterator[GuardedLoader]:
    """Make a loader, and end it."""
    loader = GuardedLoader(temporary, warm, dag_files)
    try:
        yield loader
    finally:
        loader.stop()
