"""A Docker engine for tests, and images of their own that are built by it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import base_images

LABEL = "local-aws.server"


@pytest.fixture(scope="session")
def engine() -> None:
    """A Docker engine that runs."""
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.fail("found no Docker engine that answers `docker info`; start one")


def docker(*arguments: str, timeout: float = 60) -> str:
    """Run a docker command; returns what it prints."""
    ended = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=timeout)
    assert ended.returncode == 0, f"{arguments}: {ended.stdout}{ended.stderr}"
    return ended.stdout


def python_image() -> str:
    """The repository's Python base image; by its tag where no registry is reached, and local images have the tags."""
    image = base_images.images()["PYTHON_IMAGE"]
    return base_images.by_tag(image) if os.environ.get("BASE_IMAGES_BY_TAG") else image


@contextmanager
def built(folder: Path, *options: str) -> Iterator[str]:
    """An image of a folder with a Dockerfile, by its tag; removed at the end."""
    tag = f"local-aws-test:{secrets.token_hex(6)}"
    docker("build", "--tag", tag, *options, str(folder), timeout=600)
    try:
        yield tag
    finally:
        docker("image", "rm", "--force", tag)


def containers_of(variable: str) -> list[dict[str, Any]]:
    """What the engine knows of local AWS's containers that have an environment variable, written NAME=value."""
    ids = docker("container", "ls", "--all", "--quiet", "--filter", f"label={LABEL}").split()
    found = (_inspected(identifier) for identifier in ids)
    return [container for container in found if container and variable in container["Config"]["Env"]]


def left_of(label: str) -> list[str]:
    """Everything in the engine that has a label, by kind and id."""
    wide = {"container": ["--all"], "volume": [], "network": []}
    return [
        f"{kind} {identifier}"
        for kind, options in wide.items()
        for identifier in docker(kind, "ls", *options, "--quiet", "--filter", f"label={label}").split()
    ]


def label_of(container: dict[str, Any]) -> str:
    """The label of the server that a container is of."""
    return f"{LABEL}={container['Config']['Labels'][LABEL]}"


def _inspected(identifier: str) -> dict[str, Any] | None:
    """What the engine knows of a container; None where another test has removed it meanwhile."""
    command = ["docker", "container", "inspect", identifier]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return json.loads(ended.stdout)[0] if ended.returncode == 0 else None
