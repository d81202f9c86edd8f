"""How the wait for data goes on when it has lasted too long for Airflow."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException

from fresh_endpoints.pipeline_file.loading import load_pipeline
from fresh_endpoints.steps.wait_for_data import WaitForDataSensor
from local_aws.connections import airflow_connections
from sagemaker_requests import new_bucket

PIPELINE = load_pipeline(Path(__file__).parents[3] / "include" / "pipelines" / "multiclass.yaml")
DUE = datetime(2019, 3, 4, 15, tzinfo=timezone.utc)


@pytest.fixture
def resume_late(local_aws, monkeypatch):
    """Resumes the sensor as the scheduler does when no triggerer has fired by the deferral's timeout."""
    for name, value in airflow_connections(local_aws.url, local_aws.region).items():
        monkeypatch.setenv(name, value)
    sensor = WaitForDataSensor(task_id="wait_for_data", pipeline=PIPELINE)
    sensor.bucket_name = new_bucket(local_aws)
    dag_run = SimpleNamespace(dag_id="d", run_id="r", logical_date=DUE, run_after=DUE)

    def resume(*, found):
        monkeypatch.setattr(WaitForDataSensor, "poke", lambda self, context: found)
        monkeypatch.setattr(WaitForDataSensor, "_refuse_missing_bucket", lambda self: None)
        return sensor.resume_execution("__fail__", {"error": "Trigger timeout"}, {"dag_run": dag_run, "params": {}})

    return resume


def test_data_that_came_while_the_triggerer_was_down_is_found(resume_late):
    assert resume_late(found=True) is None


def test_data_that_did_not_come_skips(resume_late):
    with pytest.raises(AirflowSkipException):
        resume_late(found=False)
