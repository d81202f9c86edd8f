"""The benchmark's parts: that each does what the page says of it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from benchmarks import models_page, parsing, plots, report, seed_state_machine, services
from benchmarks.dags.stock_requests import stock_requests

from fresh_endpoints.pipeline_file.loading import load_pipelines
from local_aws.process import LocalAws

BENCHMARKS = Path(services.__file__).parent


@pytest.fixture(scope="module")
def aws():
    with LocalAws(images={"timed": BENCHMARKS / "image"}) as aws:
        services._upload(aws, 1)
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
    assert (found["pipelines"], found["first_calls"]) == (3, 13)  # A list, then four calls for each.
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


def test_pipeline_files_of_the_bench_are_right(tmp_path):
    services._write_pipeline(tmp_path, "short-0", 5, 5)
    parsing.write_pipelines(tmp_path / "many", 2)
    assert [pipeline.name for pipeline in load_pipelines(tmp_path).pipelines] == ["short-0"]
    loaded = load_pipelines(tmp_path / "many")
    assert [pipeline.name for pipeline in loaded.pipelines] == ["model-0000", "model-0001"]
    assert loaded.errors == []


@pytest.mark.parametrize(("value", "verdict"), [(1.0, "| met |"), (1.1, "| **missed** |")])
def test_a_missed_target_is_shown_as_missed(value, verdict):
    assert verdict in str(report.Row("what", f"{value}", "≤ 1", value, 1.0))


def test_plots_are_svg_with_every_value():
    for drawing in (
        plots.bars("a < b", {"one": 2.0, "two": 300.0}, "s"),
        plots.lines("a < b", {"one": [(0, 0), (10, 20)]}, "x", "y"),
    ):
        root = ElementTree.fromstring(drawing)
        assert root.tag.endswith("svg")
        assert "a < b" in "".join(root.itertext())
    assert "300 s" in plots.bars("t", {"one": 2.0, "two": 300.0}, "s")
