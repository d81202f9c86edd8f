"""What Airflow pays to parse the DAG files: CPU time in new processes, with 0 to 1,000 pipeline files.

Run as a program it parses one DAG file in one process and prints what that took as one JSON object.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "include" / "pipelines" / "multiclass.yaml"
# What 300 models say that share the rest.
SHARED_FILES = 300
_OWN_LINES = """\
# yaml-language-server: $schema=shared.schema.json
name: {name}
description: One of many.
wait_minutes: 60
max_age_days: 3
training:
  HyperParameters:
    num_leaves: "{number}"
"""
DAG_FILES = ("train_and_deploy", "batch_predict", "redeploy", "broken_pipeline_files")
FLOOR_REPETITIONS = 3
STOCK = (
    "from airflow.sdk import DAG\n"
    "from airflow.providers.amazon.aws.operators.sagemaker import SageMakerEndpointOperator\n"
    "from airflow.providers.amazon.aws.operators.sagemaker import SageMakerTrainingOperator\n"
    "from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor\n"
    "from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier\n"
)


def measure(counts: list[int], repetitions: int) -> dict[str, Any]:
    """Measure; what is compared with something else, the best of FLOOR_REPETITIONS taken in turn.

    Args:
        counts: Numbers of pipeline files.
        repetitions: How often each number of them is measured; the best counts.

    Returns:
        files: per DAG file the floor_ratio (its parse with no pipeline file to the stock imports) and, by count, the
        milliseconds per pipeline over that parse; task_seconds: a task's process with one file and with the most;
        shared: of many short files with defaults, see _measure_shared().
    """
    results: dict[str, Any] = {"files": {}, "counts": counts}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "stock.py").write_text(STOCK)
        pipelines = {count: write_pipelines(home / f"pipelines-{count}", count) for count in (0, 1, *counts)}
        # The first time each file is checked; that is remembered, also for the folders of fewer of the same files.
        _seconds(home, "broken_pipeline_files", pipelines[counts[-1]])
        of_empty = [partial(_seconds, home, file, pipelines[0]) for file in (str(home / "stock.py"), *DAG_FILES)]
        stock, *floors = _best_in_turn(FLOOR_REPETITIONS, of_empty)
        for name, floor in zip(DAG_FILES, floors, strict=True):
            of_many = [partial(_seconds, home, name, pipelines[count]) for count in counts]
            results["files"][name] = {
                "floor_ratio": floor / stock,
                "ms": [
                    (best - floor) / count * 1000
                    for count, best in zip(counts, _best_in_turn(repetitions, of_many), strict=True)
                ],
            }
        task = {"_AIRFLOW_PARSING_CONTEXT_DAG_ID": "train_and_deploy_model-0000"}
        of_task = [partial(_seconds, home, DAG_FILES[0], pipelines[count], **task) for count in (1, counts[-1])]
        results["shared"] = _measure_shared(home)
        results["task_seconds"] = dict(
            zip(("1", str(counts[-1])), _best_in_turn(FLOOR_REPETITIONS, of_task), strict=True)
        )
    return results


def write_pipelines(folder: Path, count: int) -> Path:
    """Write pipeline files like the sample's.

    Args:
        folder: Where to.
        count: How many.

    Returns:
        The folder.
    """
    folder.mkdir(parents=True)
    sample = SAMPLE.read_text()
    for number in range(count):
        name = f"model-{number:04}"
        text = sample.replace("name: multiclass", f"name: {name}")
        (folder / f"{name}.yaml").write_text(text)
    return folder


def write_shared(folder: Path, count: int) -> Path:
    """Write short pipeline files that share the rest of the sample.

    Args:
        folder: Where to.
        count: How many.

    Returns:
        The folder.
    """
    folder.mkdir(parents=True)
    sample = SAMPLE.read_text()
    (folder / "_defaults.yaml").write_text("".join(re.split(r"(?m)^name: .*\n", sample)))
    for number in range(count):
        name = f"model-{number:04}"
        (folder / f"{name}.yaml").write_text(_OWN_LINES.format(name=name, number=number % 50 + 2))
    return folder


def _measure_shared(home: Path) -> dict[str, Any]:
    """Measure many short files that share defaults.

    Args:
        home: A folder for them.

    Returns:
        files: how many; lines: of one; check_seconds: of the command ``check``, none of them checked before; ms: the
        milliseconds per pipeline of parsing all DAG files, over their parses with no pipeline file.
    """
    none, many = (write_shared(home / f"shared-{count}", count) for count in (0, SHARED_FILES))
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "fresh_endpoints", "check", str(many)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "plugins"), "TMPDIR": str(home)},
        check=True,
        capture_output=True,
    )
    checked = time.monotonic() - started
    _seconds(home, "broken_pipeline_files", many)  # Which builds each DAG once.
    parses = [partial(_seconds, home, file, folder) for folder in (none, many) for file in DAG_FILES]
    best = _best_in_turn(FLOOR_REPETITIONS, parses)
    of_none, of_many = best[: len(DAG_FILES)], best[len(DAG_FILES) :]
    return {
        "files": SHARED_FILES,
        "lines": _OWN_LINES.count("\n"),
        "check_seconds": checked,
        "ms": sum(seconds - floor for seconds, floor in zip(of_many, of_none, strict=True)) / SHARED_FILES * 1000,
    }


def _best_in_turn(repetitions: int, measurements: Sequence[Callable[[], float]]) -> list[float]:
    """Take the least of each measurement; all are taken in every repetition, so that they meet the same machine."""
    rounds = [[measurement() for measurement in measurements] for _ in range(repetitions)]
    return [min(of_one) for of_one in zip(*rounds, strict=True)]


def _seconds(home: Path, dag_file: str, pipelines: Path, **environment: str) -> float:
    file = dag_file if dag_file.endswith(".py") else str(ROOT / "dags" / f"{dag_file}.py")
    dropped = ("AIRFLOW_", "_AIRFLOW_", "PYTHONDONTWRITEBYTECODE")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), file],
        env={
            **clean,
            "AIRFLOW_HOME": str(home / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "PYTHONPATH": str(ROOT / "plugins"),
            "PIPELINES_DIR": str(pipelines),
            "TMPDIR": str(home),
            **environment,
        },
        stdout=subprocess.PIPE,
        check=False,
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Load one DAG file as Airflow does, by its path, and print the seconds of CPU time from an empty Python on."""
    import gc
    import importlib.util

    import airflow.sdk  # noqa: F401

    gc.freeze()  # As the dag-processor does before it forks for a parse.
    spec = importlib.util.spec_from_file_location("dag_file", sys.argv[1])
    assert spec
    assert spec.loader
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    sys.stdout.write(json.dumps(time.process_time()) + "\n")


if __name__ == "__main__":
    main()
