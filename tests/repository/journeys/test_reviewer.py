"""The journey of a reviewer, and that each promise of README has its tests."""

from __future__ import annotations

import os
import re

import pytest

from journeys import ROOT, Terminal, section_of, walk
from named_tests import missing_tests

READER = "A reviewer"
ROWS = re.findall(r"^\| (.+?) \| (`tests/.+`) \|$", section_of(READER), re.MULTILINE)


def test_a_reviewer_sees_what_holds_the_promises(tmp_path):
    def is_in_ci(command: str) -> str:
        [target] = re.findall(r"^make (\S+)$", command)
        stages = re.search(r"^for target in (.*); do$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
        assert stages
        assert target in stages[1].split()
        return ""

    terminal = Terminal(ROOT, {**os.environ, "PIPELINES_DIR": "include/pipelines"}, tmp_path / "exported")
    walk(READER, terminal, played={"make check": is_in_ci})


def test_the_promises_are_those_of_readme():
    promised = (ROOT / "README.md").read_text().partition("What it promises:\n")[2].partition("\n## ")[0]
    assert [promise for promise, _ in ROWS] == re.findall(r"^\* \*\*(.+?)\*\*", promised, re.MULTILINE)


@pytest.mark.parametrize(("promise", "tests"), ROWS, ids=lambda cell: cell[:25])
def test_each_promise_is_held_by_tests_that_are_there(promise, tests):
    assert missing_tests(tests) == []
