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

GOOD = {"train_and_deploy_good", "batch_predict_good", "redeploy_good", "tell_later", "watch_models"}
# On Airflow 3.1 the plugins folder is found only when a DAG file is parsed.
FIND_THE_PACKAGE = "import os, sys; sys.path.append(os.environ['AIRFLOW__CORE__PLUGINS_FOLDER'])"
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
    path = folder / f"{name}.yaml"
    path.write_text(text.replace("name: multiclass", f"name: {name}"))
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
        FIND_THE_PACKAGE + before,
        PIPELINES_DIR=str(pipelines),
        TMPDIR=str(temporary),
        **FOLDERS,
    )


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (FAILS_TO_BUILD, "OverflowError: Python int too large to convert to C int"),
        (FAILS_HALF_WAY, "OverflowError: Python int too large to convert to C int"),
        (FAILS_TO_BE_STORED, "UnicodeEncodeError: 'utf-8' codec can't encode"),
    ],
    ids=["fails to build", "fails half way", "fails to be stored"],
)
def test_a_dag_that_cannot_be_built_or_stored_is_left_out_and_listed(pipelines, before, reason):
    bad = write(pipelines, "bad")
    for _ in range(2):  # A failure is not forgotten.
        parsed = parse(pipelines, before)
        # The redeploy needs nothing of what fails.
        assert set(parsed["dags"]) == {*GOOD, "redeploy_bad"}
        assert list(parsed["errors"]) == [BROKEN_FILES]
        assert f"{bad}:" in parsed["errors"][BROKEN_FILES]
        for dag_id in ("train_and_deploy_bad", "batch_predict_bad"):
            assert f"the DAG {dag_id} cannot be built: {reason}" in parsed["errors"][BROKEN_FILES]


# Each raised in the loop that builds all DAGs, hung it, or ended its process, before files were bounded.
HOSTILE = {
    "brackets": ("wait_minutes: " + "[" * 30_000, "found more than 50 levels"),
    "aliases": (
        "a0: &a0 [x]\n"
        + "\n".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))
        + "\nmodel: {PrimaryContainer: *a59}",
        "found more than 10000 values",
    ),
    "delay": (
        "retry_delay_seconds: 1000000000000000",
        "retry_delay_seconds: found 1000000000000000; it must have value",
    ),
    "first-day": ("start_date: 0001-01-01", "start_date: found 0001-01-01; it must have value greater"),
    "last-day": ("start_date: 9999-12-31", "start_date: found 9999-12-31; it must have value less"),
    "deadline": ("deadline_minutes: 10000000000000", "deadline_minutes: found 10000000000000; it must have value less"),
    "tag": (f"dag_tags: [{'x' * 101}]", "(101 characters); it must have length less than or equal to 100"),
    "power": ('bucket: "{{ 9 ** 9 ** 9 ** 9 }}"', "'**' is not allowed"),
    "loops": (
        'bucket: "' + "".join(f"{{% for i{n} in range(99999) %}}" for n in range(5)) + "x" + "{% endfor %}" * 5 + '"',
        "'{% for %}' is not allowed",
    ),
    "repeated": ("""bucket: "{{ 'a' * 10 ** 12 }}\"""", "'*' is allowed between numbers only"),
    "secret": ('bucket: "{{ task.hook.get_credentials().secret_key }}"', "'task.hook' is not allowed"),
    "surrogate": ('description: "\\ud800"', "Unicode character escape"),
}


def test_files_that_nothing_can_be_made_of_take_no_other_with_them(pipelines):
    for name, (line, _) in HOSTILE.items():
        key = line.partition(":")[0]
        kept = "\n".join(other for other in MULTICLASS.splitlines() if not other.startswith(f"{key}:"))
        write(pipelines, name, f"{kept}\n{line}\n")
    os.mkfifo(pipelines / "pipe.yaml")
    parsed = parse(pipelines)
    assert set(parsed["dags"]) == GOOD
    [(file, error)] = parsed["errors"].items()
    assert file == BROKEN_FILES
    said = {part.partition(".yaml:")[0]: part for part in error.split(f"{pipelines}/")[1:]}
    assert set(said) == {*HOSTILE, "pipe"}
    for name, (_, problem) in HOSTILE.items():
        assert problem in said[name]
    assert "found a named pipe; allowed a regular file" in said["pipe"]


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
    of_pipelines = {path.name for path in (ROOT / "dags").glob("*.py")} - {
        BROKEN_FILES,
        "tell_later.py",
        "watch_models.py",
    }
    assert of_pipelines == set(names)
    for name in names:
        assert "build_dags(" in (ROOT / "dags" / name).read_text()
