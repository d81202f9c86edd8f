"""How late the end of a training is noticed, and what that costs in SageMaker calls, in simulated time.

Ours is the real watcher and the real schedule, asking the fake SageMaker; of the stock trigger (a look every 30 s) and
of the seed (every 60 s) only the arithmetic is needed.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from statistics import mean, quantiles
from typing import Any

from benchmarks.fake_sagemaker import FakeSageMaker
from benchmarks.simulated_time import simulate
from fresh_endpoints.waiting import pace
from fresh_endpoints.waiting.watcher import Watcher

STOCK_SECONDS = 30
SEED_SECONDS = 60
SHORTEST, LONGEST = 30.0, 3600.0
# What a step calls beside its looks: create, describe, list past jobs, tags read and written for two Slack messages,
# and the look with which the task resumes.
CALLS_OF_THE_STEP = 8


def measure(waits: int, seed: int = 5) -> dict[str, Any]:
    """Simulate many single waits.

    Args:
        waits: How many jobs of each sort.
        seed: Of the random durations.

    Returns:
        p90 of the lateness by sort, as seconds and as a share of what is allowed, and the calls for jobs of an hour.
    """
    numbers = random.Random(seed)  # noqa: S311 - repeatable, not secret
    durations = [math.exp(numbers.uniform(math.log(SHORTEST), math.log(LONGEST))) for _ in range(waits)]
    first = [ours(duration, None) for duration in durations]
    results: dict[str, Any] = {
        "jobs": waits,
        "first_time_share_p90": p90([late / max(5.0, 0.05 * d) for d, (late, _) in zip(durations, first, strict=True)]),
        "first_time_p90": p90([late for late, _ in first]),
        "stock_p90": p90([_fixed(duration, STOCK_SECONDS) for duration in durations]),
        "seed_p90": p90([_fixed(duration, SEED_SECONDS) for duration in durations]),
        "spread": {},
        "hour_calls": {"first time": ours(LONGEST, None)[1] + CALLS_OF_THE_STEP, "stock": math.ceil(LONGEST / 30)},
    }
    for spread in (0.02, 0.05, 0.1):
        seen = [ours(d * math.exp(numbers.gauss(0, spread)), _median_of_past(d, spread, numbers)) for d in durations]
        results["spread"][f"{spread:.0%}"] = p90([late for late, _ in seen])
    known = [ours(LONGEST * math.exp(numbers.gauss(0, 0.02)), LONGEST)[1] + CALLS_OF_THE_STEP for _ in range(waits)]
    results["hour_calls"]["known, mean"] = mean(known)
    results["hour_calls"]["known, p90"] = p90([float(calls) for calls in known])
    return results


def ours(duration: float, expected: float | None) -> tuple[float, int]:
    """Simulate one wait as a step waits: a while in the worker unless it expects more, then in the triggerer.

    Args:
        duration: Of the job, in seconds.
        expected: What the past says, in seconds.

    Returns:
        Seconds from the job's end to the notice, and the number of looks.
    """
    return simulate(_wait(duration, expected))


async def _wait(duration: float, expected: float | None) -> tuple[float, int]:
    started = time.time()
    sagemaker = FakeSageMaker({"job": (started, started + duration)})
    while (elapsed := time.time() - started) < pace.seconds_in_worker(expected):
        answer = await sagemaker("describe_training_job", TrainingJobName="job")
        if answer["TrainingJobStatus"] == "Completed":
            return time.time() - started - duration, len(sagemaker.calls)
        await asyncio.sleep(pace.next_look_in_worker(elapsed, expected))
    await Watcher(sagemaker).wait("training_job", "job", started, expected)
    return time.time() - started - duration, len(sagemaker.calls)


def herd(jobs: int, seed: int = 5) -> dict[str, Any]:
    """Simulate many jobs that wait at once, their ends spread over an hour.

    Args:
        jobs: How many.
        seed: Of the random ends.

    Returns:
        SageMaker calls per second in the worst ten seconds and in the mean, and the latest notice in seconds.
    """
    return simulate(_herd(jobs, random.Random(seed)))  # noqa: S311 - repeatable, not secret


async def _herd(jobs: int, numbers: random.Random) -> dict[str, Any]:
    started = time.time()
    ends = {f"job-{number:04}": (started, started + numbers.uniform(60, 3600)) for number in range(jobs)}
    sagemaker = FakeSageMaker(ends)
    watcher = Watcher(sagemaker)
    late = []

    async def wait(name: str) -> None:
        await watcher.wait("training_job", name, started)
        late.append(time.time() - ends[name][1])

    await asyncio.gather(*(wait(name) for name in ends))
    times = [moment for moment, _ in sagemaker.calls]
    windows = [
        sum(start <= moment < start + 10 for moment in times) / 10 for start in range(int(started), int(times[-1]), 10)
    ]
    return {
        "jobs": jobs,
        "calls": len(times),
        "mean": len(times) / (times[-1] - started),
        "most": max(windows),
        "latest": max(late),
        "p90": p90(late),
    }


def _median_of_past(duration: float, spread: float, numbers: random.Random) -> float:
    return sorted(duration * math.exp(numbers.gauss(0, spread)) for _ in range(5))[2]


def _fixed(duration: float, period: float) -> float:
    return math.ceil(duration / period) * period - duration


def p90(values: list[float]) -> float:
    """Return the 90th percentile."""
    return quantiles(values, n=10)[-1]
