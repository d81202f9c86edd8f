"""A backfill of thirty days under a quota of one training job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from local_airflow.services import AirflowServices
from local_aws.connections import airflow_connections
from local_aws.process import LocalAws
from pipeline_under_test import PipelineUnderTest
from services_under_test import PATIENCE

DAYS = [date(2019, 3, 1) + timedelta(days=number) for number in range(30)]
# The triggerer sees each end, which lets the next one begin, soon; no task looks itself.
SHORT_WAITS = {
    "FRESH_ENDPOINTS_WORKER_SECONDS": "0",
    "FRESH_ENDPOINTS_FIRST_LOOK_SECONDS": "1",
    "FRESH_ENDPOINTS_SHORTEST_SECONDS": "1",
    "FRESH_ENDPOINTS_REFUSED_SECONDS": "2",
}
QUOTA = {"kind": "quota", "operation": "CreateTrainingJob", "limit": 1}


@pytest.fixture(scope="module")
def pipeline(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> PipelineUnderTest:
    pipeline = PipelineUnderTest(local_aws, tmp_path_factory.mktemp("pipelines"))
    pipeline.content.pop("transform", None)
    pipeline.use_tiny_image(model="m")
    for day in DAYS:
        pipeline.upload(day)
    return pipeline


@pytest.fixture(scope="module")
def airflow(
    local_aws: LocalAws, database: str | None, pipeline: PipelineUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowServices]:
    with AirflowServices(
        tmp_path_factory.mktemp("airflow"),
        database=database,
        pipelines_dir=pipeline.folder,
        environment={**airflow_connections(local_aws.url, local_aws.region), **SHORT_WAITS},
        paused=False,
        boot_timeout=PATIENCE,
    ) as airflow:
        yield airflow
        pipeline.delete()


@pytest.mark.timeout(1_200)
def test_it_ends_whole_each_day_once_and_one_at_a_time(
    airflow: AirflowServices, local_aws: LocalAws, pipeline: PipelineUnderTest
) -> None:
    dag_id = f"train_and_deploy_{pipeline.name}"
    airflow.wait_for_dag(dag_id, timeout=PATIENCE)
    [quota] = local_aws.add_faults(QUOTA)
    # The Tokyo midnights that end the days.
    backfill = airflow.backfill(dag_id, f"{DAYS[0]}T15:00:00+00:00", f"{DAYS[-1]}T15:00:00+00:00", max_active_runs=10)
    airflow.wait_for_backfill(backfill, timeout=1_000)

    runs = [run for run in airflow.runs(dag_id) if run["run_type"] == "backfill"]
    failures = [text for text in pipeline.slack() if "failed" in text.partition(":")[0]]
    assert Counter(run["state"] for run in runs) == {"success": len(DAYS)}, failures
    jobs = [job for job in pipeline.jobs() if job["TrainingJobStatus"] == "Completed"]
    assert sorted(pipeline.tags(job["TrainingJobArn"])["fresh-endpoints:data-date"] for job in jobs) == [
        str(day) for day in DAYS
    ]
    assert pipeline.live().startswith(f"{pipeline.name}-{DAYS[-1]}-")
    titles = Counter(pipeline.titles())
    assert titles["Training complete"] == len(DAYS)
    [struck] = [fault for fault in local_aws.faults() if fault["number"] == quota]
    local_aws.clear_faults()
    assert struck["matched"] > 0
    # Who waited was told of it once.
    assert 0 < titles["Waiting for quota"] < len(DAYS)
    assert not [title for title in titles if "failed" in title.lower()]
