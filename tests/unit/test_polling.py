"""Waits between looks and requests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sagemaker_pipelines import polling

PLUGINS = Path(__file__).parents[2] / "plugins"


def test_waits_after_faults_grow_up_to_a_limit():
    for number in range(1, 20):
        assert 0 <= polling.after_fault(number) <= min(2**number, 20)


def test_the_environment_shortens_the_waits():
    names = ("WORKER_SECONDS", "FIRST_LOOK_SECONDS", "SHORTEST_SECONDS")
    environment = {f"SAGEMAKER_PIPELINES_{name}": f"{number}.5" for number, name in enumerate(names)}
    program = f"from sagemaker_pipelines import polling; print(*(getattr(polling, n) for n in {names}))"
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment, "PYTHONPATH": str(PLUGINS)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.split() == ["0.5", "1.5", "2.5"]
