"""The benchmark's parts: that each does what the page says of it."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.util
import sqlite3
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from benchmarks import (
    airflow_load,
    fleet_report,
    midnight,
    models_page,
    parsing,
    plots,
    report,
    seed_state_machine,
    services,
    targets,
)
from benchmarks.dags.stock_requests import stock_requests
from benchmarks.past import LocalAwsWithAPast

from fresh_endpoints.pipeline_file.loading import load_pipelines
from local_airflow.services import SERVICES
from local_aws.process import LocalAws

BENCHMARKS = Path(services.__file__).parent


@pytest.fixture(scope="module")
def aws():
    with LocalAws(images={"timed": BENCHMARKS / "image"}) as aws:
        services.upload(aws, 1)
        yield aws


def test_the_article_runs_from_the_data_to_the_endpoint(aws, monkeypatch):
    monkeypatch.setattr(seed_state_machine, "WAIT_SECONDS", 0.2)
    seed_state_machine.run(aws, *stock_requests("seed", 0, 0))
    assert aws.client("sagemaker").describe_endpoint(EndpointName="seed")["EndpointStatus"] == "InService"
    assert [message["text"].split('"')[0].strip() for message in aws.slack_messages()] == [
        "Starting training job",
        "Training job",
        "Started deploying model",
        "Deployment of",
    ]


def test_the_models_page_is_measured_with_as_many_pipelines_as_it_is_told():
    found = models_page.measure(3)
    assert (found["pipelines"], found["first_calls"]) == (3, 10)  # A list, then three calls for each.
    assert 0 < found["warm_seconds"] < found["cold_seconds"]


def test_jobs_take_as_long_as_they_are_told(aws, monkeypatch):
    monkeypatch.setattr(seed_state_machine, "WAIT_SECONDS", 0.2)
    seed_state_machine.run(aws, *stock_requests("timed", 1.5, 1.0))
    bench = services.Bench(aws, airflow=None)
    assert bench._training_seconds("timed") >= 1.5
    assert bench._endpoint_seconds("timed") >= 1.0


def test_the_rivals_are_dags(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS / "dags"))
    spec = importlib.util.spec_from_file_location("rivals", BENCHMARKS / "dags" / "rivals.py")
    rivals = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rivals)
    sys.modules.pop("stock_requests")
    assert len(rivals.stock_deferrable.tasks) == len(rivals.stock_blocking.tasks) == 3
    assert len(rivals.trivial_2.tasks) == rivals.TASKS
    assert [task.defers for task in rivals.trivial_2.tasks] == [False, True, True, False]
    assert [task.defers for task in rivals.trivial_fleet.tasks] == [False, True, True, False]
    assert [task.pool for task in rivals.trivial_fleet.tasks] == [
        "default_pool",
        "fleet",
        "default_pool",
        "default_pool",
    ]


def test_pipeline_files_of_the_bench_are_right(tmp_path):
    services.write_pipeline(tmp_path, "short-0", 5, 5)
    parsing.write_pipelines(tmp_path / "many", 2)
    names = ["model-0000", "model-0001", "short-0"]
    assert [pipeline.name for pipeline in load_pipelines(tmp_path).pipelines] == names
    loaded = load_pipelines(tmp_path / "many")
    assert [pipeline.name for pipeline in loaded.pipelines] == ["model-0000", "model-0001"]
    assert loaded.errors == []


def test_the_short_files_of_the_bench_are_right_and_of_15_lines_at_most(tmp_path):
    loaded = load_pipelines(parsing.write_shared(tmp_path / "shared", 3))
    assert [pipeline.name for pipeline in loaded.pipelines] == ["model-0000", "model-0001", "model-0002"]
    assert loaded.errors == []
    assert len((tmp_path / "shared" / "model-0000.yaml").read_text().splitlines()) <= 15


@pytest.mark.parametrize(("value", "verdict"), [(1.0, "| met |"), (1.1, "| **missed** |")])
def test_a_missed_target_is_shown_as_missed(value, verdict):
    assert verdict in str(targets.Row("what", f"{value}", "≤ 1", value, 1.0))


def test_an_account_has_the_past_that_it_is_given():
    with LocalAwsWithAPast(12) as aws:
        client = aws.client("sagemaker")
        page = client.list_training_jobs(MaxResults=10)
        rest = client.list_training_jobs(MaxResults=10, NextToken=page["NextToken"])
        job = client.describe_training_job(TrainingJobName="past-0003")
    summaries = [*page["TrainingJobSummaries"], *rest["TrainingJobSummaries"]]
    assert [summary["TrainingJobName"] for summary in summaries] == [f"past-{number:04}" for number in range(12)]
    assert {summary["TrainingJobStatus"] for summary in summaries} == {"Completed"}
    assert job["TrainingEndTime"] == job["LastModifiedTime"] < dt.datetime.now(dt.timezone.utc)


def test_pipelines_that_begin_later_have_no_run_yet(tmp_path):
    folder = parsing.write_pipelines(tmp_path / "later", 2)
    airflow_load.begin_later(folder)
    loaded = load_pipelines(folder)
    assert loaded.errors == []
    assert {pipeline.start_date > dt.datetime.now(dt.timezone.utc).date() for pipeline in loaded.pipelines} == {True}


def test_rows_are_counted_by_table(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "airflow.db")) as database:
        database.executescript("create table run (id); create table log (id); insert into run values (1), (2);")
    assert airflow_load.rows_by_table(f"sqlite:///{tmp_path / 'airflow.db'}") == {"log": 0, "run": 2}


def test_places_in_the_queue_are_counted_as_lost_by_who_waited_longer():
    refused = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    assert midnight.places_lost(refused, {"x": 0.0, "a": 10.0, "b": 11.0, "c": 12.0, "d": 13.0}) == 0
    assert midnight.places_lost(refused, {"c": 10.0, "d": 11.0, "a": 12.0, "b": 13.0}) == 2


@pytest.mark.parametrize(("wall", "succeeded", "met"), [(150, 60, [True, True]), (151, 59, [False, False])])
def test_the_fleet_is_held_against_the_quotas_own_bound(wall, succeeded, met):
    rows = fleet_report.rows_of_fleet(fleet_of(wall=wall, succeeded=succeeded))
    assert [row.is_met for row in rows[:2]] == met
    assert f"{wall} s : 100 s" in rows[1].found
    assert "by 2 CPUs: 240 s, of the empty tasks 120 s" in rows[1].note
    assert "quota 15, jobs of 20 s, 3000 past jobs" in rows[0].what


def test_the_page_tells_what_a_day_of_a_fleet_costs():
    day = {"runs": 10, "quota": 5, "wall": 7200.0, "calls": {"ListEndpoints": 20, "CreateEndpoint": 10}}
    day |= {"mean": 0.5, "most": 3.0, "most_lists": 1.0}
    told = fleet_report.section(fleet_of(), {"day": day}, {"jobs": 1000, "cpu": 0.3, "memory_mb": 64.0})
    # Of each service 0.1 CPU all day, and 1000 runs of 2 s.
    assert "| scheduler | 2.00 s | 1.00 s | 0.100 | 3.0 h | 200 MB |" in told
    assert "a run adds 20 rows, one of as many empty tasks 10; a day of 1000\n  adds 20,000" in told
    assert "2.0 calls a run" in told
    assert "0.064 MB each" in told


@pytest.mark.parametrize("is_quick", [True, False])
def test_the_page_has_a_row_for_every_target_and_tells_of_the_fleet_where_it_was_measured(is_quick):
    results = results_of() | ({} if is_quick else {"fleet": fleet_of()})
    page = report._page(results, {"this package": 2.0, "other": 4.0})
    rows = report.rows_of(results)
    assert [str(row) in page for row in rows] == [True] * len(rows)
    assert ("## What a fleet costs Airflow" in page) is not is_quick
    assert "simulated: that succeed | 30 | all 30 | met |" in page
    assert "{" not in page


def test_the_page_says_by_which_commands_it_was_written_and_how_busy_the_machine_was():
    results = results_of()
    assert "Everything was measured in one go" in report._page(results, {"this package": 2.0})
    results["loads"]["make bench-fleet"] = (1.5, 2.0)
    page = report._page(results, {"this package": 2.0})
    assert "Written by `make bench` and then `make bench-fleet` on" in page
    assert "0.5 before `make bench`, 2.0 at its end; 1.5 before `make bench-fleet`, 2.0 at its end; **other" in page
    assert "All but the fleet, which the latter measured anew, was measured in one go" in page


def results_of() -> dict[str, Any]:
    """Make what a quick benchmark might find."""
    herd = {"jobs": 10, "past": 0, "mean": 1.0, "most": 2.0, "most_lists": 1.0, "noticed": 10, "latest": 4.0}
    waiting = {"jobs": 10, "past": 0, "memory_mb": 1.0, "cpu": 0.1, "calls_per_second": 1.0, "lists_per_second": 1.0}
    waiting |= {"late": [4.0] * 10, "blocked_seconds": {"start": 0.01, "waiting": 0.01}}
    systems = ("ours", "trivial", "stock_deferrable", "stock_blocking", "seed")
    night = {"runs": 30, "quota": 1, "succeeded": 30, "wall": 100.0, "bound": 90.0, "mean": 0.1, "most": 1.0}
    night |= {"most_lists": 1.0, "calls": {}, "overtaken": 0, "stock_failed": 29, "stock_failed_retrying": 28}
    noticing = dict.fromkeys(("jobs", "first_time_share_p90", "first_time_p90", "stock_p90", "seed_p90"), 0.9)
    page = dict.fromkeys(("pipelines", "cold_seconds", "warm_seconds", "filled_seconds", "calls_a_minute"), 1.0)
    return {
        "services": {"short": {**dict.fromkeys(systems, 2.0), "deferrals": 0}, "database": "SQLite"},
        "noticing": noticing
        | {"spread": {"2%": 4.0}, "hour_calls": {"first time": 9, "known, mean": 9, "known, p90": 9, "stock": 120}},
        "herd": herd,
        "grid": [herd | {"throttled": herd}],
        "waiting": {"ours": [waiting], "stock": [waiting], "grid": []},
        "midnight": dict.fromkeys(("night", "day", "backfill"), night),
        "parsing": {
            "counts": [500],
            "files": {"redeploy": {"ms": [1.0], "floor_ratio": 1.0}},
            "task_seconds": {"1": 1.0, "500": 1.0},
            "shared": {"files": 300, "lines": 8, "ms": 1.0, "check_seconds": 1.0},
        },
        "models_page": page,
        "loads": {"make bench": (0.5, 2.0)},
    }


def fleet_of(wall: float = 150.0, succeeded: int = 60) -> dict[str, Any]:
    """Make what fleet.measure() might tell."""
    of_runs = {
        "succeeded": succeeded,
        "wall": float(wall),
        "cpu": dict.fromkeys(SERVICES, 120.0),
        "rows_a_run": 20.0,
        "calls_a_run": 25.0,
        "calls": {"DescribeEndpoint": 600},
    }
    ours = of_runs | {
        "slack_a_run": 4.0,
        "slack_refused": 30,
        "slack_late": 20.0,
        "told_once": succeeded,
        "refused": 45,
        "overtaken": 2,
        "first_training": 10.0,
        "refilled": 9.0,
        "used": 0.7,
        "after_trainings": 30.0,
    }
    idle = {"pipelines": 1000, "dags": 3002, "cpu": dict.fromkeys(SERVICES, 0.1), "rows": 9000}
    return {
        "pipelines": 60,
        "quota": 15,
        "past": 3000,
        "seconds": 20.0,
        "cpus": 2,
        "bound_seconds": 100.0,
        "ours": ours,
        "trivial": of_runs | {"cpu": dict.fromkeys(SERVICES, 60.0), "rows_a_run": 10.0},
        "stock": of_runs | {"succeeded": 15},
        "idle": idle | {"memory_mb": dict.fromkeys(SERVICES, 200.0)},
    }


def test_plots_are_svg_with_every_value():
    for drawing in (
        plots.bars("a < b", {"one": 2.0, "two": 300.0}, "s"),
        plots.lines("a < b", {"one": [(0, 0), (10, 20)]}, "x", "y"),
    ):
        root = ElementTree.fromstring(drawing)
        assert root.tag.endswith("svg")
        assert "a < b" in "".join(root.itertext())
    assert "300 s" in plots.bars("t", {"one": 2.0, "two": 300.0}, "s")
