"""A run that has no model live by its deadline is told of, once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from local_airflow.services import ROOT, AirflowServices
from local_aws.connections import FAST, airflow_connections
from local_aws.process import LocalAws
from local_aws.sample_data import recent_days, upload

DAG_ID = "train_and_deploy_multiclass"
TOLD_WITHIN_SECONDS = 120


@pytest.fixture
def airflow(aws: LocalAws, database: str | None, tmp_path: Path) -> Iterator[AirflowServices]:
    """The sample pipeline, whose run of last midnight is due at once and past its deadline of a minute."""
    pipeline = yaml.safe_load((ROOT / "include" / "pipelines" / "multiclass.yaml").read_text())
    pipelines = tmp_path / "pipelines"
    pipelines.mkdir()
    (pipelines / "multiclass.yaml").write_text(yaml.safe_dump({**pipeline, "deadline_minutes": 1}))
    upload(aws.client("s3"), aws.region, recent_days(2))
    with AirflowServices(
        tmp_path / "airflow",
        database=database,
        pipelines_dir=pipelines,
        environment={**airflow_connections(aws.url, aws.region), **FAST},
    ) as airflow:
        yield airflow


def test_a_missed_deadline_is_told(airflow: AirflowServices, aws: LocalAws) -> None:
    airflow.wait_for_dag(DAG_ID)
    aws.add_faults({"operation": "training-job:Training", "kind": "hold_status"})
    airflow.unpause(DAG_ID)
    deadline = time.monotonic() + TOLD_WITHIN_SECONDS
    while not (told := [m["text"] for m in aws.slack_messages() if m["text"].startswith("Deadline missed")]):
        assert time.monotonic() < deadline, [message["text"] for message in aws.slack_messages()]
        time.sleep(0.5)
    aws.clear_faults()
    [run] = airflow.runs(DAG_ID)
    assert airflow.wait_for_run(DAG_ID, run["dag_run_id"])["state"] == "success"
    data_date = recent_days(0)[0] - timedelta(days=1)
    assert told[0].startswith(
        f"Deadline missed: multiclass, data date {data_date}. No new model is live 1 minutes after"
    )
    assert sum(m["text"].startswith("Deadline missed") for m in aws.slack_messages()) == 1
