"""Fixtures that several test folders share."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws.process import LocalAws

pytest_plugins = ["fault_table"]

ROOT = Path(__file__).parents[1]
IMAGES = Path(__file__).parent / "support" / "images"

# Airflow reads its configuration when it is first imported, so a test process gets a home of its own before that.
for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "AWS_", "PIPELINES_"))]:
    del os.environ[name]
AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="airflow-"))
os.environ.update(
    AIRFLOW_HOME=str(AIRFLOW_HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(ROOT / "plugins"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AWS_EC2_METADATA_DISABLED="true",
    HYPOTHESIS_STORAGE_DIRECTORY=str(AIRFLOW_HOME / "hypothesis"),
)


def pytest_unconfigure() -> None:
    shutil.rmtree(AIRFLOW_HOME, ignore_errors=True)


@pytest.fixture(autouse=True)
def every_dag_is_built_again() -> Iterator[None]:
    """Airflow goes on naming the DAG that a test has run as the only one to build."""
    yield
    os.environ.pop("_AIRFLOW_PARSING_CONTEXT_DAG_ID", None)


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Airflow's metadata database, migrated, one per test process."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    from airflow.sdk.execution_time import supervisor

    # Later ones keep what Airflow 3.1 builds anew, in half a second and more, for each task that dag.test() runs.
    supervisor.in_process_api_server = functools.cache(supervisor.in_process_api_server)


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    """A running local AWS, one per test process. Use names of your own: other tests of the process share it.

    Beside ``sagemaker-repo`` it has the images of tests/support/images: ``tiny``, which does what its hyperparameters
    say, and small programs in the place of AWS's own images.
    """
    images = {
        "tiny": IMAGES / "tiny",
        "sagemaker-xgboost": IMAGES / "xgboost",
        "sagemaker-scikit-learn": IMAGES / "script_mode",
    }
    with LocalAws(images=images, ping_timeout=20, stop_grace=2, status_seconds=0.1) as aws:
        yield aws
