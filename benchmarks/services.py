"""Whole DAG runs on real Airflow services and local AWS: ours, the stock operators', the article's and trivial ones."""

from __future__ import annotations

import random
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import mean
from types import MappingProxyType
from typing import Any

import yaml

from benchmarks import seed_state_machine
from benchmarks.dags.stock_requests import stock_requests
from local_airflow.postgres import postgres_if_installed, server_folder
from local_airflow.services import AirflowServices
from local_aws.connections import airflow_connections
from local_aws.process import LocalAws

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"
DATA_DATE = date(2026, 10, 1)
IMAGE = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/timed:1"
SHORT_SECONDS = 5
RANDOM_SECONDS = (60, 240)
PARALLEL_SERVE_SECONDS = 30
PARALLELISM = 8
TASKS = ("wait_for_data", "train", "deploy")
# What Airflow logs of a task that gives up its worker slot; each line begins with its time.
DEFERRED = re.compile(r"^(\S+) Pausing task as DEFERRED", re.MULTILINE)
TIMED = re.compile(r"^(\d{4}-\d\d-\d\dT\S+) ", re.MULTILINE)


@dataclass(frozen=True)
class Measured:
    """One run.

    Attributes:
        wall: Seconds from the run's start to its end.
        aws: Of these, AWS's own: from each creation to the resource's end.
        held: Seconds of a worker slot from a task's begin to its first deferral, of each task that was deferred.
    """

    wall: float
    aws: float
    held: tuple[float, ...] = ()

    @property
    def overhead(self) -> float:
        """What is not AWS's own time, in seconds."""
        return self.wall - self.aws


class Bench:
    """A running Airflow on a running local AWS."""

    def __init__(self, aws: LocalAws, airflow: AirflowServices):
        self.aws = aws
        self.airflow = airflow

    def ours(self, name: str, data_date: date = DATA_DATE) -> Measured:
        """Run a pipeline's DAG once.

        Args:
            name: The pipeline.
            data_date: What it trains on.
        """
        self.prepare(f"train_and_deploy_{name}")
        self.start_ours(name, data_date)
        return self.finish_ours(name, data_date)

    def start_ours(self, name: str, data_date: date = DATA_DATE) -> None:
        """Trigger a pipeline's DAG; see ours()."""
        day = data_date.isoformat()
        self.airflow.trigger(f"train_and_deploy_{name}", conf={"data_date": day}, run_id=day)

    def finish_ours(self, name: str, data_date: date = DATA_DATE) -> Measured:
        """Wait for the run that start_ours() has triggered."""
        dag_id, run_id = f"train_and_deploy_{name}", data_date.isoformat()
        wall = self._wall(dag_id, run_id)
        aws = self._training_seconds(f"{name}-{data_date}") + self._endpoint_seconds(name)
        return Measured(wall, aws, self._held(dag_id, run_id))

    def stock(self, dag_id: str, run_id: str, train: float, serve: float) -> Measured:
        """Run a DAG of stock operators once.

        Args:
            dag_id: The DAG.
            run_id: Its run's id.
            train: Seconds of training.
            serve: Seconds of deployment.
        """
        self.prepare(dag_id)
        self.start_stock(dag_id, run_id, train, serve)
        return self.finish_stock(dag_id, run_id)

    def start_stock(self, dag_id: str, run_id: str, train: float, serve: float) -> None:
        """Trigger a DAG of stock operators; see stock()."""
        self.airflow.trigger(dag_id, conf={"train_seconds": train, "serve_seconds": serve}, run_id=run_id)

    def finish_stock(self, dag_id: str, run_id: str) -> Measured:
        """Wait for the run that start_stock() has triggered.

        Args:
            dag_id: The DAG.
            run_id: Its run's id.
        """
        wall = self._wall(dag_id, run_id)
        name = f"{dag_id}-{run_id}".replace("_", "-")
        aws = self._training_seconds(name) + self._endpoint_seconds(name)
        return Measured(wall, aws, self._held(dag_id, run_id))

    def trivial(self, deferrals: int, run_id: str) -> Measured:
        """Run a chain of trivial tasks once; what its deferrals wait on purpose counts as AWS's time.

        Args:
            deferrals: How many of them defer.
            run_id: The run's id.
        """
        dag_id = f"trivial_{deferrals}"
        self.prepare(dag_id)
        self.airflow.trigger(dag_id, conf={}, run_id=run_id)
        return Measured(self._wall(dag_id, run_id), 10.0 * deferrals)

    def seed(self, name: str) -> Measured:
        """Run the article's state machine once.

        Args:
            name: Of the job and the endpoint.
        """
        started = time.time()
        seed_state_machine.run(self.aws, *stock_requests(name, SHORT_SECONDS, SHORT_SECONDS))
        wall = time.time() - started
        return Measured(wall, self._training_seconds(name) + self._endpoint_seconds(name))

    def backfill(self, dag_id: str, days: int) -> float:
        """Backfill a DAG.

        Args:
            dag_id: The DAG.
            days: How many, from DATA_DATE on.

        Returns:
            Seconds from the first run's start to the last one's end.
        """
        self.prepare(dag_id)
        first = datetime.fromisoformat(f"{DATA_DATE + timedelta(days=1)}T00:00:00+09:00")
        last = first + timedelta(days=days - 1)
        self.airflow.backfill(
            dag_id, first.isoformat(), last.isoformat(), max_active_runs=PARALLELISM, run_backwards=False
        )
        # Not until the backfill's own end, which Airflow looks for once a minute. Its runs exist from the beginning.
        started = [run["dag_run_id"] for run in self.airflow.runs(dag_id) if run["run_type"] == "backfill"]
        runs = [self.airflow.wait_for_run(dag_id, run_id, timeout=600) for run_id in started]
        failed = [run["dag_run_id"] for run in runs if run["state"] != "success"]
        if len(runs) != days or failed:
            raise RuntimeError(f"backfill of {dag_id}: {len(runs)} runs, failed: {failed}")
        return (
            max(moment(run["end_date"]) for run in runs) - min(moment(run["start_date"]) for run in runs)
        ).total_seconds()

    def wait_for_trainings(self, name_contains: str, count: int, timeout: float = 300) -> None:
        """Wait until so many training jobs have been created.

        Args:
            name_contains: What their names contain.
            count: How many.
            timeout: Seconds.

        Raises:
            TimeoutError: They were not.
        """
        deadline = time.monotonic() + timeout
        while len(self._training_jobs(name_contains)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"fewer than {count} training jobs of {name_contains!r} within {timeout:.0f} s")
            time.sleep(1)

    def prepare(self, dag_id: str) -> None:
        """Wait for a DAG and unpause it.

        Args:
            dag_id: The DAG.
        """
        self.airflow.wait_for_dag(dag_id)
        self.airflow.unpause(dag_id)

    def _wall(self, dag_id: str, run_id: str) -> float:
        run = self.airflow.wait_for_run(dag_id, run_id, timeout=900)
        if run["state"] != "success":
            raise RuntimeError(f"{run_id} of {dag_id} has ended {run['state']}")
        return (moment(run["end_date"]) - moment(run["start_date"])).total_seconds()

    def _held(self, dag_id: str, run_id: str) -> tuple[float, ...]:
        logs = [self.airflow.task_log(dag_id, run_id, task) for task in TASKS]
        first = [(TIMED.search(log), DEFERRED.search(log)) for log in logs]
        return tuple((moment(end[1]) - moment(begin[1])).total_seconds() for begin, end in first if begin and end)

    def _training_jobs(self, name_contains: str) -> list[dict[str, Any]]:
        # Names are compared in each page only, and the rate is limited: few large pages.
        pages = self.aws.client("sagemaker").get_paginator("list_training_jobs")
        found = pages.paginate(NameContains=name_contains, PaginationConfig={"PageSize": 100})
        return [job for page in found for job in page["TrainingJobSummaries"]]

    def _training_seconds(self, prefix: str) -> float:
        [job] = self._training_jobs(prefix)
        return float((job["TrainingEndTime"] - job["CreationTime"]).total_seconds())

    def _endpoint_seconds(self, name: str) -> float:
        asked = [
            call["time"]
            for call in self.aws.calls()
            if call.get("operation") in ("CreateEndpoint", "UpdateEndpoint")
            and call["parameters"]["EndpointName"] == name
        ]
        endpoint = self.aws.client("sagemaker").describe_endpoint(EndpointName=name)
        return float(endpoint["LastModifiedTime"].timestamp() - asked[-1])


@contextmanager
def local_aws(durations: dict[str, tuple[float, float]], days: int) -> Iterator[tuple[LocalAws, Path]]:
    """Start a local AWS with data and write pipeline files like the sample's; all is gone afterwards.

    Args:
        durations: Seconds of training and deployment by pipeline.
        days: For how many days there is data, from DATA_DATE on.

    Yields:
        Local AWS and the folder of the pipeline files.
    """
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        LocalAws(images={"timed": BENCHMARKS / "image"}, ping_timeout=300) as aws,
    ):
        upload(aws, days)
        for name, (train, serve) in durations.items():
            write_pipeline(Path(folder), name, train, serve)
        yield aws, Path(folder)


@contextmanager
def bench(
    aws: LocalAws, pipelines: Path, *dag_folders: Path, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Bench]:
    """Start an Airflow; it is gone afterwards.

    Args:
        aws: The local AWS that its tasks talk to.
        pipelines: The folder of the pipeline files.
        dag_folders: What is copied to its DAG folder.
        settings: Further environment variables, which win.
    """
    environment = {
        **airflow_connections(aws.url, aws.region),
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "100",
        **settings,
    }
    with tempfile.TemporaryDirectory(prefix="bench-airflow-") as folder, postgres_if_installed() as database:
        home = Path(folder)
        for dags in dag_folders:
            shutil.copytree(dags, home / "dags", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        with AirflowServices(
            home / "airflow",
            database=database,
            dags_folder=home / "dags",
            pipelines_dir=pipelines,
            environment=environment,
            parallelism=PARALLELISM,
        ) as airflow:
            yield Bench(aws, airflow)


def measure(
    *,
    repetitions: int,
    parallel_runs: int,
    backfill_days: int,
    say: Callable[[str], None],
    while_stock_waits: Callable[[], object],
    while_runs_wait: Callable[[], object],
) -> dict[str, Any]:
    """Measure all that needs services.

    Args:
        repetitions: How often the short runs of ours and of the trivial chain are measured.
        parallel_runs: How many runs with jobs of random length; 0 leaves them out.
        backfill_days: How many days are backfilled; 0 leaves that out.
        say: Tells progress.
        while_stock_waits: Measures something else while the stock operators' short runs wait.
        while_runs_wait: Likewise while the parallel runs wait, if there are any, else after the short runs.

    Returns:
        short: the overhead by system in seconds, with our deferrals; parallel, likewise: with how many waits were
        deferred and after how many seconds at most; backfill: seconds by system.
    """
    numbers = random.Random(5)  # noqa: S311 - repeatable, not secret
    durations: dict[str, tuple[float, float]] = {"short": (SHORT_SECONDS, SHORT_SECONDS)}
    parallel = [f"parallel-{number:02}" for number in range(parallel_runs)]
    durations |= {name: (round(numbers.uniform(*RANDOM_SECONDS)), PARALLEL_SERVE_SECONDS) for name in parallel}
    durations["backfill"] = (0, 0)
    results: dict[str, Any] = {"database": "PostgreSQL" if server_folder() else "SQLite"}
    days = max(backfill_days, repetitions + 1)
    dags = ROOT / "dags", BENCHMARKS / "dags"
    with (
        local_aws(durations, days) as (aws, pipelines),
        bench(aws, pipelines, *dags) as running,
        ThreadPoolExecutor(8) as pool,
    ):
        seed = pool.submit(running.seed, "seed")
        say("short jobs: stock operators, which mostly wait, and the first run of ours, which warms up")
        stock = [
            pool.submit(running.stock, dag_id, "short", SHORT_SECONDS, SHORT_SECONDS)
            for dag_id in ("stock_deferrable", "stock_blocking")
        ]
        # From then on the pipeline has run before, as a daily one has; and an Airflow's first task pays for more.
        running.ours("short")
        say("short jobs: ours and trivial chains")
        ours, trivial = [], []
        for number in range(repetitions):  # In turn, so that both meet the same machine.
            ours.append(running.ours("short", DATA_DATE + timedelta(days=1 + number)))
            trivial.append(running.trivial(len(ours[-1].held), f"bench-{number}"))
        say(f"overhead: ours {[run.overhead for run in ours]}, trivial {[run.overhead for run in trivial]}")
        while_stock_waits()
        if parallel:
            say(f"{parallel_runs} runs of ours and as many of the stock operators in parallel: takes 6 minutes")
            with bench(aws, pipelines, BENCHMARKS / "dags") as rival:
                results["parallel"] = _parallel(running, rival, parallel, durations, while_runs_wait)
        else:
            while_runs_wait()
        results["short"] = {
            "ours": mean(run.overhead for run in ours),
            "deferrals": round(mean(len(run.held) for run in ours)),
            "trivial": mean(run.overhead for run in trivial),
            "stock_deferrable": stock[0].result().overhead,
            "stock_blocking": stock[1].result().overhead,
            "seed": seed.result().overhead,
        }
        if backfill_days:
            say(f"backfill of {backfill_days} days: ours, then trivial chains")
            results["backfill"] = {
                "days": backfill_days,
                "ours": running.backfill("train_and_deploy_backfill", backfill_days),
                "trivial": running.backfill("trivial_backfill", backfill_days),
            }
    return results


def _parallel(
    running: Bench,
    rival: Bench,
    names: list[str],
    durations: dict[str, tuple[float, float]],
    while_runs_wait: Callable[[], object],
) -> dict[str, Any]:
    for name in names:
        running.prepare(f"train_and_deploy_{name}")
    rival.prepare("stock_deferrable")
    rival.trivial(0, "warm-up")  # An Airflow's first task pays for more, and ours has had it.
    # The longest first, so that the whole takes no longer than it must.
    by_length = sorted(names, key=lambda name: durations[name])
    for name in reversed(by_length):
        running.start_ours(name)
        rival.start_stock("stock_deferrable", name, *durations[name])
    running.wait_for_trainings("parallel", len(names) * 2)
    while_runs_wait()
    # One after the other: forty that ask at once how far their runs are would keep the api-servers from their work.
    measured = {
        "ours": [running.finish_ours(name) for name in by_length],
        "stock_deferrable": [rival.finish_stock("stock_deferrable", name) for name in by_length],
    }
    return {
        "runs": len(names),
        "overhead": {system: mean(run.overhead for run in runs) for system, runs in measured.items()},
        "deferred": {system: sum(len(run.held) for run in runs) for system, runs in measured.items()},
        "longest_held": {system: max(max(run.held, default=0.0) for run in runs) for system, runs in measured.items()},
    }


def upload(aws: LocalAws, days: int) -> None:
    """Make the bucket, with data.

    Args:
        aws: Where to.
        days: For how many days, from DATA_DATE on.
    """
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="sample-bucket", CreateBucketConfiguration={"LocationConstraint": aws.region})
    for day in range(days):
        for kind in ("training", "validation"):
            file = ROOT / "include" / "sample_data" / kind / "iris.csv"
            key = f"input-data-{kind}/{DATA_DATE + timedelta(days=day)}/bench/iris.csv"
            s3.upload_file(str(file), "sample-bucket", key)


def write_pipeline(folder: Path, name: str, train: float, serve: float) -> None:
    """Write a pipeline file like the sample's.

    Args:
        folder: Where to.
        name: The pipeline.
        train: Seconds of training.
        serve: Seconds of deployment.
    """
    content = yaml.safe_load((ROOT / "include" / "pipelines" / "multiclass.yaml").read_text())
    content["name"] = content["endpoint"]["EndpointName"] = name
    content["schedule"] = "@daily" if name == "backfill" else None
    for kind in ("training", "validation", "prediction"):
        content["data"][kind] = f"input-data-{kind}/{{{{ data_date }}}}/bench/iris.csv"
    content["training"]["AlgorithmSpecification"]["TrainingImage"] = IMAGE
    content["training"]["HyperParameters"] = {"train_seconds": str(train), "serve_seconds": str(serve)}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def moment(text: str) -> datetime:
    """Read a time as Airflow's API tells it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
