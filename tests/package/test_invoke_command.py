"""The command ``fresh-endpoints invoke``, against endpoints of local AWS."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fresh_endpoints import __main__ as commands
from fresh_endpoints import invoke_command
from sagemaker_requests import new_config, new_model, wait_for_endpoint

SMOKE_TEST = {"body": "1,2", "content_type": "text/csv", "accept": "text/csv"}


@pytest.fixture
def deployed(pipeline):
    """A pipeline whose endpoint answers with what it was asked, after "m:"."""
    pipeline.use_tiny_image()
    pipeline.write(lambda content: content.update(smoke_test=SMOKE_TEST))
    config = new_config(pipeline.aws, new_model(pipeline.aws, "sample-bucket", "m"))
    pipeline.sagemaker.create_endpoint(EndpointName=pipeline.name, EndpointConfigName=config)
    wait_for_endpoint(pipeline.aws, pipeline.name)
    return pipeline


@pytest.fixture
def run(capsys, monkeypatch):
    """Run the command, at a terminal; its status, stdout and stderr."""
    monkeypatch.setattr(invoke_command, "_is_fed", lambda: False)

    def run(*arguments):
        capsys.readouterr()
        status = commands.main(["invoke", *arguments])
        said = capsys.readouterr()
        # Another test of the process may have had Airflow log more than the command does.
        return status, said.out, "".join(line for line in said.err.splitlines(True) if "[info " not in line)

    return run


def test_it_asks_what_a_person_says_else_the_smoke_test(deployed, run, tmp_path):
    assert run(deployed.name) == (0, "m:1,2", "")
    assert run(deployed.name, "--body", "3,4") == (0, "m:3,4", "")
    (tmp_path / "rows.csv").write_text("5,6\n")
    status, out, _ = run(deployed.name, "--file", str(tmp_path / "rows.csv"))
    assert (status, out) == (0, "m:5,6\n")
    status, out, _ = run(deployed.name, "--body", "headers", "--content-type", "text/x", "--accept", "text/y")
    assert '"content-type": "text/x"' in out
    assert '"accept": "text/y"' in out


def test_what_is_piped_into_it_is_asked_and_the_answer_is_printed_byte_by_byte(deployed):
    def ask(*arguments, **stdin):
        command = [sys.executable, "-m", "fresh_endpoints", "invoke", deployed.name, *arguments]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "plugins")}
        return subprocess.run(command, env=environment, capture_output=True, check=True, timeout=120, **stdin).stdout

    assert ask(input=b"7,8\n\xff") == b"m:7,8\n\xff"
    assert ask(input=b"") == b"m:1,2"
    assert ask("--file", "-", input=b"") == b"m:"
    assert ask(stdin=subprocess.DEVNULL) == b"m:1,2"


def test_an_endpoint_that_is_not_there_yet_is_said(pipeline, run):
    status, out, err = run(pipeline.name)
    assert (status, out) == (1, "")
    assert err.startswith(f"There is no endpoint {pipeline.name} in ap-northeast-1 yet: a run of train_and_deploy_")


def test_an_endpoint_that_is_being_made_is_said_with_its_status(pipeline, run):
    config = new_config(pipeline.aws, new_model(pipeline.aws, "sample-bucket", "m"))
    [fault] = pipeline.aws.add_faults({"kind": "hold_status", "operation": "endpoint:Creating"})
    pipeline.sagemaker.create_endpoint(EndpointName=pipeline.name, EndpointConfigName=config)
    status, _, err = run(pipeline.name)
    pipeline.aws.remove_fault(fault)
    wait_for_endpoint(pipeline.aws, pipeline.name)
    assert (status, err.startswith(f"Endpoint {pipeline.name} is Creating and does not answer yet.")) == (1, True)


def test_an_error_of_the_model_is_said_with_where_its_log_is(deployed, run):
    status, out, err = run(deployed.name, "--body", "status 500")
    said, log = err.splitlines()
    assert (status, out, said) == (1, "", "The model answered with 500: as you wish")
    command = log.removeprefix("Its log: ")
    assert command.startswith(f"aws --endpoint-url {deployed.aws.url} logs filter-log-events --log-group-name ")
    environment = {**os.environ, **deployed.aws.environment()}
    command = f"{Path(sys.executable).parent}/{command}"
    logged = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, check=True).stdout
    assert "asked /invocations" in logged


def test_an_error_of_the_real_aws_leads_to_its_console():
    url = "https://runtime.sagemaker.ap-northeast-1.amazonaws.com"
    assert invoke_command._log("iris", "ap-northeast-1", url).startswith(
        "https://ap-northeast-1.console.aws.amazon.com"
    )


def test_a_refusal_is_passed_on_with_its_words_and_who_said_them(deployed, run):
    [number] = deployed.aws.add_faults({"kind": "denied", "operation": "InvokeEndpoint"})
    status, _, err = run(deployed.name)
    deployed.aws.remove_fault(number)
    assert status == 1
    assert err.startswith(f"Endpoint {deployed.name} cannot be asked. Local AWS says AccessDeniedException: ")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"deploy": "never"}, "deploys nothing (deploy: never), so it has no endpoint"),
        ({"smoke_test": None}, "has no smoke_test, so name the --content-type, such as text/csv"),
        (
            {"smoke_test": {"key": "a/{{ data_date }}.csv", "content_type": "text/csv"}},
            "lies in S3, at a/{{ data_date }}",
        ),
    ],
)
def test_what_cannot_be_asked_is_said(pipeline, run, change, words):
    pipeline.write(lambda content: content.update(change))
    status, out, err = run(pipeline.name)
    assert (status, out) == (1, "")
    assert words in err


def test_an_asynchronous_endpoint_is_said_to_be_asked_otherwise(pipeline, run):
    def make_asynchronous(content):
        content["endpoint_config"]["AsyncInferenceConfig"] = {
            "OutputConfig": {"S3OutputPath": "s3://sample-bucket/out/"}
        }
        content["smoke_test"] = {"key": "smoke/{{ data_date }}.csv", "content_type": "text/csv"}

    pipeline.write(make_asynchronous)
    status, _, err = run(pipeline.name, "--body", "1")
    assert (status, f"--endpoint-name {pipeline.name} --content-type text/csv" in err) == (1, True)


def test_a_pipeline_that_is_not_there_and_a_file_that_cannot_be_read_are_said(pipeline, run, tmp_path):
    assert "There is no pipeline 'none'" in run("none")[2]
    assert (
        run(pipeline.name, "--file", str(tmp_path / "none"))[2]
        == f"{tmp_path}/none cannot be read: No such file or directory.\n"
    )
