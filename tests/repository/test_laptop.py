"""docs/laptop.md, letter by letter: its example is written to a folder and run by its own commands."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from fresh_endpoints import __main__ as fresh_endpoints
from laptop_page import COMMANDS, DEMOS, PAGE, ROOT, demo_environment, write_example

__all__ = ["demo_environment"]

PROCESS_DEMOS = [command for command in DEMOS if "docker://" not in command]
INVOKES = [command for command in COMMANDS if "fresh-endpoints invoke" in command]


@pytest.mark.timeout(600)
def test_the_pages_example_trains_deploys_and_answers_and_the_next_day_again(
    tmp_path: Path, demo_environment: dict[str, str]
) -> None:
    write_example(tmp_path / "churn")
    assert len(PROCESS_DEMOS) == 2
    for command, day in zip(PROCESS_DEMOS, ("2019-03-04", "2019-03-05"), strict=True):
        words = shlex.split(command.replace("../churn", str(tmp_path / "churn")))
        ended = subprocess.run(
            words, cwd=ROOT, env=demo_environment, capture_output=True, text=True, check=False, timeout=300
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
