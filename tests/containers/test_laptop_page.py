"""docs/laptop.md's example in a container, letter by letter: built and run by its own commands."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from docker_under_test import docker, python_image
from laptop_page import COMMANDS, DEMOS, ROOT, demo_environment, write_example

__all__ = ["demo_environment"]
[BUILD] = [command for command in COMMANDS if command.startswith("docker build")]
[DEMO] = [command for command in DEMOS if "docker://" in command]


@pytest.fixture
def tag(engine: None) -> Iterator[str]:
    """The page's tag, for as long as the test takes; what had it before gets it back."""
    tag = BUILD.split()[BUILD.split().index("--tag") + 1]
    before = docker("image", "ls", "--quiet", tag).strip()
    yield tag
    docker("image", "rm", "--force", tag)
    if before:
        docker("image", "tag", before, tag)


@pytest.mark.timeout(600)
def test_the_pages_example_trains_deploys_and_answers_in_a_container(
    tmp_path: Path, demo_environment: dict[str, str], tag: str
) -> None:
    write_example(tmp_path / "churn")
    dockerfile = tmp_path / "churn" / "image" / "Dockerfile"
    dockerfile.write_text(re.sub(r"FROM python:\S+", f"FROM {python_image()}", dockerfile.read_text()))
    for command in (BUILD, DEMO):
        words = shlex.split(command.replace("../churn", str(tmp_path / "churn")))
        ended = subprocess.run(
            words, cwd=ROOT, env=demo_environment, capture_output=True, text=True, check=False, timeout=500
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"Training job +churn-2019-03-04-\w+ \(Completed\)\n", ended.stdout)
    assert re.search(r"Prediction +1 → 3\.0\n", ended.stdout)
