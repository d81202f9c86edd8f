"""Fixtures that several files of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_aws.process import LocalAws
from sagemaker_requests import new_bucket, new_config, new_model


@pytest.fixture(autouse=True)
def _no_faults_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """The shared server has no faults when a test has used it."""
    yield
    if "local_aws" in request.fixturenames:
        request.getfixturevalue("local_aws").clear_faults()


@pytest.fixture
def aws(local_aws: LocalAws) -> LocalAws:
    """The shared server, by a shorter name."""
    return local_aws


@pytest.fixture(scope="module")
def bucket(local_aws: LocalAws) -> str:
    """An empty bucket."""
    return new_bucket(local_aws)


@pytest.fixture(scope="module")
def configs(local_aws: LocalAws, bucket: str) -> dict[str, str]:
    """Endpoint configs by what their model answers; the program of "broken" does not start."""
    return {text: new_config(local_aws, new_model(local_aws, bucket, text)) for text in ("good", "better", "broken")}
