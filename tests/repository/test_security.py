"""The page of threats: each is held by a test that is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from named_tests import missing_tests

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("|") and not line.startswith(("| threat |", "|---"))]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_every_threat_is_held_by_something_and_by_tests_that_are_there(row):
    threat, holds, tests = (cell.strip() for cell in row.strip("|").split("|"))
    assert threat.endswith(".")
    assert holds
    assert missing_tests(tests) == []


def test_who_finds_a_fault_reads_how_to_report_it():
    assert "(../SECURITY.md)" in PAGE
    report = (ROOT / "SECURITY.md").read_text()
    assert "## Report a fault" in report
    assert "(docs/security.md)" in report
