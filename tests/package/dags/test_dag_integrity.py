"""Every DAG of the folder imports, as Airflow itself imports it: in a process that knows two folders and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import parsed_dags

ROOT = Path(__file__).parents[3]
MULTICLASS = (ROOT / "include/pipelines/multiclass.yaml").read_text()


def parse(tmp_path: Path, **environment: str) -> dict[str, Any]:
    """Parse the dags folder, from another working directory."""
    folders = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
    }
    return parsed_dags.parse(ROOT / "dags", tmp_path / "home", **folders, **environment)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return parse(tmp_path_factory.mktemp("shipped"))


def test_every_dag_imports_and_survives_serialization(shipped):
    assert shipped["errors"] == {}
    assert "train_and_deploy_multiclass" in shipped["dags"]


def test_parsing_imports_no_client_that_only_a_run_needs(shipped):
    assert shipped["clients"] == []


def test_the_daily_dag_reads_as_the_article_does(shipped):
    tasks = shipped["dags"]["train_and_deploy_multiclass"]["tasks"]
    assert tasks["wait_for_data"] == ["train"]
    assert "deploy" in tasks["train"]


def test_every_dag_explains_itself(shipped):
    for dag_id, dag in shipped["dags"].items():
        assert dag["docs"], dag_id
        assert dag["description"], dag_id
        assert dag["tags"], dag_id
        assert dag["owners"] == ["ml"], dag_id
        assert not dag["catchup"], dag_id


def test_no_retry_is_longer_than_an_hour_away(shipped):
    """The delay doubles with every try, and a cleared task goes on counting."""
    for dag_id, dag in shipped["dags"].items():
        if dag_id != "tell_later":  # Which is not tried again.
            assert set(dag["longest_retry_delays"]) == {3600.0}, dag_id


def test_the_trigger_form_has_its_three_fields(shipped):
    dag = shipped["dags"]["train_and_deploy_multiclass"]
    assert sorted(dag["params"]) == ["data_date", "deploy", "wait_minutes"]
    assert dag["timezone"] == "Asia/Tokyo"


def test_each_field_of_a_form_says_by_itself_what_it_does_and_what_empty_means(shipped):
    daily, prediction = (
        shipped["dags"][f"{kind}_multiclass"]["params"] for kind in ("train_and_deploy", "batch_predict")
    )
    assert daily["data_date"] == "Train on this day's files. Leave empty for yesterday (Asia/Tokyo)."
    assert prediction["data_date"].endswith("this day's files. Leave empty for yesterday (Asia/Tokyo).")
    for dag_id, dag in shipped["dags"].items():
        for field, words in dag["params"].items():
            assert words, (dag_id, field)


def test_the_form_of_a_redeploy_has_its_three_fields_and_nothing_starts_it_but_a_person(shipped):
    dag = shipped["dags"]["redeploy_multiclass"]
    assert sorted(dag["params"]) == ["hold_days", "model", "reason"]
    assert dag["first_runs"] == []
    assert dag["max_active_runs"] == 1
    assert "redeploy" in dag["tags"]
    assert dag["tasks"] == {"choose_model": ["hold", "redeploy"], "hold": ["redeploy"], "redeploy": []}


def test_a_file_chooses_the_pool_of_what_asks_aws_for_instances_and_the_priority_of_all(tmp_path, shipped):
    everywhere = [slots for dag in shipped["dags"].values() for slots in dag["slots"].values()]
    assert {tuple(slots) for slots in everywhere} == {("default_pool", 1)}

    pipelines = tmp_path / "pipelines"
    pipelines.mkdir()
    keys = "pool: sagemaker\npriority: 7\nmax_active_runs: 4"
    chosen = MULTICLASS.replace("name: multiclass", f"name: multiclass\n{keys}")
    (pipelines / "multiclass.yaml").write_text(chosen)
    parsed = parse(tmp_path, PIPELINES_DIR=str(pipelines))
    assert parsed["errors"] == {}
    slots = {
        task: slots for dag_id in parsed["dags"] if "multiclass" in dag_id
        for task, slots in parsed["dags"][dag_id]["slots"].items()
    }  # fmt: skip
    asking = {task for task, (pool, _) in slots.items() if pool == "sagemaker"}
    assert asking == {"train", "deploy", "predict", "redeploy"}
    assert {weight for _, weight in slots.values()} == {7}
    runs = {dag_id: dag["max_active_runs"] for dag_id, dag in parsed["dags"].items() if "multiclass" in dag_id}
    assert runs == {"train_and_deploy_multiclass": 4, "batch_predict_multiclass": 1, "redeploy_multiclass": 1}


def test_a_second_file_is_a_second_pipeline_and_a_broken_one_takes_no_other_with_it(tmp_path):
    pipelines = tmp_path / "pipelines"
    pipelines.mkdir()
    (pipelines / "multiclass.yaml").write_text(MULTICLASS)
    (pipelines / "flowers.yaml").write_text(MULTICLASS.replace("name: multiclass", "name: flowers"))
    (pipelines / "broken.yaml").write_text(MULTICLASS.replace("name: multiclass", "name: broken\nbuckett: x"))

    parsed = parse(tmp_path, PIPELINES_DIR=str(pipelines))

    ids = [dag_id for dag_id in parsed["dags"] if dag_id.startswith("train_and_deploy_")]
    assert sorted(ids) == ["train_and_deploy_flowers", "train_and_deploy_multiclass"]
    [(file, error)] = parsed["errors"].items()
    assert file == "broken_pipeline_files.py"
    assert str(pipelines / "broken.yaml") in error
    assert "buckett" in error
    assert "did you mean 'bucket'?" in error
