"""Tests that a page of the docs names: that they are there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


def missing_tests(cell: str) -> list[str]:
    """Return the tests that a table's cell names and that do not exist; fail where it holds anything but tests.

    Each is written as `tests/….py::test_…`.
    """
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", cell)
    assert named
    assert re.sub(r"`[^`]+`", "", cell).strip() == "", "only tests, each as `tests/….py::test_…`"
    return [f"{path}::{name}" for path, name in named if name not in _functions_of(ROOT / path)]


@cache
def _functions_of(path: Path) -> set[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, kinds)}
