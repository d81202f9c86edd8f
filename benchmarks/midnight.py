"""Many pipelines that begin at one moment under one quota, in simulated time, with jobs as long as real ones.

The queue, the watcher and the schedule are the real ones; SageMaker is the fake one, with a quota of trainings; of
Airflow there are its worker slots, and how long a task takes to start. Of operators that wait for no quota only the
arithmetic is needed.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from benchmarks.fake_sagemaker import FakeSageMaker, most_per_second, past_jobs
from benchmarks.simulated_time import simulate
from fresh_endpoints.aws.kinds import ENDPOINT, TRAINING_JOB
from fresh_endpoints.steps.instances_wait import LONGEST_SECONDS
from fresh_endpoints.waiting.turns import Claim, Queue
from fresh_endpoints.waiting.watcher import Watcher

TRAINING_SECONDS, DEPLOYMENT_SECONDS = 1800.0, 600.0
# From one run to the next: the standard deviation.
SPREAD = 0.03
PAST_JOBS = 3000
# Of Airflow by default; and from a task's being due to its first line, on a machine that has much to do.
WORKER_SLOTS = 32
START_SECONDS = (2.0, 8.0)
# When a task of a stock operator that was refused is tried again, in seconds, where it is given three retries from five
# minutes on, each pause twice the one before.
RETRIES = (0.0, 300.0, 900.0, 2100.0)


@dataclass
class Account:
    """An account with a quota of trainings, one Airflow that uses it, and what became of it.

    Attributes:
        quota: How many trainings at a time.
        numbers: Random ones, repeatable.
        trainings: The fake SageMaker's training jobs.
        endpoints: And its endpoints.
        refused: When each was refused first, by its number.
        started: When each training was created.
        done: When each run had ended.
        creations: The time of each Create operation.
    """

    quota: int
    numbers: random.Random
    trainings: FakeSageMaker
    endpoints: FakeSageMaker = field(default_factory=lambda: FakeSageMaker({}, kind=ENDPOINT))
    refused: dict[int, float] = field(default_factory=dict)
    started: dict[int, float] = field(default_factory=dict)
    done: dict[int, float] = field(default_factory=dict)
    creations: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Give it a queue and a watcher, as a triggerer has."""
        self.slots = asyncio.Semaphore(WORKER_SLOTS)
        self.watcher = Watcher(self)
        self.queue = Queue(self._is_let_in)

    async def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Answer as a boto3 client's method does.

        Args:
            method: The method.
            parameters: The request.
        """
        asked = self.endpoints if "endpoint" in method else self.trainings
        return await asked(method, **parameters)

    async def _is_let_in(self, name: str) -> bool:
        try:
            await self(TRAINING_JOB.describe, TrainingJobName=name)
        except ClientError:
            return False
        return True

    async def task(self, act: Callable[[], bool | None]) -> bool | None:
        """Let a task's process act, once there is a worker slot for it and it has started.

        Args:
            act: What it does; what it answers is returned.
        """
        async with self.slots:
            await asyncio.sleep(self.numbers.uniform(*START_SECONDS))
            return act()

    def train(self, number: int) -> bool:
        """Create a run's training job.

        Args:
            number: The run.

        Returns:
            Whether the quota allows it.
        """
        now = time.time()
        self.creations.append((now, "CreateTrainingJob"))
        running = sum(end > now for _, end in self.trainings.jobs.values())
        if running >= self.quota:
            self.refused.setdefault(number, now)
            return False
        self.started[number] = now
        self.trainings.jobs[_name(number)] = (now, now + TRAINING_SECONDS * self.numbers.gauss(1, SPREAD))
        return True

    def deploy(self, number: int) -> None:
        """Create a run's endpoint.

        Args:
            number: The run.
        """
        now = time.time()
        self.creations.append((now, "CreateEndpoint"))
        self.endpoints.jobs[_name(number)] = (now, now + DEPLOYMENT_SECONDS)

    async def run(self, number: int, turn: asyncio.Lock | None = None) -> None:
        """Run a pipeline: train once it is let in, deploy, publish.

        Args:
            number: The run.
            turn: Held while it deploys, where the runs are of one pipeline, whose endpoint takes one change at a time.
        """
        await self.task(lambda: None)  # wait_for_data
        while not await self.task(lambda: self.train(number)):
            # As long as a scheduled run waits that is due again a day later.
            left = self.refused[number] + LONGEST_SECONDS - time.time()
            claim = Claim(_name(number), _name(number), self.refused[number])
            await asyncio.wait_for(self.queue.wait(claim), left)
        await self.watcher.wait("training_job", _name(number), self.started[number], TRAINING_SECONDS)
        self.queue.note_end()
        await self.task(lambda: None)
        async with turn or asyncio.Lock():
            await self.task(lambda: self.deploy(number))
            await self.watcher.wait("endpoint", _name(number), time.time())
            await self.task(lambda: None)
        await self.task(lambda: None)  # publish
        self.done[number] = time.time()


def measure(runs: int, quota: int, *, is_backfill: bool = False, seed: int = 5) -> dict[str, Any]:
    """Simulate many runs that begin at once.

    Args:
        runs: How many.
        quota: How many trainings the account may have at a time.
        is_backfill: Whether they are of one pipeline, which deploys one after another.
        seed: Of the random durations.

    Returns:
        succeeded (runs); wall and bound (seconds, the quota's own); refused (requests, for want of quota); mean and
        most calls a second (in ten), lists (in one), and looks a run; overtaken, how many places of the queue somebody
        lost at most; and how many of the stock operators' runs fail, without retries and with three.
    """
    log = logging.getLogger("fresh_endpoints")
    level = log.level
    log.setLevel(logging.WARNING)  # Each turn is told otherwise.
    try:
        return simulate(_midnight(runs, quota, random.Random(seed), is_backfill=is_backfill))  # noqa: S311 - repeatable
    finally:
        log.setLevel(level)


async def _midnight(runs: int, quota: int, numbers: random.Random, *, is_backfill: bool) -> dict[str, Any]:
    began = time.time()
    account = Account(quota, numbers, FakeSageMaker(past_jobs(PAST_JOBS, began)))
    turn = asyncio.Lock() if is_backfill else None
    await asyncio.gather(*(account.run(number, turn) for number in range(runs)), return_exceptions=True)
    calls = sorted([*account.creations, *account.trainings.calls, *account.endpoints.calls])
    wall = max(account.done.values()) - began
    return {
        "runs": runs,
        "quota": quota,
        "succeeded": len(account.done),
        "wall": wall,
        "bound": runs / quota * TRAINING_SECONDS + DEPLOYMENT_SECONDS,
        "refused": len(account.creations) - len(account.started) - len(account.endpoints.jobs),
        "mean": len(calls) / wall,
        "most": most_per_second(calls, 10),
        "most_lists": most_per_second(calls, 1, "List"),
        "calls": dict(Counter(operation for _, operation in calls).most_common()),
        "overtaken": places_lost(account.refused, account.started),
        "stock_failed": runs - _stock(runs, quota, RETRIES[:1]),
        "stock_failed_retrying": runs - _stock(runs, quota, RETRIES),
    }


def places_lost(refused: Mapping[Any, float], started: Mapping[Any, float]) -> int:
    """Return how many that were refused later have trained before somebody who waited, at most.

    Args:
        refused: When each was refused first.
        started: When each was let in.
    """
    waited = sorted(refused, key=refused.__getitem__)
    places = {name: place for place, name in enumerate(waited)}
    order = sorted((name for name in waited if name in started), key=started.__getitem__)
    return max((place - places[name] for place, name in enumerate(order)), default=0)


def _stock(runs: int, quota: int, tries: tuple[float, ...]) -> int:
    """Return how many are let in that ask at these times, all together."""
    ends: list[float] = []
    let_in = 0
    for now in tries:
        ends = [end for end in ends if end > now]
        free = min(quota - len(ends), runs - let_in)
        ends += [now + TRAINING_SECONDS] * free
        let_in += free
    return let_in


def _name(number: int) -> str:
    return f"job-{number:04}"
