"""An environment's name, and what in AWS begins with it."""

import pytest

from fresh_endpoints.pipeline_file.loading import load_pipeline, load_pipelines, load_pipelines_of_dags
from fresh_endpoints.problems import PipelineFileError
from pipeline_files import BASE, changed


@pytest.fixture(autouse=True)
def pipelines(folder, monkeypatch):
    monkeypatch.setenv("PIPELINES_DIR", str(folder))
    return folder


def named(name, more=""):
    return changed(("name: iris", f"name: {name}")) + more


def problems_of(folder):
    return {error.path.name: error.problems for error in load_pipelines(folder).errors}


@pytest.mark.parametrize(
    "environment", ["Dev", "dev_1", "-dev", "dev-", "a--b", "d.v", "../dev", "dev\n", "d" * 17, "é"]
)
def test_a_variable_that_names_no_environment_is_said_and_nothing_is_used(folder, monkeypatch, environment):
    (folder / "iris.yaml").write_text(BASE)
    monkeypatch.setenv("PIPELINES_ENV", environment)
    loaded = load_pipelines(folder)
    assert (loaded.pipelines, loaded.environment) == ([], None)
    [error] = loaded.errors
    assert error.path == folder
    assert error.problems[0].startswith(f"PIPELINES_ENV: found {environment!r}; allowed lower-case letters, digits and")
    with pytest.raises(PipelineFileError, match="PIPELINES_ENV"):
        load_pipeline(folder / "iris.yaml")
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "train_iris")
    with pytest.raises(PipelineFileError, match="PIPELINES_ENV"):
        load_pipelines_of_dags("train_")


@pytest.mark.parametrize(
    ("environment", "aws_name"), [(None, "iris"), ("", "iris"), ("dev", "dev-iris"), ("e2", "e2-iris")]
)
def test_names_in_aws_begin_with_the_environment_and_the_pipelines_own_name_stays(
    folder, monkeypatch, environment, aws_name
):
    monkeypatch.delenv("PIPELINES_ENV", raising=False)
    if environment is not None:
        monkeypatch.setenv("PIPELINES_ENV", environment)
    (folder / "iris.yaml").write_text(BASE)
    iris = load_pipeline(folder / "iris.yaml")
    assert (iris.name, iris.aws_name, iris.endpoint["EndpointName"]) == ("iris", aws_name, aws_name)
    assert load_pipeline(folder / "iris.yaml") == iris  # As it is remembered.


def test_no_file_says_the_environment(folder):
    (folder / "iris.yaml").write_text(BASE + "environment: dev\n")
    assert problems_of(folder)["iris.yaml"] == (
        "environment: found a key that no file has; set the variable PIPELINES_ENV",
    )
    (folder / "iris.yaml").write_text(changed(("training:\n  Alg", "training:\n  environment: dev\n  Alg")))
    assert problems_of(folder)["iris.yaml"][0].startswith(
        "training.environment: found an unknown key; did you mean 'Env"
    )


def test_a_name_leaves_room_in_job_names_with_its_environment(folder, monkeypatch):
    name = "a" * 29
    (folder / f"{name}.yaml").write_text(named(name))
    assert problems_of(folder) == {}
    monkeypatch.setenv("PIPELINES_ENV", "dev")
    [problem] = problems_of(folder)[f"{name}.yaml"]
    assert problem == (
        f"name: found {name!r}; in AWS it is 'dev-{name}', which has 33 characters; allowed 32, to leave room in job "
        "names; choose a shorter name or environment"
    )


def test_templates_know_the_environment(folder, monkeypatch):
    prefix = "{% if env %}{{ env }}-{% endif %}"
    text = changed(("training/{{ data_date }}", f"training/{prefix}{{{{ pipeline }}}}/{{{{ data_date }}}}"))
    (folder / "iris.yaml").write_text(text)
    assert problems_of(folder) == {}
    monkeypatch.setenv("PIPELINES_ENV", "dev")
    assert problems_of(folder) == {}
    (folder / "iris.yaml").write_text(BASE + "endpoint: {EndpointName: '{{ env }}-shared'}\n")
    assert problems_of(folder) == {}


def test_an_endpoint_that_a_file_names_for_all_environments_is_refused_in_one(folder, monkeypatch):
    (folder / "iris.yaml").write_text(BASE + "endpoint: {EndpointName: recommender}\n")
    assert problems_of(folder) == {}
    monkeypatch.setenv("PIPELINES_ENV", "dev")
    [problem] = problems_of(folder)["iris.yaml"]
    assert problem == (
        "endpoint.EndpointName: found 'recommender', the name in every environment; leave it out, and in dev it is "
        "dev-iris; or write {{ env }} into it, or give it in iris.dev.yaml"
    )
    (folder / "iris.dev.yaml").write_text("endpoint: {EndpointName: recommender-for-dev}\n")
    assert problems_of(folder) == {}
    (folder / "iris.dev.yaml").unlink()
    (folder / "iris.yaml").write_text(BASE + "endpoint: {EndpointName: dev-recommender}\n")
    assert problems_of(folder) == {}


def test_two_pipelines_of_one_name_in_aws_are_refused_where_it_can_be_seen(folder, monkeypatch):
    for name in ("iris", "dev-iris"):
        (folder / f"{name}.yaml").write_text(named(name))
    assert problems_of(folder) == {}
    (folder / "_defaults.dev.yaml").write_text("retries: 1\n")
    problem = (
        "name: found 'dev-iris', and in AWS 'dev-iris' is iris.yaml in the environment 'dev'; each would touch the "
        "other's jobs; choose another name"
    )
    assert problems_of(folder) == {"dev-iris.yaml": (problem,)}
    (folder / "_defaults.dev.yaml").unlink()
    monkeypatch.setenv("PIPELINES_ENV", "dev")
    assert problems_of(folder) == {"dev-iris.yaml": (problem,)}
