"""Many pipelines that begin at one moment under one quota, on real Airflow services: ours, empty tasks, the stock ones.

All three have the same Airflow, one after the other, with the settings that Airflow has by default. Local AWS refuses
the trainings beyond the quota, and has trained for weeks. The empty tasks have the shape of ours, and a pool of Airflow
for a quota: what they take is what Airflow itself takes on this machine.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.airflow_load import DEFAULTS, cpu_seconds, idle, rows_by_table, unpause_all
from benchmarks.dags.stock_requests import FLEET_POOL, FLEET_SECONDS
from benchmarks.midnight import places_lost
from benchmarks.past import LocalAwsWithAPast
from benchmarks.services import BENCHMARKS, DATA_DATE, ROOT, Bench, bench, moment, upload, write_pipeline
from local_aws.process import LocalAws

LONGEST_SECONDS = 900.0
LOOK_SECONDS = 2.0
RUN_ID = "midnight"


@dataclass
class Midnight:
    """What became of runs that began at one moment.

    Attributes:
        due: When they began, as seconds since the epoch.
        wall: Seconds until the last one ended.
        states: How many ended how.
        ends: When each ended.
        cpu: CPU seconds of each service with its tasks, and of local AWS with its programs.
        rows: By how many the tables of Airflow's database have grown.
        calls: What local AWS noted.
    """

    due: float
    wall: float = 0.0
    states: Counter[str] = field(default_factory=Counter)
    ends: list[float] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    calls: list[dict[str, Any]] = field(default_factory=list)


def measure(
    *,
    pipelines: int,
    quota: int,
    past: int,
    idle_pipelines: int,
    say: Callable[[str], None],
    seconds: float = FLEET_SECONDS,
) -> dict[str, Any]:
    """Measure what many pipelines come to that begin at one moment, and an Airflow that has many and is idle.

    Args:
        pipelines: How many begin at one moment.
        quota: How many trainings the account may have at a time.
        past: How many training jobs the account has had.
        idle_pipelines: How many the idle Airflow has.
        say: Tells progress.
        seconds: How long each training and each deployment takes.

    Returns:
        The sizes; cpus, of the machine; bound_seconds, the quota's own; ours, trivial and stock: each as _figures()
        tells; idle: as idle().
    """
    names = [f"fleet-{number:02}" for number in range(pipelines)]
    found: dict[str, Any] = {"pipelines": pipelines, "quota": quota, "past": past, "seconds": seconds}
    found["cpus"] = os.cpu_count() or 1
    found["bound_seconds"] = pipelines / quota * seconds + seconds
    dags = ROOT / "dags", BENCHMARKS / "dags"
    with (
        _account(names, seconds, past) as (aws, folder),
        bench(aws, folder, *dags, settings=DEFAULTS) as running,
    ):
        say("fleet: the first runs, which warm up")
        running.ours("warm-up")
        running.trivial(0, "warm-up")
        aws.add_faults({"kind": "quota", "operation": "CreateTrainingJob", "limit": quota})
        say(f"fleet: {pipelines} pipelines at once, quota {quota}, bound {found['bound_seconds']:.0f} s")
        conf: dict[str, Any] = {"data_date": DATA_DATE.isoformat()}
        ours = _midnight(running, [(f"train_and_deploy_{name}", RUN_ID) for name in names], conf)
        found["ours"] = (
            _figures(ours, pipelines) | _of_trainings(running, ours, quota) | _of_slack(running, ours, names)
        )
        say(f"fleet: took {ours.wall:.0f} s; then as many of empty tasks")
        running.airflow.api("POST", "/pools", {"name": FLEET_POOL, "slots": quota, "include_deferred": True})
        trivial = _midnight(running, [("trivial_fleet", name) for name in names], {})
        found["trivial"] = _figures(trivial, pipelines)
        say(f"fleet: took {trivial.wall:.0f} s; then the stock operators")
        conf = {"train_seconds": seconds, "serve_seconds": seconds}
        stock = _midnight(running, [("stock_deferrable", name) for name in names], conf)
        found["stock"] = _figures(stock, pipelines)
    say(f"fleet: took {stock.wall:.0f} s; then an Airflow with {idle_pipelines} that is idle")
    with LocalAws() as aws:
        found["idle"] = idle(aws, idle_pipelines)
    return found


@contextmanager
def _account(names: list[str], seconds: float, past: int) -> Iterator[tuple[LocalAws, Path]]:
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        LocalAwsWithAPast(past, images={"timed": BENCHMARKS / "image"}, ping_timeout=300, slack_per_second=1) as aws,
    ):
        upload(aws, 1)
        for name in names:
            write_pipeline(Path(folder), name, seconds, seconds)
        write_pipeline(Path(folder), "warm-up", 0, 0)
        yield aws, Path(folder)


def _midnight(running: Bench, runs: list[tuple[str, str]], conf: dict[str, Any]) -> Midnight:
    """Let runs begin at one moment, and wait until all have ended, or for LONGEST_SECONDS."""
    airflow = running.airflow
    dag_ids = sorted({dag_id for dag_id, _ in runs})
    for dag_id in dag_ids:
        airflow.wait_for_dag(dag_id)
    # While their DAGs are paused they only queue up.
    for dag_id, run_id in runs:
        airflow.trigger(dag_id, conf=conf, run_id=run_id)
    cpu, rows = cpu_seconds(running), rows_by_table(airflow.database)
    midnight = Midnight(time.time())
    unpause_all(running, dag_ids[0] if len(dag_ids) == 1 else "train_and_deploy_fleet")
    _wait_for_all(running, midnight.due)
    midnight.cpu = {name: used - cpu[name] for name, used in cpu_seconds(running).items()}
    found = rows_by_table(airflow.database)
    midnight.rows = {table: count - rows.get(table, 0) for table, count in found.items()}
    for dag_id, run_id in runs:
        run = airflow.run(dag_id, run_id)
        midnight.states[run["state"]] += 1
        midnight.ends.append(moment(run["end_date"]).timestamp() if run["end_date"] else time.time())
    midnight.wall = max(midnight.ends) - midnight.due
    midnight.calls = [call for call in running.aws.calls() if midnight.due <= call["time"] <= max(midnight.ends)]
    return midnight


def _wait_for_all(running: Bench, since: float) -> None:
    """Wait until all have ended; those that have not in time have not succeeded."""
    # Seldom, and of one only: who asks how far all are keeps the api-server from its work.
    query = {"state": ["queued", "running"], "limit": 1}
    while running.airflow.api("GET", "/dags/~/dagRuns", params=query)["total_entries"]:
        if time.time() - since > LONGEST_SECONDS:
            return
        time.sleep(LOOK_SECONDS)


def _figures(midnight: Midnight, runs: int) -> dict[str, Any]:
    """Sum up.

    Returns:
        succeeded (runs), wall (seconds), cpu (seconds by what used them), rows_a_run, calls_a_run (of SageMaker's),
        calls (by operation).
    """
    sagemaker = [call for call in midnight.calls if "sagemaker" in call["service"]]
    return {
        "succeeded": midnight.states["success"],
        "wall": midnight.wall,
        "cpu": midnight.cpu,
        "rows_a_run": sum(midnight.rows.values()) / runs,
        "calls_a_run": len(sagemaker) / runs,
        "calls": dict(Counter(call["operation"] for call in sagemaker).most_common()),
    }


def _of_slack(running: Bench, midnight: Midnight, names: list[str]) -> dict[str, float]:
    """Tell what Slack got, which takes a message a second.

    Returns:
        slack_a_run, the messages taken; slack_refused, as too many; slack_late, the seconds from the last run's end to
        the last message; told_once, of how many pipelines the run's success was told exactly once.
    """
    told_once, deadline = 0, time.time() + LONGEST_SECONDS
    while told_once < midnight.states["success"] and time.time() < deadline:
        time.sleep(LOOK_SECONDS)
        texts = [message["text"] for message in running.aws.slack_messages()]
        counts = [sum(f"Deployment completed: {name}, data date" in text for text in texts) for name in names]
        told_once = sum(count == 1 for count in counts)
    asked = [call for call in running.aws.calls() if call["service"] == "slack" and call["time"] >= midnight.due]
    taken = [call["time"] for call in asked if call["status"] == 200]
    return {
        "slack_a_run": len(taken) / len(names),
        "slack_refused": len(asked) - len(taken),
        "slack_late": max(taken) - max(midnight.ends),
        "told_once": told_once,
    }


def _of_trainings(running: Bench, midnight: Midnight, quota: int) -> dict[str, float]:
    """Tell where the time of ours went.

    Returns:
        refused, how many requests were, for want of quota; overtaken, as in midnight.measure(); and in seconds:
        first_training, from when they were due to the first one's creation; refilled, the median from the end of a
        training to the creation of the one that takes its place; after_trainings, from the last training's end to the
        last run's. And used, the share of the quota's time in which something trained, until the last end.
    """
    asked = [call for call in midnight.calls if call["operation"] == "CreateTrainingJob"]
    refused: dict[str, float] = {}
    for call in asked:
        if call["error"] is not None:
            refused.setdefault(call["parameters"]["TrainingJobName"], call["time"])
    client = running.aws.client("sagemaker")
    since = datetime.fromtimestamp(midnight.due).astimezone()
    pages = client.get_paginator("list_training_jobs").paginate(
        CreationTimeAfter=since, PaginationConfig={"PageSize": 100}
    )
    jobs = [job for page in pages for job in page["TrainingJobSummaries"]]
    begins = sorted(job["CreationTime"].timestamp() for job in jobs)
    ends = sorted(job["TrainingEndTime"].timestamp() if "TrainingEndTime" in job else time.time() for job in jobs)
    trained = sum(ends) - sum(begins)
    gaps = [begin - end for end, begin in zip(ends, islice(begins, quota, None), strict=False)]
    return {
        "refused": sum(call["error"] is not None for call in asked),
        "overtaken": places_lost(refused, {job["TrainingJobName"]: job["CreationTime"].timestamp() for job in jobs}),
        "first_training": begins[0] - midnight.due,
        "refilled": median(gaps) if gaps else 0.0,
        "used": trained / (quota * (ends[-1] - begins[0])),
        "after_trainings": max(midnight.ends) - ends[-1],
    }
