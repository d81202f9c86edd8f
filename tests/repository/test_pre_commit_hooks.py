"""The hook that is offered to other repositories checks their pipeline files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
[HOOK] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())


def run_hook(repository):
    """As pre-commit runs it: entry, then args, from the repository's top."""
    command = [*HOOK["entry"].split(), *HOOK["args"]]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "plugins")}
    return subprocess.run(
        command, cwd=repository, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_hook_checks_the_folder_of_the_repository_that_uses_it(tmp_path):
    folder = tmp_path / "include" / "pipelines"
    folder.mkdir(parents=True)
    sample = (ROOT / "include" / "pipelines" / "multiclass.yaml").read_text()
    (folder / "multiclass.yaml").write_text(sample)
    done = run_hook(tmp_path)
    assert (done.returncode, done.stdout) == (0, "multiclass: ok\n"), done.stderr
    (folder / "multiclass.yaml").write_text(sample.replace("region: ", "regoin: "))
    done = run_hook(tmp_path)
    assert done.returncode == 1
    assert "include/pipelines/multiclass.yaml: error: region: found nothing" in done.stderr


def test_the_hook_runs_where_a_pipeline_file_has_changed():
    assert (HOOK["id"], HOOK["pass_filenames"]) == ("fresh-endpoints-check", False)
    changed = re.compile(HOOK["files"])
    assert changed.search("include/pipelines/multiclass.yaml")
    assert not changed.search("dags/train_and_deploy.py")
