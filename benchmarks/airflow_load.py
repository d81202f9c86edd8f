"""What Airflow uses: CPU time of its services with their tasks, memory, and rows of its database."""

from __future__ import annotations

import contextlib
import datetime as dt
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
import yaml

from benchmarks import parsing
from benchmarks.services import ROOT, Bench, bench
from fresh_endpoints.pipeline_file.loading import load_pipelines
from local_airflow.services import SERVICES
from local_aws.process import LocalAws

# What Airflow and the package have by default. local_airflow makes Airflow look more often, so that an edited file is
# live within seconds; and on local AWS, where jobs end within seconds, a worker looks for a while.
DEFAULTS = {
    "FRESH_ENDPOINTS_FIRST_TIME_WORKER_SECONDS": "0",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "300",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
}
# So that the first parses come to an end also where other programs use the machine.
PATIENT = {
    "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "200",
    "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "240",
}
# Two rounds of parsing, so that it does not depend on where in a round it begins.
IDLE_SECONDS = 60.0
PARSED_WITHIN_SECONDS = 600.0
# Airflow's own bound of a page.
PAGE = 100


def idle(aws: LocalAws, pipelines: int) -> dict[str, Any]:
    """Measure an Airflow that has many pipelines, all of them unpaused, while no run is due.

    Args:
        aws: The local AWS of its connections.
        pipelines: How many.

    Returns:
        pipelines; dags, in all; runs, of which the daily watch has one; by service cpu, in CPU seconds a second, and
        memory_mb; rows of the database.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        files = parsing.write_pipelines(Path(folder) / "pipelines", pipelines)
        begin_later(files)
        load_pipelines(files)  # Or the first parses check them, which takes longer than Airflow gives a parse.
        with bench(aws, files, ROOT / "dags", settings=DEFAULTS | PATIENT) as running:
            _wait_for_dags(running, pipelines)
            unpause_all(running, "train_and_deploy")
            before, began = cpu_seconds(running), time.monotonic()
            time.sleep(IDLE_SECONDS)
            seconds = time.monotonic() - began
            used = {name: (cpu - before[name]) / seconds for name, cpu in cpu_seconds(running).items()}
            return {
                "pipelines": pipelines,
                "dags": running.airflow.api("GET", "/dags", params={"limit": 1})["total_entries"],
                "runs": running.airflow.api("GET", "/dags/~/dagRuns", params={"limit": 1})["total_entries"],
                "cpu": used,
                "memory_mb": {service: _memory_mb(running.airflow.pids(service)) for service in SERVICES},
                "rows": sum(rows_by_table(running.airflow.database).values()),
            }


def begin_later(folder: Path) -> None:
    """Let pipelines begin the day after tomorrow: of the midnight before it was unpaused a DAG has a run at once.

    Args:
        folder: Their files.
    """
    later = dt.datetime.now(dt.timezone.utc).date() + dt.timedelta(days=2)
    for file in folder.glob("*.yaml"):
        content = yaml.safe_load(file.read_text())
        file.write_text(yaml.safe_dump({**content, "start_date": later}, sort_keys=False))


def unpause_all(running: Bench, dag_id_part: str) -> None:
    """Unpause all DAGs at one moment, as far as one request has room for them.

    Args:
        running: The Airflow.
        dag_id_part: A part of their ids.
    """
    query = {"dag_id_pattern": dag_id_part, "paused": True, "limit": PAGE}
    while running.airflow.api("PATCH", "/dags", {"is_paused": False}, params=query)["total_entries"] > PAGE:
        pass


def cpu_seconds(running: Bench) -> dict[str, float]:
    """Sum up the CPU seconds until now of each service with its tasks, and of local AWS with its programs.

    Args:
        running: The Airflow.
    """
    used = {service: _used(running.airflow.pids(service)) for service in SERVICES}
    programs = [child.pid for child in psutil.Process(running.aws.pid).children(recursive=True)]
    return {**used, "local AWS": _used([running.aws.pid, *programs])}


def rows_by_table(database: str) -> dict[str, int]:
    """Count the rows of each table of Airflow's database.

    Args:
        database: Its SQLAlchemy URL.
    """
    engine = sa.create_engine(database)
    count = sa.func.count()
    try:
        with engine.connect() as connection:
            tables = [sa.table(name) for name in sa.inspect(connection).get_table_names()]
            return {
                table.name: connection.execute(sa.select(count).select_from(table)).scalar_one() for table in tables
            }
    finally:
        engine.dispose()


def _wait_for_dags(running: Bench, pipelines: int) -> None:
    deadline = time.monotonic() + PARSED_WITHIN_SECONDS
    for prefix in ("train_and_deploy_", "redeploy_", "batch_predict_"):
        query = {"dag_id_pattern": prefix, "limit": 1}
        while running.airflow.api("GET", "/dags", params=query)["total_entries"] < pipelines:
            if time.monotonic() > deadline:
                raise TimeoutError(f"Airflow has not {pipelines} DAGs of {prefix} within {PARSED_WITHIN_SECONDS:.0f} s")
            time.sleep(2)


def _used(pids: list[int]) -> float:
    """Sum up the CPU seconds of processes, with those of their children that have ended."""
    seconds = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            seconds += sum(psutil.Process(pid).cpu_times()[:4])
    return seconds


def _memory_mb(pids: list[int]) -> float:
    """Sum up the memory of processes; what several share counts once."""
    found = 0
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            found += psutil.Process(pid).memory_full_info().pss
    return found / 2**20
