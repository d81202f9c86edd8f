"""docs/slack.md says when each message is told, and whether it calls; what messages link is in the runbook."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from fresh_endpoints.pipeline_file.model import Slack
from fresh_endpoints.telling import remedies
from fresh_endpoints.telling.message import TOLD_UNDER, Kind

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "slack.md").read_text()
RUNBOOK = (ROOT / remedies.RUNBOOK).read_text()
RUNBOOK_HEADINGS = re.findall(r"^#+ (.+)$", RUNBOOK, re.MULTILINE)
GOLDEN = (ROOT / "tests" / "package" / "telling" / "messages.golden.txt").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith("| title")
]
SAMPLES = re.findall(r"^    [a-z-]+: (.+)\n    \S+ (.+): iris, 2019-03-04$", GOLDEN, re.MULTILINE)
KINDS = {title: {Kind(kind) for kind, other in SAMPLES if other == title} for _, title in SAMPLES}


@pytest.mark.parametrize("title", sorted(KINDS))
def test_each_message_is_told_and_calls_as_the_table_says(title):
    [row] = [row for row in ROWS if row[0] == title]
    told = [any(kind in TOLD_UNDER[setting] for kind in KINDS[title]) for setting in ("all", "changes", "problems")]
    assert [cell.startswith("told") for cell in row[1:4]] == told
    assert (row[4] == "yes") == (Kind.FAILURE in KINDS[title])


def test_the_table_has_no_message_that_is_gone():
    assert {row[0] for row in ROWS if "…" not in row[0]} == KINDS.keys()


def test_the_table_names_the_settings():
    assert tuple(TOLD_UNDER) == ("all", "changes", "problems")
    assert "| title | `all` | `changes` | `problems` | calls |" in PAGE


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_each_example_is_a_section_that_is_taken(example):
    section = yaml.safe_load(example)["slack"]
    assert Slack(**section).model_dump(exclude_unset=True) == {**section, "mention": tuple(section["mention"])}


@pytest.mark.parametrize("heading", [*remedies.HEADINGS, remedies.heading_of("some_task failed")])
def test_each_heading_that_a_message_links_is_in_the_runbook(heading):
    assert RUNBOOK_HEADINGS.count(heading) == 1
    assert re.fullmatch("[a-z-]+", remedies.anchor_of(heading))


@pytest.mark.parametrize(("heading", "titles"), remedies.HEADINGS.items())
def test_each_title_stands_under_the_heading_that_is_linked(heading, titles):
    _, _, after = RUNBOOK.partition(f"# {heading}\n")
    paragraph = re.split(r"^#+ ", after, maxsplit=1, flags=re.MULTILINE)[0]
    assert [title for title in titles if title != heading and f"| **{title}**" not in paragraph] == []


@pytest.mark.parametrize(
    "title", sorted(title for title, kinds in KINDS.items() if kinds & {Kind.PROBLEM, Kind.FAILURE})
)
def test_each_problem_has_a_paragraph_in_the_runbook(title):
    assert any(title in titles for titles in remedies.HEADINGS.values())
