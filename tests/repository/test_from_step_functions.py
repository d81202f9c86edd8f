"""Whoever comes from the article finds each of its parts, and what the page names is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fresh_endpoints import __main__ as fresh_endpoints

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "from-step-functions.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
FUNCTIONS = ["data_checker.py", "start_training_job.py", "notify_slack.py", "get_status.py", "deploy_model.py"]
# The state machine's, in their order.
STATES = [
    "DataChecker",
    "DataCheckBranch",
    "NoNewData",
    "StartTrainingJob",
    "NotifySlack",
    "NotifySlackBranch",
    "CheckStatusWait",
    "GetStatus",
    "CheckStatusBranch",
    "JobFailed",
    "JobCompleted",
    "DeployModel",
    "DeploymentCompleted",
    "DeploymentFailed",
]
SETTINGS = [
    "DATE",
    "BUCKET",
    "FILE_NAME",
    "ENDPOINT_NAME",
    "BASE_JOB_NAME",
    "TARGET",
    "NUM_CLASS",
    "IMAGE_ARN",
    "EXECUTION_ROLE",
    "CHANNEL",
    "HOOK_URL",
    "cloudformation.yml.tpl",
    "formation_config_creator.py",
    "state_machine.json",
    "create-stack.sh",
    "delete-stack.sh",
]
ROWS = [row.strip("|").split(" | ") for row in re.findall(r"^\| .*\|$", PAGE, re.MULTILINE)]
TASKS = set(re.findall(r'task_id="(\w+)"', "".join(path.read_text() for path in (ROOT / "dags").glob("*.py"))))


@pytest.mark.parametrize("part", [*FUNCTIONS, *STATES, *SETTINGS])
def test_each_part_of_the_article_has_one_place_here(part):
    places = [here for there, here, _ in ROWS if f"`{part}`" in there]
    assert len(places) == 1
    assert places[0].strip()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:dags|plugins|include)/[\w./]+)`", PAGE))))
def test_each_file_that_is_named_is_there(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"task `(\w+)`|`(\w+)` has failed", PAGE))))
def test_each_task_that_is_named_is_one_of_the_dags(name):
    assert "".join(name) in TASKS


@pytest.mark.parametrize("command", re.findall(r"`((?:make|fresh-endpoints) [^`]+)`", PAGE))
def test_each_command_exists(command):
    program, *arguments = shlex.split(command)
    if program == "make":
        assert f"\n{arguments[0]}:" in MAKEFILE
    else:
        fresh_endpoints.make_parser().parse_args(arguments)  # It would exit.
