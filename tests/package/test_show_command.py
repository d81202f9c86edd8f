"""The command ``show``, and how the others are told of an environment."""

import tempfile

import pytest
import yaml

from fresh_endpoints import __main__ as commands
from pipeline_files import BASE

SHARED = BASE.replace("name: iris\n", "")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "pipelines"
    (folder / "team").mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("PIPELINES_DIR", str(folder))
    monkeypatch.delenv("PIPELINES_ENV", raising=False)
    (folder / "_defaults.yaml").write_text(SHARED + "dag_tags: [a, b]\n")
    (folder / "team" / "iris.yaml").write_text("name: iris\ndescription: |\n  Two\n  lines.\nretries: 2\n")
    (folder / "team" / "iris.dev.yaml").write_text("# less\ntraining:\n  ResourceConfig: {InstanceType: ml.m5.large}\n")
    return folder


@pytest.fixture
def run(capsys):
    def run(*arguments):
        status = commands.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def commented(out, beginning):
    [line] = [line for line in out.splitlines() if line.strip().startswith(beginning)]
    return line.partition("  # ")[2]


def test_show_prints_what_the_files_say_together_and_where_each_value_is_from(run, folder):
    status, out, err = run("show", "iris")
    assert (status, err) == (0, "")
    assert out.splitlines()[:2] == ["# iris", "# Nearest first: team/iris.yaml, _defaults.yaml"]
    assert out.splitlines()[2] == "name: iris  # team/iris.yaml:1", "its own before what is shared"
    assert commented(out, "retries:") == "team/iris.yaml:5"
    assert commented(out, "description:") == "team/iris.yaml:2"
    assert commented(out, "region:") == "_defaults.yaml:1"
    assert commented(out, "dag_tags:") == f"_defaults.yaml:{SHARED.count(chr(10)) + 1}"
    # What several files may say together has no place.
    assert "\ntraining:\n" in out
    shown = yaml.safe_load(out)
    assert shown == {
        **yaml.safe_load(SHARED),
        "dag_tags": ["a", "b"],
        **yaml.safe_load((folder / "team/iris.yaml").read_text()),
    }


def test_show_of_an_environment_says_what_it_changes(run, folder):
    status, out, _ = run("show", "iris", "--env", "dev")
    assert status == 0
    assert out.splitlines()[:2] == [
        "# iris in the environment dev; in AWS: dev-iris",
        "# Nearest first: team/iris.dev.yaml, team/iris.yaml, _defaults.yaml",
    ]
    assert commented(out, "InstanceType: ml.m5.large") == "team/iris.dev.yaml:3"
    assert commented(out, "VolumeSizeInGB:").startswith("_defaults.yaml:")
    assert run("show", folder / "team" / "iris.yaml", "--env", "dev")[1] == out


def test_show_prints_what_cannot_be_used_too_and_says_why(run, folder):
    (folder / "_defaults.yaml").write_text(SHARED + "retris: 1\n")
    status, out, err = run("show", "iris")
    assert status == 1
    assert commented(out, "retris:").startswith("_defaults.yaml:")
    assert "../_defaults.yaml:" in err
    assert "retris: found an unknown key; did you mean 'retries'?" in err


def test_show_says_what_there_is_where_there_is_no_such_pipeline(run, folder):
    status, out, err = run("show", "irs")
    assert (status, out) == (1, "")
    assert "There is no pipeline 'irs'" in err
    assert "did you mean 'iris'?" in err
    assert run("show", "iris", "--env", "Dev")[0] == 1


def test_every_command_that_reads_files_takes_the_environment(run, folder, monkeypatch):
    parser = commands.make_parser()
    [choices] = [action.choices for action in parser._actions if hasattr(action, "choices") and action.choices]
    without = [name for name, command in choices.items() if "--env" not in command._option_string_actions]
    assert without == ["schema"]
    status, out, _ = run("iam", "worker", "iris", "--env", "dev")
    assert status == 0
    assert "training-job/dev-iris-*" in out
    assert "training-job/iris-*" not in out
    status, out, _ = run("plan", "iris", "--date", "2019-03-05", "--env", "dev")
    assert status == 0
    plan = yaml.safe_load(out)
    assert (plan["pipeline"], plan["environment"]) == ("iris", "dev")
    names = [request["request"].get("TrainingJobName", "") for request in plan["requests"]]
    assert any(name.startswith("dev-iris-2019-03-04-") for name in names)
    assert "PIPELINES_ENV" not in __import__("os").environ
    monkeypatch.setenv("PIPELINES_ENV", "dev")
    assert "dev-iris-*" in run("iam", "worker", "iris")[1]
    assert "dev-iris-*" not in run("iam", "worker", "iris", "--env", "")[1]


def test_check_says_once_where_in_the_shared_file_and_whom_it_concerns(run, folder):
    (folder / "rose.yaml").write_text("name: rose\n")
    (folder / "_defaults.yaml").write_text(SHARED + "retris: 1\n")
    number = SHARED.count("\n") + 1
    problem = "retris: found an unknown key; did you mean 'retries'? (of 2 pipelines: rose, iris)"
    status, out, err = run("check")
    assert (status, out) == (1, "")
    assert err.splitlines() == [
        f"{folder}/_defaults.yaml:{number}: error: {problem}",
        "2 pipeline files: 0 ok, 2 cannot be used, 0 warnings",
    ]
    annotation = run("check", "--format", "github")[1].splitlines()[0]
    assert annotation == f"::error file={folder}/_defaults.yaml,line={number}::{problem}"
    one = run("check", folder / "team" / "iris.yaml", "--format", "json")[1]
    found = yaml.safe_load(one)["findings"]
    assert [(finding["file"], finding["line"]) for finding in found] == [(f"{folder}/_defaults.yaml", number)]


def test_check_warns_in_the_shared_file_too_and_of_environments_that_may_be_one(run, folder):
    (folder / "_defaults.yaml").write_text(SHARED + "schedule: '@hourly'\n")
    (folder / "team" / "iris.dve.yaml").write_text("retries: 1\n")
    (folder / "team" / "iris.dev2.yaml").write_text("retries: 1\n")
    status, _, err = run("check")
    assert status == 0
    assert f"{folder}/_defaults.yaml:{SHARED.count(chr(10)) + 1}: warning: schedule: found" in err
    assert f"{folder}: warning: found the environments 'dev' and 'dve', by files' names or PIPELINES_ENV" in err
    assert "dev2" not in err


def test_new_writes_beside_the_pipeline_that_it_is_like(run, folder):
    status, out, _ = run("new", "rose", "--like", "iris")
    assert status == 0, out
    assert "name: rose" in (folder / "team" / "rose.yaml").read_text()
    status, _, err = run("new", "iris", "--like", "rose")
    assert status == 1
    assert "it exists" in err
