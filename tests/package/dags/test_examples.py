"""The example pipeline files, as they are: each is right, and some are run whole on local AWS with small programs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from airflow.exceptions import ParamValidationError

from fresh_endpoints import __main__ as commands
from fresh_endpoints.pipeline_file.checks.pipeline import find_warnings
from fresh_endpoints.pipeline_file.loading import load_pipeline, load_pipelines
from fresh_endpoints.steps import trigger_form
from pipeline_under_test import ROOT, SAMPLE_DATA

EXAMPLES = ROOT / "include" / "pipelines" / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))
DAY_1, DAY_2 = date(2019, 3, 4), date(2019, 3, 5)
ALL_SUCCESS = {"wait_for_data": "success", "train": "success", "deploy": "success", "publish": "success"}
TRAINING, VALIDATION = ((SAMPLE_DATA / kind / "iris.csv").read_bytes() for kind in ("training", "validation"))


@pytest.mark.parametrize("name", NAMES)
def test_each_example_is_right_and_nothing_is_warned_of(name):
    assert find_warnings(load_pipeline(EXAMPLES / f"{name}.yaml")) == []


def test_the_examples_are_right_beside_each_other_and_no_pipelines_of_the_folder_above():
    assert load_pipelines(EXAMPLES).errors == []
    assert {pipeline.name for pipeline in load_pipelines(EXAMPLES.parent).pipelines} == {"multiclass"}


def test_the_docs_tell_of_each_example():
    page = (ROOT / "docs" / "pipeline-files.md").read_text()
    assert sorted(re.findall(r"\(\.\./include/pipelines/examples/([a-z-]+)\.yaml\)", page)) == NAMES


def test_the_command_of_the_docs_finds_all_examples_right(capsys, monkeypatch):
    page = (ROOT / "docs" / "pipeline-files.md").read_text()
    [command] = re.findall(r"^\.venv/bin/fresh-endpoints (.*)$", page, re.MULTILINE)
    monkeypatch.chdir(ROOT)
    assert commands.main(command.split()) == 0
    said = capsys.readouterr()
    assert said.out == "".join(f"{name}: ok\n" for name in NAMES)
    assert said.err == f"{len(NAMES)} pipeline files: {len(NAMES)} ok, 0 cannot be used, 0 warnings\n"


@pytest.fixture
def example(pipeline):
    """Puts an example, as it is, into the place of the test's own pipeline."""

    def use(name):
        (pipeline.folder / f"{pipeline.name}.yaml").unlink()
        shutil.copy(EXAMPLES / f"{name}.yaml", pipeline.folder)
        pipeline.name = name
        return pipeline

    return use


def put(pipeline, channel, file, content, day=DAY_1):
    key = f"input-data-{channel}/{day}/{pipeline.name}/{file}"
    pipeline.s3.put_object(Bucket="sample-bucket", Key=key, Body=content)


def described(pipeline, number=0):
    name = pipeline.jobs()[number]["TrainingJobName"]
    return pipeline.sagemaker.describe_training_job(TrainingJobName=name)


def answer(pipeline, **options):
    return pipeline.invoke(b"5.1,3.5,1.4,0.2\n", ContentType="text/csv", Accept="text/csv", **options)


def test_the_built_in_xgboost_trains_on_its_own_channels_once_the_last_file_of_each_is_there(example):
    pipeline = example("xgboost")
    rows = TRAINING.splitlines(keepends=True)
    for part in range(2):
        put(pipeline, "train", f"part-{part}.csv", b"".join(rows[part::2]))
    put(pipeline, "validation", "part-0.csv", VALIDATION)
    put(pipeline, "validation", "_SUCCESS", b"")
    assert pipeline.run(DAY_1).tasks == dict.fromkeys(ALL_SUCCESS, "skipped")

    put(pipeline, "train", "_SUCCESS", b"")
    assert pipeline.run(DAY_1).tasks == ALL_SUCCESS

    found = {channel["ChannelName"]: channel for channel in described(pipeline)["InputDataConfig"]}
    assert {name: channel["ContentType"] for name, channel in found.items()} == {
        "train": "text/csv",
        "validation": "text/csv",
    }
    assert found["train"]["DataSource"]["S3DataSource"] == {
        "S3DataType": "S3Prefix",
        "S3Uri": "s3://sample-bucket/input-data-train/2019-03-04/xgboost/",
    }
    assert answer(pipeline) == b"0.0\n"


def test_a_script_of_ones_own_runs_in_a_framework_container(example, tmp_path):
    pipeline = example("script-mode")
    upload_code(pipeline, tmp_path / "code")
    put(pipeline, "train", "iris.csv", TRAINING)
    assert pipeline.run(DAY_1).tasks == ALL_SUCCESS

    job = described(pipeline)
    [accuracy] = [metric["Value"] for metric in job["FinalMetricDataList"]]
    assert accuracy > 0.8
    sources = {
        channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in job["InputDataConfig"]
    }
    assert sources["code"] == "s3://sample-bucket/input-data-code/v1/script-mode/sourcedir.tar.gz"
    assert answer(pipeline) == b"0\n"


def upload_code(pipeline, folder):
    """Run the commands that stand in the example, in a folder from which they find what they name."""
    folder.mkdir()
    (folder / "include").symlink_to(ROOT / "include")
    text = (EXAMPLES / "script-mode.yaml").read_text()
    commands = re.findall(r"^#     (.*)$", text, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["tar", "aws"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for command in commands:
        subprocess.run(
            command.replace("<bucket>", "sample-bucket").split(),
            cwd=folder,
            env={**os.environ, **pipeline.aws.environment(), "PATH": path},
            check=True,
            capture_output=True,
        )


def test_each_days_model_challenges_a_champion_on_one_endpoint(example, monkeypatch):
    pipeline = example("champion-challenger")
    monkeypatch.setenv("AIRFLOW_VAR_CHAMPION_MODEL", "the-champion")
    for day in (DAY_1, DAY_2):
        put(pipeline, "training", "iris.csv", TRAINING, day)
        put(pipeline, "validation", "iris.csv", VALIDATION, day)
    assert pipeline.run(DAY_1, deploy="never").tasks["deploy"] == "skipped"
    job = described(pipeline)
    container = {
        "Image": job["AlgorithmSpecification"]["TrainingImage"],
        "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
    }
    pipeline.sagemaker.create_model(
        ModelName="the-champion", PrimaryContainer=container, ExecutionRoleArn=job["RoleArn"]
    )

    assert pipeline.run(DAY_2).tasks == ALL_SUCCESS

    challenger = described(pipeline, 1)["TrainingJobName"]
    config = pipeline.sagemaker.describe_endpoint_config(EndpointConfigName=pipeline.live())
    assert {variant["VariantName"]: variant["ModelName"] for variant in config["ProductionVariants"]} == {
        "champion": "the-champion",
        "challenger": challenger,
    }
    weights = {
        variant["VariantName"]: variant["CurrentWeight"] for variant in pipeline.endpoint()["ProductionVariants"]
    }
    assert weights == {"champion": 9, "challenger": 1}
    assert {variant: answer(pipeline, TargetVariant=variant) for variant in weights} == dict.fromkeys(weights, b"0\n")


def test_where_no_endpoint_is_described_nobody_can_ask_for_a_deployment():
    form = {name: trigger_form.deploy(load_pipeline(EXAMPLES / f"{name}.yaml")) for name in ("batch-only", "xgboost")}
    assert form["xgboost"].resolve("always") == "always"
    assert form["batch-only"].resolve("never") == "never"
    with pytest.raises(ParamValidationError):
        form["batch-only"].resolve("always")


def test_without_an_endpoint_each_days_model_predicts(example):
    pipeline = example("batch-only")
    for kind in ("training", "validation", "prediction"):
        put(pipeline, kind, "iris.csv", (SAMPLE_DATA / kind / "iris.csv").read_bytes())
    assert pipeline.run(DAY_1).tasks == {**ALL_SUCCESS, "deploy": "skipped"}
    assert pipeline.predict(data_date=str(DAY_1)).state == "success"
    key = f"output-prediction/{DAY_1}/batch-only/iris.csv.out"
    predictions = pipeline.s3.get_object(Bucket="sample-bucket", Key=key)["Body"].read()
    assert len(predictions.split()) == 30
    assert pipeline.listed("list_endpoints", NameContains="batch-only") == []
