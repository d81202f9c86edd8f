"""What the journeys start from: a clone of the repository, a local AWS and a database of their own."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from journeys import ROOT, Terminal
from local_aws.process import LocalAws
from pipeline_under_test import pipeline

__all__ = ["pipeline"]

CHANGED = ("dags", "plugins", "include")
LEFT_OUT = (".git", ".state", ".pytest_cache")


@pytest.fixture
def local_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAws]:
    """A local AWS of the test's own, because pages name pipelines as readers do."""
    # They are of no stack, whose policies the record is held against.
    monkeypatch.delenv("LOCAL_AWS_RECORD_PERMISSIONS", raising=False)
    images = {"sagemaker-xgboost": ROOT / "tests" / "support" / "images" / "xgboost"}
    with LocalAws(images=images, status_seconds=0.1) as aws:
        yield aws


@pytest.fixture
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a clone, below no folder of pipeline files; what a journey may change is a copy."""
    folder = tmp_path_factory.mktemp("clone") / "fresh-endpoints"
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name in CHANGED:
            # Byte code that another test's process is about to write would be gone before it is copied.
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("*.pyc.*"))
        elif path.name not in LEFT_OUT:
            (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture
def database(airflow_database: None) -> Callable[[Path], Path]:
    """Puts a migrated database into an Airflow's home, which takes most of a first start."""

    def put(home: Path) -> Path:
        home.mkdir(parents=True)
        with (
            closing(sqlite3.connect(Path(os.environ["AIRFLOW_HOME"]) / "airflow.db")) as migrated,
            closing(sqlite3.connect(home / "airflow.db")) as copy,
        ):
            migrated.backup(copy)
        return home

    return put


@pytest.fixture
def open_terminal(clone: Path, tmp_path: Path) -> Callable[..., Terminal]:
    """Opens a terminal in the clone, with the programs of .venv; None takes a variable away."""

    def open_terminal(**environment: str | None) -> Terminal:
        given = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environment}
        given.pop("PYTHONDONTWRITEBYTECODE", None)
        return Terminal(
            clone, {name: value for name, value in given.items() if value is not None}, tmp_path / "exported"
        )

    return open_terminal
