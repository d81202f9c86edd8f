"""Whatever goes wrong with one pipeline, in Airflow's own parsing the others' DAGs stay, and its file is named."""

from __future__ import annotations

import ast
import os
import runpy
from pathlib import Path
from typing import Any

import pytest

import parsed_dags
from fresh_endpoints.pipeline_file.building import find_build_errors

ROOT = Path(__file__).parents[3]
MULTICLASS = (ROOT / "include/pipelines/multiclass.yaml").read_text()
BROKEN_FILES = "broken_pipeline_files.py"
FOLDERS = {
    "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
}

# One pipeline's DAGs cannot be built, or not be stored, for a reason that no check of a file knows.
FAILS_TO_BUILD = """
from fresh_endpoints.steps import trigger_form
right = trigger_form.wait_minutes
def wait_minutes(pipeline):
    if pipeline.name == "bad":
        raise OverflowError("Python int too large to convert to C int")
    return right(pipeline)
trigger_form.wait_minutes = wait_minutes
"""
FAILS_HALF_WAY = """
from fresh_endpoints.telling import callbacks
right = callbacks.NoNewDataNotifier
def notifier(pipeline, **kwargs):
    if pipeline.name == "bad":
        raise OverflowError("Python int too large to convert to C int")
    return right(pipeline, **kwargs)
callbacks.NoNewDataNotifier = notifier
"""
FAILS_TO_BE_STORED = """
from airflow.sdk import Param
from fresh_endpoints.steps import trigger_form
right = trigger_form.wait_minutes
def wait_minutes(pipeline):
    return right(pipeline) if pipeline.name != "bad" else Param(1, title="half of a character: \\ud800")
trigger_form.wait_minutes = wait_minutes
"""


def write(folder: Path, name: str, text: str = MULTICLASS) -> Path:
    renamed = text.replace("name: multiclass", f"name: {name}").replace(
        "EndpointName: multiclass", f"EndpointName: {name}"
    )
    path = folder / f"{name}.yaml"
    path.write_text(renamed)
    return path


@pytest.fixture
def pipelines(tmp_path: Path) -> Path:
    folder = tmp_path / "pipelines"
    folder.mkdir()
    write(folder, "good")
    return folder


def parse(pipelines: Path, before: str = "") -> dict[str, Any]:
    temporary = pipelines.parent / "tmp"
    temporary.mkdir(exist_ok=True)
    return parsed_dags.parse(
        ROOT / "dags",
        pipelines.parent / "home",
        before,
        PIPELINES_DIR=str(pipelines),
        TMPDIR=str(temporary),
        **FOLDERS,
    )


def dags_of(parsed: dict[str, Any]) -> set[str]:
    return {dag_id.rpartition("_")[2] for dag_id in parsed["dags"]}


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (FAILS_TO_BUILD, "OverflowError: Python int too large to convert to C int"),
        (FAILS_HALF_WAY, "OverflowError: Python int too large to convert to C int"),
        (FAILS_TO_BE_STORED, "UnicodeEncodeError: 'utf-8' codec can't encode"),
    ],
)
def test_a_dag_that_cannot_be_built_or_stored_is_left_out_and_listed(pipelines, before, reason):
    whole = parse(pipelines)["dags"]
    bad = write(pipelines, "bad")
    for _ in range(2):  # A failure is not forgotten, either.
        parsed = parse(pipelines, before)
        assert set(parsed["dags"]) == set(whole)
        assert list(parsed["errors"]) == [BROKEN_FILES]
        assert f"{bad}:" in parsed["errors"][BROKEN_FILES]
        for dag_id in ("train_and_deploy_bad", "batch_predict_bad"):
            assert f"the DAG {dag_id} cannot be built: {reason}" in parsed["errors"][BROKEN_FILES]
    assert dags_of(parse(pipelines)) == {"good", "bad"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "retry_delay_seconds: 1000000000000000",
            "retry_delay_seconds: found 1000000000000000; it must have value less",
        ),
        ("start_date: 0001-01-01", "start_date: found 0001-01-01; it must have value greater"),
        ("deadline_minutes: 10000000000000", "deadline_minutes: found 10000000000000; it must have value less"),
        (f"dag_tags: [{'x' * 101}]", "(101 characters); it must have length less than or equal to 100"),
        ("wait_minutes: " + "[" * 30_000, "found more than 50 levels"),
        ('bucket: "{{ 10 ** 10 ** 10 }}"', "'**' is not allowed"),
    ],
)
def test_a_file_that_nothing_can_be_made_of_takes_no_other_with_it(pipelines, line, said):
    key = line.partition(":")[0]
    kept = "\n".join(other for other in MULTICLASS.splitlines() if not other.startswith(f"{key}:"))
    bad = write(pipelines, "bad", f"{kept}\n{line}\n")
    parsed = parse(pipelines)
    assert dags_of(parsed) == {"good"}
    assert list(parsed["errors"]) == [BROKEN_FILES]
    assert f"{bad}:" in parsed["errors"][BROKEN_FILES]
    assert said in parsed["errors"][BROKEN_FILES]


def test_a_pipe_in_the_folder_is_not_waited_for(pipelines):
    os.mkfifo(pipelines / "bad.yaml")
    parsed = parse(pipelines)
    assert dags_of(parsed) == {"good"}
    assert "found a named pipe; allowed a regular file" in parsed["errors"][BROKEN_FILES]


def test_the_task_of_a_dag_that_cannot_be_built_says_so(pipelines, monkeypatch):
    from fresh_endpoints.steps import trigger_form

    def fail(pipeline):
        raise OverflowError("too large")

    monkeypatch.setenv("PIPELINES_DIR", str(pipelines))
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "train_and_deploy_good")
    monkeypatch.setattr(trigger_form, "wait_minutes", fail)
    with pytest.raises(OverflowError, match="too large"):
        runpy.run_path(str(ROOT / "dags/train_and_deploy.py"))


def test_what_was_built_is_not_built_again_to_find_errors(pipelines, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("PIPELINES_DIR", str(pipelines))
    dag_file = ROOT / "dags/train_and_deploy.py"
    assert find_build_errors([dag_file]) == []
    monkeypatch.setattr("runpy.run_path", None)
    assert find_build_errors([dag_file]) == []


def test_every_dag_file_of_pipelines_is_asked_for_its_errors():
    [names] = [
        ast.literal_eval(node.value)
        for node in ast.parse((ROOT / "dags" / BROKEN_FILES).read_text()).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DAG_FILES"
    ]
    assert {path.name for path in (ROOT / "dags").glob("*.py")} - {BROKEN_FILES} == set(names)
    for name in names:
        assert "build_dags(" in (ROOT / "dags" / name).read_text()
