"""Turns the measurements into docs/benchmarks.md and its plots."""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
import time
from pathlib import Path
from typing import Any

from benchmarks import fleet_report, plots
from benchmarks.targets import Row, ratio, ratio_alone
from local_aws.settings import Settings

DOCS = Path(__file__).resolve().parents[1] / "docs"


def write(results: dict[str, Any]) -> Path:
    """Write the page and the plots.

    Args:
        results: By part: services, noticing, herd, grid, waiting, midnight, parsing, models_page; fleet if measured.
            And loads: by command, in their order, the machine's load averages (1 minute) before it and at its end.

    Returns:
        The page.
    """
    (DOCS / "images").mkdir(parents=True, exist_ok=True)
    short = results["services"]["short"]
    systems = {
        "this package": short["ours"],
        "chain of 4 trivial tasks": short["trivial"],
        "stock operators, deferrable": short["stock_deferrable"],
        "stock operators, blocking": short["stock_blocking"],
        "the article's state machine": short["seed"],
    }
    (DOCS / "images" / "overhead.svg").write_text(
        plots.bars("Overhead of one run with jobs of 5 s, in seconds", systems, "s")
    )
    memory = {
        label: [(0.0, 0.0)] + [(float(at["jobs"]), at["memory_mb"]) for at in results["waiting"][system]]
        for label, system in (("stock triggers", "stock"), ("this package", "ours"))
    }
    (DOCS / "images" / "triggerer_memory.svg").write_text(
        plots.lines("Memory of waiting training jobs", memory, "waiting jobs", "MB on top of the empty triggerer")
    )
    page = DOCS / "benchmarks.md"
    page.write_text(_page(results, systems))
    return page


def _page(results: dict[str, Any], systems: dict[str, float]) -> str:
    overhead = "\n".join(
        f"| {name} | {seconds:.1f} | {seconds / systems['this package']:.2f} |" for name, seconds in systems.items()
    )
    rows = "\n".join(str(row) for row in rows_of(results))
    stock, ours = results["waiting"]["stock"][-1], results["waiting"]["ours"][-1]
    fleet = results.get("fleet")
    costs = f"\n{fleet_report.section(fleet, results['midnight'], ours)}" if fleet else ""
    how = fleet_report.how_it_is_measured(fleet) if fleet else ""
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("apache-airflow", "apache-airflow-providers-amazon", "boto3")
    )
    loads = results["loads"]
    commands = " and then ".join(f"`{command}`" for command in loads)
    busy = any(before > 0.5 * (os.cpu_count() or 1) for before, _ in loads.values())
    warning = "; **other programs used the machine, so times are longer than on a quiet one**" if busy else ""
    load = "; ".join(
        f"{before:.1f} before `{command}`, {end:.1f} at its end" for command, (before, end) in loads.items()
    )
    in_one_go = "Everything was" if len(loads) == 1 else "All but the fleet, which the latter measured anew, was"
    return f"""# Benchmarks

For whoever asks what waiting costs.
Written by {commands} on {time.strftime("%Y-%m-%d", time.gmtime())}: {os.cpu_count()} CPUs ({platform.machine()}),
{_memory_gb():.0f} GB of memory, Python {platform.python_version()}, {versions}, {results["services"]["database"]}.
The load average was {load}{warning}.
{in_one_go} measured in one go, against the same local AWS. Slack messages,
verification, tags, the quality gate, the smoke test and the clean-up are on.

## Targets

| what | found | target | | |
|---|---|---|---|---|
{rows}

## Overhead of one run

Wall time of the DAG run minus AWS's own time (from each creation to the resource's end), for a training and a
deployment of 5 s; of a pipeline that has run before, as a daily one has.

| system | overhead in s | ratio to this package |
|---|---|---|
{overhead}

![Overhead by system](images/overhead.svg)

The stock operators and the article's state machine look at a fixed period, 30 s and 60 s. The article's runs here
without Step Functions, so only its waits and its calls are counted.

## A triggerer in which many wait

{stock["jobs"]} stock triggers hold {stock["memory_mb"] / stock["jobs"]:.2f} MB each, {ours["jobs"]} of this package's
{ours["memory_mb"] / ours["jobs"]:.3f} MB each, their shared client included, and all that the plugin loads before.

![Triggerer memory by waiting jobs](images/triggerer_memory.svg)
{costs}
## How it is measured

- The stock operators' short runs, which mostly wait, are begun first; then come ours and the trivial chains in turn,
  then the many that wait. Once all parallel runs train, parsing is measured, then, at the lowest priority,
  what does not depend on time (the simulation, the stock triggers' memory). Nothing runs beside the backfills.
- **Runs**: api-server, scheduler, dag-processor and triggerer, LocalExecutor with a parallelism of 8. All systems share
  this Airflow, but for the parallel runs: there the stock operators have a second one of the same kind, so that neither
  waits for slots that the other holds; it is stopped before the backfills. Parallel pipelines run for the first time.
  Local AWS starts real programs (`benchmarks/image`) that take as long as they are told. The plugin loads its
  libraries in the scheduler, so the tasks of all systems, the trivial ones, too, start without importing them. The
  trivial chain has 4 tasks that do nothing, as many of them deferred as ours were; its deferrals fire 10 s after they
  began, which is not counted as overhead.
- **Noticing**, and the calls of an hour's training: the real watcher and schedule in simulated time
  (`benchmarks/noticing.py`), {results["noticing"]["jobs"]} jobs of each sort, log-uniform between 30 s and 1 h. "Has
  run before" means that the median of five past durations is known; durations scatter by the given standard deviation.
- **Many waiting**: triggers in one process with one event loop on the real clock, real HTTP requests to a fake
  SageMaker that answers Describe and List (`benchmarks/waiting.py`): a page is cut before it is filtered, and an
  account has two lists a second. The account of the {results["waiting"]["ours"][-1]["jobs"]} has had
  {results["waiting"]["ours"][-1]["past"]} jobs before; the other accounts share one process.
  What Airflow's triggerer itself holds for each trigger is the same for all and not in the figure. Over an hour in
  simulated time, {results["herd"]["jobs"]} jobs cost {results["herd"]["mean"]:.2f} calls a second, and every end was
  noticed within {results["herd"]["latest"]:.1f} s.
{how}- **The Models page**: the api-server's application in one process, SQLite with a month of runs and models of each
  pipeline, and an AWS that answers each call after 50 ms (`benchmarks/models_page.py`).
- **Parsing**: CPU time of new processes that load one DAG file by its path, the best of some, minus that with no
  pipeline file.
"""


def rows_of(results: dict[str, Any]) -> list[Row]:
    """Hold the measurements against the targets.

    Args:
        results: As for write().
    """
    services = results["services"]
    rows = [*_run_rows(services), *_noticing_rows(results["noticing"])]
    rows += _waiting_rows(results["waiting"]["ours"][-1], results["herd"])
    rows += fleet_report.rows_of_fleet(results["fleet"]) if "fleet" in results else []
    rows += fleet_report.rows_of_midnight(results["midnight"])
    rows += _grid_rows(results["grid"], [*results["waiting"]["grid"], results["waiting"]["ours"][-1]])
    rows += _parsing_rows(results["parsing"])
    rows += _page_rows(results["models_page"])
    return rows


def _run_rows(services: dict[str, Any]) -> list[Row]:
    short = services["short"]
    ours = short["ours"]
    rows = [
        ratio("run overhead, jobs of 5 s: stock deferrable", ours, short["stock_deferrable"], 0.35),
        ratio(
            f"the same: a trivial chain with as many tasks and deferrals ({short['deferrals']})",
            ours,
            short["trivial"],
            1.5,
            "Each of our tasks makes its clients and talks to AWS and Slack.",
        ),
    ]
    if parallel := services.get("parallel"):
        what = f"{parallel['runs']} runs in parallel, trainings of 60 to 240 s, deployments of 30 s: stock deferrable"
        note = "At the same time, each system in an Airflow of its own."
        overhead, held, deferred = parallel["overhead"], parallel["longest_held"], parallel["deferred"]
        rows.append(ratio(what, overhead["ours"], overhead["stock_deferrable"], 0.5, note))
        waits = parallel["runs"] * 2
        rows.append(
            Row(
                f"worker slots held by their {waits} waits",
                f"{deferred['ours']} deferred, after {held['ours']:.1f} s at most; "
                f"stock {deferred['stock_deferrable']}, after {held['stock_deferrable']:.1f} s",
                "all deferred within 15 s",
                held["ours"] if deferred["ours"] == waits else math.inf,
                15.0,
                "From a task's begin to its deferral; then its trigger waits.",
            )
        )
    if backfill := services.get("backfill"):
        what = f"backfill of {backfill['days']} days, short jobs: as many trivial tasks"
        note = (
            "An endpoint takes one change at a time, so its deployments follow one another; "
            f"each status of one lasts {Settings.status_seconds} s here."
        )
        rows.append(ratio(what, backfill["ours"], backfill["trivial"], 1.5, note))
    return rows


def _noticing_rows(noticing: dict[str, Any]) -> list[Row]:
    spread, calls = noticing["spread"], noticing["hour_calls"]
    by_spread = ", ".join(f"{value:.1f} s (durations ± {name})" for name, value in spread.items())
    return [
        Row("noticing once the pipeline has run before, p90", by_spread, "≤ 5 s", max(spread.values()), 5.0),
        Row(
            "noticing the first time, p90",
            f"{noticing['first_time_share_p90']:.2f} of what is allowed; stock {noticing['stock_p90']:.0f} s, "
            f"the article {noticing['seed_p90']:.0f} s",
            "≤ max(5 s, 5 % of the job)",
            noticing["first_time_share_p90"],
            1.0,
        ),
        Row(
            "SageMaker calls for a training of 1 h, all of the step's",
            f"{calls['first time']} the first time, then {calls['known, mean']:.0f} (p90 {calls['known, p90']:.0f})",
            f"≤ {calls['stock']} (stock's looks)",
            max(calls["first time"], calls["known, p90"]),
            calls["stock"],
        ),
    ]


def _waiting_rows(ours: dict[str, Any], herd: dict[str, Any]) -> list[Row]:
    jobs, each = ours["jobs"], ours["memory_mb"] / ours["jobs"]
    calls = max(ours["calls_per_second"], herd["most"])
    pause = ours["blocked_seconds"]
    return [
        Row(f"{jobs} trainings waiting: memory", f"{each:.3f} MB each", "≤ 0.2 MB each", each, 0.2),
        Row(f"{jobs} waiting: SageMaker calls", f"{calls:.1f} /s at most", "≤ 10 /s", calls, 10.0),
        Row(
            f"{jobs} waiting: event loop's longest pause",
            f"{pause['waiting'] * 1000:.0f} ms; {pause['start'] * 1000:.0f} ms while the first client is made",
            "≤ 100 ms",
            max(pause.values()) * 1000,
            100.0,
            "The first client is made in a thread, which shares the interpreter with the event loop.",
        ),
    ]


def _grid_rows(simulated: list[dict[str, Any]], real: list[dict[str, Any]]) -> list[Row]:
    """Hold what was noticed of many waits, in accounts with and without a past, against the targets."""
    rows = []
    for jobs in sorted({cell["jobs"] for cell in simulated}):
        limit = 15.0 if jobs <= 100 else 60.0
        figures = {
            f"{past} past jobs": (_latest(cell), _latest(clocked))
            for past, cell, clocked in _pairs(simulated, real, jobs)
        }
        found = ", ".join(f"{late:.1f} s and {real_late:.1f} s ({past})" for past, (late, real_late) in figures.items())
        latest = max(max(pair) for pair in figures.values())
        rows.append(Row(f"{jobs} waiting: latest notice, simulated and real", found, f"≤ {limit:.0f} s", latest, limit))
    throttled = [cell["throttled"] for cell in simulated]
    lost = sum(cell["jobs"] - cell["noticed"] for cell in throttled)
    slowest = max(throttled, key=lambda cell: cell["latest"])
    lists = max(
        *(cell["most_lists"] for cell in [*simulated, *throttled]), *(account["lists_per_second"] for account in real)
    )
    rows.append(Row("lists by all who wait", f"{lists:.0f} /s at most", "≤ 2 /s", lists, 2.0))
    rows.append(
        Row(
            "ends not noticed where lists are throttled for ten minutes",
            f"{lost} of {sum(cell['jobs'] for cell in throttled)}",
            "0",
            lost,
            0,
            f"Each is described by turns; the latest of {slowest['jobs']} came after {slowest['latest']:.0f} s.",
        )
    )
    return rows


def _pairs(
    simulated: list[dict[str, Any]], real: list[dict[str, Any]], jobs: int
) -> list[tuple[int, dict[str, Any], dict[str, Any]]]:
    clocked = {account["past"]: account for account in real if account["jobs"] == jobs}
    return [(cell["past"], cell, clocked[cell["past"]]) for cell in simulated if cell["jobs"] == jobs]


def _latest(cell: dict[str, Any]) -> float:
    """Return the latest notice, in seconds; infinite where some end was not noticed at all."""
    late = cell["late"] if "late" in cell else [cell["latest"]] * cell["noticed"]
    return max(late) if len(late) == cell["jobs"] else math.inf


def _parsing_rows(parsing: dict[str, Any]) -> list[Row]:
    counts, files = parsing["counts"], parsing["files"]
    rows = []
    for name, measured in files.items():
        if name == "broken_pipeline_files":
            continue
        figures = ", ".join(f"{ms:.2f} ms ({count} files)" for ms, count in zip(measured["ms"], counts, strict=True))
        rows.append(Row(f"parsing {name}.py, per pipeline", figures, "≤ 4 ms, linear", max(measured["ms"]), 4.0))
    total = sum(measured["ms"][-1] for measured in files.values())
    note = "Each reads every pipeline file, in a process of its own; their sum."
    rows.append(Row("all DAG files, per pipeline", f"{total:.2f} ms", "≤ 4 ms", total, 4.0, note))
    floor = max(measured["floor_ratio"] for measured in files.values())
    rows.append(ratio_alone("import floor: the stock operators' and notifier's", floor, 1.1))
    shared = parsing["shared"]
    what = f"{shared['files']} files of {shared['lines']} lines, which share defaults"
    every = f"{what}: all DAG files, per pipeline"
    rows.append(Row(every, f"{shared['ms']:.2f} ms", "≤ 4 ms", shared["ms"], 4.0, note))
    seconds = shared["check_seconds"]
    rows.append(Row(f"{what}: the first `check` of all", f"{seconds:.1f} s", "≤ 60 s", seconds, 60.0))
    few, many = parsing["task_seconds"].values()
    rows.append(ratio_alone(f"a task's process with {counts[-1]} pipelines: with 1", many / few, 1.1))
    return rows


def _page_rows(page: dict[str, Any]) -> list[Row]:
    what = f"the Models page with {page['pipelines']} pipelines"
    cold, warm, calls = page["cold_seconds"], page["warm_seconds"], page["calls_a_minute"]
    note = (
        f"All of AWS's word is there after {page['filled_seconds']:.0f} s; until then the page says what it still asks."
    )
    return [
        Row(f"{what}: time to the answer, nothing remembered", f"{cold:.1f} s", "≤ 5 s", cold, 5.0, note),
        Row(f"{what}: time to the answer, remembered", f"{warm:.2f} s", "≤ 1 s", warm, 1.0),
        Row(f"{what}: SageMaker calls a minute", f"{calls:.0f}", "≤ 600", calls, 600.0, "While somebody looks."),
    ]


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
