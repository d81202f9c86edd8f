"""Parses a dags folder as Airflow does: in a process of its own that knows what it is told and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_PARSE = """
import json, sys
try:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization
except ImportError:  # Airflow 3.1
    from airflow.models.dagbag import DagBag
    from airflow.serialization.serialized_objects import SerializedDAG as DagSerialization

from airflow.timetables.base import TimeRestriction

def first_runs(dag, count):
    # The logical dates of the first runs that the scheduler would make of a DAG with catchup.
    dates, interval = [], None
    catching_up = TimeRestriction(earliest=dag.start_date, latest=None, catchup=True)
    while len(dates) < count and (
        info := dag.timetable.next_dagrun_info(last_automated_data_interval=interval, restriction=catching_up)
    ):
        dates.append(info.logical_date.isoformat())
        interval = info.data_interval
    return dates

bag = DagBag(sys.argv[1])
dags = {}
for dag in bag.dags.values():
    again = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    assert again.task_ids == dag.task_ids
    dag.params.validate()  # The defaults are allowed; a scheduled run has no others.
    dags[dag.dag_id] = {
        "tasks": {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks},
        "slots": {task.task_id: [task.pool, task.priority_weight] for task in again.tasks},
        "owners": sorted({task.owner for task in dag.tasks}),
        "docs": dag.doc_md,
        "description": dag.description,
        "tags": sorted(dag.tags),
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "longest_retry_delays": [task.max_retry_delay and task.max_retry_delay.total_seconds() for task in again.tasks],
        "timezone": str(dag.timezone),
        "params": {name: dag.params.get_param(name).description for name in dag.params},
        "first_runs": first_runs(again, 5),
    }
clients = sorted({"slack_sdk", "aiohttp", "aiobotocore", "pandas"} & sys.modules.keys())
errors = {file.rsplit("/", 1)[-1]: error for file, error in bag.import_errors.items()}
print("PARSED" + json.dumps({"dags": dags, "errors": errors, "clients": clients}))
"""


def parse(dags: Path, home: Path, before: str = "", **environment: str) -> dict[str, Any]:
    """Parse a dags folder in a new process.

    Args:
        dags: The folder.
        home: AIRFLOW_HOME, and the working directory.
        before: A program that the process runs first.
        environment: Further environment variables.

    Returns:
        ``dags``, by their ids, ``errors``, by the files' names, and ``clients``: which of some costly libraries, of use
        in a run only, were imported.
    """
    done = run(before + _PARSE, home, str(dags), **environment)
    parsed: dict[str, Any] = json.loads(done.stdout.rpartition("PARSED")[2])
    return parsed


def run(program: str, home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of Airflow's in a new process, and see that it ends well.

    Args:
        program: Its source.
        home: AIRFLOW_HOME, and the working directory.
        arguments: What it finds in sys.argv.
        environment: Further environment variables.
    """
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=home,
        env={
            **kept,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",  # Airflow 3.1 adds them to any folder
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done
