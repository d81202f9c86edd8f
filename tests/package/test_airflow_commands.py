"""The `airflow` commands of the pages, as they stand there, against Airflow's database."""

from __future__ import annotations

import io
import os
import re
import shlex
from datetime import date

import pytest
from airflow.cli.cli_parser import get_parser
from airflow.configuration import conf
from airflow.jobs import job
from airflow.models.dag import DagModel
from airflow.models.variable import Variable
from airflow.utils.session import create_session

from pipeline_under_test import ROOT

DAY = date(2019, 3, 4)


@pytest.fixture
def airflow(pipeline, capsys, monkeypatch):
    """Runs a command that stands on a page, of the test's own pipeline; returns what it prints.

    Airflow knows its DAGs and a run by then, which has found no data.
    """
    assert set(pipeline.run(DAY).tasks.values()) == {"skipped"}

    def run(page, command, answer=""):
        text = (ROOT / "docs" / page).read_text()
        assert re.search(rf"(^ *|`){re.escape(command)}($|`)", text, re.MULTILINE), f"{page} does not show {command}"
        words = shlex.split(command.replace("PIPELINE", pipeline.name))
        assert words.pop(0) == "airflow"
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        # Not in a table, whose columns are as wide as a terminal.
        arguments = get_parser().parse_args(words)
        arguments.output = "plain"
        capsys.readouterr()
        arguments.func(arguments)
        return capsys.readouterr().out

    return run


def is_paused(dag_id):
    with create_session() as session:
        return session.get(DagModel, dag_id).is_paused


def known(*dag_ids):
    with create_session() as session:
        return [dag_id for dag_id in dag_ids if session.get(DagModel, dag_id)]


def parse():
    """As the dag-processor does: all DAGs."""
    os.environ.pop("_AIRFLOW_PARSING_CONTEXT_DAG_ID", None)  # Airflow 3.1 goes on naming what was run last.
    try:
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    except ImportError:  # Airflow 3.1
        from airflow.models.dagbag import DagBag, sync_bag_to_db

    dags = ROOT / "dags"
    sync_bag_to_db(DagBag(str(dags), bundle_path=dags), "dags-folder", None)


def test_a_pipeline_is_paused_and_its_runs_are_listed(airflow, pipeline):
    dag_id = f"train_and_deploy_{pipeline.name}"
    airflow("troubleshooting.md", "airflow dags unpause train_and_deploy_PIPELINE")
    assert is_paused(dag_id) is False
    airflow("operations.md", "airflow dags pause train_and_deploy_PIPELINE")
    assert is_paused(dag_id) is True
    listed = airflow("troubleshooting.md", "airflow dags list-runs train_and_deploy_PIPELINE")
    assert re.search(rf"^{dag_id} .* success ", listed, re.MULTILINE)
    going_on = airflow("operations.md", "airflow dags list-runs train_and_deploy_PIPELINE --state running")
    assert dag_id not in going_on


def test_the_history_of_a_deleted_pipelines_dags_goes_once_that_is_confirmed(airflow, pipeline):
    dags = [f"{kind}_{pipeline.name}" for kind in ("train_and_deploy", "redeploy", "batch_predict")]
    parse()
    assert known(*dags) == dags
    airflow("operations.md", "airflow dags delete train_and_deploy_PIPELINE", "n\n")
    assert known(*dags) == dags
    (pipeline.folder / f"{pipeline.name}.yaml").unlink()
    airflow("operations.md", "airflow dags delete train_and_deploy_PIPELINE", "y\n")
    airflow("operations.md", "airflow dags delete redeploy_PIPELINE", "y\n")
    airflow("operations.md", "airflow dags delete batch_predict_PIPELINE", "y\n")
    assert known(*dags) == []


def test_the_watchs_memory_is_deleted(airflow):
    with create_session() as session:
        Variable.set("fresh_endpoints_watch_models", "{}", session=session)
    airflow("operations.md", "airflow variables delete fresh_endpoints_watch_models")
    with create_session() as session:
        assert session.query(Variable).filter_by(key="fresh_endpoints_watch_models").count() == 0


def test_a_pool_is_made_that_counts_what_is_deferred(airflow):
    from airflow.models.pool import Pool

    command = 'airflow pools set sagemaker 20 "Instances of ml.m4.xlarge for training" --include-deferred'
    try:
        airflow("fleet.md", command)
        [line] = [
            each for each in airflow("troubleshooting.md", "airflow pools list").splitlines() if "sagemaker" in each
        ]
        assert re.search(r"^sagemaker +20 +Instances of ml\.m4\.xlarge for training +True", line)
    finally:
        with create_session() as session:
            session.query(Pool).filter_by(pool="sagemaker").delete()


@pytest.mark.parametrize(("page", "kind"), [("operations.md", "SchedulerJob"), ("troubleshooting.md", "TriggererJob")])
def test_whether_a_service_lives_is_told(airflow, page, kind):
    command = f"airflow jobs check --job-type {kind}"
    with pytest.raises(SystemExit, match="No alive jobs found"):
        airflow(page, command)
    with create_session() as session:
        alive = job.Job(job_type=kind, state="running")
        session.add(alive)
        session.flush()
        number = alive.id
    try:
        assert "Found one alive job." in airflow(page, command)
    finally:
        with create_session() as session:
            session.delete(session.get(job.Job, number))


def test_import_errors_are_listed(airflow, pipeline):
    assert "broken_pipeline_files.py" not in airflow("operations.md", "airflow dags list-import-errors")
    (pipeline.folder / "flowers.yaml").write_text("name: flowers\nschedul: '@daily'\n")
    parse()
    try:
        with pytest.raises(SystemExit):
            airflow("upgrading.md", "airflow dags list-import-errors")
    finally:
        (pipeline.folder / "flowers.yaml").unlink()
        parse()
    assert "broken_pipeline_files.py" not in airflow("troubleshooting.md", "airflow dags list-import-errors")


def test_the_database_is_there_and_the_plugins_folder_is_told(airflow):
    airflow("operations.md", "airflow db check")
    told = airflow("troubleshooting.md", "airflow config get-value core plugins_folder")
    assert told.strip() == conf.get("core", "plugins_folder")
