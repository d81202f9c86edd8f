"""The journey of a data scientist on a laptop.

`make up` is played: its local AWS starts where the demo's has ended, and its own function writes the settings of
the terminal. tests/services/usage/test_up.py runs it for real, with a person's own model, too.
"""

from __future__ import annotations

import re
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from journeys import ROOT, walk
from local_airflow.ready_lines import write_terminal
from local_aws.process import LocalAws

LAPTOP = (ROOT / "docs" / "laptop.md").read_text()


@pytest.fixture
def churn(clone: Path) -> Path:
    """The example of docs/laptop.md, beside the clone."""
    folder = clone.parent / "churn"
    for name, content in re.findall(r"`([\w./]+)`:\n\n```\w+\n(.*?)```", LAPTOP, re.DOTALL):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        file.chmod(0o755)
    (folder / "data").mkdir()
    (folder / "data" / "training.csv").write_text("1\n2\n6\n")
    (folder / "data" / "validation.csv").write_text("1\n")
    return folder


@pytest.fixture
def play_up(clone: Path, churn: Path):
    """Plays `make up`, until the test ends."""
    with ExitStack() as stack:

        def play(command: str) -> str:
            told = subprocess.run(
                ["make", "-n", *command.split()[1:]], cwd=clone, capture_output=True, text=True, check=True
            ).stdout
            assert "-m local_airflow up --image 'churn-image=../churn/image' --data '../churn/data'" in told
            aws = stack.enter_context(
                LocalAws(state=clone / ".state" / "demo" / "aws", images={"churn-image": churn / "image"})
            )
            (clone / ".state" / "up").mkdir()
            write_terminal(clone / ".state" / "up" / "terminal.sh", aws, clone / ".state" / "demo" / "airflow", churn)
            return ""

        yield play


@pytest.mark.timeout(600)  # programs by the dozen, on a machine that may be busy
def test_a_model_of_ones_own_is_trained_served_and_asked(clone, database, open_terminal, play_up, monkeypatch):
    monkeypatch.delenv("LOCAL_AWS_RECORD_PERMISSIONS", raising=False)
    database(clone / ".state" / "demo" / "airflow")
    walk("A data scientist on a laptop", open_terminal(), played={"make up": play_up})
