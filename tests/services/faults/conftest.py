"""Real Airflow services and local AWS, shared by all tests here; each test has a pipeline of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_airflow.postgres import postgres_if_installed
from local_airflow.services import AirflowServices
from local_aws.connections import airflow_connections
from local_aws.process import LocalAws
from pipeline_under_test import PipelineUnderTest
from services_under_test import PATIENCE, ServicesUnderTest

# A DAG is known seconds after its file; so the pipelines are there before the first test.
MOST_PIPELINES = 24
# What local AWS holds back is deferred, and resumed soon after it is let go.
SHORT_WAITS = {
    "FRESH_ENDPOINTS_WORKER_SECONDS": "2",
    "FRESH_ENDPOINTS_FIRST_TIME_WORKER_SECONDS": "2",
    "FRESH_ENDPOINTS_FIRST_LOOK_SECONDS": "4",
    "FRESH_ENDPOINTS_SHORTEST_SECONDS": "1",
    "FRESH_ENDPOINTS_REFUSED_SECONDS": "2",
}


@pytest.fixture(scope="session")
def pipelines(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> list[PipelineUnderTest]:
    """The pipelines that no test has used yet."""
    folder = tmp_path_factory.mktemp("pipelines")
    pipelines = [PipelineUnderTest(local_aws, folder) for _ in range(MOST_PIPELINES)]
    for pipeline in pipelines:
        pipeline.content["schedule"] = None
        pipeline.content.pop("transform", None)
        pipeline.use_tiny_image(model="good")
    return pipelines


@pytest.fixture(scope="session")
def airflow(
    local_aws: LocalAws, pipelines: list[PipelineUnderTest], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowServices]:
    """All services; they are gone afterwards."""
    environment = {**airflow_connections(local_aws.url, local_aws.region), **SHORT_WAITS}
    folder: Path = pipelines[0].folder
    with (
        postgres_if_installed() as database,
        AirflowServices(
            tmp_path_factory.mktemp("airflow"),
            database=database,
            pipelines_dir=folder,
            environment=environment,
            paused=False,
            boot_timeout=PATIENCE,
        ) as airflow,
    ):
        yield airflow


@pytest.fixture
def services(airflow: AirflowServices, pipelines: list[PipelineUnderTest]) -> Iterator[ServicesUnderTest]:
    """A pipeline of the test's own, on the services."""
    tested = pipelines.pop()
    tested.aws.clear_faults()
    yield ServicesUnderTest(airflow, tested)
    tested.aws.clear_faults()
    tested.delete()
