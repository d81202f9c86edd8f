"""What the page of the benchmarks tells of many pipelines that begin at one moment, and of what they cost Airflow."""

from __future__ import annotations

from typing import Any

from benchmarks.targets import Row
from fresh_endpoints.waiting.turns import MOST_AT_ONCE

LONGEST_RATIO = 1.5
# A run of a pipeline that has never run before.
MOST_CALLS_A_RUN = 30.0
DAY_SECONDS = 86_400.0
_SERVICES = ("scheduler", "api-server", "triggerer", "dag-processor")


def rows_of_fleet(fleet: dict[str, Any]) -> list[Row]:
    """Hold what really ran against the targets.

    Args:
        fleet: As fleet.measure() tells.
    """
    runs, ours, stock = fleet["pipelines"], fleet["ours"], fleet["stock"]
    bound = fleet["bound_seconds"]
    what = f"{runs} pipelines at one moment, quota {fleet['quota']}, jobs of {fleet['seconds']:.0f} s"
    looks = sum(count for operation, count in ours["calls"].items() if operation.startswith("Describe")) / runs
    return [
        Row(
            f"{what}, {fleet['past']} past jobs: that succeed",
            f"{ours['succeeded']}; stock {stock['succeeded']}",
            f"all {runs}",
            runs - ours["succeeded"],
            0,
            f"Of the stock operators' runs {runs - stock['succeeded']} fail: those that meet the quota taken. Few do "
            f"where {fleet['cpus']} CPUs start their tasks one by one, and trainings end in "
            f"{fleet['seconds']:.0f} s; in simulated time, below, they start at once.",
        ),
        Row(
            "the same: wall time : the quota's own bound",
            f"{ours['wall']:.0f} s : {bound:.0f} s = {ours['wall'] / bound:.2f}",
            f"≤ {LONGEST_RATIO}",
            ours["wall"] / bound,
            LONGEST_RATIO,
            _where_the_time_goes(fleet),
        ),
        Row(
            "the same: SageMaker calls a run",
            f"{ours['calls_a_run']:.0f}",
            f"≤ {MOST_CALLS_A_RUN:.0f} the first time",
            ours["calls_a_run"],
            MOST_CALLS_A_RUN,
            f"{looks:.0f} of them describe something; {ours['refused'] / runs:.1f} are refused for want of quota.",
        ),
        _places_row(ours["overtaken"]),
        Row(
            "the same, of Slack that takes a message a second: successes told once",
            f"{ours['told_once']}",
            f"all {runs}",
            runs - ours["told_once"],
            0,
            f"{ours['slack_a_run']:.1f} messages a run; the last one {ours['slack_late']:.0f} s after the last run.",
        ),
    ]


def _where_the_time_goes(fleet: dict[str, Any]) -> str:
    ours, trivial = fleet["ours"], fleet["trivial"]
    ours_cpu, trivial_cpu = (sum(found["cpu"].values()) / fleet["cpus"] for found in (ours, trivial))
    return (
        f"Empty tasks of this shape, with a pool of Airflow's for the quota: {trivial['wall']:.0f} s = "
        f"{trivial['wall'] / fleet['bound_seconds']:.2f}. CPU time of Airflow and local AWS, by {fleet['cpus']} CPUs: "
        f"{ours_cpu:.0f} s, of the empty tasks {trivial_cpu:.0f} s. First training after {ours['first_training']:.0f} "
        f"s; the next one {ours['refilled']:.0f} s after the end of one, which is to be noticed, and a task to be "
        f"started; end {ours['after_trainings']:.0f} s after the last training's."
    )


def rows_of_midnight(simulated: dict[str, Any]) -> list[Row]:
    """Hold what was simulated against the targets.

    Args:
        simulated: night, day and backfill: each as midnight.measure() tells.
    """
    night, day, backfill = simulated["night"], simulated["day"], simulated["backfill"]
    return [
        *_simulated_rows(f"{night['runs']} pipelines at one moment, quota {night['quota']}", night),
        *_simulated_rows(f"{day['runs']} pipelines at one moment, quota {day['quota']}", day),
        *_simulated_rows(f"backfill of {backfill['runs']} days, quota {backfill['quota']}", backfill)[:2],
    ]


def _simulated_rows(what: str, found: dict[str, Any]) -> list[Row]:
    runs, share = found["runs"], found["wall"] / found["bound"]
    failed, retrying = found["stock_failed"], found["stock_failed_retrying"]
    return [
        Row(
            f"{what}, trainings of 30 min, simulated: that succeed",
            f"{found['succeeded']}",
            f"all {runs}",
            runs - found["succeeded"],
            0,
            f"Of operators that wait for no quota {failed} fail, with three retries {retrying}.",
        ),
        Row(
            "the same: wall time : the quota's own bound",
            f"{found['wall'] / 3600:.1f} h : {found['bound'] / 3600:.1f} h = {share:.2f}",
            f"≤ {LONGEST_RATIO}",
            share,
            LONGEST_RATIO,
        ),
        Row("the same: SageMaker calls", f"{found['most']:.1f} /s at most", "≤ 10 /s", found["most"], 10.0),
        _places_row(found["overtaken"]),
    ]


def _places_row(lost: int) -> Row:
    note = f"Who was refused first goes first; at most {MOST_AT_ONCE} ask at once, and change places."
    return Row("the same: places lost in the queue", f"{lost} at most", f"≤ {MOST_AT_ONCE}", lost, MOST_AT_ONCE, note)


def section(fleet: dict[str, Any], simulated: dict[str, Any], waiting: dict[str, Any]) -> str:
    """Tell what many pipelines cost Airflow.

    Args:
        fleet: As fleet.measure() tells.
        simulated: As for rows_of_midnight().
        waiting: As waiting.measure() tells of those who wait.
    """
    ours, trivial, idle, day = fleet["ours"], fleet["trivial"], fleet["idle"], simulated["day"]
    runs, pipelines = fleet["pipelines"], idle["pipelines"]
    calls = sum(count for name, count in day["calls"].items() if name.startswith(("List", "Describe")))
    lines = []
    for service in _SERVICES:
        a_run, empty, share = ours["cpu"][service] / runs, trivial["cpu"][service] / runs, idle["cpu"][service]
        hours = (share * DAY_SECONDS + a_run * pipelines) / 3600
        memory = idle["memory_mb"][service]
        lines.append(f"| {service} | {a_run:.2f} s | {empty:.2f} s | {share:.3f} | {hours:.1f} h | {memory:.0f} MB |")
    table = "\n".join(lines)
    rows, each = ours["rows_a_run"], waiting["memory_mb"] / waiting["jobs"]
    return f"""## What a fleet costs Airflow

CPU time of a run, of the {runs} that begin at one moment; then that of an Airflow with {pipelines} pipelines in which
no run is due, in CPUs; and what both come to in a day, reckoned, each pipeline run once. With the scheduler are its
tasks, with the dag-processor its parses. The memory is that of the idle one.

| service | a run | a run of empty tasks | idle, in CPUs | a day of {pipelines} pipelines | memory |
|---|---|---|---|---|---|
{table}

- **Database**: a run adds {rows:.0f} rows, one of as many empty tasks {trivial["rows_a_run"]:.0f}; a day of {pipelines}
  adds {rows * pipelines:,.0f}. The DAGs themselves, {idle["dags"]} of them, have {idle["rows"]:,.0f}.
- **Triggerer**: {waiting["jobs"]} trainings that wait use {waiting["cpu"]:.2f} of a CPU, and {each:.3f} MB each.
- **SageMaker**: {day["runs"]} trainings of 30 min and as many deployments of 10 min under a quota of {day["quota"]}
  take {day["wall"] / 3600:.1f} h in simulated time. All that wait, for jobs or for quota, make
  {calls / day["runs"]:.1f} calls a run. With the Create operations that is {day["mean"]:.2f} a second,
  {day["most"]:.1f} in the worst ten seconds, of them {day["most_lists"]:.0f} lists a second at most.
- **Slack**, which takes a message a second, took {ours["slack_a_run"]:.1f} of each run of the {runs}, the last one
  {ours["slack_late"]:.0f} s after the last run had ended, and refused {ours["slack_refused"]} requests as too many.
"""


def how_it_is_measured(fleet: dict[str, Any]) -> str:
    """Tell how, for the page's list.

    Args:
        fleet: As fleet.measure() tells.
    """
    return f"""- **Many at one moment**: real services with Airflow's defaults (`benchmarks/fleet.py`). The runs, of
  {fleet["pipelines"]} pipelines that have never run, queue up while their DAGs are paused; one request lets all begin.
  Local AWS runs on the same machine, starts a program for each job, allows two lists and one Slack message a second,
  and has had {fleet["past"]} trainings before. The bound is the number of pipelines by the quota, times a training,
  plus a deployment. The empty tasks, then the stock operators follow in the same Airflow; then the idle one. The
  simulated ones have the real queue and watcher, as many past jobs, 32 worker slots, and tasks that take 2 to 8 s to
  start (`benchmarks/midnight.py`).
"""
