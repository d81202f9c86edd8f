"""What docs/many-models.md says holds: its commands run, its example shares, its names are the code's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fresh_endpoints import __main__ as commands
from fresh_endpoints.pipeline_file import environment, folder
from fresh_endpoints.pipeline_file.loading import load_pipelines

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "many-models.md").read_text()
[EXAMPLE] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
TYPED = [
    shlex.split(line, comments=True)[1:]
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture
def pipelines(tmp_path, monkeypatch):
    """The page's folder: the sample's settings as defaults, and the example."""
    sample = (ROOT / "include" / "pipelines" / "multiclass.yaml").read_text()
    (tmp_path / "_defaults.yaml").write_text(sample.replace("name: multiclass\n", ""))
    (tmp_path / "churn.yaml").write_text(EXAMPLE)
    (tmp_path / "churn.dev.yaml").write_text("retries: 0\n")
    (tmp_path / "ranking").mkdir()
    (tmp_path / "ranking" / "_defaults.yaml").write_text("retries: 1\n")
    (tmp_path / "ranking" / "clicks.yaml").write_text("name: clicks\n")
    monkeypatch.setenv("PIPELINES_DIR", str(tmp_path))
    return tmp_path


def test_the_example_shares_what_the_defaults_say(pipelines):
    loaded = load_pipelines()
    assert loaded.errors == []
    churn, clicks = loaded.pipelines
    assert churn.training["HyperParameters"]["num_leaves"] == "31"
    assert len(churn.training["HyperParameters"]) > 1
    assert (churn.retries, clicks.retries) == (3, 1)
    assert len(EXAMPLE.splitlines()) <= 15


@pytest.mark.parametrize("words", TYPED, ids=" ".join)
def test_every_command_of_the_page_works(pipelines, words, capsys):
    assert commands.main(words) == 0, capsys.readouterr().err
    said = capsys.readouterr()
    if "--env" in words and words[0] != "check":
        assert "dev-churn" in said.out


def test_its_figures_are_those_of_the_code():
    words = " ".join(PAGE.split())
    assert f"at most {environment.LONGEST} characters" in words
    assert folder.DEEPEST == 5
    assert "Five folders deep is the most." in words
    assert f"folders called `{folder.EXAMPLES}`" in words
