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
SHARED_SCHEMA = SAMPLE.with_name("shared.schema.json")


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


COUNTED = "1 pipeline file: 1 ok, 0 cannot be used, 0 warnings\n"


def write(folder, name, more="endpoint: {RetainAllVariantProperties: true}\n"):
    (folder / f"{name}.yaml").write_text(changed(("name: iris", f"name: {name}")) + more)
    return folder / f"{name}.yaml"


def test_check_names_what_can_be_used_and_says_what_is_wrong_with_the_rest(run, folder):
    iris, rose = write(folder, "iris"), write(folder, "rose", "endpint: {}\n")
    right = "iris: ok\n"
    [line] = [n for n, line in enumerate(rose.read_text().splitlines(), 1) if line.startswith("endpint")]
    wrong = f"pipelines/rose.yaml:{line}: error: endpint: found an unknown key; did you mean 'endpoint'?\n"
    wrong += "2 pipeline files: 1 ok, 1 cannot be used, 0 warnings\n"
    assert run("check", iris, rose) == (1, right, wrong)
    assert run("check", folder) == (1, right, wrong)
    assert run("check", folder, rose, iris) == (1, right, wrong)
    assert run("check", iris) == (0, right, COUNTED)


def test_check_without_arguments_checks_the_pipelines_folder(run, folder, monkeypatch):
    write(folder, "iris")
    monkeypatch.setenv("PIPELINES_DIR", str(folder))
    assert run("check") == (0, "iris: ok\n", COUNTED)


def test_a_warning_leaves_a_file_usable(run, folder):
    path = write(folder, "iris", "schedule: '@hourly'\n")
    for argument in (folder, path):
        status, out, err = run("check", argument)
        assert (status, out) == (0, "iris: ok\n")
        *warnings, summary = err.splitlines()
        assert [line.partition(": found")[0] for line in warnings] == [
            f"pipelines/iris.yaml:{len(path.read_text().splitlines())}: warning: schedule",
            "pipelines/iris.yaml: warning: endpoint.RetainAllVariantProperties",
        ]
        assert summary == "1 pipeline file: 1 ok, 0 cannot be used, 2 warnings"


def test_a_program_gets_the_same_as_json(run, folder):
    write(folder, "iris", "schedule: '@hourly'\n")
    write(folder, "rose", "deploy: {}\n").write_bytes(b"name: ]")
    status, out, err = run("check", folder, "--format", "json")
    found = json.loads(out)
    assert (status, err, found["ok"], found["usable"]) == (1, "", False, ["iris"])
    assert found["summary"] == "2 pipeline files: 1 ok, 1 cannot be used, 2 warnings"
    assert [(finding["level"], finding["line"]) for finding in found["findings"]] == [
        ("warning", number_of(folder / "iris.yaml", "schedule")),
        ("warning", None),
        ("error", 1),
    ]
    assert found["findings"][2]["file"] == str(folder / "rose.yaml")
    assert run("check", folder / "iris.yaml", "--format", "json")[0] == 0


def test_a_workflow_of_github_shows_it_beside_the_code(run, folder, monkeypatch):
    write(folder, "iris", "schedule: '@hourly'\n")
    write(folder, "rose", "owner: '100%\\n'\n").write_text(changed(("name: iris", "name: a,b:c%")))
    monkeypatch.chdir(folder.parent)
    status, out, err = run("check", "pipelines", "--format", "github")
    *annotations, summary = out.splitlines()
    assert (status, err, summary) == (1, "", "2 pipeline files: 1 ok, 1 cannot be used, 2 warnings")
    line = number_of(folder / "iris.yaml", "schedule")
    begun = [annotation.partition(": found")[0] for annotation in annotations]
    assert begun == [
        f"::warning file=pipelines/iris.yaml,line={line}::schedule",
        "::warning file=pipelines/iris.yaml::endpoint.RetainAllVariantProperties",
        "::error file=pipelines/rose.yaml,line=1::name",
    ]
    assert "found 'a,b:c%25'; allowed letters" in annotations[2]


def number_of(path, key):
    [number] = [n for n, line in enumerate(path.read_text().splitlines(), 1) if line.startswith(f"{key}:")]
    return number


def test_what_is_warned_of_is_no_import_error(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    write(folder, "iris", "schedule: '@hourly'\n")
    loaded = load_pipelines(folder)
    assert (len(loaded.pipelines), loaded.errors) == (1, [])


def test_a_folder_without_a_pipeline_file_is_said(run, folder, monkeypatch):
    problem = "holds no pipeline file; allowed are files that end in .yaml; put one there, or name another folder"
    said = f"pipelines: error: {problem}\n0 pipeline files: 0 ok, 0 cannot be used, 0 warnings\n"
    (folder / "notes.txt").touch()
    assert run("check", folder) == (1, "", said)
    monkeypatch.setenv("PIPELINES_DIR", str(folder))
    assert run("check") == (1, "", said)


def test_one_file_is_held_against_the_others_of_its_folder(run, folder, monkeypatch):
    first = write(folder, "a", "endpoint: {EndpointName: B, RetainAllVariantProperties: true}\n")
    second = write(folder, "b")
    third = write(folder, "c", "endpoint: {EndpointName: b, RetainAllVariantProperties: true}\ndeploy: never\n")
    (folder / "d.yaml").write_text("name: [")
    problem = "error: endpoint.EndpointName: found 'B', which b.yaml deploys to; leave it out, and this pipeline's "
    problem += "endpoint is named a; or give it another name\n1 pipeline file: 0 ok, 1 cannot be used, 0 warnings\n"
    line = number_of(first, "endpoint")
    assert run("check", first) == (1, "", f"pipelines/a.yaml:{line}: {problem}")
    assert run("check", second) == (0, "b: ok\n", COUNTED)
    assert run("check", third) == (0, "c: ok\n", COUNTED)
    monkeypatch.chdir(folder)
    assert run("check", "a.yaml") == (1, "", f"a.yaml:{line}: {problem}")


def test_a_path_that_is_not_there_is_said(run, folder):
    said = "pipelines/iris.yaml: error: cannot be read: No such file or directory\n"
    counted = "1 pipeline file: 0 ok, 1 cannot be used, 0 warnings\n"
    assert run("check", folder / "iris.yaml") == (1, "", said + counted)


@pytest.mark.parametrize(("schema", "arguments"), [(SCHEMA, []), (SHARED_SCHEMA, ["--shared"])])
def test_the_json_schema_is_current(capsys, schema, arguments):
    assert commands.main(["schema", *arguments]) == 0
    assert schema.read_text(encoding="utf-8") == capsys.readouterr().out, (
        "run: make schema, which writes both into include/pipelines"
    )


def test_the_shared_files_schema_takes_a_part_and_no_misspelt_key():
    validator = jsonschema.Draft202012Validator(json.loads(SHARED_SCHEMA.read_text(encoding="utf-8")))
    assert validator.is_valid({"region": "ap-northeast-1", "smoke_test": {"expect": "x"}})
    assert validator.is_valid({"name": "iris"})
    assert not validator.is_valid({"regoin": "ap-northeast-1"})
    assert not validator.is_valid({"retries": "many"})


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
