"""Pipeline files of the test's own, read as from a pipelines folder."""

from __future__ import annotations

import tempfile

import pytest

from fresh_endpoints.pipeline_file.checks.pipeline import find_warnings
from fresh_endpoints.pipeline_file.loading import load_pipeline, load_pipelines
from guarded_loading import guarded_loader
from pipeline_files import BASE


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Nothing that another test (or the developer) has checked is remembered."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "pipelines"
    folder.mkdir()
    return folder


@pytest.fixture
def problems(folder):
    """Loads a text as iris.yaml; the problems, or none."""

    def load(text):
        path = folder / "iris.yaml"
        path.write_text(text, encoding="utf-8")
        [*errors] = load_pipelines(folder).errors
        for error in errors:
            assert str(error) == "\n  ".join([f"{path}:", *error.problems])
            assert "pydantic" not in str(error)
        return [problem.replace(str(path), path.name) for error in errors for problem in error.problems]

    return load


@pytest.fixture
def warnings(folder):
    """Loads a right text as iris.yaml; what is said of it all the same, but for what every text here lacks."""

    def load(text):
        (folder / "iris.yaml").write_text(f"{text}endpoint: {{RetainAllVariantProperties: true}}\n", encoding="utf-8")
        return find_warnings(load_pipeline(folder / "iris.yaml"))

    return load


@pytest.fixture(scope="module")
def loader(tmp_path_factory):
    """A process that loads files within bounds of time and memory, and beside it a folder with a right file."""
    folder = tmp_path_factory.mktemp("loader")
    (folder / "iris.yaml").write_text(BASE)
    with guarded_loader(folder, folder) as loader:
        yield loader
