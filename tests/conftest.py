"""Fixtures that several test folders share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from local_aws.process import LocalAws

IMAGES = Path(__file__).parent / "images"


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    """A running local AWS, one per test process. Use names of your own: other tests of the process share it.

    Beside ``sagemaker-repo`` it has the image ``tiny`` (tests/images/tiny), which does what its hyperparameters say.
    """
    with LocalAws(images={"tiny": IMAGES / "tiny"}, ping_timeout=20, stop_grace=2) as aws:
        yield aws
