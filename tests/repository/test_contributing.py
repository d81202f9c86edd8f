"""The contributor's desk: what its pages and `make help` name is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
GROUPS = ["Try", "Pipelines", "AWS", "Develop"]
TARGETS = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_help_lists_every_target_once_under_one_of_four_groups():
    told = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    groups = [block.splitlines() for block in told.stdout.strip().split("\n\n")]
    assert [heading for heading, *_ in groups] == GROUPS
    lines = [line.split(maxsplit=1) for _, *listed in groups for line in listed]
    assert sorted(target for target, _ in lines) == sorted(TARGETS)
