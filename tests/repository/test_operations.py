"""The runbook has a remedy for whatever Slack may say that is no success."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

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
