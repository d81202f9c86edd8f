"""The table of a file's life in the runbook: each thing that may become of one has tests that are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from named_tests import missing_tests

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## The life of a file\n")[2].partition("\n## ")[0]
ROWS = [
    line for line in SECTION.splitlines() if line.startswith("|") and not line.startswith(("| the file is |", "|---"))
]
CELLS = {row.split("|")[1].strip(): row for row in ROWS}


def test_the_table_has_all_that_may_become_of_a_file():
    known = (
        "new",
        "copied",
        "changed",
        "broken",
        "renamed, with",
        "renamed, without",
        "moved",
        "there, its DAG paused",
    )
    known += ("there, its endpoint held", "removed", "removed, and `fresh-endpoints remove PIPELINE`")
    assert [cell for cell, name in zip(CELLS, known, strict=True) if not cell.startswith(name)] == []


@pytest.mark.parametrize("cell", CELLS)
def test_each_row_names_tests_that_are_there(cell):
    assert missing_tests(CELLS[cell].split("|")[4]) == []
