"""The Models page with many pipelines: time to the answer with caches cold and warm, and what it asks AWS.

The api-server's application answers in this process; AWS is a client that answers as slowly as the real one.
"""

from __future__ import annotations

import collections
import copy
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "include" / "pipelines" / "multiclass.yaml"
CALL_SECONDS = 0.05
DAYS = 30
NOW = dt.datetime.now(dt.timezone.utc)


def measure(pipelines: int) -> dict[str, Any]:
    """Measure in a process and an Airflow home of its own.

    Args:
        pipelines: How many pipelines there are, each with a month of runs and models.

    Returns:
        cold_seconds and warm_seconds, to the whole answer; filled_seconds, until AWS has been asked for all;
        first_calls until then, and calls_a_minute after it, while somebody looks.
    """
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **os.environ,
            "AIRFLOW_HOME": home,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}:{ROOT / 'include'}",
            "PIPELINES_DIR": str(Path(home) / "pipelines"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__API_AUTH__JWT_SECRET": "only for this benchmark, and long enough for it",
        }
        subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"], env=environment, check=True, capture_output=True
        )
        command = [sys.executable, "-m", "benchmarks.models_page", str(pipelines)]
        ended = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


class SlowSageMaker:
    """Answers each call after some seconds, and counts them; a hook and its client in one."""

    def __init__(self) -> None:
        self.calls: collections.Counter[str] = collections.Counter()
        self.seconds = CALL_SECONDS

    @property
    def conn(self) -> SlowSageMaker:
        """The client."""
        return self

    def list_endpoints(self, **asked: Any) -> dict[str, Any]:
        """Return a page of all endpoints."""
        self._call("list_endpoints")
        first = int(asked.get("NextToken", 0))
        names = [name_of(number) for number in range(first, min(first + asked["MaxResults"], COUNT))]
        more = {"NextToken": str(first + asked["MaxResults"])} if first + asked["MaxResults"] < COUNT else {}
        summaries = [{"EndpointName": name, "LastModifiedTime": NOW, "EndpointStatus": "InService"} for name in names]
        return {"Endpoints": summaries, **more}

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:  # noqa: N803 - as boto3 has it
        """Return one that serves the model of yesterday."""
        self._call("describe_endpoint")
        return {
            "EndpointStatus": "InService",
            "EndpointArn": EndpointName,
            "EndpointConfigName": job_of(EndpointName, 1),
            "LastModifiedTime": NOW,
            "ProductionVariants": [{}],
        }

    def describe_endpoint_config(self, EndpointConfigName: str) -> dict[str, Any]:  # noqa: N803
        """Return a config whose ARN is its name."""
        self._call("describe_endpoint_config")
        return {"EndpointConfigName": EndpointConfigName, "EndpointConfigArn": EndpointConfigName}

    def get_paginator(self, operation: str) -> SlowSageMaker:
        """Return what pages through tags."""
        """Return a config whose ARN is its name."""
        """Return one that serves the model of yesterday."""
        assert operation == "list_tags"
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        """Return the tags of a proven config."""
        self._call("list_tags")
        found = {"fresh-endpoints:smoke-test": "passed", "fresh-endpoints:metrics": "validation:accuracy=0.93"}
        return [{"Tags": [{"Key": key, "Value": value} for key, value in found.items()]}]

    def _call(self, operation: str) -> None:
        self.calls[operation] += 1
        time.sleep(self.seconds)


# How many pipelines there are; set by the command line.
COUNT = 0


def name_of(number: int) -> str:
    """Name a pipeline."""
    return f"model-{number:04}"


def job_of(name: str, days_ago: int) -> str:
    """Name a pipeline's training job."""
    return f"{name}-{(NOW - dt.timedelta(days=days_ago)).date()}-0123abcd"


def _fill() -> None:
    """Write the pipeline files and Airflow's rows."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    folder = Path(os.environ["PIPELINES_DIR"])
    folder.mkdir()
    content = yaml.safe_load(SAMPLE.read_text())
    with create_session() as session:
        session.add(DagBundleModel(name="dags"))
        session.flush()
        for number in range(COUNT):
            name = name_of(number)
            file = copy.deepcopy(content) | {"name": name}
            file["endpoint"]["EndpointName"] = name
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(file))
            dag_id = f"train_and_deploy_{name}"
            dag = {"dag_id": dag_id, "bundle_name": "dags", "is_paused": False, "is_stale": False, "fileloc": "x"}
            session.add(DagModel(**dag, relative_fileloc="x", timetable_summary=""))
            asset = AssetModel(name=f"{name}-model", uri=f"{name}-model", group="sagemaker-model")
            session.add(asset)
            session.flush()
            for ago in range(DAYS, 0, -1):
                due = NOW - dt.timedelta(days=ago)
                run: dict[str, Any] = {"dag_id": dag_id, "run_id": f"scheduled__{due.isoformat()}"}
                run |= {"run_type": "scheduled", "state": "success"}
                session.add(DagRun(**run, logical_date=due, run_after=due))
                facts = {"training_job": job_of(name, ago), "data_date": str(due.date())}
                extra = {**facts, "metrics": {"validation:accuracy": 0.9 + ago / 1000}}
                session.add(AssetEvent(asset_id=asset.id, extra=extra, timestamp=due))


def _measure_here() -> dict[str, Any]:
    from airflow.api_fastapi.app import create_app
    from fastapi.testclient import TestClient

    from fresh_endpoints.page import app, aws_facts
    from fresh_endpoints.pipeline_file.loading import load_pipelines

    aws, facts = SlowSageMaker(), aws_facts.AwsFacts()
    aws_facts.hook_of = lambda pipeline: aws  # type: ignore[assignment, return-value]
    app.AwsFacts = lambda: facts  # type: ignore[assignment, misc]
    load_pipelines()  # The first time each file is checked; that is remembered.
    with TestClient(create_app(apps="core")) as client:
        client.cookies.update(dict(client.get("/auth/token/login", follow_redirects=False).cookies))

        def ask() -> float:
            began = time.monotonic()
            answer = client.get("/fresh-endpoints/")
            assert answer.text.count("<tr id=") == COUNT, answer.text
            return time.monotonic() - began

        cold = ask()
        # What follows is counted, not timed.
        filled, aws.seconds, aws_facts.SECONDS_AN_ENDPOINT = COUNT * aws_facts.SECONDS_AN_ENDPOINT, 0.0, 0.0
        while facts.is_asking:
            time.sleep(0.1)
        first_calls = sum(aws.calls.values())
        warm = min(ask() for _ in range(5))
        aws.calls.clear()
        facts.forget_refresh()
        ask()
        while facts.is_asking:
            time.sleep(0.1)
    return {
        "pipelines": COUNT,
        "cold_seconds": cold,
        "warm_seconds": warm,
        "filled_seconds": filled,
        "first_calls": first_calls,
        # A round a minute, and now and then everything anew.
        "calls_a_minute": sum(aws.calls.values()) + first_calls * 60 / aws_facts.DETAILS_SECONDS,
    }


if __name__ == "__main__":
    COUNT = int(sys.argv[1])
    _fill()
    sys.stdout.write(json.dumps(_measure_here()) + "\n")
