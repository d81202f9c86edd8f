"""Every command that a page shows is one that its program takes, and is run by a test or by CI."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import shown_commands

ROOT = Path(__file__).parents[2]
# Their steps are run as they stand.
LETTER_BY_LETTER = {"quickstart.md": "tests/repository/test_quickstart.py", "journeys.md": "tests/support/journeys.py"}
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")), *(ROOT / "docs").glob("*.md")]
SHOWN = sorted(
    {
        (page.name, command)
        for page in PAGES
        if page.name not in LETTER_BY_LETTER
        for command in shown_commands.commands_of(page.read_text())
        if shown_commands.parts_of(command)
    }
)
STAGES = set(re.findall(r"\bstage ([a-z0-9-]+)", (ROOT / ".ci/run").read_text()))
STAGES |= set(re.findall(r"^for target in (.*); do", (ROOT / ".ci/run").read_text(), re.MULTILINE)[0].split())
# What is no stage of CI, by the test that runs what it runs, and a word by which that is seen there.
TARGETS = {
    "setup": ("Makefile", "setup: .venv/ready"),  # Each stage begins with it.
    "help": ("tests/repository/test_contributing.py", '"help"'),
    "demo": ("tests/repository/test_demo.py", "demo.py"),
    "up": ("tests/services/usage/test_up.py", '"up"'),
    "down": ("tests/services/usage/test_up.py", '"down"'),
    "aws": ("tests/local_aws/test_own_model.py", "LocalAws"),
    "env": ("tests/repository/test_compose_env.py", "compose_env"),
    "schema": ("tests/package/test_main.py", '"schema"'),
    "pictures": ("tests/repository/test_architecture.py", "pictures"),
    "aws-create": ("tests/cloudformation/test_stack_script.py", "aws-create"),
    "aws-update": ("tests/cloudformation/test_stack_script.py", "aws-update"),
    "aws-delete": ("tests/cloudformation/test_stack_script.py", "delete"),
    "aws-push-image": ("tests/cloudformation/test_stack_script.py", "push-image"),
    "mwaa": ("tests/repository/test_mwaa.py", "mwaa.py"),
    "test-matrix": ("Makefile", "test-matrix: test test-oldest"),
    "test-permissions": (".ci/run", "LOCAL_AWS_RECORD_PERMISSIONS"),
    "fuzz": ("tests/package/pipeline_file/test_fuzz.py", "FUZZ_EXAMPLES"),
    "screenshots": ("tests/browser/test_ui.py", "SCREENSHOTS_DIR"),
    "bench": ("tests/repository/test_benchmarks.py", "report"),
    "bench-fleet": ("tests/repository/test_benchmarks.py", "fleet_of"),
    "lock": ("tests/repository/test_locks.py", "LOCKS"),
    "lock-images": ("tests/repository/test_base_images.py", "base_images"),
}
# The tests of a subcommand, where they are not those of the file that is called as it is.
SUBCOMMANDS = {
    "check": "tests/package/test_main.py",
    "schema": "tests/package/test_main.py",
    "status": "tests/package/test_status.py",
    "history": "tests/package/test_status.py",
    "plan": "tests/repository/test_pipeline_commands.py",
}


@pytest.mark.parametrize(("page", "command"), SHOWN, ids=lambda text: text[:80])
def test_a_command_is_one_that_its_program_takes(page, command):
    for part in shown_commands.parts_of(command):
        shown_commands.check(*part)


@pytest.mark.parametrize(
    "command",
    [
        "make nothing",
        "make demo NOTHING=1",
        "fresh-endpoints plan multiclass --nothing",
        "fresh-endpoints nothing",
        "airflow dags nothing",
        "airflow dags pause --nothing x",
        "aws sagemaker describe-nothing",
        "aws sagemaker describe-endpoint --endpiont-name x",
        "docker compose exec nothing airflow version",
        "docker compose up nothing",
        "pip install -r nothing.txt",
        "nothing",
    ],
)
def test_a_command_that_no_program_takes_is_found(command):
    [part] = shown_commands.parts_of(command)
    with pytest.raises((AssertionError, ValueError)):
        shown_commands.check(*part)


def test_commands_are_those_of_shell_blocks_and_of_programs_in_backticks():
    shell = "   ```sh\n   A=1 make demo  # what it does\n   echo 7 | fresh-endpoints x\n   ```\n"
    page = f"`make up` or `make …`, `x = 1`\n\n{shell}\n```\nmake no\n```\n"
    found = shown_commands.commands_of(page)
    assert found == ["A=1 make demo  # what it does", "echo 7 | fresh-endpoints x", "make up"]
    parts = [part for command in found for part in shown_commands.parts_of(command)]
    assert parts == [["make", "demo"], ["echo", "7"], ["fresh-endpoints", "x"], ["make", "up"]]


@pytest.mark.parametrize(("program", "page"), shown_commands.RUN_BY_NO_TEST.items())
def test_a_program_that_no_test_runs_is_shown_on_one_page_which_says_so(program, page):
    shown = {name for name, command in SHOWN for part in shown_commands.parts_of(command) if part[0] == program}
    assert shown == {page}
    assert f"`{program}`, runs in no test" in (ROOT / "docs" / page).read_text()


def test_every_make_target_of_the_pages_is_run_by_ci_or_by_a_test():
    parts = [part for _, command in SHOWN for part in shown_commands.parts_of(command)]
    named = {part[1] for part in parts if part[0] == "make"}
    assert {"demo", "test", "aws-create"} <= named
    assert named - STAGES - TARGETS.keys() == set(), "add what runs it to TARGETS"


@pytest.mark.parametrize(("place", "word"), sorted(set(TARGETS.values())))
def test_what_runs_a_target_does(place, word):
    assert word in (ROOT / place).read_text()


@pytest.mark.parametrize("name", sorted(shown_commands.subcommands()))
def test_every_subcommand_is_run_by_a_test(name):
    test = ROOT / SUBCOMMANDS.get(name, f"tests/package/test_{name}_command.py")
    assert f'"{name}"' in test.read_text() or f"{name} " in test.read_text()


@pytest.mark.parametrize(("page", "test"), LETTER_BY_LETTER.items())
def test_a_page_that_is_run_letter_by_letter_is_read_by_its_test(page, test):
    assert f'"{page}"' in (ROOT / test).read_text()
