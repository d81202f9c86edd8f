"""What a successful run asks of SageMaker, call by call; docs/costs.md shows it.

When it is meant to change: `WRITE_GOLDEN=1 .venv/bin/python -m pytest tests/package/dags/test_calls_of_a_run.py`.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest
from airflow.sdk.execution_time import task_runner
from benchmarks.noticing import ours

from fresh_endpoints.waiting import pace
from fresh_endpoints.waiting.connections import SageMakerConnection
from past_training_jobs import PastTrainingJobs

DOC = Path(__file__).parents[3] / "docs" / "costs.md"
FIRST = date(2019, 3, 4)
HEAD = "| step | call | first run | later run |\n|---|---|---|---|\n"
# What is called for SageMaker's sake; files are S3's.
SERVICES = ("sagemaker", "tagging")
OF_TAGGING = "GetResources"


class Counted:
    """The calls of a pipeline's tasks, by step and operation, and apart from these the triggerer's looks."""

    def __init__(self, pipeline, monkeypatch):
        self._pipeline = pipeline
        self._begun, self._looks = [], []
        run, ask = task_runner.run, SageMakerConnection.__call__

        def running(ti, *args, **kwargs):
            self._begun.append((pipeline.aws.count(), ti.task_id))
            return run(ti, *args, **kwargs)

        async def looking(connection, method, **parameters):
            self._looks.append((self._begun[-1][1], method.title().replace("_", "")))
            return await ask(connection, method, **parameters)

        monkeypatch.setattr(task_runner, "run", running)
        monkeypatch.setattr(SageMakerConnection, "__call__", looking)

    def of_run(self, day):
        """Run the pipeline, and count."""
        self._begun.clear()
        self._looks.clear()
        self._pipeline.upload(day)
        assert self._pipeline.run(day).state == "success"
        calls = Counter()
        for call in self._pipeline.aws.calls():
            # Other tests may have used up the rate of lists.
            is_own = call["access_key_id"] == "worker" and call["error"] != "ThrottlingException"
            if is_own and call["service"] in SERVICES and call["number"] > self._begun[0][0]:
                [*_, (_, step)] = [begun for begun in self._begun if begun[0] < call["number"]]
                calls[step, call["operation"]] += 1
        return calls - Counter(self._looks), Counter(self._looks)


@pytest.fixture
def counted(pipeline, monkeypatch):
    # As with AWS, whose trainings and deployments take minutes.
    monkeypatch.setattr(pace, "FIRST_TIME_WORKER_SECONDS", 0.0)
    monkeypatch.setattr(pace, "WORKER_SECONDS", 0.0)
    return Counted(pipeline, monkeypatch)


def of_sagemaker(calls):
    return sum(count for (_, operation), count in calls.items() if operation != OF_TAGGING)


def table(first, later):
    rows = [
        f"| {step} | {operation} | {first[step, operation] or ''} | {later[step, operation] or ''} |"
        for step, operation in dict.fromkeys([*later, *first])
    ]
    total = f"| in all | of SageMaker | **{of_sagemaker(first)}** | **{of_sagemaker(later)}** |"
    beside = f"| | of the tagging API | {first.total() - of_sagemaker(first)} | {later.total() - of_sagemaker(later)} |"
    return "\n".join([*rows, total, beside]) + "\n"


def test_a_successful_run_costs_no_more_calls_than_the_docs_say(pipeline, counted):
    """The sample: quality rules against what is live, a smoke test, Slack; retention deletes in the later run."""
    pipeline.write(lambda content: content.update(retention={"keep": 1}))
    first, looks = counted.of_run(FIRST)
    assert pipeline.predict(data_date=FIRST.isoformat()).state == "success"
    assert set(looks) == {("train", "DescribeTrainingJob"), ("deploy", "DescribeEndpoint")}
    counted.of_run(FIRST + timedelta(days=1))
    later, _ = counted.of_run(FIRST + timedelta(days=2))
    assert later["deploy", "DeleteModel"] == later["deploy", "DeleteEndpointConfig"] == 1
    text = DOC.read_text()
    found = re.search(re.escape(HEAD) + r"((?:\|.*\n)+)", text)
    assert found
    if os.environ.get("WRITE_GOLDEN"):
        DOC.write_text(text.replace(found[0], HEAD + table(first, later)))
    else:
        assert found[1] == table(first, later)
    assert of_sagemaker(later) <= 25
    assert of_sagemaker(first) <= 30


def test_a_run_costs_as_many_calls_with_a_hundred_thousand_past_jobs_as_with_ten(pipeline, counted, monkeypatch):
    pipeline.write(lambda content: content.update(retention={"keep": 1}))
    for number in range(2):
        assert counted.of_run(FIRST + timedelta(days=number))
    costs = []
    for number, count in enumerate((10, 100_000), 2):
        past = PastTrainingJobs(pipeline.name, count)
        with monkeypatch.context() as patched:
            past.join(patched)
            calls, _ = counted.of_run(FIRST + timedelta(days=number))
        assert past.pages, "no list was asked for, so nothing was shown"
        costs.append(calls.total() + past.requests)
    assert costs[0] == costs[1]


def test_the_docs_tell_the_looks_of_the_triggerer_beside_the_calls_of_the_tasks():
    """Of a run that waits alone: each wait is described by itself, which is the most that it costs."""
    deployment = ours(300.0, None)[1]
    looks = [ours(1800.0, None)[1], ours(1800.0, 1800.0)[1]]
    text = DOC.read_text()
    of_sagemaker = [int(calls) for calls in re.findall(r"of SageMaker \| \*\*(\d+)\*\* \| \*\*(\d+)\*\*", text)[0]]
    of_tagging = [int(calls) for calls in re.findall(r"\| \| of the tagging API \| (\d+) \| (\d+) \|", text)[0]]
    parts = [of_sagemaker, of_tagging, looks, [deployment] * 2]
    names = ["by the tasks, of SageMaker", "by the tasks, of the tagging API", "looks at the training",
             "looks at the deployment"]  # fmt: skip
    for name, (first, later) in zip(names, parts, strict=True):
        assert f"| {name} | {first} | {later} |" in text
    first, later = (sum(part[number] for part in parts) for number in (0, 1))
    assert f"| in all | **{first}** | **{later}** | none |" in text
