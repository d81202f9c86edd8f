"""Many tasks tell Slack at once, each in a process of its own: what comes of their messages, in figures.

    python tests/support/slack_burst.py --runs 60 --per-second 1

Slack is local AWS's, with its rate. The tasks are processes that tell as a run's tasks do. What Airflow has of them,
its Variables and the runs of the DAG tell_later, is kept by a process beside them. The triggers run in this one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from datetime import date, datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "include")]

TITLES = ("Training started", "Training complete", "Deployment started", "Deployment completed")


class Airflow:
    """What a task's supervisor, or the triggerer's, answers with: Variables, and runs of the DAG tell_later.

    Args:
        manager: Keeps it for all processes.
    """

    def __init__(self, manager: Any):
        self.variables = manager.dict()
        self.runs = manager.dict()
        self.xcoms = manager.dict()

    def send(self, message: Any) -> Any:
        from airflow.sdk.exceptions import ErrorType
        from airflow.sdk.execution_time import comms

        if isinstance(message, comms.GetVariable):
            found = self.variables.get(message.key)
            if found is None:
                return comms.ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND, detail={"key": message.key})
            return comms.VariableResult(key=message.key, value=found)
        if isinstance(message, comms.PutVariable):
            self.variables[message.key] = message.value
        elif isinstance(message, comms.DeleteVariable):
            self.variables.pop(message.key)
        elif isinstance(message, comms.GetXCom):
            return comms.XComResult(key=message.key, value=self.xcoms.get((message.task_id, message.key)))
        elif isinstance(message, comms.SetXCom):
            self.xcoms[message.task_id, message.key] = message.value
        elif isinstance(message, comms.TriggerDagRun):
            if message.run_id in self.runs:
                return comms.ErrorResponse(error=ErrorType.DAGRUN_ALREADY_EXISTS)
            self.runs[message.run_id] = message.conf["message"]
        return comms.OKResponse(ok=True)


def tell_as_a_run(airflow: Airflow, name: str, seconds: float, longest: Any, lost: Any) -> None:
    """Tell a run's messages, as its tasks do, with some time between them."""
    from airflow.sdk.execution_time import task_runner

    from fresh_endpoints.pipeline_file.model import Slack
    from fresh_endpoints.run import Run
    from fresh_endpoints.telling import delivery
    from fresh_endpoints.telling.message import Kind, Message
    from fresh_endpoints.telling.sending import PipelineNotifier

    task_runner.SUPERVISOR_COMMS = airflow
    pipeline = SimpleNamespace(name=name, slack=Slack(channel="c", username="u"), notify=(), deploy="never")
    day = datetime(2019, 3, 5, tzinfo=timezone.utc)
    run = Run(name, "d", "r", date(2019, 3, 5), date(2019, 3, 4), day)
    slept = [0.0]

    def sleep(pause: float) -> None:
        slept[0] += pause
        time.sleep(pause)

    delivery.time = SimpleNamespace(sleep=sleep, time=time.time, monotonic=time.monotonic)  # type: ignore[assignment]
    for number, title in enumerate(TITLES):
        time.sleep(seconds if number else 0)
        slept[0] = 0.0
        if not PipelineNotifier(pipeline).tell(run, Message(f"🚀 {title}", "As it is.", kind=Kind.PROGRESS)):
            lost.append(f"{title}: {name}")
        longest.append(slept[0])


async def tell_later(airflow: Airflow, is_over: Any) -> None:
    """Run the triggers of all runs of tell_later, until no other can come."""
    from fresh_endpoints.telling.later import TellLaterTrigger

    tasks: dict[str, asyncio.Task[Any]] = {}
    while True:
        was_over = is_over()
        for run_id, message in airflow.runs.items():
            if run_id not in tasks:
                tasks[run_id] = asyncio.create_task(_fire(TellLaterTrigger(message)))
        if was_over and all(task.done() for task in tasks.values()):
            return
        await asyncio.sleep(0.1)


async def _fire(trigger: Any) -> Any:
    async for event in trigger.run():
        return event.payload
    return None


def burst(runs: int, per_second: float, seconds_between: float) -> dict[str, Any]:
    """Have many runs tell, and count.

    Args:
        runs: How many, all at once.
        per_second: Messages a second that Slack takes.
        seconds_between: From one message of a run to its next.
    """
    from airflow.sdk.execution_time import task_runner

    from fresh_endpoints.telling import slack_webhook  # noqa: F401 - once, before the processes are forked
    from local_aws.process import LocalAws

    forking = multiprocessing.get_context("fork")
    with LocalAws(slack_per_second=per_second) as aws, forking.Manager() as manager:
        os.environ["NO_PROXY"] = "127.0.0.1"
        os.environ["AIRFLOW_CONN_SLACK_DEFAULT"] = json.dumps(
            {"conn_type": "slackwebhook", "password": aws.webhook_url}
        )
        airflow, longest, lost = Airflow(manager), manager.list(), manager.list()
        names = [f"pipeline-{number}" for number in range(runs)]
        tasks = [
            forking.Process(target=tell_as_a_run, args=(airflow, name, seconds_between, longest, lost))
            for name in names
        ]
        began = time.time()
        for task in tasks:
            task.start()
        task_runner.SUPERVISOR_COMMS = airflow
        asyncio.run(tell_later(airflow, lambda: not any(task.is_alive() for task in tasks)))
        took = time.time() - began
        told = Counter(message["text"].partition(",")[0] for message in aws.slack_messages())
        wanted = {f"{title}: {name}" for title in TITLES for name in names}
        calls = [call for call in aws.calls() if call["service"] == "slack"]
        return {
            "runs": runs,
            "messages": len(wanted),
            "told": sum(told.values()),
            "lost": len(wanted - told.keys()),
            "doubled": sum(told.values()) - len(told),
            "kept for later": len(airflow.runs),
            "refused with 429": sum(call["status"] == 429 for call in calls),
            "seconds until the last": round(took, 1),
            "longest pause of a task for Slack, seconds": round(max(longest), 1),
        }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--per-second", type=float, default=1.0)
    parser.add_argument("--seconds-between", type=float, default=20.0)
    options = parser.parse_args()
    figures = burst(options.runs, options.per_second, options.seconds_between)
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
