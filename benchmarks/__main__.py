"""Measures everything and writes docs/benchmarks.md: ``make bench``; ``make bench-quick`` for less of it.

``make bench-fleet`` measures the fleet anew, which takes as long as all else.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STATE = ROOT / ".state"
# Airflow reads its configuration when it is first imported; here only triggers and schedules are used.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="bench-airflow-")
atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)

from benchmarks import fleet, midnight, models_page, noticing, parsing, report, services, waiting  # noqa: E402

# Those who wait alone in a process, for its memory; all other accounts of the grid share one.
HERD, PAST = 1000, 3000
# On the Models page, and of an Airflow that is idle.
MODELS = 1000
# Runs and quota, in simulated time.
MIDNIGHTS: dict[str, dict[str, Any]] = {
    "night": {"runs": 300, "quota": 20},
    "day": {"runs": 1000, "quota": 50},
    "backfill": {"runs": 30, "quota": 1, "is_backfill": True},
}
OTHER_ACCOUNTS = [
    (waits, past) for waits in noticing.GRID_WAITS for past in noticing.GRID_PAST if (waits, past) != (HERD, PAST)
]
FULL: dict[str, Any] = {
    "services": {"repetitions": 3, "parallel_runs": 20, "backfill_days": 30},
    "noticing": {"waits": 400},
    "waiting": {"ours": [HERD], "stock": [50]},
    "parsing": {"counts": [250, 1000], "repetitions": 3},
    "fleet": {"pipelines": 60, "quota": 15, "past": PAST, "idle_pipelines": MODELS},
}
QUICK: dict[str, Any] = {
    "services": {"repetitions": 1, "parallel_runs": 0, "backfill_days": 0},
    "noticing": {"waits": 300},
    "waiting": {"ours": [HERD], "stock": [25]},
    "parsing": {"counts": [500], "repetitions": 1},
}


def main() -> int:
    """Run the benchmark.

    Returns:
        The exit code; 0 also where a target is missed.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out the parallel runs, the backfill and the fleet")
    parser.add_argument("--fleet", action="store_true", help="measure the fleet anew, beside what was found today")
    options = parser.parse_args()
    sizes = QUICK if options.quick else FULL
    started, before = time.monotonic(), os.getloadavg()[0]

    def say(text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - started:4.0f} s  {text}\n")
        sys.stdout.flush()

    results = _found_today() if options.fleet else _measure(sizes, say)
    _keep(results)  # For the fleet takes as long again.
    if "fleet" in sizes:
        results["fleet"] = fleet.measure(**sizes["fleet"], say=say)
    command = "make bench-quick" if options.quick else "make bench-fleet" if options.fleet else "make bench"
    results.setdefault("loads", {})[command] = (before, os.getloadavg()[0])
    _keep(results)
    page = report.write(results)
    for row in report.rows_of(results):
        say(f"{'met   ' if row.is_met else 'MISSED'}  {row.what}: {row.found}, target {row.target}")
    say(f"wrote {page.relative_to(ROOT)}")
    return 0


def _measure(sizes: dict[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
    """Measure all but the fleet."""
    results: dict[str, Any] = {}

    def while_stock_waits() -> None:
        say("many waiting")
        idly["waits"] = idle.submit(waiting.measure_grid, OTHER_ACCOUNTS)
        ours = [waiting.measure("ours", jobs, past=PAST, to_the_end=jobs == HERD) for jobs in sizes["waiting"]["ours"]]
        results["waiting"] = {"ours": ours}

    def while_runs_wait() -> None:
        say("parsing")
        results["parsing"] = parsing.measure(**sizes["parsing"])
        say("noticing, in simulated time; memory of stock triggers")
        idly["noticing"] = idle.submit(noticing.measure, **sizes["noticing"])
        idly["herd"] = idle.submit(noticing.herd, HERD)
        idly["grid"] = idle.submit(noticing.grid)
        nights.update({name: idle.submit(midnight.measure, **night) for name, night in MIDNIGHTS.items()})
        stock.extend(idle.submit(waiting.measure, "stock", jobs) for jobs in sizes["waiting"]["stock"])

    # What does not depend on time takes the processor's idle time only: nothing else becomes slower by it.
    idly: dict[str, Future[Any]] = {}
    stock: list[Future[dict[str, Any]]] = []
    nights: dict[str, Future[dict[str, Any]]] = {}
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=os.nice, initargs=(19,)) as idle:
        say("Airflow services and local AWS start")
        results["services"] = services.measure(
            **sizes["services"], say=say, while_stock_waits=while_stock_waits, while_runs_wait=while_runs_wait
        )
        results["waiting"]["stock"] = [future.result() for future in stock]
        results |= {name: future.result() for name, future in idly.items()}
        results["midnight"] = {name: future.result() for name, future in nights.items()}
        results["waiting"]["grid"] = results.pop("waits")
    say("the Models page")
    results["models_page"] = models_page.measure(MODELS)
    return results


def _found_today() -> dict[str, Any]:
    """Read what a benchmark of today has found; the page has one date.

    Raises:
        SystemExit: None has run today.
    """
    file = STATE / "benchmarks.json"
    if not file.exists() or time.localtime(file.stat().st_mtime)[:3] != time.localtime()[:3]:
        sys.exit(f"{file.relative_to(ROOT)}: found none of today; run make bench first")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def _keep(results: dict[str, Any]) -> None:
    STATE.mkdir(exist_ok=True)
    (STATE / "benchmarks.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    sys.exit(main())
