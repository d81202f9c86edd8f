"""The journey of an engineer with XGBoost and an Airflow."""

from __future__ import annotations

import pytest

from journeys import walk
from local_aws.connections import airflow_connections


@pytest.mark.timeout(600)  # programs by the dozen, on a machine that may be busy
def test_the_built_in_xgboost_is_served_by_an_airflow_that_was_there(local_aws, database, open_terminal, tmp_path):
    terminal = open_terminal(
        **{**local_aws.environment(), **airflow_connections(local_aws.url, local_aws.region)},
        AIRFLOW_HOME=str(database(tmp_path / "airflow")),
        AIRFLOW__CORE__DAGS_FOLDER=None,
        AIRFLOW__CORE__PLUGINS_FOLDER=None,
        PIP_NO_INDEX="1",  # All is installed; what is not is no reason to change this environment.
    )
    walk("An engineer with XGBoost and an Airflow", terminal)
