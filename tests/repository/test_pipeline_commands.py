"""What docs/pipeline-commands.md says to type works, line by line."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from fresh_endpoints import __main__ as commands

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pipeline-commands.md").read_text()
TYPED = [
    shlex.split(line, comments=True)[1:]
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]


def test_the_page_shows_each_command():
    assert {words[0] for words in TYPED} == {"new", "check", "plan"}


def test_the_commands_of_the_page_work_one_after_another(tmp_path, monkeypatch, capsys):
    sample = ROOT / "include" / "pipelines" / "multiclass.yaml"
    (tmp_path / sample.name).write_bytes(sample.read_bytes())
    monkeypatch.setenv("PIPELINES_DIR", str(tmp_path))
    without_aws = [words for words in TYPED if "--live" not in words]
    assert len(without_aws) == len(TYPED) - 1  # tests/package/planning/test_live.py has that one
    for words in without_aws:
        assert commands.main(words) == 0, words
    assert {path.stem for path in tmp_path.glob("*.yaml")} == {"multiclass", "flowers", "roses"}
    capsys.readouterr()


def test_what_a_plan_holds_is_explained(monkeypatch, capsys):
    monkeypatch.setenv("PIPELINES_DIR", str(ROOT / "include" / "pipelines"))
    assert commands.main(["plan", "multiclass"]) == 0
    keys = re.findall(r"^(\w+):", capsys.readouterr().out, re.MULTILINE)
    assert "unknown_variables" in keys
    for key in set(keys) - {"pipeline", "date", "data_date", "requests"}:
        assert f"| `{key}` |" in PAGE
