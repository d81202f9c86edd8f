"""docs/pipeline-reference.md is what the model of pipeline files says of itself."""

from __future__ import annotations

import runpy
from pathlib import Path

from fresh_endpoints.__main__ import json_schema

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pipeline-reference.md").read_text()


def test_the_page_is_current():
    program = runpy.run_path(str(ROOT / "include" / "docs_site" / "reference.py"))
    assert program["reference"](json_schema()) == PAGE, "make schema writes it anew"


def test_it_has_a_row_for_each_key_and_a_heading_for_each_section():
    assert [key for key in json_schema()["properties"] if f"\n| `{key}` |" not in PAGE] == []
    assert {"data", "quality", "smoke_test", "retention", "slack", "notify"} <= {
        line.removeprefix("## ") for line in PAGE.splitlines() if line.startswith("## ")
    }
