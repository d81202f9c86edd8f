"""The command ``fresh-endpoints``."""

import datetime as dt
import json
import tempfile
from pathlib import Path

import jsonschema
import pytest
import yaml

from fresh_endpoints import __main__ as commands
from fresh_endpoints.pipeline_file.loading import load_pipelines
from pipeline_files import changed

SAMPLE = Path(__file__).resolve().parents[2] / "include" / "pipelines" / "multiclass.yaml"
SCHEMA = SAMPLE.with_name("pipeline.schema.json")


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Run the command; its status, stdout and stderr, the folder's path left out of them."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def run(*arguments):
        status = commands.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return status, said.out, said.err.replace(f"{tmp_path}/", "")

    return run


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "pipelines"
    folder.mkdir()
    return folder


def write(folder, name, more="endpoint: {RetainAllVariantProperties: true}\n"):
    (folder / f"{name}.yaml").write_text(changed(("name: iris", f"name: {name}")) + more)
    return folder / f"{name}.yaml"


def test_check_names_what_can_be_used_and_says_what_is_wrong_with_the_rest(run, folder):
    iris, rose = write(folder, "iris"), write(folder, "rose", "endpint: {}\n")
    right = "iris: ok\n"
    wrong = "pipelines/rose.yaml:\n  endpint: found an unknown key; did you mean 'endpoint'?\n"
    assert run("check", iris, rose) == (1, right, wrong)
    assert run("check", folder) == (1, right, wrong)
    assert run("check", folder, iris) == (1, right, wrong)
    assert run("check", iris) == (0, right, "")


def test_check_without_arguments_checks_the_pipelines_folder(run, folder, monkeypatch):
    write(folder, "iris")
    monkeypatch.setenv("PIPELINES_DIR", str(folder))
    assert run("check") == (0, "iris: ok\n", "")


def test_a_warning_leaves_a_file_usable(run, folder):
    path = write(folder, "iris", "schedule: '@hourly'\n")
    for argument in (folder, path):
        status, out, err = run("check", argument)
        assert (status, out) == (0, "iris: ok\n")
        first, *warnings = err.splitlines()
        assert first == "pipelines/iris.yaml:"
        assert [line.partition(": found")[0] for line in warnings] == [
            "  warning: schedule",
            "  warning: endpoint.RetainAllVariantProperties",
        ]


def test_what_is_warned_of_is_no_import_error(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    write(folder, "iris", "schedule: '@hourly'\n")
    loaded = load_pipelines(folder)
    assert (len(loaded.pipelines), loaded.errors) == (1, [])


def test_a_folder_without_a_pipeline_file_is_said(run, folder, monkeypatch):
    problem = "holds no pipeline file; allowed are files that end in .yaml; put one there, or name another folder"
    said = f"pipelines:\n  {problem}\n"
    (folder / "notes.txt").touch()
    assert run("check", folder) == (1, "", said)
    monkeypatch.setenv("PIPELINES_DIR", str(folder))
    assert run("check") == (1, "", said)


def test_one_file_is_held_against_the_others_of_its_folder(run, folder, monkeypatch):
    first = write(folder, "a", "endpoint: {EndpointName: B, RetainAllVariantProperties: true}\n")
    second = write(folder, "b")
    third = write(folder, "c", "endpoint: {EndpointName: b, RetainAllVariantProperties: true}\ndeploy: never\n")
    (folder / "d.yaml").write_text("name: [")
    problem = "endpoint.EndpointName: found {!r}, which {} deploys to; give one of them another\n"
    assert run("check", first) == (1, "", "pipelines/a.yaml:\n  " + problem.format("B", "b.yaml"))
    assert run("check", second) == (1, "", "pipelines/b.yaml:\n  " + problem.format("b", "a.yaml"))
    assert run("check", third) == (0, "c: ok\n", "")
    monkeypatch.chdir(folder)
    assert run("check", "a.yaml") == (1, "", "a.yaml:\n  " + problem.format("B", "b.yaml"))


def test_a_path_that_is_not_there_is_said(run, folder):
    assert run("check", folder / "iris.yaml") == (
        1,
        "",
        "pipelines/iris.yaml:\n  cannot be read: No such file or directory\n",
    )


def test_the_json_schema_is_current(capsys):
    assert commands.main(["schema"]) == 0
    assert SCHEMA.read_text(encoding="utf-8") == capsys.readouterr().out, (
        "run: make schema, which writes include/pipelines/pipeline.schema.json"
    )


def test_the_json_schema_describes_the_sample_and_each_key():
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    text = SAMPLE.read_text(encoding="utf-8")
    assert text.startswith(f"# yaml-language-server: $schema={SCHEMA.name}\n")
    validator = jsonschema.Draft202012Validator(schema)
    sample = json.loads(json.dumps(yaml.safe_load(text), default=dt.date.isoformat))
    assert list(validator.iter_errors(sample)) == []
    assert [error.json_path for error in validator.iter_errors({**sample, "name": "multi_class"})] == ["$.name"]
    assert not validator.is_valid({**sample, "shedule": "@daily"})
    parts = [schema, *schema["$defs"].values()]
    described = {key: field for part in parts for key, field in part["properties"].items() if "$ref" not in field}
    assert [key for key, field in described.items() if not field.get("description")] == []
