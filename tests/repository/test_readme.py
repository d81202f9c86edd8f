"""README is short, leads to every page, and shows what the code does; links lead somewhere."""

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
PAGES = [ROOT / name for name in ("README.md", "README.ja.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
LINKS = [
    pytest.param(page, link, id=f"{page.name}: {link}")
    for page in PAGES
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text())
]
MOST_LINES = 130


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_every_link_of_the_pages_leads_to_a_file_and_a_heading(page, link):
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    assert target.exists()
    assert not anchor or anchor in anchors(target)


def test_readme_is_short_and_leads_to_every_page():
    assert len(README.splitlines()) <= MOST_LINES
    pages = [page.name for page in PAGES if page.parent == ROOT / "docs" and not page.name.endswith(".ja.md")]
    assert [name for name in pages if f"(docs/{name})" not in README] == []


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
