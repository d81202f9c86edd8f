"""Which files a folder holds, and which of them a DAG file wants."""

from pathlib import Path

import pytest

from fresh_endpoints.pipeline_file.loading import (
    load_among_others,
    load_pipelines,
    load_pipelines_of_dags,
    pipelines_dir,
)
from fresh_endpoints.problems import PipelineFileError
from pipeline_files import BASE, changed

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "include" / "pipelines" / "multiclass.yaml"


def test_a_folders_pipelines_are_sorted_and_each_error_is_one_files(folder):
    for name in ("b", "c", "a"):
        (folder / f"{name}.yaml").write_text(changed(("name: iris", f"name: {name}")))
    (folder / "c.yaml").write_text("name: [")
    (folder / "d.yml").write_text(BASE)
    (folder / "f.YAML").write_text(BASE)
    (folder / "pipeline.schema.json").write_text("{}")
    (folder / "e.yaml").mkdir()
    loaded = load_pipelines(folder)
    assert [pipeline.name for pipeline in loaded.pipelines] == ["a", "b"]
    assert [error.path.name for error in loaded.errors] == ["c.yaml", "d.yml", "e.yaml", "f.YAML"]
    assert loaded.errors[1].problems == ("found the suffix '.yml'; allowed .yaml; rename it d.yaml",)
    assert loaded.errors[2].problems == ("found a folder; allowed a regular file; move it out of the folder",)


def test_two_pipelines_may_not_deploy_to_one_endpoint(folder):
    for name, more in {
        "a": "",
        "b": "endpoint: {EndpointName: A}\n",
        "c": "endpoint: {EndpointName: a}\ndeploy: never\n",
    }.items():
        (folder / f"{name}.yaml").write_text(changed(("name: iris", f"name: {name}")) + more)
    (folder / "d.yaml").write_text(
        changed(("name: iris", "name: d"), ("ap-northeast-1", "us-east-1")) + "endpoint: {EndpointName: a}\n"
    )
    loaded = load_pipelines(folder)
    assert [pipeline.name for pipeline in loaded.pipelines] == ["a", "c", "d"]
    [error] = loaded.errors
    problem = (
        "endpoint.EndpointName: found 'A', which a.yaml deploys to; leave it out, and this pipeline's endpoint is "
    )
    assert (error.path.name, error.problems) == ("b.yaml", (f"{problem}named b; or give it another name",))


def test_a_shared_endpoint_is_charged_to_the_file_whose_name_it_has_not(folder):
    """The first by name is the copy here: that of the two which a person has just written."""
    (folder / "iris.yaml").write_text(BASE)
    (folder / "copy.yaml").write_text(changed(("name: iris", "name: copy")) + "endpoint: {EndpointName: iris}\n")
    loaded = load_pipelines(folder)
    assert [pipeline.name for pipeline in loaded.pipelines] == ["iris"]
    assert [error.path.name for error in loaded.errors] == ["copy.yaml"]
    assert load_among_others(folder / "iris.yaml").name == "iris"
    with pytest.raises(PipelineFileError, match=r"found .iris., which iris\.yaml deploys to"):
        load_among_others(folder / "copy.yaml")


def test_an_endpoint_of_no_files_name_is_that_of_the_first(folder):
    for name in ("b", "a", "c"):
        text = changed(("name: iris", f"name: {name}")) + "endpoint: {EndpointName: shared}\n"
        (folder / f"{name}.yaml").write_text(text)
    assert [error.path.name for error in load_pipelines(folder).errors] == ["b.yaml", "c.yaml"]


def test_a_file_below_the_pipelines_folder_is_held_against_that_folder(folder, monkeypatch):
    monkeypatch.setenv("PIPELINES_DIR", str(folder))
    (folder / "iris.yaml").write_text(BASE)
    (folder / "below").mkdir()
    path = folder / "below" / "copy.yaml"
    path.write_text(changed(("name: iris", "name: copy")) + "endpoint: {EndpointName: iris}\n")
    monkeypatch.chdir(path.parent)
    for way in (path, Path("copy.yaml"), Path("../below/copy.yaml")):
        with pytest.raises(PipelineFileError, match=r"which iris\.yaml deploys to"):
            load_among_others(way)
    monkeypatch.chdir(folder)
    assert load_among_others(Path("iris.yaml")).name == "iris"


def test_a_missing_folder_is_an_error_that_says_what_to_do(tmp_path):
    loaded = load_pipelines(tmp_path / "nowhere")
    assert loaded.pipelines == []
    assert str(loaded.errors[0]) == (
        f"{tmp_path / 'nowhere'}:\n  cannot be listed: No such file or directory; make the folder, or set "
        "PIPELINES_DIR to the one that exists"
    )


def test_the_folder_is_found_from_any_working_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("PIPELINES_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    assert pipelines_dir() == SAMPLE.parent
    monkeypatch.setenv("PIPELINES_DIR", "~/pipelines")
    assert pipelines_dir() == Path.home() / "pipelines"


def test_where_plugins_lie_elsewhere_the_folder_is_found_beside_the_dags(tmp_path, monkeypatch):
    monkeypatch.delenv("PIPELINES_DIR", raising=False)
    monkeypatch.setattr(
        "fresh_endpoints.pipeline_file.loading.__file__", str(tmp_path / "site/plugins/package/room/loading.py")
    )
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(tmp_path / "home" / "dags"))
    beside = tmp_path / "home" / "include" / "pipelines"
    inside = tmp_path / "home" / "dags" / "include" / "pipelines"
    assert pipelines_dir() == tmp_path / "site" / "include" / "pipelines"
    inside.mkdir(parents=True)
    assert pipelines_dir() == inside
    beside.mkdir(parents=True)
    assert pipelines_dir() == beside


@pytest.fixture
def pipelines(folder, monkeypatch):
    monkeypatch.setenv("PIPELINES_DIR", str(folder))
    return folder


def test_the_dag_processor_builds_every_pipeline(pipelines):
    for name in ("iris", "rose"):
        (pipelines / f"{name}.yaml").write_text(changed(("name: iris", f"name: {name}")))
    assert [pipeline.name for pipeline in load_pipelines_of_dags("train_")] == ["iris", "rose"]


def test_a_task_reads_the_file_of_its_own_dag_only(pipelines, monkeypatch):
    (pipelines / "iris.yaml").write_text(BASE)
    (pipelines / "other.yaml").mkdir()  # cannot be read
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "train_iris")
    assert [pipeline.name for pipeline in load_pipelines_of_dags("train_")] == ["iris"]
    assert load_pipelines_of_dags("predict_") == []


def test_a_task_whose_file_has_been_broken_meanwhile_says_so(pipelines, monkeypatch):
    (pipelines / "iris.yaml").write_text(changed(("  ResourceConfig", "  ResorceConfig")))
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "train_iris")
    with pytest.raises(PipelineFileError, match=r"did you mean 'ResourceConfig'\?"):
        load_pipelines_of_dags("train_")
