"""What Airflow's components hold when they fork: each in a process that knows two folders and no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import parsed_dags

ROOT = Path(__file__).parents[2]

_START = """
import importlib.util, json, sys

component, dag_files = sys.argv[1], sys.argv[2:]
if component == "Job":  # the scheduler's, the dag-processor's and the triggerer's
    from airflow.jobs.job import Job
    Job()
else:
    from airflow.sdk.execution_time.task_runner import TaskRunnerMarker, get_listener_manager
    get_listener_manager().hook.on_starting(component=TaskRunnerMarker())
before = set(sys.modules)
for path in dag_files:
    spec = importlib.util.spec_from_file_location("dag_file", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
print("FOUND" + json.dumps({"before": sorted(before), "parsed": sorted(set(sys.modules) - before)}))
"""
OURS = ("fresh_endpoints.", "airflow.providers.amazon.aws", "airflow.providers.slack.hooks", "boto", "slack_sdk")
# Names the page to Airflow, and imports nothing of it.
THE_PLUGINS_OWN = "fresh_endpoints.page"


def start(home: Path, component: str, *dag_files: str, **environment: str) -> dict[str, Any]:
    """Start a component, then load DAG files."""
    folders = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
    }
    done = parsed_dags.run(_START, home, component, *dag_files, **folders, **environment)
    log, _, found = done.stdout.rpartition("FOUND")
    return {**json.loads(found), "log": log + done.stderr}


def ours(modules: list[str]) -> list[str]:
    """Those that cost what the preload saves."""
    return [module for module in modules if module.startswith(OURS)]


def test_a_parse_in_a_component_imports_nothing_that_is_not_there(tmp_path):
    found = start(tmp_path, "Job", *map(str, sorted((ROOT / "dags").glob("*.py"))))
    assert {"fresh_endpoints.steps.deploy", "airflow.providers.slack.hooks.slack_webhook"} <= {*found["before"]}
    assert ours(found["parsed"]) == []
    assert "fresh_endpoints.page.app" not in found["before"], "only the api-server serves the page"
    assert "error calling listener" not in found["log"]


def test_a_task_of_a_worker_that_has_preloaded_nothing_loads_what_it_needs_itself(tmp_path):
    found = start(tmp_path, "task", str(ROOT / "dags" / "train_and_deploy.py"))
    assert ours(found["before"]) == [THE_PLUGINS_OWN]
    assert "fresh_endpoints.steps.deploy" in found["parsed"]
    assert "fresh_endpoints.preload" not in found["parsed"]


def test_a_preload_that_fails_is_logged_and_stops_no_component(tmp_path):
    found = start(tmp_path, "Job", str(ROOT / "dags" / "train_and_deploy.py"), AWS_PROFILE="misspelt")
    assert "misspelt" in found["log"]
    assert "fresh_endpoints.steps.deploy" in found["before"]
