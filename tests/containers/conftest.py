"""Local AWS with an image of Docker's, and pipelines that are trained and served by it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from docker_under_test import built, engine, python_image
from local_aws.docker_engine import DockerImage
from local_aws.process import LocalAws
from pipeline_under_test import pipeline

__all__ = ["engine", "pipeline"]

IMAGES = Path(__file__).parents[1] / "support" / "images"


@pytest.fixture(scope="session")
def image(engine: None) -> Iterator[str]:
    """The tag of an image whose programs tell what they see."""
    with built(IMAGES / "contained", "--build-arg", f"BASE={python_image()}") as tag:
        yield tag


@pytest.fixture(scope="session")
def local_aws(image: str) -> Iterator[LocalAws]:
    """A running local AWS whose image ``tiny`` is Docker's."""
    with LocalAws(images={"tiny": DockerImage(image)}, stop_grace=2, status_seconds=0.1) as aws:
        yield aws
