"""Many runs over few data dates, in random order and parallelism, while everything fails now and then."""

from __future__ import annotations

import os
import random
import re
from datetime import date, timedelta

import pytest

from fault_table import name_of

RUNS, DATA_DATES = int(os.environ.get("SOAK_RUNS", "50")), 10
SEED = int(os.environ.get("SOAK_SEED", "20190304"))
# What Slack loses is lost for good or told twice, so that Slack has no faults here.
FAULTS = (
    {"operation": "sagemaker:*", "kind": "throttle", "rate": 0.05},
    {"operation": "sagemaker:*", "kind": "error", "status": 500, "rate": 0.03},
    {"operation": "sagemaker:*", "kind": "lost_answer", "rate": 0.03},
    {"operation": "s3:HeadObject", "kind": "error", "status": 503, "rate": 0.05},
    {"operation": "sagemaker:*", "kind": "latency", "seconds": 0.3, "rate": 0.1},
    {"kind": "fail_training", "failure_reason": "CapacityError: none left", "rate": 0.04},
    # What AWS documents, or others have met there: reads lag behind writes, and models answer pings before they load.
    {"kind": "stale_read", "seconds": 2, "rate": 0.1},
    {"kind": "not_ready", "rate": 0.3},
    # However few runs there are, and whatever the seed is.
    {"kind": "stale_read", "operation": "DescribeEndpoint", "seconds": 2, "times": 3},
    {"kind": "not_ready", "times": 2},
)
SMOKE_TEST = {"body": "ping", "content_type": "text/plain", "expect": "good.*:ping", "patience_seconds": 120}


@pytest.mark.timeout(3_000)
def test_soak(services, tried):
    """The newest date is live in the end, and each run has trained once.

    A job that AWS itself fails is followed by another, so the jobs that count are those that completed.
    """
    chance = random.Random(SEED)
    pipeline = services.pipeline
    changes = {"max_active_runs": chance.randint(3, 5), "retries": 8, "smoke_test": SMOKE_TEST}
    pipeline.write(lambda content: content.update(changes))
    services.wait_for_retries("train", 8)
    days = [date(2019, 3, 1) + timedelta(days=number) for number in range(min(DATA_DATES, RUNS))]
    for day in days:
        pipeline.upload(day)
    chosen = days + chance.choices(days, k=RUNS - len(days))
    chance.shuffle(chosen)
    numbers = services.aws.add_faults(*[{"seed": chance.randrange(2**32), **fault} for fault in FAULTS])
    runs = [
        services.airflow.trigger(
            services.dag_id,
            logical_date=f"2019-04-01T00:{number // 60:02}:{number % 60:02}+00:00",
            conf={"data_date": str(day), "wait_minutes": 0},
        )
        for number, day in enumerate(chosen)
    ]
    ended = {run: services.airflow.wait_for_run(services.dag_id, run, timeout=2_400)["state"] for run in runs}
    struck = {fault["number"]: fault for fault in services.aws.faults()}
    services.aws.clear_faults()

    failures = [text for text in pipeline.slack() if "failed" in text.partition(":")[0]]
    assert {run: state for run, state in ended.items() if state != "success"} == {}, failures
    completed = [job["TrainingJobName"] for job in pipeline.jobs() if job["TrainingJobStatus"] == "Completed"]
    assert len(completed) == RUNS
    # Up to the digest of the run: what may follow is the attempt.
    assert len({re.match(r".*-\d\d-[0-9a-f]{8}", name)[0] for name in completed}) == RUNS, "a run has trained twice"
    assert pipeline.live().startswith(f"{pipeline.name}-{days[-1]}-")
    check_messages(services, RUNS)
    for kind in ("stale_read", "not_ready"):
        assert any(fault["matched"] for fault in struck.values() if fault["kind"] == kind), f"{kind} has never struck"
    for number in numbers:
        if not struck[number]["matched"]:
            continue
        tried(f"soak: {name_of(struck[number])}", struck[number]["matched"])
    tried("soak: runs", RUNS)


def check_messages(services, runs):
    """Each event once: a message about a resource names it, so no text comes twice."""
    texts = [text for text in services.pipeline.slack() if not text.startswith("Deployment skipped")]
    assert len(texts) == len(set(texts)), [text for text in texts if texts.count(text) > 1]
    titles = [text.partition(":")[0] for text in services.pipeline.slack()]
    assert titles.count("Training complete") == runs
    assert titles.count("Deployment completed") + titles.count("Deployment skipped") == runs
    assert set(titles) <= {
        "Training started",
        "Waiting for capacity",
        "Training complete",
        "Deployment started",
        "Deployment completed",
        "Deployment skipped",
    }
