"""What tests of the repository's own programs share."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest


@pytest.fixture
def environment(tmp_path: Path, airflow_database: None) -> dict[str, str]:
    """The environment of a demo with a state folder of its own, and in that a migrated database."""
    (tmp_path / "state" / "airflow").mkdir(parents=True)
    with (
        closing(sqlite3.connect(Path(os.environ["AIRFLOW_HOME"]) / "airflow.db")) as migrated,
        closing(sqlite3.connect(tmp_path / "state" / "airflow" / "airflow.db")) as copy,
    ):
        migrated.backup(copy)
    # The page's bucket and role are of no stack, whose policies the record is held against.
    others = {name: value for name, value in os.environ.items() if name != "LOCAL_AWS_RECORD_PERMISSIONS"}
    return {**others, "DEMO_STATE": str(tmp_path / "state")}
