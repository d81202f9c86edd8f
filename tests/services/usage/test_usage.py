"""The ways in which the pipelines are used, asserted on AWS's state and Slack's messages."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from local_airflow.services import ROOT, AirflowServices
from local_aws.connections import FAST, airflow_connections
from local_aws.process import LocalAws
from local_aws.sample_data import upload

TOKYO = ZoneInfo("Asia/Tokyo")
BACKFILLED = "train_and_deploy_multiclass"
EVERY_MINUTE = "train_and_deploy_every-minute"
UNSCHEDULED = "train_and_deploy_unscheduled"
DAYS = [date(2019, 3, 4) + timedelta(days=number) for number in range(5)]
MISSING = DAYS[2]
# The logical dates of the runs whose data dates are DAYS: the Tokyo midnights that end them.
FIRST, LAST = "2019-03-04T15:00:00+00:00", "2019-03-08T15:00:00+00:00"
DATA_DATE_TAG = "fresh-endpoints:data-date"


@pytest.fixture(scope="module")
def pipelines_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's own pipeline, one that is scheduled every minute, and one without a schedule.

    The latter two read the sample's files in a bucket of their own with recent days' data, so that the first finds no
    data for the run of last midnight, which Airflow makes when the DAG is unpaused.
    """
    folder = tmp_path_factory.mktemp("pipelines")
    own = yaml.safe_load((ROOT / "include" / "pipelines" / "multiclass.yaml").read_text())
    data = {channel: key.replace("{{ pipeline }}", own["name"]) for channel, key in own["data"].items()}
    for name, schedule in (("every-minute", "* * * * *"), ("unscheduled", None)):
        pipeline = {**own, "name": name, "schedule": schedule, "bucket": "recent", "data": data}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(pipeline))
    (folder / "multiclass.yaml").write_text(yaml.safe_dump(own))
    return folder


@pytest.fixture(scope="module")
def airflow(
    aws: LocalAws, database: str | None, pipelines_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowServices]:
    """All services, with data in S3 for DAYS but one, and in another bucket for yesterday and today."""
    upload(aws.client("s3"), aws.region, [day for day in DAYS if day != MISSING])
    upload(aws.client("s3"), aws.region, [_yesterday(), _yesterday() + timedelta(days=1)], bucket="recent")
    with AirflowServices(
        tmp_path_factory.mktemp("airflow"),
        database=database,
        pipelines_dir=pipelines_dir,
        environment={**airflow_connections(aws.url, aws.region), **FAST},
    ) as airflow:
        for dag_id in (BACKFILLED, EVERY_MINUTE, UNSCHEDULED):
            airflow.wait_for_dag(dag_id)
        yield airflow


def test_backfill(airflow: AirflowServices, aws: LocalAws) -> None:
    airflow.unpause(BACKFILLED)
    airflow.cli("backfill", "create", "--dag-id", BACKFILLED, "--from-date", FIRST, "--to-date", LAST)
    [created] = airflow.api("GET", "/backfills", params={"dag_id": BACKFILLED})["backfills"]
    airflow.wait_for_backfill(created["id"])
    runs = _backfill_runs(airflow)

    assert {run["state"] for run in runs.values()} == {"success"}
    assert sorted(runs) == [day + timedelta(days=1) for day in DAYS]
    skipped = _task_states(airflow, runs[MISSING + timedelta(days=1)])
    assert skipped.keys() >= {"wait_for_data", "train", "deploy"}
    assert set(skipped.values()) == {"skipped"}
    trained = Counter(_data_date_of_job(aws, job) for job in _completed_jobs(aws, "multiclass"))
    assert trained == Counter(day.isoformat() for day in DAYS if day != MISSING)
    assert _live_data_date(aws, "multiclass") == DAYS[-1].isoformat()
    told = _slack_titles(aws, "multiclass")
    for day in DAYS:
        titles = told[day.isoformat()]
        if day == MISSING:
            assert titles == Counter({"No new data": 1})
        else:
            assert titles["Training started"] == titles["Training complete"] == 1
            assert titles["Deployment started"] == titles["Deployment completed"]
            assert titles["Deployment completed"] + titles["Deployment skipped"] == 1
    assert told[DAYS[-1].isoformat()]["Deployment completed"] == 1
    assert not [title for titles in told.values() for title in titles if "failed" in title.lower()]

    # Again: the default reprocess behaviour makes no new runs, so nothing is trained or told.
    calls, messages = aws.count("CreateTrainingJob"), len(aws.slack_messages())
    airflow.wait_for_backfill(airflow.backfill(BACKFILLED, FIRST, LAST))
    assert _backfill_runs(airflow) == runs
    assert aws.count("CreateTrainingJob") == calls
    assert len(aws.slack_messages()) == messages


def test_scheduled_run(airflow: AirflowServices, aws: LocalAws) -> None:
    airflow.unpause(EVERY_MINUTE)
    try:
        run = _wait_for_scheduled_run(airflow)
        assert airflow.wait_for_run(EVERY_MINUTE, run["dag_run_id"])["state"] == "success"
    finally:
        airflow.unpause(EVERY_MINUTE, paused=True)
    data_date = _day(run["logical_date"]) - timedelta(days=1)
    [job] = [job for job in _completed_jobs(aws, "every-minute") if _run_id_of(aws, job) == run["dag_run_id"]]
    assert _data_date_of_job(aws, job) == data_date.isoformat()
    assert _live_data_date(aws, "every-minute") == data_date.isoformat()
    assert _slack_titles(aws, "every-minute")[data_date.isoformat()]["Deployment completed"] >= 1


def test_rest_trigger_without_logical_date(airflow: AirflowServices, aws: LocalAws) -> None:
    airflow.unpause(UNSCHEDULED)
    run_id = airflow.trigger(UNSCHEDULED)
    run = airflow.wait_for_run(UNSCHEDULED, run_id)
    assert run["state"] == "success"
    assert run["logical_date"] is None
    data_date = _day(run["run_after"]) - timedelta(days=1)
    assert _live_data_date(aws, "unscheduled") == data_date.isoformat()
    assert _slack_titles(aws, "unscheduled") == {
        data_date.isoformat(): Counter(
            ["Training started", "Training complete", "Deployment started", "Deployment completed"]
        )
    }


def _yesterday() -> date:
    return datetime.now(TOKYO).date() - timedelta(days=1)


def _day(moment: str) -> date:
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).astimezone(TOKYO).date()


def _backfill_runs(airflow: AirflowServices) -> dict[date, dict[str, Any]]:
    """Get all runs of backfills by DATE."""
    runs = [run for run in airflow.runs(BACKFILLED) if run["run_type"] == "backfill"]
    assert len({run["logical_date"] for run in runs}) == len(runs)
    return {_day(run["logical_date"]): run for run in runs}


def _wait_for_scheduled_run(airflow: AirflowServices, timeout: float = 180) -> dict[str, Any]:
    """Wait for a run that the schedule has made after the DAG was unpaused: the second, as the first is due at once."""
    deadline = time.monotonic() + timeout
    while len(runs := airflow.runs(EVERY_MINUTE)) < 2:
        assert time.monotonic() < deadline, f"the schedule has made {len(runs)} runs in {timeout} s"
        time.sleep(0.5)
    assert runs[1]["run_type"] == "scheduled"
    return runs[1]


def _task_states(airflow: AirflowServices, run: dict[str, Any]) -> dict[str, str]:
    tasks = airflow.task_instances(run["dag_id"], run["dag_run_id"])
    return {task["task_id"]: task["state"] for task in tasks}


def _completed_jobs(aws: LocalAws, pipeline: str) -> list[dict[str, Any]]:
    pages = (
        aws.client("sagemaker")
        .get_paginator("list_training_jobs")
        .paginate(StatusEquals="Completed", SortOrder="Ascending", PaginationConfig={"PageSize": 100})
    )
    jobs = [job for page in pages for job in page["TrainingJobSummaries"]]
    return [job for job in jobs if job["TrainingJobName"].startswith(f"{pipeline}-")]


def _tags(aws: LocalAws, arn: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in aws.client("sagemaker").list_tags(ResourceArn=arn)["Tags"]}


def _data_date_of_job(aws: LocalAws, job: dict[str, Any]) -> str:
    return _tags(aws, job["TrainingJobArn"])[DATA_DATE_TAG]


def _run_id_of(aws: LocalAws, job: dict[str, Any]) -> str:
    return _tags(aws, job["TrainingJobArn"])["fresh-endpoints:run-id"]


def _live_data_date(aws: LocalAws, endpoint_name: str) -> str:
    sagemaker = aws.client("sagemaker")
    endpoint = sagemaker.describe_endpoint(EndpointName=endpoint_name)
    assert endpoint["EndpointStatus"] == "InService"
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    return _tags(aws, config["EndpointConfigArn"])[DATA_DATE_TAG]


def _slack_titles(aws: LocalAws, pipeline: str) -> dict[str, Counter[str]]:
    """Count the messages of a pipeline by data date and title."""
    told: dict[str, Counter[str]] = {}
    for message in aws.slack_messages():
        title, name, data_date = re.match(r"([^:]+): ([^,]+), data date ([0-9-]+)", message["text"]).groups()
        if name == pipeline:
            told.setdefault(data_date, Counter())[title] += 1
    return told
