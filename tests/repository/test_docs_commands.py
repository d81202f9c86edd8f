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
ROWS = r"(?:\bstage|^beside|^for target in) ([a-z0-9][a-z0-9 -]*)"
STAGES = set(" ".join(re.findall(ROWS, (ROOT / ".ci/run").read_text(), re.MULTILINE)).split())
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
AIRFLOW, AWS = "tests/package/test_airflow_commands.py", "tests/package/test_aws_commands.py"
# What runs a command of another program, and a word by which that is seen there.
RUN_BY = {
    **{
        f"airflow {name}": (AIRFLOW, f"airflow {name}")
        for name in (
            *("dags pause", "dags unpause", "dags list-runs", "dags delete", "dags list-import-errors"),
            *("pools set", "pools list", "variables delete", "jobs check", "db check", "config get-value"),
        )
    },
    "airflow backfill create": ("tests/services/usage/test_usage.py", '"backfill", "create"'),
    "airflow db migrate": ("tests/conftest.py", '"db", "migrate"'),
    **{
        f"aws sagemaker {name}": (AWS, f"sagemaker {name}")
        for name in (
            *("list-endpoint-configs", "update-endpoint", "add-tags", "describe-endpoint", "delete-endpoint"),
            "wait endpoint-deleted",
        )
    },
    "aws sagemaker list-models": ("tests/local_aws/test_aws_cli.py", "list-models"),
    "aws s3 sync": ("tests/repository/test_mwaa.py", '"sync", "cp"'),
    "aws s3 cp": ("tests/repository/test_mwaa.py", '"sync", "cp"'),
    "docker compose up": ("tests/support/compose_stack.py", '"up"'),
    "docker compose down": ("tests/support/compose_stack.py", '"down", "--volumes"'),
    "docker compose exec": ("tests/support/compose_stack.py", '"exec"'),
    "docker compose logs": ("tests/compose/test_settings.py", '"logs", "check-settings"'),
    "docker build": ("tests/containers/test_laptop_page.py", "docker build"),
    "docker inspect": ("tests/support/compose_stack.py", 'docker("inspect"'),
    "git archive": ("tests/repository/test_kubernetes.py", "git archive"),
    "python -m": ("Makefile", "python -m pytest"),
    "python include/run_cost.py": ("tests/repository/test_run_cost.py", "run_cost.main(shlex.split(command)"),
    "python tests/support/slack_burst.py": ("tests/package/telling/test_later.py", "slack_burst.py"),
    "pip install": ("docs/journeys.md", "pip install -r requirements.txt -c constraints.txt"),
}
# What no test runs, and why.
NOT_RUN = {
    "airflow db clean": "only named, as what deletes old runs of whatever DAG",
    "aws secretsmanager create-secret": "needs an account: local AWS keeps no secrets",
    "aws service-quotas list-service-quotas": "needs an account: local AWS has quotas and no Service Quotas",
    "aws service-quotas request-service-quota-increase": "needs an account, and asks people at AWS for something",
    "docker build --file include/kubernetes/Dockerfile": "tests/repository/test_kubernetes.py lays out what it copies",
    "docker pull": "needs a registry",
    "docker push": "needs a registry",
    "docker run": "only named, as what SageMaker does; tests/containers has local AWS do it",
    "helm repo": "needs the chart's registry and a cluster, as the page says",
    "helm upgrade": "needs the chart's registry and a cluster, as the page says",
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


def test_every_other_command_of_the_pages_is_run_by_a_test_or_it_is_said_why_not():
    parts = [part for _, command in SHOWN for part in shown_commands.parts_of(command)]
    named = {shown_commands.name_of(*part) for part in parts if part[0] not in ("make", "fresh-endpoints", "echo")}
    assert named - RUN_BY.keys() - NOT_RUN.keys() == set(), "add what runs it to RUN_BY"
    assert (RUN_BY.keys() | NOT_RUN.keys()) - named == set(), "no page shows it any more"
    assert RUN_BY.keys() & NOT_RUN.keys() == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_stands_in_a_shells_block_or_behind_a_prompt(page):
    assert shown_commands.commands_outside(page.read_text()) == []


def test_a_command_in_a_block_that_is_no_shells_is_found():
    page = "```sh\nmake up\n```\n```\n$ make demo\nmake no\n  A=1 aws s3 ls\n```\n```yaml\nmake: no\n```\n"
    assert shown_commands.commands_of(page) == ["make up", "make demo"]
    assert shown_commands.commands_outside(page) == ["make no", "A=1 aws s3 ls"]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("airflow dags pause x", "airflow dags pause"),
        ("aws --region x sagemaker wait endpoint-deleted --endpoint-name x", "aws sagemaker wait endpoint-deleted"),
        ("docker compose exec -e A=1 scheduler airflow version", "docker compose exec"),
        ("docker build --tag x --file y .", "docker build --file y"),
        ("git archive HEAD dags", "git archive"),
    ],
)
def test_a_command_is_known_by_its_subcommand(command, name):
    [part] = shown_commands.parts_of(command)
    assert shown_commands.name_of(*part) == name


@pytest.mark.parametrize(("place", "word"), sorted({*TARGETS.values(), *RUN_BY.values()}))
def test_what_runs_a_target_or_a_command_does(place, word):
    assert word in (ROOT / place).read_text()


@pytest.mark.parametrize("name", sorted(shown_commands.subcommands()))
def test_every_subcommand_is_run_by_a_test(name):
    test = ROOT / SUBCOMMANDS.get(name, f"tests/package/test_{name}_command.py")
    assert f'"{name}"' in test.read_text() or f"{name} " in test.read_text()


@pytest.mark.parametrize(("page", "test"), LETTER_BY_LETTER.items())
def test_a_page_that_is_run_letter_by_letter_is_read_by_its_test(page, test):
    assert f'"{page}"' in (ROOT / test).read_text()
