"""Many training jobs that wait in one process with one event loop, as in a triggerer; on the real clock.

Run as a program (``python -m benchmarks.waiting '["ours", [[1000, 0]], true]'``) it prints one JSON object: each
measurement has a process of its own. What is imported at the top here counts as the empty triggerer's memory, so there
is nothing of the package. SageMaker is the fake one, in another process, and every request is a real one, by boto3 or
aiobotocore.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
SETTLE_SECONDS = 20.0
ENDING_SECONDS = 15.0
TICK_SECONDS = 0.01
START_SECONDS = 12.0


def measure(system: str, jobs: int, *, past: int = 0, to_the_end: bool = False) -> dict[str, Any]:
    """Measure many that wait in an account, in a new process.

    Args:
        system: ``ours`` or ``stock``.
        jobs: How many wait.
        past: How many training jobs the account has had.
        to_the_end: Until all jobs have ended; otherwise only until all wait, for the memory.

    Returns:
        memory_mb (in all, on top of the process that runs no trigger), cpu (seconds a second, once all wait),
        blocked_seconds (the event loop's longest pauses), and the account's figures (see _Account.figures).
    """
    done = _in_a_new_process(system, [(jobs, past)], to_the_end)
    return {"system": system, **done, **done.pop("accounts")[0]}


def measure_grid(accounts: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """Measure ours in several accounts at once, each with a connection, and so a watcher, of its own.

    Args:
        accounts: In each, how many wait, and how many training jobs it has had.

    Returns:
        Each account's figures.
    """
    return list(_in_a_new_process("ours", accounts, True)["accounts"])


def _in_a_new_process(system: str, accounts: list[tuple[int, int]], to_the_end: bool) -> dict[str, Any]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    command = [sys.executable, "-m", "benchmarks.waiting", json.dumps([system, accounts, to_the_end])]
    with _fake_sagemaker() as url:
        environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "PYTHONPATH": path,
            "FAKE_SAGEMAKER": url,
        }
        for number in range(len(accounts)):
            connection = {
                "conn_type": "aws",
                "login": "x",
                "password": "x",
                "extra": {"endpoint_url": f"{url}/{number}", "region_name": "us-east-1"},
            }
            environment[f"AIRFLOW_CONN_AWS_{number}"] = json.dumps(connection)
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, timeout=400)
    return dict(json.loads(done.stdout.splitlines()[-1]))


@contextlib.contextmanager
def _fake_sagemaker() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.fake_sagemaker"]
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin
    assert server.stdout
    try:
        yield server.stdout.readline().strip()
    finally:
        server.stdin.close()
        server.wait(30)
        server.stdout.close()


class _Account:
    """An account of the fake SageMaker, and the triggers that wait for its jobs."""

    def __init__(self, number: int, jobs: int, past: int, started: float):
        self.connection = f"aws_{number}"
        self.url = f"{os.environ['FAKE_SAGEMAKER']}/{number}"
        self.jobs, self.past, self.started = jobs, past, started
        spread = random.Random(jobs)  # noqa: S311 - repeatable, not secret
        self.ends = {f"job-{n:04}": started + SETTLE_SECONDS + spread.uniform(0, ENDING_SECONDS) for n in range(jobs)}
        self.late: dict[str, float] = {}
        from benchmarks.fake_sagemaker import past_jobs

        _post(f"{self.url}/jobs", past_jobs(past, started) | {name: (started, end) for name, end in self.ends.items()})

    async def wait(self, system: str, name: str) -> None:
        trigger: Any
        if system == "ours":
            from fresh_endpoints.waiting.triggers import SageMakerTrigger as OurTrigger

            trigger = OurTrigger("training_job", name, self.started, aws_conn_id=self.connection)
        else:
            from airflow.providers.amazon.aws.triggers.sagemaker import SageMakerTrigger as StockTrigger

            trigger = StockTrigger(job_name=name, job_type="Training", aws_conn_id=self.connection)
        async for _ in trigger.run():
            self.late[name] = time.time() - self.ends[name]
            return

    def calls(self) -> list[tuple[float, str]]:
        with urllib.request.urlopen(f"{self.url}/calls") as answer:  # noqa: S310 - our own address
            return [(moment, operation) for moment, operation in json.load(answer)]

    def figures(self) -> dict[str, Any]:
        """Return how many waited, most calls a second (in ten) and lists (in one), and how late each end was noticed.

        The times, in seconds, are sorted; there are as many as were noticed.
        """
        from benchmarks.fake_sagemaker import most_per_second

        calls = self.calls()
        return {
            "jobs": self.jobs,
            "past": self.past,
            "calls": len(calls),
            "calls_per_second": most_per_second(calls, 10),
            "lists_per_second": most_per_second(calls, 1, "List"),
            "late": sorted(self.late.values()),
        }


async def _run(system: str, accounts: list[tuple[int, int]], to_the_end: bool) -> dict[str, Any]:
    # What every triggerer has imported before it runs its first trigger.
    import airflow.jobs.triggerer_job_runner  # noqa: F401

    process = psutil.Process()
    started = time.time()
    empty = process.memory_info().rss
    waited = [_Account(number, jobs, past, started) for number, (jobs, past) in enumerate(accounts)]
    if system == "ours":  # As the plugin does in every triggerer.
        from fresh_endpoints.preload import preload

        preload()
    pauses = {"start": 0.0, "waiting": 0.0}
    watchdog = asyncio.create_task(_watch(pauses))
    tasks = [asyncio.create_task(account.wait(system, name)) for account in waited for name in account.ends]
    # Until all have looked. The stock triggers make a client each first, in the event loop.
    while time.time() < started + SETTLE_SECONDS - 5 or (system == "stock" and len(waited[0].calls()) < len(tasks)):
        await asyncio.sleep(1)
    used = process.memory_info().rss
    before, began = sum(process.cpu_times()[:2]), time.monotonic()
    if to_the_end:
        await asyncio.gather(*tasks)
    cpu = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - began)
    for task in tasks:
        task.cancel()
    watchdog.cancel()
    return {
        "cpu": cpu,
        "memory_mb": (used - empty) / 2**20,
        "blocked_seconds": pauses,
        "accounts": [account.figures() for account in waited],
    }


async def _watch(pauses: dict[str, float]) -> None:
    """Note the event loop's longest pauses: while the triggers start and the first client is made, and after that."""
    started = time.monotonic()
    while True:
        before = time.monotonic()
        await asyncio.sleep(TICK_SECONDS)
        phase = "start" if before - started < START_SECONDS else "waiting"
        pauses[phase] = max(pauses[phase], time.monotonic() - before - TICK_SECONDS)


def _post(url: str, content: Any) -> None:
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(content).encode(), method="POST")).close()  # noqa: S310


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    sys.stdout.write(json.dumps(asyncio.run(_run(*json.loads(sys.argv[1])))) + "\n")
    sys.stdout.flush()
    os._exit(0)  # the stock trigger's clients close themselves one by one, noisily
