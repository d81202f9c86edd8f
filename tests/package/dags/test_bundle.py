"""Pipeline files that lie beside the DAG files, as in a DAG bundle: its version has both."""

import runpy
import shutil
from pathlib import Path

import pytest

from fresh_endpoints.pipeline_file.loading import pipelines_dir

ROOT = Path(__file__).parents[3]
MULTICLASS = (ROOT / "include/pipelines/multiclass.yaml").read_text()


def write(folder, name, more=""):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(MULTICLASS.replace("name: multiclass", f"name: {name}") + more)


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """A bundle's DAG files, with PIPELINES_DIR naming another folder."""
    write(tmp_path / "elsewhere", "other")
    monkeypatch.setenv("PIPELINES_DIR", str(tmp_path / "elsewhere"))
    shutil.copytree(ROOT / "dags", tmp_path / "bundle", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "bundle"


def dags_of(dag_file):
    return [name for name in runpy.run_path(str(dag_file)) if name.startswith("train_and_deploy_")]


def test_the_folder_beside_the_dag_files_goes_before_all_others(bundle, tmp_path):
    assert dags_of(bundle / "train_and_deploy.py") == ["train_and_deploy_other"]
    write(bundle / "pipelines" / "team", "mine")
    assert dags_of(bundle / "train_and_deploy.py") == ["train_and_deploy_mine"]
    assert pipelines_dir(bundle / "watch_models.py") == bundle / "pipelines"
    assert pipelines_dir() == tmp_path / "elsewhere"  # Of what has no DAG file.


def test_a_tasks_process_reads_the_file_of_its_bundles_version(bundle, monkeypatch):
    write(bundle / "pipelines", "mine")
    older = shutil.copytree(bundle, bundle.with_name("older"))
    write(older / "pipelines", "mine", "retries: 7\n")
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "train_and_deploy_mine")
    for version, retries in ((bundle, 3), (older, 7)):
        dag = runpy.run_path(str(version / "train_and_deploy.py"))["train_and_deploy_mine"]
        assert dag.get_task("train").retries == retries


def test_what_cannot_be_used_is_listed_by_its_file_in_the_bundle(bundle):
    write(bundle / "pipelines", "mine", "retris: 7\n")
    with pytest.raises(RuntimeError, match=rf"{bundle}/pipelines/mine\.yaml:\n  retris: found an unknown key"):
        runpy.run_path(str(bundle / "broken_pipeline_files.py"))
