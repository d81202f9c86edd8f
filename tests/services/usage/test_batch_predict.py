"""A training leads to the prediction of its own date, exactly once, with real Airflow services."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
import yaml

from local_airflow.services import ROOT, AirflowServices
from local_aws.connections import FAST, airflow_connections
from local_aws.process import LocalAws
from local_aws.sample_data import upload

TRAIN, PREDICT = "train_and_deploy_multiclass", "batch_predict_multiclass"
BUCKET = "sample-bucket"
DAYS = [date(2019, 3, 4) + timedelta(days=number) for number in range(5)]
DATA_DATE_TAG = "fresh-endpoints:data-date"


@pytest.fixture(scope="module")
def airflow(aws: LocalAws, database: str | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowServices]:
    """All services, with only the package's own pipeline, and its data of DAYS in S3."""
    upload(aws.client("s3"), aws.region, DAYS)
    folder = tmp_path_factory.mktemp("pipelines")
    pipeline = yaml.safe_load((ROOT / "include" / "pipelines" / "multiclass.yaml").read_text())
    # As many trainings at once as are triggered.
    (folder / "multiclass.yaml").write_text(yaml.safe_dump({**pipeline, "schedule": None, "max_active_runs": 4}))
    with AirflowServices(
        tmp_path_factory.mktemp("airflow"),
        database=database,
        pipelines_dir=folder,
        environment={**airflow_connections(aws.url, aws.region), **FAST},
    ) as airflow:
        for dag_id in (TRAIN, PREDICT):
            airflow.wait_for_dag(dag_id)
            airflow.unpause(dag_id)
        yield airflow


def test_each_training_is_predicted_with_its_own_model_exactly_once(airflow: AirflowServices, aws: LocalAws) -> None:
    before, jobs_before, told_before = predicted(aws), models(aws), len(aws.slack_messages())

    # One training alone.
    train(airflow, DAYS[3])
    wait_until(lambda: predicted(aws) == before + Counter({str(DAYS[3]): 1}))
    check_predictions(aws, DAYS[3])
    live = aws.client("sagemaker").describe_endpoint(EndpointName="multiclass")["EndpointConfigName"]
    assert models(aws) - jobs_before == Counter({live: 1})

    # Three at once, of older dates (a backfill) while the prediction DAG is paused, then one more.
    airflow.unpause(PREDICT, paused=True)
    train(airflow, *DAYS[:3])
    assert predicted(aws) == before + Counter({str(DAYS[3]): 1})
    airflow.unpause(PREDICT)
    train(airflow, DAYS[4])
    wait_until(lambda: predicted(aws) == before + Counter(map(str, DAYS)))
    wait_for_predictions(airflow)
    assert predicted(aws) == before + Counter(map(str, DAYS))
    for day in DAYS:
        check_predictions(aws, day)
    assert set((models(aws) - jobs_before).values()) == {1}

    # Slack was told of each prediction once.
    texts = [message["text"] for message in aws.slack_messages()[told_before:]]
    for day in DAYS:
        about = [text.partition(":")[0] for text in texts if f"data date {day}. " in text and "rediction" in text]
        assert about == ["Prediction started", "Prediction complete"]

    # The asset's page shows what was trained, and what of it was deployed where.
    [asset] = airflow.api("GET", "/assets", params={"name_pattern": "multiclass-model"})["assets"]
    found = airflow.api("GET", "/assets/events", params={"asset_id": asset["id"], "limit": 100})["asset_events"]
    events = [event["extra"] for event in found if event["source_dag_id"]]  # Not what a test has made by hand.
    assert {str(day) for day in DAYS} == {facts["data_date"] for facts in events}
    for facts in events:
        assert facts["metrics"]["validation:accuracy"] >= 0.9
        assert facts["artifact"].endswith(f"{facts['training_job']}/output/model.tar.gz")
        assert facts["model"] == facts["training_job"]
    assert {"multiclass"} == {facts["endpoint"] for facts in events if facts["model"] == live}


def test_several_trainings_that_end_while_predictions_are_made_are_predicted_exactly_once(
    airflow: AirflowServices, aws: LocalAws
) -> None:
    before = predicted(aws)
    train(airflow, *DAYS[:4])
    wait_until(lambda: predicted(aws) == before + Counter(map(str, DAYS[:4])))
    wait_for_predictions(airflow)
    assert predicted(aws) == before + Counter(map(str, DAYS[:4]))


def test_what_a_person_writes_into_an_event_is_not_believed(airflow: AirflowServices, aws: LocalAws) -> None:
    before, made_before = predicted(aws), models(aws)
    train(airflow, DAYS[0])
    wait_until(lambda: predicted(aws) == before + Counter({str(DAYS[0]): 1}))
    [job] = models(aws) - made_before
    [asset] = airflow.api("GET", "/assets", params={"name_pattern": "multiclass-model"})["assets"]
    forged = {"data_date": "../x", "artifact": "s3://evil/model.tar.gz", "metrics": {}, "created": "2999-01-01"}
    airflow.unpause(PREDICT, paused=True)  # What comes meanwhile is gathered for one run.
    for extra in (
        {**forged, "training_job": "another-2019-03-04-1a2b3c4d", "model": "evil"},
        {**forged, "training_job": "multiclass-2019-03-04-00000000", "model": "evil"},
        {**forged, "training_job": job, "model": "evil"},
        {**forged, "training_job": ["x" * 2_000_000], "model": {}},
        {},
    ):
        airflow.api("POST", "/assets/events", json={"asset_id": asset["id"], "extra": extra})
    airflow.unpause(PREDICT)
    train(airflow, DAYS[1])
    wait_until(lambda: predicted(aws) == before + Counter({str(DAYS[0]): 1, str(DAYS[1]): 1}))
    wait_for_predictions(airflow)
    assert set((models(aws) - made_before).values()) == {1}, "the job that was told again is not predicted with again"
    assert not any("evil" in name for name in models(aws))


def wait_for_predictions(airflow: AirflowServices) -> None:
    for run in airflow.runs(PREDICT):
        assert airflow.wait_for_run(PREDICT, run["dag_run_id"])["state"] == "success"


def models(aws: LocalAws) -> Counter[str]:
    """How many transform jobs each model has."""
    return Counter(job["ModelName"] for job in transform_jobs(aws))


def train(airflow: AirflowServices, *days: date) -> None:
    """Train some data dates side by side, to the end."""
    runs = [airflow.trigger(TRAIN, conf={"data_date": str(day)}) for day in days]
    for run_id in runs:
        assert airflow.wait_for_run(TRAIN, run_id, timeout=300)["state"] == "success"


def transform_jobs(aws: LocalAws) -> list[dict[str, Any]]:
    sagemaker = aws.client("sagemaker")
    found = sagemaker.list_transform_jobs(MaxResults=100)["TransformJobSummaries"]
    return [sagemaker.describe_transform_job(TransformJobName=job["TransformJobName"]) for job in found]


def predicted(aws: LocalAws) -> Counter[str]:
    """How many transform jobs have completed, by data date; one that has not counts under its status."""
    counts: Counter[str] = Counter()
    for job in transform_jobs(aws):
        tags = aws.client("sagemaker").list_tags(ResourceArn=job["TransformJobArn"])["Tags"]
        [day] = [tag["Value"] for tag in tags if tag["Key"] == DATA_DATE_TAG]
        counts[day if job["TransformJobStatus"] == "Completed" else job["TransformJobStatus"]] += 1
    return counts


def check_predictions(aws: LocalAws, day: date) -> None:
    """The rows' predicted classes are nearly always the true ones."""
    key = f"output-prediction/{day}/multiclass/iris.csv.out"
    found = aws.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read().decode().split()
    labels = (ROOT / "include" / "sample_data" / "prediction" / "labels.csv").read_text().split()
    assert len(found) == len(labels)
    right = sum(one == other for one, other in zip(found, labels, strict=True))
    assert right / len(labels) > 0.85


def wait_until(condition: Callable[[], bool], timeout: float = 240) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(1)
