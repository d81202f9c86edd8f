"""The contributor's desk: what its pages and `make help` name is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The map names rooms by what follows the package's folder.
HOMES = (ROOT, ROOT / "plugins" / "fresh_endpoints")
GROUPS = ["Try", "Pipelines", "AWS", "Develop"]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
TARGETS = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
FENCED = re.compile(r"^ *```.*?\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


def code_of(page: str) -> list[str]:
    """The page's pieces of code: what is in backticks, and each line of a block."""
    lines = [line.partition("#")[0].strip() for block in FENCED.findall(page) for line in block.splitlines()]
    return lines + re.findall(r"`([^`\n]+)`", FENCED.sub("", page))


def targets_in(code: list[str]) -> list[str]:
    return sorted({found[1] for piece in code if (found := re.match(r"make ([a-z0-9-]+)", piece))})


def names_in(code: list[str]) -> list[str]:
    """The files, folders and tests that pieces of code name; what set-up makes is left out."""
    words = {word for piece in code for word in piece.split() if "://" not in word and not word.startswith(".venv")}
    return sorted(word for word in words if "/" in word or word.endswith((".py", ".yaml", ".md")))


HOOKS = re.findall(r"entry: (.*)", (ROOT / ".pre-commit-config.yaml").read_text())
NAMED_TARGETS = {
    **{name: targets_in(code_of((ROOT / name).read_text())) for name in ("README.md", "CONTRIBUTING.md")},
    **{f"docs/{path.name}": targets_in(code_of(path.read_text())) for path in sorted((ROOT / "docs").glob("*.md"))},
    ".pre-commit-config.yaml": targets_in(HOOKS),
}


@pytest.mark.parametrize("name", names_in(code_of(CONTRIBUTING)))
def test_what_contributing_names_exists(name):
    path, _, test = name.partition("::")
    path, placeholder, _ = path.partition("<")
    if placeholder:  # A file that the reader makes: its folder is there.
        path = path.rpartition("/")[0]
    found = [home / path for home in HOMES if (home / path).exists()]
    assert found
    assert not path.endswith("/") or found[0].is_dir()
    assert not test or f"\ndef {test}(" in found[0].read_text()


@pytest.mark.parametrize(("page", "target"), [(page, name) for page, names in NAMED_TARGETS.items() for name in names])
def test_every_make_target_that_is_named_is_in_the_makefile(page, target):
    assert target in TARGETS


def test_the_page_on_tests_names_each_folder_of_them_and_no_other():
    page = (ROOT / "docs" / "tests.md").read_text()
    named = {name.strip("/").partition("/")[2] for name in re.findall(r"`(tests/[\w/]+)/`", page)}
    assert [name for name in named if not (ROOT / "tests" / name).is_dir()] == []
    folders = {path.name for path in (ROOT / "tests").iterdir() if list(path.glob("**/test_*.py"))}
    assert folders - {name.partition("/")[0] for name in named} == set()


def test_each_page_names_targets_and_the_hooks_are_make_targets():
    assert NAMED_TARGETS["README.md"]
    assert NAMED_TARGETS["CONTRIBUTING.md"]
    assert len(NAMED_TARGETS[".pre-commit-config.yaml"]) == len(HOOKS)


def test_help_lists_every_target_once_under_one_of_four_groups():
    told = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    groups = [block.splitlines() for block in told.stdout.strip().split("\n\n")]
    assert [heading for heading, *_ in groups] == GROUPS
    lines = [line.split(maxsplit=1) for _, *listed in groups for line in listed]
    assert sorted(target for target, _ in lines) == sorted(TARGETS)


def test_set_up_is_three_lines():
    section = CONTRIBUTING.partition("## Set-up")[2].partition("\n## ")[0]
    [block] = FENCED.findall(section)
    assert len(block.splitlines()) == 3


def test_contributing_is_short_enough_to_be_read():
    assert len(CONTRIBUTING.splitlines()) <= 200


def test_editors_wrap_where_ruff_does():
    [ruffs] = re.findall(r"^line-length = (\d+)", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert f"[*.py]\nmax_line_length = {ruffs}\n" in (ROOT / ".editorconfig").read_text()
