"""The page on many pipelines names what is there: keys, and the seconds of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.steps import instances_wait
from fresh_endpoints.waiting import pace, turns

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "fleet.md").read_text()


@pytest.mark.parametrize("key", re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
def test_every_key_of_the_table_is_one_of_the_pipeline_file(key):
    assert key in Pipeline.model_fields


def test_the_figures_are_those_of_the_code():
    words = " ".join(PAGE.split())
    assert f"{pace.REFUSED_SECONDS:.0f} s after the refusal" in words
    assert f"at most every {turns.QUOTA.longest_pause:.0f} s;" in words
    assert f"(at most every {turns.CAPACITY.longest_pause:.0f} s)" in words
    assert f"for {instances_wait.LONGEST_SECONDS / 3600:.0f} hours" in words
