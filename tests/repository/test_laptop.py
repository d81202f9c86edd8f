"""docs/laptop.md, letter by letter: its example is written to a folder and run by its own commands."""

from __future__ import annotations

import os
import re
import shlex
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from fresh_endpoints import __main__ as fresh_endpoints

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "laptop.md").read_text()
COMMANDS = [
    line.partition("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]
DEMOS = [command for command in COMMANDS if command.startswith("make demo")]
INVOKES = [command for command in COMMANDS if "fresh-endpoints invoke" in command]


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


@pytest.mark.timeout(600)
def test_the_pages_example_trains_deploys_and_answers_and_the_next_day_again(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    write_example(tmp_path / "churn")
    assert len(DEMOS) == 2
    for command, day in zip(DEMOS, ("2019-03-04", "2019-03-05"), strict=True):
        words = shlex.split(command.replace("../churn", str(tmp_path / "churn")))
        ended = subprocess.run(
            words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert (
            f"Put {tmp_path}/churn/data/training.csv at s3://churn-data/training/{day}/churn/rows.csv\n" in ended.stdout
        )
        assert re.search(rf"Training job +churn-{day}-\w+ \(Completed\)\n", ended.stdout)
        assert re.search(r"Prediction +1 → 3\.0\n", ended.stdout)
    assert re.search(r"Endpoint +churn \(InService\), updated from churn-2019-03-04-", ended.stdout)


@pytest.mark.parametrize("command", INVOKES)
def test_the_page_asks_as_the_command_takes_it(command: str) -> None:
    words = shlex.split(command.rpartition("fresh-endpoints ")[2])
    assert fresh_endpoints.make_parser().parse_args(words).pipeline == "churn"


def test_make_takes_each_variable_of_the_page_for_demo_and_up() -> None:
    variables = re.findall(r"^\| `(\w+=[^`]+)`", PAGE, re.MULTILINE)
    assert [variable.partition("=")[0] for variable in variables] == ["IMAGE", "DATA", "PIPELINE", "DATA_DATE", "FRESH"]
    for target in ("demo", "up"):
        run = subprocess.run(["make", "-n", target, *variables], cwd=ROOT, capture_output=True, text=True, check=True)
        for option in (
            "--image 'name=folder'",
            "--data 'folder'",
            "--pipeline 'name'",
            "--data-date '2019-03-04'",
            "--fresh",
        ):
            assert option in run.stdout
    several = subprocess.run(
        ["make", "-n", "up", "IMAGE=a=b c=d"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "--image 'a=b' --image 'c=d'" in several


def test_the_page_is_reached_from_readme() -> None:
    assert "(docs/laptop.md)" in (ROOT / "README.md").read_text()
