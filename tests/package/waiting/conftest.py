"""What the tests of triggers have in common."""

from __future__ import annotations

import pytest

from fresh_endpoints.waiting import pace
from local_aws.connections import airflow_connections


@pytest.fixture
def connections(local_aws, monkeypatch):
    """Airflow's connections lead to local AWS, and waits are short."""
    for name, value in airflow_connections(local_aws.url, local_aws.region).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(pace, "FIRST_LOOK_SECONDS", 0.2)
    monkeypatch.setattr(pace, "SHORTEST_SECONDS", 0.2)
