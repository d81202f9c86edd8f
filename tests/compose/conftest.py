"""The stack, up once for each executor, whatever the number of test files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compose_stack import Settings, Stack
from docker_under_test import docker, engine

__all__ = ["engine"]


@pytest.fixture(scope="session", params=["local", "celery"])
def stack(request: pytest.FixtureRequest, engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole stack with one executor, up and healthy."""
    base = tmp_path_factory.mktemp("compose")
    base.parent.chmod(0o755)
    stack = Stack(request.param, base)
    try:
        stack.up()
        yield stack
    finally:
        stack.down()
    assert stack.containers() == {}
    for kind in ("volume", "network"):
        left = ["ls", "--quiet", "--filter", f"label=com.docker.compose.project={stack.settings.project}"]
        assert docker(kind, *left) == ""


@pytest.fixture
def settings(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """What `make env` writes, with nothing up."""
    base = tmp_path_factory.mktemp("settings")
    base.parent.chmod(0o755)
    settings = Settings(base)
    yield settings
    settings.down()
