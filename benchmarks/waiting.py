"""Many training jobs that wait in one process with one event loop, as in a triggerer; on the real clock.

Run as a program (``python -m benchmarks.waiting ours 1000``) it prints one JSON object: each measurement has a process
of its own. SageMaker is the fake one, in another process, and every request is a real one, by boto3 or aiobotocore.
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


def measure(system: str, jobs: int, *, to_the_end: bool = False) -> dict[str, Any]:
    """Measure in a new process.

    Args:
        system: ``ours`` or ``stock``.
        jobs: How many wait.
        to_the_end: Until all jobs have ended; otherwise only until all wait, for the memory.

    Returns:
        memory_mb (in all, on top of the process that runs no trigger), calls_per_second (most in ten seconds), late
        (each job's seconds from its end to the event; ours only) and blocked_seconds (the event loop's longest pauses).
    """
    path = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    command = [sys.executable, "-m", "benchmarks.waiting", system, str(jobs)]
    command += ["to-the-end"] if to_the_end else []
    with _fake_sagemaker() as url:
        connection = {
            "conn_type": "aws",
            "login": "x",
            "password": "x",
            "extra": {"endpoint_url": url, "region_name": "us-east-1"},
        }
        environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "PYTHONPATH": path,
            "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection),
            "FAKE_SAGEMAKER": url,
        }
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


async def _run(system: str, jobs: int, to_the_end: bool) -> dict[str, Any]:
    # What every triggerer has imported before it runs its first trigger.
    import airflow.jobs.triggerer_job_runner  # noqa: F401

    url = os.environ["FAKE_SAGEMAKER"]
    process = psutil.Process()
    started = time.time()
    spread = random.Random(jobs)  # noqa: S311 - repeatable, not secret
    names = [f"job-{number:04}" for number in range(jobs)]
    ends = {name: started + SETTLE_SECONDS + spread.uniform(0, ENDING_SECONDS) for name in names}
    _post(f"{url}/jobs", {name: (started, end) for name, end in ends.items()})
    empty = process.memory_info().rss
    if system == "ours":  # As the plugin does in every triggerer.
        from fresh_endpoints.preload import preload

        preload()
    pauses = {"start": 0.0, "waiting": 0.0}
    watchdog = asyncio.create_task(_watch(pauses))
    late: dict[str, float] = {}
    tasks = [asyncio.create_task(_wait(system, name, started, ends[name], late)) for name in names]
    # Until all have looked. The stock triggers make a client each first, in the event loop.
    while time.time() < started + SETTLE_SECONDS - 5 or (system == "stock" and _calls(url) < jobs):
        await asyncio.sleep(1)
    used = process.memory_info().rss
    if to_the_end:
        await asyncio.gather(*tasks)
    for task in tasks:
        task.cancel()
    watchdog.cancel()
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own address
        calls = [moment for moment, _ in json.load(answer)]
    return {
        "system": system,
        "jobs": jobs,
        "memory_mb": (used - empty) / 2**20,
        "calls_per_second": max(sum(at <= moment < at + 10 for moment in calls) / 10 for at in calls),
        "calls": len(calls),
        "late": sorted(late.values()),
        "blocked_seconds": pauses,
    }


async def _wait(system: str, name: str, started: float, end: float, late: dict[str, float]) -> None:
    trigger: Any
    if system == "ours":
        from fresh_endpoints.waiting.triggers import SageMakerTrigger as OurTrigger

        trigger = OurTrigger("training_job", name, started)
    else:
        from airflow.providers.amazon.aws.triggers.sagemaker import SageMakerTrigger as StockTrigger

        trigger = StockTrigger(job_name=name, job_type="Training")
    async for _ in trigger.run():
        late[name] = time.time() - end
        return


async def _watch(pauses: dict[str, float]) -> None:
    """Note the event loop's longest pauses: while the triggers start and the first client is made, and after that."""
    started = time.monotonic()
    while True:
        before = time.monotonic()
        await asyncio.sleep(TICK_SECONDS)
        phase = "start" if before - started < START_SECONDS else "waiting"
        pauses[phase] = max(pauses[phase], time.monotonic() - before - TICK_SECONDS)


def _calls(url: str) -> int:
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own address
        return len(json.load(answer))


def _post(url: str, content: Any) -> None:
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(content).encode(), method="POST")).close()  # noqa: S310


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    sys.stdout.write(json.dumps(asyncio.run(_run(sys.argv[1], int(sys.argv[2]), "to-the-end" in sys.argv))) + "\n")
    sys.stdout.flush()
    os._exit(0)  # the stock trigger's clients close themselves one by one, noisily
