"""Real Airflow services for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_airflow.postgres import postgres_if_installed
from local_aws.process import LocalAws


@pytest.fixture(scope="module")
def database() -> Iterator[str | None]:
    """A PostgreSQL of the module's own where the machine has one; None (SQLite) where it has none."""
    with postgres_if_installed() as url:
        yield url


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """A local AWS of the module's own."""
    with LocalAws() as aws:
        yield aws
