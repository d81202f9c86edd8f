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

from benchmarks.fake_sagemaker import FakeSageMaker, most_per_second, past_jobs
from benchmarks.simulated_time import simulate
from fresh_endpoints.waiting import pace
from fresh_endpoints.waiting.watcher import Watcher

STOCK_SECONDS = 30
SEED_SECONDS = 60
SHORTEST, LONGEST = 30.0, 3600.0
# How many wait at once, and how many training jobs the account has had before.
GRID_WAITS = (12, 30, 100, 1000)
GRID_PAST = (0, 3000)
GRID_SECONDS = 900.0
THROTTLED_SECONDS = 600.0
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
        See _herd().
    """
    return simulate(_herd(jobs, LONGEST, random.Random(seed)))  # noqa: S311 - repeatable, not secret


def grid(seed: int = 5) -> list[dict[str, Any]]:
    """Simulate many jobs that wait at once in accounts with and without a past, lists throttled at times or not.

    Args:
        seed: Of the random ends.

    Returns:
        For each number of waits and of past jobs: as _herd() returns, and `throttled`, the same where all lists are
        throttled for ten minutes.
    """
    cells = []
    for jobs in GRID_WAITS:
        for past in GRID_PAST:
            numbers = random.Random(seed)  # noqa: S311 - repeatable, not secret
            cell = simulate(_herd(jobs, GRID_SECONDS, numbers, past))
            throttled = simulate(_herd(jobs, GRID_SECONDS, numbers, past, THROTTLED_SECONDS))
            cells.append({**cell, "throttled": throttled})
    return cells


async def _herd(
    jobs: int, longest: float, numbers: random.Random, past: int = 0, throttled: float = 0.0
) -> dict[str, Any]:
    """Let many wait at once.

    Args:
        jobs: How many.
        longest: The longest job, in seconds.
        numbers: Their ends.
        past: How many jobs the account has had.
        throttled: For how long all lists are throttled, in seconds.

    Returns:
        SageMaker calls per second in the mean and in the worst ten seconds, lists in the worst one, how many ends were
        noticed, and the latest notice in seconds.
    """
    started = time.time()
    ends = {f"job-{number:04}": (started, started + numbers.uniform(60, longest)) for number in range(jobs)}
    sagemaker = FakeSageMaker(ends | past_jobs(past, started), lists_throttled_until=started + throttled)
    watcher = Watcher(sagemaker)
    late: dict[str, float] = {}

    async def wait(name: str) -> None:
        await watcher.wait("training_job", name, started)
        late[name] = time.time() - ends[name][1]

    await asyncio.gather(*(wait(name) for name in ends))
    times = [moment for moment, _ in sagemaker.calls]
    return {
        "jobs": jobs,
        "past": past,
        "calls": len(times),
        "mean": len(times) / (times[-1] - started),
        "most": most_per_second(sagemaker.calls, 10),
        "most_lists": most_per_second(sagemaker.calls, 1, "List"),
        "noticed": len(late),
        "latest": max(late.values()),
        "p90": p90(list(late.values())),
    }


def _median_of_past(duration: float, spread: float, numbers: random.Random) -> float:
    return sorted(duration * math.exp(numbers.gauss(0, spread)) for _ in range(5))[2]


def _fixed(duration: float, period: float) -> float:
    return math.ceil(duration / period) * period - duration


def p90(values: list[float]) -> float:
    """Return the 90th percentile."""
    return quantiles(values, n=10)[-1]
