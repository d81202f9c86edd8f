"""The runbook has a remedy for whatever Slack may say that is no success, and its commands exist."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from pathlib import Path

import botocore.session
import pytest
import yaml
from airflow.cli.cli_parser import get_parser
from botocore import xform_name

from fresh_endpoints import __main__ as fresh_endpoints
from fresh_endpoints.telling import messages

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "plugins" / "fresh_endpoints"
PAGE = (ROOT / "docs" / "operations.md").read_text()
GOLDEN = (ROOT / "tests" / "package" / "telling" / "messages.golden.txt").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
SUCCESSES = {
    "Training started",
    "Training complete",
    "Deployment started",
    "Deployment completed",
    "Prediction started",
    "Prediction complete",
    "Redeploy started",
    "Redeployed",
}
# An emoji, and two or three words.
HEADING = re.compile(r"[^\x00-\x7f]+ (\w[\w -]+)")
REMEDIES = {
    *re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE),
    *re.findall(r"^\| \*\*([^*]+)\*\*", PAGE, re.MULTILINE),
}
BLOCKS = re.findall(r"^ *```sh\n(.*?)^ *```", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = sorted(
    {
        shlex.join(words)
        for block in BLOCKS
        for line in block.splitlines()
        if (words := shlex.split(line, comments=True))
    }
    | {command for command in re.findall(r"`((?:make|fresh-endpoints|airflow) [^`]+)`", PAGE) if "…" not in command}
)


def titles_in_the_code() -> set[str]:
    """The titles that any module of the package writes down."""
    constants = [
        node.value
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return {found[1] for text in constants if (found := HEADING.fullmatch(text))}


def titles_in_the_golden_file() -> set[str]:
    headers = re.findall(r"^    (.+): iris, 2019-03-04$", GOLDEN, re.MULTILINE)
    return {found[1] for header in headers if (found := HEADING.fullmatch(header))}


def titles_of_failed_tasks() -> set[str]:
    """What is told of a task that has failed without words of its own: all tasks of the DAGs that tell of failures."""
    dags = [
        text
        for path in (ROOT / "dags").glob("*.py")
        if "default_args=default_args(pipeline)" in (text := path.read_text())
    ]
    tasks = {task for text in dags for task in re.findall(r'task_id="(\w+)"', text)}
    assert {"train", "publish", "choose_model", "find_models"} <= tasks
    return {messages.step_failed(task, "why", links={}).title for task in tasks}


TITLES = titles_in_the_code() | titles_in_the_golden_file() | titles_of_failed_tasks()


def exits(parser: argparse.ArgumentParser, arguments: list[str]) -> bool:
    try:
        parser.parse_args(arguments)
    except SystemExit:
        return True
    return False


def test_titles_are_found_in_every_place():
    assert {"Pipeline file unusable", "Deployment on hold", "Rolled back"} <= titles_in_the_code()
    assert {"Quality gate failed", "Redeploy overtaken", "Waiting for data failed"} <= titles_in_the_golden_file()
    assert SUCCESSES <= TITLES


@pytest.mark.parametrize("title", sorted(TITLES - SUCCESSES))
def test_every_title_that_is_no_success_has_a_remedy(title):
    assert title in REMEDIES


def test_no_remedy_is_for_a_title_that_is_gone():
    assert set(re.findall(r"^\| \*\*([^*]+)\*\*", PAGE, re.MULTILINE)) <= TITLES


def test_each_remedy_says_what_it_means_what_is_live_and_what_to_do():
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows if not row.startswith("|---")]
    assert [row for row in cells if len(row) != 4 or not all(row)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists(command, capsys):
    program, *arguments = shlex.split(command)
    if program == "make":
        assert f"\n{arguments[0]}:" in MAKEFILE
    elif program == "fresh-endpoints":
        assert not exits(fresh_endpoints.make_parser(), arguments), capsys.readouterr().err
    elif program == "airflow":
        assert not exits(get_parser(), arguments), capsys.readouterr().err
    elif program == "docker":
        check_docker(*arguments)
    else:
        assert program == "aws"
        check_aws(*arguments)


def check_docker(*arguments: str) -> None:
    """Hold what is run in a service of docker-compose.yaml against the same commands."""
    services = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
    at = arguments.index("scheduler")
    assert arguments[:2] == ("compose", "exec")
    assert "scheduler" in services
    command = list(arguments[at + 1 :])
    if command[:3] == ["python", "-m", "fresh_endpoints"]:
        assert "PYTHONPATH=plugins" in arguments[:at]
        assert not exits(fresh_endpoints.make_parser(), command[3:])
    else:
        assert command[0] == "airflow"
        assert not exits(get_parser(), command[1:])


def check_aws(service: str, operation: str, *arguments: str) -> None:
    """Hold a command of the AWS CLI against the service's API, after which it is named."""
    session = botocore.session.get_session()
    if operation == "wait":
        assert arguments[0].replace("-", "_") in map(xform_name, session.get_waiter_model(service).waiter_names)
        return
    model = session.get_service_model(service)
    [name] = [name for name in model.operation_names if xform_name(name, "-") == operation]
    options = {f"--{xform_name(member, '-')}" for member in model.operation_model(name).input_shape.members}
    assert {word for word in arguments if word.startswith("--")} <= options | {"--region", "--query"}


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!https?:)([^)]+)\)", PAGE))))
def test_every_link_leads_somewhere(link):
    path, _, anchor = link.partition("#")
    assert not path or (ROOT / "docs" / path).exists()
    headings = [heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)]
    assert path or anchor in headings
