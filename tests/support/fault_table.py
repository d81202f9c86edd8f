"""Counts which faults were tried, and prints one table of them at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

_PROPERTY = "fault"


@pytest.fixture
def tried(request: pytest.FixtureRequest) -> Callable[[str, int], None]:
    """Notes a fault that the test has met, and how many times; it has survived them when it passes."""

    def note(fault: str, times: int = 1) -> None:
        assert times > 0, f"{fault}: it never struck, so nothing was tried"
        request.node.user_properties.append((_PROPERTY, [fault, times]))

    return note


def name_of(fault: dict[str, Any]) -> str:
    """A fault of local AWS's as the table names it: all that strike the same calls in the same way are one row."""
    kind = {"error": f"HTTP {fault.get('status')}"}.get(fault["kind"], fault["kind"].replace("_", " "))
    form = f" ({fault['form'].replace('_', ' ')})" if fault.get("form") else ""
    return f"{kind}{form}: {fault['operation']}"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    tried: dict[str, int] = defaultdict(int)
    survived: dict[str, int] = defaultdict(int)
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            if report.when != "call":
                continue
            for fault, times in [value for name, value in report.user_properties if name == _PROPERTY]:
                tried[fault] += times
                survived[fault] += times if outcome == "passed" else 0
    if not tried:
        return
    width = max(map(len, [*tried, "fault"]))
    terminalreporter.write_sep("=", "faults")
    terminalreporter.write_line(f"{'fault':{width}}  times tried  survived")
    for fault in sorted(tried):
        terminalreporter.write_line(f"{fault:{width}}  {tried[fault]:11}  {survived[fault]:8}")
    terminalreporter.write_line(f"{'all':{width}}  {sum(tried.values()):11}  {sum(survived.values()):8}")
