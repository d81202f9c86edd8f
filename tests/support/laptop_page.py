"""docs/laptop.md: its commands, its example written to a folder, and what a demo of it runs in."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "laptop.md").read_text()
COMMANDS = [
    line.partition("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]
DEMOS = [command for command in COMMANDS if command.startswith("make demo")]


def write_example(folder: Path) -> None:
    """Write what the page shows, and some data."""
    for shown in re.findall(r"`([\w./]+)`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL):
        file = folder / shown[0]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(shown[1])
        if file.parent.name == "image":
            file.chmod(0o755)
    (folder / "data").mkdir()
    (folder / "data" / "training.csv").write_text("1\n2\n6\n")
    (folder / "data" / "validation.csv").write_text("1\n")


@pytest.fixture
def demo_environment(tmp_path: Path, airflow_database: None) -> dict[str, str]:
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
