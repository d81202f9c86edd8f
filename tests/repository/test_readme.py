"""README leads to files that are there, and shows what the code does."""

from __future__ import annotations

import re
from datetime import date, datetime, timezone
from pathlib import Path

import pytest

from fresh_endpoints.run import Run

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.strip() and not line.lstrip().startswith("#")
]
LINKS = re.findall(r"\]\((?!https?:|#)([^)]+)\)", README)


@pytest.mark.parametrize("link", LINKS)
def test_every_link_of_readme_leads_to_a_file(link):
    assert (ROOT / link.partition("#")[0]).exists()


def test_the_job_in_the_picture_of_a_run_has_the_name_that_such_a_run_gives_it():
    data_date, scheduled_for = date(2019, 3, 4), datetime(2019, 3, 4, 15, tzinfo=timezone.utc)
    run = Run(
        pipeline="multiclass",
        dag_id="train_and_deploy_multiclass",
        run_id=f"scheduled__{scheduled_for.isoformat()}",
        date=date(2019, 3, 5),
        data_date=data_date,
        scheduled_for=scheduled_for,
    )
    assert f"CreateTrainingJob {run.training_job_name()} " in README


def test_readme_names_the_two_commands_and_ci_runs_the_tests():
    assert {"make demo", "make test"} <= set(COMMANDS)
    assert re.search(r"^for target in .*\btest\b(?!-)", (ROOT / ".ci/run").read_text(), re.MULTILINE)
