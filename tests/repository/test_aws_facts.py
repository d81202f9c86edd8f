"""The page of facts about AWS: each is held by a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from named_tests import missing_tests

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "aws-facts.md").read_text()
SECTIONS = ["Lists", "Endpoints", "Serving", "Training and transform", "Words and shapes"]
ROWS = [line for line in PAGE.splitlines() if line.startswith("|") and not line.startswith(("| fact |", "|---"))]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_every_fact_has_a_source_what_follows_and_tests_that_are_there(row):
    fact, source, follows, tests = (cell.strip() for cell in row.strip("|").split("|"))
    assert fact
    assert source
    assert follows
    assert missing_tests(tests) == []


def test_the_page_has_each_section_with_its_facts():
    sections = re.split(r"^## (.*)$", PAGE, flags=re.MULTILINE)[1:]
    *sections, last, reasons = sections
    assert last == "Not acted on"
    assert reasons.count("\n- ") >= 1
    assert sections[::2] == SECTIONS
    assert all("| fact | source | what the package does | tests |" in text for text in sections[1::2])
    assert all(len([line for line in text.splitlines() if line in ROWS]) > 1 for text in sections[1::2])
