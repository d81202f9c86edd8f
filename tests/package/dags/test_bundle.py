"""Pipeline files that lie beside the DAG files, as in a DAG bundle: its version has both."""

import os
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest
from airflow.providers.git.bundles.git import GitDagBundle

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


@pytest.fixture
def repository(bundle, tmp_path, monkeypatch):
    """A Git repository of the DAG files with the pipeline files beside them; returns what commits all that is there."""
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(tmp_path / "bundles"))
    monkeypatch.setenv("AIRFLOW_CONN_GIT_DEFAULT", '{"conn_type": "git"}')
    nobodys = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for role in ("AUTHOR", "COMMITTER"):
        nobodys |= {f"GIT_{role}_NAME": "a person", f"GIT_{role}_EMAIL": "person@example.com"}

    def git(*arguments):
        command = ["git", *arguments]
        subprocess.run(command, cwd=bundle, env={**os.environ, **nobodys}, check=True, capture_output=True, timeout=60)

    def commit():
        git("add", "--all")
        git("commit", "--message", "What the files say now")

    git("init", "--initial-branch", "main")
    return commit


def git_bundle(repository, version=None):
    """A process's own bundle: the dag-processor follows the branch, a task's has its run's version."""
    bundle = GitDagBundle(name="ours", tracking_ref="main", repo_url=str(repository), version=version)
    bundle.initialize()
    return bundle


def version_of(bundle):
    current = bundle.get_current_version()
    return getattr(current, "version", current)  # Before Airflow 3.3 it is a text.


def asked_for(bundle, task_id):
    """The instances that a task's process would ask for: it reads its DAG from where the bundle lies."""
    dag = runpy.run_path(str(bundle.path / "train_and_deploy.py"))["train_and_deploy_mine"]
    pipeline = dag.get_task(task_id).pipeline
    [variant] = pipeline.endpoint_config["ProductionVariants"]
    return pipeline.training["ResourceConfig"]["InstanceType"], variant["InstanceType"]


def test_a_run_goes_on_by_the_commit_with_which_it_has_begun(bundle, repository, monkeypatch):
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "train_and_deploy_mine")
    write(bundle / "pipelines", "mine")
    repository()
    followed = git_bundle(bundle)
    begun = version_of(followed)
    assert asked_for(git_bundle(bundle, begun), "train") == ("ml.m4.xlarge", "ml.m4.xlarge")

    file = bundle / "pipelines" / "mine.yaml"
    file.write_text(file.read_text().replace("ml.m4.xlarge", "ml.c5.xlarge"))
    repository()
    followed.refresh()

    assert version_of(followed) != begun
    assert asked_for(followed, "train") == ("ml.c5.xlarge", "ml.c5.xlarge"), "the next run's"
    assert asked_for(git_bundle(bundle, begun), "deploy") == ("ml.m4.xlarge", "ml.m4.xlarge"), "the run's that goes on"


def test_what_cannot_be_used_is_listed_by_its_file_in_the_bundle(bundle):
    write(bundle / "pipelines", "mine", "retris: 7\n")
    with pytest.raises(RuntimeError, match=rf"{bundle}/pipelines/mine\.yaml:\n  retris: found an unknown key"):
        runpy.run_path(str(bundle / "broken_pipeline_files.py"))
