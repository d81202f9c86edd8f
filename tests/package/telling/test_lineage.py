"""What OpenLineage's provider sends of whole runs, by its own transport to a file."""

from __future__ import annotations

import json
from datetime import date

import pytest
from airflow.providers.openlineage import conf
from airflow.providers.openlineage.plugins import listener as plugin

try:
    from airflow.sdk.listener import get_listener_manager
except ImportError:  # Airflow 3.1
    from airflow.listeners.listener import get_listener_manager

from fresh_endpoints.steps.train import TrainOperator
from fresh_endpoints.telling import lineage
from fresh_endpoints.waiting import pace

DAY_1 = date(2019, 3, 4)


@pytest.fixture
def events(tmp_path, monkeypatch):
    """Has the provider write its events to a file; reads those of a task's end."""
    file = tmp_path / "events.json"
    transport = {"type": "file", "log_file_path": str(file), "append": True}
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps(transport))
    caches = [function for function in vars(conf).values() if hasattr(function, "cache_clear")]
    for function in caches:
        function.cache_clear()
    listening = plugin.get_openlineage_listener()
    get_listener_manager().add_listener(listening)

    def ends_of(task):
        told = [json.loads(line) for line in file.read_text().splitlines()]
        return [event for event in told if event["job"]["name"].endswith(f".{task}") and event["eventType"] != "START"]

    yield ends_of
    get_listener_manager().pm.unregister(listening)
    monkeypatch.undo()
    for function in caches:
        function.cache_clear()


def datasets(event, kind):
    return [(dataset["namespace"], dataset["name"]) for dataset in event[kind]]


def test_a_training_leads_from_its_channels_to_its_artifact_and_a_prediction_on_from_there(pipeline, events):
    pipeline.upload(DAY_1)
    facts = pipeline.run(DAY_1).returned["train"]
    assert pipeline.predict(data_date=str(DAY_1)).state == "success"

    [training] = events("train")
    assert training["eventType"] == "COMPLETE"
    bucket, artifact = "s3://sample-bucket", facts["artifact"].removeprefix("s3://sample-bucket/")
    folder = f"2019-03-04/{pipeline.name}"
    assert datasets(training, "inputs") == [
        (bucket, f"input-data-training/{folder}"),
        (bucket, f"input-data-validation/{folder}"),
    ]
    assert datasets(training, "outputs") == [(bucket, artifact)]
    model = {
        "pipeline": pipeline.name,
        "dataDate": "2019-03-04",
        "trainingJob": facts["training_job"],
        "artifact": facts["artifact"],
        "metrics": facts["metrics"],
    }
    assert training["run"]["facets"][lineage.FACET].items() >= model.items()

    [prediction] = events("predict")
    assert datasets(prediction, "inputs") == [(bucket, f"input-data-prediction/{folder}"), (bucket, artifact)]
    assert datasets(prediction, "outputs") == [(bucket, f"output-prediction/{folder}")]
    assert prediction["run"]["facets"][lineage.FACET].items() >= model.items()


def test_a_training_that_was_waited_for_without_a_worker_tells_as_much(pipeline, events, monkeypatch):
    monkeypatch.setattr(pace, "FIRST_TIME_WORKER_SECONDS", 0.0)
    monkeypatch.setattr(pace, "WORKER_SECONDS", 0.0)
    resumed, resume = [], TrainOperator.execute_complete

    def in_another_process(self, *args, **kwargs):
        resumed.append(self.task_id)
        self.seen = self._facts = None
        return resume(self, *args, **kwargs)

    monkeypatch.setattr(TrainOperator, "execute_complete", in_another_process)
    pipeline.use_tiny_image(model="m")
    pipeline.upload(DAY_1)
    facts = pipeline.run(DAY_1).returned["train"]
    assert resumed
    [training] = [event for event in events("train") if event["eventType"] == "COMPLETE"]
    assert len(training["inputs"]) == 2
    assert datasets(training, "outputs") == [("s3://sample-bucket", facts["artifact"].split("/", 3)[3])]
    assert training["run"]["facets"][lineage.FACET]["trainingJob"] == facts["training_job"]


def test_a_training_that_fails_tells_what_it_has_read(pipeline, events):
    pipeline.use_tiny_image(fail="no such column")
    pipeline.upload(DAY_1)
    assert pipeline.run(DAY_1).tasks["train"] == "failed"
    [training] = events("train")
    assert training["eventType"] == "FAIL"
    assert len(training["inputs"]) == 2
    assert training["outputs"] == []


@pytest.mark.parametrize("broken", ["of_training", "of_prediction"])
def test_a_fault_of_lineages_fails_no_step(pipeline, events, monkeypatch, broken):
    monkeypatch.setattr(lineage, broken, lambda *args: 1 / 0)
    pipeline.use_tiny_image(model="m")
    pipeline.upload(DAY_1)
    assert pipeline.run(DAY_1).state == "success"
    assert pipeline.predict(data_date=str(DAY_1)).state == "success"


def test_where_there_is_no_job_there_is_little_to_tell():
    assert lineage.of_training(None, None).inputs == []
    facts = {"data_date": "2019-03-04", "training_job": "j", "artifact": "s3://b/m.tar.gz", "metrics": {}}
    assert [dataset.name for dataset in lineage.of_prediction(None, facts).inputs] == ["m.tar.gz"]
