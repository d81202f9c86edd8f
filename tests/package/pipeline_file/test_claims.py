"""``renamed_from``: what a pipeline of another name has left has one heir, and the endpoint is named."""

from __future__ import annotations

import pytest

from fresh_endpoints.pipeline_file.loading import load_among_others, load_pipeline, load_pipelines
from fresh_endpoints.problems import PipelineFileError
from pipeline_files import changed

KEEPS = "endpoint: {EndpointName: iris}\n"


def write(folder, name, more):
    path = folder / f"{name}.yaml"
    path.write_text(changed(("name: iris", f"name: {name}")) + more)
    return path


@pytest.mark.parametrize(
    ("written", "former"),
    [("iris", ("iris",)), ("[iris, rose]", ("iris", "rose")), ("[]", ()), ('["2019"]', ("2019",))],
)
def test_it_is_one_name_or_several(folder, written, former):
    path = write(folder, "flowers", f"renamed_from: {written}\n{KEEPS}")
    pipeline = load_pipeline(path)
    assert pipeline.renamed_from == former
    assert pipeline.own_names.all == ("flowers", *former)
    assert load_pipeline(path) == pipeline, "what is remembered of it is the same"


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("iris_2", "renamed_from[0]: found 'iris_2'; allowed letters, digits and hyphens between them"),
        ("3", "renamed_from: found 3 (an integer); it must be a list"),
        ("[3]", "renamed_from[0]: found 3"),
        ("flowers", "renamed_from: found 'flowers', the name that it has; write the one that it had before"),
        (str([f"n{i}" for i in range(11)]), "renamed_from: found"),
    ],
)
def test_what_was_no_name_of_it_is_refused(folder, written, problem):
    path = write(folder, "flowers", f"renamed_from: {written}\n{KEEPS}")
    with pytest.raises(PipelineFileError) as refused:
        load_pipeline(path)
    assert refused.value.problems[0].startswith(problem)


def test_the_endpoint_must_be_named_because_another_would_be_made_and_the_old_one_go_on_costing(folder):
    path = write(folder, "flowers", "renamed_from: iris\n")
    with pytest.raises(PipelineFileError) as refused:
        load_pipeline(path)
    [problem] = refused.value.problems
    assert problem == (
        "endpoint.EndpointName: found nothing; a renamed pipeline must say it: iris, or what the file named before, "
        "keeps that endpoint, flowers makes a new one"
    )
    path.write_text(f"{path.read_text()}deploy: never\n")
    assert load_pipeline(path).deploy == "never"


@pytest.mark.parametrize("text", ["", "name: iris\n"], ids=["usable", "not usable"])
def test_a_name_whose_file_is_still_there_is_not_to_be_had(folder, text):
    flowers = write(folder, "flowers", f"renamed_from: iris\n{KEEPS}")
    assert [pipeline.name for pipeline in load_pipelines(folder).pipelines] == ["flowers"]
    iris = write(folder, "iris", "")
    iris.write_text(text or iris.read_text())
    problem = (
        "renamed_from: found 'iris', and iris.yaml is there; a renamed pipeline has one file, so remove that one, or "
        "renamed_from here"
    )
    errors = {error.path.name: error.problems for error in load_pipelines(folder).errors}
    assert list(errors.pop("flowers.yaml")) == [problem]
    assert list(errors) == ([iris.name] if text else [])
    with pytest.raises(PipelineFileError, match=r"and iris\.yaml is there"):
        load_among_others(flowers)


def test_of_two_that_claim_a_name_neither_gets_it_and_a_third_is_used(folder):
    write(folder, "a", "renamed_from: [iris, b]\nendpoint: {EndpointName: a}\n")
    c = write(folder, "c", "renamed_from: iris\nendpoint: {EndpointName: c}\n")
    write(folder, "d", "renamed_from: e\nendpoint: {EndpointName: d}\n")
    loaded = load_pipelines(folder)
    assert [pipeline.name for pipeline in loaded.pipelines] == ["d"]
    said = {error.path.name: list(error.problems) for error in loaded.errors}
    assert said["a.yaml"] == ["renamed_from: found 'iris', which c.yaml claims, too; keep it in one of them"]
    assert list(said) == ["a.yaml", "c.yaml"]
    with pytest.raises(PipelineFileError, match=r"which a\.yaml claims, too"):
        load_among_others(c)
