import datetime as dt
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema
import pytest
import yaml

from fresh_endpoints import __main__ as commands
from fresh_endpoints.pipeline_file import checks, memory
from fresh_endpoints.pipeline_file.model import (
    PipelineFileError,
    load_pipeline,
    load_pipelines,
    load_pipelines_of_dags,
    pipelines_dir,
)

REPOSITORY = Path(__file__).resolve().parents[3]
PLUGINS = REPOSITORY / "plugins"
SAMPLE = REPOSITORY / "include" / "pipelines" / "multiclass.yaml"
SCHEMA = SAMPLE.with_name("pipeline.schema.json")

BASE = """\
name: iris
region: ap-northeast-1
bucket: sample-bucket
data:
  training: training/{{ data_date }}/iris.csv
  validation: validation/{{ data_date }}/iris.csv
training:
  AlgorithmSpecification: {TrainingImage: "repo:latest", TrainingInputMode: File}
  RoleArn: arn:aws:iam::123456789012:role/dev-sagemaker
  OutputDataConfig: {S3OutputPath: "s3://{{ bucket }}/output/{{ data_date }}/"}
  ResourceConfig: {InstanceType: ml.m4.xlarge, InstanceCount: 1, VolumeSizeInGB: 10}
  StoppingCondition: {MaxRuntimeInSeconds: 1800}
endpoint_config:
  ProductionVariants:
    - {VariantName: AllTraffic, InstanceType: ml.m4.xlarge, InitialInstanceCount: 1}
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Nothing that another test (or the developer) has checked is remembered."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "pipelines"
    folder.mkdir()
    return folder


@pytest.fixture
def problems(folder):
    """Loads a text as iris.yaml; the problems, or none."""

    def load(text):
        path = folder / "iris.yaml"
        path.write_text(text, encoding="utf-8")
        [*errors] = load_pipelines(folder).errors
        for error in errors:
            assert str(error) == "\n  ".join([f"{path}:", *error.problems])
            assert "pydantic" not in str(error)
        return [problem.replace(str(path), path.name) for error in errors for problem in error.problems]

    return load


def changed(*changes):
    text = BASE
    for old, new in changes:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    return text


# The sample.


def test_the_sample_file_is_the_articles_pipeline():
    pipeline = load_pipeline(SAMPLE)
    assert (pipeline.name, pipeline.region, pipeline.timezone, pipeline.schedule) == (
        "multiclass",
        "ap-northeast-1",
        "Asia/Tokyo",
        "@daily",
    )
    assert (pipeline.wait_minutes, pipeline.deploy, pipeline.catchup) == (0, "auto", False)
    assert (pipeline.slack.channel, pipeline.slack.username) == ("aws_notify", "incoming-webhook")
    assert "'sample-bucket'" in pipeline.bucket
    assert pipeline.data.training == "input-data-training/{{ data_date }}/multiclass/iris.csv"
    assert pipeline.data.validation == "input-data-validation/{{ data_date }}/multiclass/iris.csv"
    assert pipeline.data.prediction == "input-data-prediction/{{ data_date }}/multiclass/iris.csv"
    assert pipeline.training["HyperParameters"] == {
        "objective": "multiclass",
        "num_class": "{{ var.value.get('sagemaker_num_class', '3') }}",
        "max_leaf_nodes": "5",
    }
    assert pipeline.training["OutputDataConfig"] == {
        "S3OutputPath": "s3://{{ bucket }}/output-model/{{ data_date }}/{{ pipeline }}/"
    }
    assert pipeline.training["ResourceConfig"] == {
        "InstanceType": "ml.m4.xlarge",
        "InstanceCount": 1,
        "VolumeSizeInGB": 10,
    }
    assert pipeline.training["StoppingCondition"] == {"MaxRuntimeInSeconds": 1800}
    assert pipeline.endpoint == {"EndpointName": "multiclass"}


def test_the_samples_metrics_are_those_that_the_training_image_prints():
    printed = "[10] validation:accuracy=0.9667\n"
    [metric] = [
        found
        for definition in load_pipeline(SAMPLE).training["AlgorithmSpecification"]["MetricDefinitions"]
        if definition["Name"] == "validation:accuracy"
        for found in re.findall(definition["Regex"], printed)
    ]
    assert float(metric) == 0.9667


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


# Right files.


def test_defaults(folder):
    (folder / "iris.yaml").write_text(BASE)
    pipeline = load_pipeline(folder / "iris.yaml")
    assert pipeline.owner == "ml"
    assert pipeline.schedule == "@daily"
    assert pipeline.timezone == "UTC"
    assert pipeline.max_active_runs == 1
    assert pipeline.aws_conn_id == "aws_default"
    assert pipeline.slack is None
    assert pipeline.model == {}
    assert pipeline.endpoint == {"EndpointName": "iris"}


@pytest.mark.parametrize(
    "changes",
    [
        [("bucket: sample-bucket", "bucket: \"{{ var.value.get('bucket', 'x') }}\"")],
        [("bucket: sample-bucket", 'bucket: "{{ pipeline }}-data"')],
        [("VolumeSizeInGB: 10", 'VolumeSizeInGB: "{{ params.size }}"')],
        [("VolumeSizeInGB: 10", 'VolumeSizeInGB: "{{ 2 * 5 }}"')],
        [("InstanceType: ml.m4.xlarge, InstanceCount", 'InstanceType: "{{ var.value.instance }}", InstanceCount')],
        [("training/{{ data_date }}/", "training/{{ macros.ds_format(data_date, '%Y-%m-%d', '%Y%m%d') }}/")],
        [("training/{{ data_date }}/", "training/{{ data_date.replace('-', '') }}/")],
        [("training/{{ data_date }}/", "training/{% set d = [] %}{% do d.append(data_date) %}{{ d[0] }}/")],
        [("training/{{ data_date }}/", "t{{ range(3) | join('/') }}/{{ date }}/")],
        [("name: iris\n", "name: iris\nschedule: 30 5 * * 1-5\n")],
        [("name: iris\n", "name: iris\nschedule: null\n")],
        [("name: iris\n", "name: iris\nstart_date: 2019-03-01\ncatchup: yes\n")],
        [("name: iris\n", "name: iris\naws_tags: {部門: 研究, empty: ''}\n")],
        [
            (
                "training:\n  Algo",
                "training:\n  InputDataConfig: [{ChannelName: training, ContentType: text/csv}]\n  Algo",
            )
        ],
        [
            ('TrainingImage: "repo:latest"', "AlgorithmName: iris"),
            ("endpoint_config", 'model: {PrimaryContainer: {Image: "repo:serve"}}\nendpoint_config'),
        ],
    ],
    ids=lambda changes: changes[-1][1].strip(),
)
def test_right_files(problems, changes):
    assert problems(changed(*changes)) == []


def test_two_channels_that_bring_their_own_sources_may_share_the_data_folder(problems):
    sources = "".join(
        f"\n    - {{ChannelName: {name}, DataSource: {{S3DataSource: {{S3DataType: S3Prefix, S3Uri: s3://b/{name}/}}}}}}"
        for name in ("training", "validation")
    )
    text = changed(
        ("  validation: validation/", "  validation: training/"),
        ("training:\n  Algo", f"training:\n  InputDataConfig:{sources}\n  Algo"),
    )
    assert problems(text) == []


# Wrong files: what their writers read.

WRONG = {
    "misspelt key": (
        [("region:", "regoin:")],
        [
            "region: found nothing; a value is required here",
            "regoin: found an unknown key; did you mean 'region'?",
        ],
    ),
    "misspelt key in data": (
        [("  validation: ", "  validaton: ")],
        [
            "data.validation: found nothing; a value is required here",
            (
                "data.validaton: found an unknown key; allowed training, validation, prediction; "
                "did you mean 'validation'?"
            ),
        ],
    ),
    "misspelt key in slack": (
        [("name: iris\n", "name: iris\nslack: {chanel: aws_notify}\n")],
        ["slack.chanel: found an unknown key; allowed connection, channel, username; did you mean 'channel'?"],
    ),
    "misspelt key in training": (
        [("  ResourceConfig", "  ResorceConfig")],
        [
            "training.ResorceConfig: found an unknown key; did you mean 'ResourceConfig'?",
            "training.ResourceConfig: found nothing; a value is required here",
        ],
    ),
    "misspelt key in model": (
        [("endpoint_config", "model: {VpcConfg: {}}\nendpoint_config")],
        [
            (
                "model.VpcConfg: found an unknown key; allowed PrimaryContainer, Containers, InferenceExecutionConfig, "
                "ExecutionRoleArn, VpcConfig, EnableNetworkIsolation; did you mean 'VpcConfig'?"
            ),
        ],
    ),
    "misspelt key in endpoint_config": (
        [("VariantName: AllTraffic", "VariantNam: AllTraffic")],
        [
            "endpoint_config.ProductionVariants[0].VariantName: found nothing; a value is required here",
            "endpoint_config.ProductionVariants[0].VariantNam: found an unknown key; did you mean 'VariantName'?",
        ],
    ),
    "misspelt key in endpoint": (
        [("endpoint_config", "endpoint: {EndpointNam: iris}\nendpoint_config")],
        [
            (
                "endpoint.EndpointNam: found an unknown key; allowed DeploymentConfig, EndpointName, "
                "ExcludeRetainedVariantProperties, RetainAllVariantProperties, RetainDeploymentConfig; "
                "did you mean 'EndpointName'?"
            ),
        ],
    ),
    "misspelt enum in a section": (
        [("ml.m4.xlarge, InstanceCount", "ml.m4.xlrge, InstanceCount")],
        ["training.ResourceConfig.InstanceType: found 'ml.m4.xlrge'; did you mean 'ml.m4.xlarge'?"],
    ),
    "number for a hyperparameter": (
        [("  RoleArn", "  HyperParameters: {num_class: 3}\n  RoleArn")],
        [
            "training.HyperParameters.num_class: found 3 (an integer); it must be a string; put the value in quotes",
        ],
    ),
    "misspelt choice": (
        [("name: iris\n", "name: iris\ndeploy: alway\n")],
        ["deploy: found 'alway'; allowed auto, always, never; did you mean 'always'?"],
    ),
    "types and ranges": (
        [("name: iris\n", "name: iris\ncatchup: maybe\nwait_minutes: -1\ndag_tags: iris\ndescription: [a]\n")],
        [
            "description: found ['a'] (a list); it must be a string",
            "dag_tags: found 'iris' (a string); it must be a list",
            "catchup: found 'maybe' (a string); it must be true or false",
            "wait_minutes: found -1; it must have value greater than or equal to 0",
        ],
    ),
    "key that is no text": (
        [("name: iris\n", "name: iris\nmodel: {}\nslack:\n  1: x\n")],
        ["slack.1: found a key that is no text; put it in quotes"],
    ),
    "empty section": (
        [("endpoint_config", "model:\nendpoint_config")],
        ["model: found nothing; it must be a mapping"],
    ),
    "name that SageMaker refuses": (
        [("name: iris", "name: iris_model")],
        [
            (
                "name: found 'iris_model'; allowed letters, digits and hyphens between them, because "
                "SageMaker names begin "
                "with it"
            )
        ],
    ),
    "name that leaves no room": (
        [("name: iris", f"name: {'i' * 33}")],
        [f"name: found '{'i' * 33}'; it has 33 characters; allowed 32, to leave room in job names"],
    ),
    "name of another file": (
        [("name: iris", "name: multiclass")],
        ["name: found 'multiclass'; it must be 'iris', as the file is iris.yaml; change either"],
    ),
    "no such schedule": (
        [("name: iris\n", "name: iris\nschedule: '@dayly'\n")],
        [
            (
                "schedule: found '@dayly'; allowed @hourly, @daily, @weekly, @monthly, @quarterly, @yearly; "
                "did you mean '@daily'?"
            )
        ],
    ),
    "cron expression out of range": (
        [("name: iris\n", "name: iris\nschedule: 61 * * * *\n")],
        [
            (
                "schedule: found '61 * * * *'; allowed a cron expression of five fields (minute, hour, day of month, "
                "month, day of week), @hourly, @daily, @weekly, @monthly, @quarterly, @yearly or null"
            )
        ],
    ),
    "no such time zone": (
        [("name: iris\n", "name: iris\ntimezone: Asia/Tokio\n")],
        ["timezone: found 'Asia/Tokio'; it must be an IANA time zone, such as Asia/Tokyo; did you mean 'Asia/Tokyo'?"],
    ),
    "catchup from no day": (
        [("name: iris\n", "name: iris\ncatchup: true\n")],
        ["start_date: found nothing; with `catchup: true` every day since then is trained, so it must be given"],
    ),
    "quoted day": (
        [("name: iris\n", 'name: iris\nstart_date: "2019-03-01"\n')],
        ["start_date: found '2019-03-01' (a string); it must be a date without quotes, such as 2019-03-01"],
    ),
    "no such day": (
        [("name: iris\n", "name: iris\nstart_date: 2019-02-30\n")],
        ["iris.yaml:2:13: found '2019-02-30': day is out of range for month"],
    ),
    "region": (
        [("ap-northeast-1", "tokyo")],
        ["region: found 'tokyo'; it must be the name of an AWS region, such as ap-northeast-1"],
    ),
    "bucket": (
        [("sample-bucket", "Sample_Bucket")],
        [
            (
                "bucket: found 'Sample_Bucket'; it must be an S3 bucket's name: 3 to 63 lower-case "
                "letters, digits, dots "
                "and hyphens, with a letter or digit at both ends"
            )
        ],
    ),
    "template where none is rendered": (
        [("name: iris\n", "name: iris\nslack: {channel: '{{ var.value.channel }}'}\n")],
        [
            (
                "slack.channel: found '{{ var.value.channel }}'; templates are not rendered in this field; "
                "write the value itself"
            )
        ],
    ),
    "key with the bucket": (
        [("training: training/", "training: s3://{{ bucket }}/training/")],
        [
            (
                "data.training: found 's3://{{ bucket }}/training/{{ data_date }}/iris.csv'; write the key alone, "
                "as the bucket is in `bucket`"
            )
        ],
    ),
    "key with a slash before it": (
        [("training: training/", "training: /training/")],
        [
            "data.training: found '/training/{{ data_date }}/iris.csv'; S3 keys do not begin with a slash; remove it",
        ],
    ),
    "folder for a file": (
        [("training/{{ data_date }}/iris.csv", "training/{{ data_date }}/")],
        ["data.training: found 'training/{{ data_date }}/'; it must be a file's key, not a folder's"],
    ),
    "file in no folder": (
        [("training/{{ data_date }}/iris.csv", "iris-{{ data_date }}.csv")],
        [
            (
                "data.training: found 'iris-{{ data_date }}.csv'; it must be in a folder, because SageMaker "
                "reads whole folders"
            ),
        ],
    ),
    "the same file every day": (
        [("training/{{ data_date }}/iris.csv", "training/iris.csv")],
        [
            (
                "data.training: found 'training/iris.csv'; every day has a file of its own; "
                "put {{ data_date }} where the day stands"
            )
        ],
    ),
    "one folder for both channels": (
        [("validation: validation/{{ data_date }}/", "validation: training/{{ data_date }}/held-out/")],
        [
            (
                "data.validation: found 'training/2019-03-04/held-out/iris.csv' beside or below data.training, "
                "'training/2019-03-04/iris.csv'; SageMaker gives a channel its whole folder, so each needs a folder of "
                "its own"
            )
        ],
    ),
    "misspelt name in a template": (
        [("output/{{ data_date }}", "output/{{ data_dat }}")],
        [
            (
                "training.OutputDataConfig.S3OutputPath: found 's3://{{ bucket }}/output/{{ data_dat }}/'; "
                "the name 'data_dat' is not known; did you mean 'data_date'?"
            )
        ],
    ),
    "name in UTC": (
        [("output/{{ data_date }}", "output/{{ ds }}")],
        [
            (
                "training.OutputDataConfig.S3OutputPath: found 's3://{{ bucket }}/output/{{ ds }}/'; "
                "'ds' is not allowed, "
                "because it is in UTC and missing in runs without a logical date; use data_date or date"
            )
        ],
    ),
    "secret": (
        [("  RoleArn", '  Environment: {TOKEN: "{{ conn.github.password }}"}\n  RoleArn')],
        [
            (
                "training.Environment.TOKEN: found '{{ conn.github.password }}'; 'conn' is not allowed, "
                "because rendered "
                "fields are shown in Airflow's UI and connections hold secrets; let the container read "
                "AWS Secrets Manager"
            )
        ],
    ),
    "broken template": (
        [("output/{{ data_date }}", "output/{{ data_date }")],
        [
            (
                "training.OutputDataConfig.S3OutputPath: found 's3://{{ bucket }}/output/{{ data_date }/'; "
                "it is not a Jinja template: unexpected '}'"
            )
        ],
    ),
    "no such filter": (
        [("output/{{ data_date }}", "output/{{ data_date | upperr }}")],
        [
            (
                "training.OutputDataConfig.S3OutputPath: found 's3://{{ bucket }}/output/{{ data_date | upperr }}/'; "
                "it is not a Jinja template: No filter named 'upperr'."
            )
        ],
    ),
    "template that fails": (
        [("output/{{ data_date }}", "output/{{ data_date - 1 }}")],
        [
            (
                "training.OutputDataConfig.S3OutputPath: found 's3://{{ bucket }}/output/{{ data_date - 1 }}/'; "
                "rendering it fails: unsupported operand type(s) for -: 'str' and 'int'"
            )
        ],
    ),
    "template without quotes": (
        [("bucket: sample-bucket", "bucket: {{ pipeline }}-data")],
        ["iris.yaml:3:23: did not find expected key; put a value that begins with {{ in quotes"],
    ),
    "template as a whole value without quotes": (
        [("bucket: sample-bucket", "bucket: {{ pipeline }}")],
        ["iris.yaml:3:10: found unhashable key; put a value that begins with {{ in quotes"],
    ),
    "reserved and wrong tags": (
        [("name: iris\n", "name: iris\naws_tags: {'aws:a': x, 'fresh-endpoints:b': y, c: '!', d: 1}\n")],
        ["aws_tags.d: found 1 (an integer); it must be a string; put the value in quotes"],
    ),
    "reserved tags": (
        [("name: iris\n", "name: iris\naws_tags: {'aws:a': x, 'fresh-endpoints:b': y, c: '!'}\n")],
        [
            "aws_tags.aws:a: found the prefix 'aws:', which is reserved; choose another key",
            ("aws_tags.fresh-endpoints:b: found the prefix 'fresh-endpoints:', which is reserved; choose another key"),
            "aws_tags.c: found '!'; it must satisfy regular expression pattern: ([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)",
        ],
    ),
    "too many tags": (
        [("name: iris\n", f"name: iris\naws_tags: {{{', '.join(f't{n}: x' for n in range(47))}}}\n")],
        ["aws_tags: found 47 tags; allowed 34, as up to 16 are added"],
    ),
    "a quality rule that is none": (
        [("name: iris\n", "name: iris\nquality: {rules: [accuracy is good]}\n")],
        [
            (
                "quality.rules[0]: found 'accuracy is good'; it is no rule; allowed METRIC >= BOUND, with >=, >, <= or "
                '<, where BOUND is a number or "live", "live - NUMBER" or "live + NUMBER", such as '
                '"validation:accuracy >= 0.9"'
            )
        ],
    ),
    "no quality rules": (
        [("name: iris\n", "name: iris\nquality: {rules: []}\n")],
        ["quality.rules: found []; it must hold at least one; leave the section out where there is none"],
    ),
    "a quality rule on a metric that is not defined": (
        [
            ("name: iris\n", "name: iris\nquality: {rules: [validation:acuracy >= 0.9, f1 > 0]}\n"),
            ("InputMode: File}", "InputMode: File, MetricDefinitions: [{Name: 'validation:accuracy', Regex: x}]}"),
        ],
        [
            (
                "quality.rules[0]: found 'validation:acuracy >= 0.9'; training.AlgorithmSpecification."
                "MetricDefinitions names no metric 'validation:acuracy'; did you mean 'validation:accuracy'?"
            ),
            (
                "quality.rules[1]: found 'f1 > 0'; training.AlgorithmSpecification.MetricDefinitions names no metric "
                "'f1'; allowed validation:accuracy"
            ),
        ],
    ),
    "a smoke test without and with too many bodies": (
        [("name: iris\n", "name: iris\nsmoke_test: {content_type: text/csv}\n")],
        ["smoke_test: found {'content_type': 'text/csv'}; it must have one of body and key"],
    ),
    "a smoke test's wrong pattern and key": (
        [("name: iris\n", "name: iris\nsmoke_test: {body: x, content_type: text/csv, expect: '(', expct: x}\n")],
        [
            (
                "smoke_test.expect: found '('; it is no regular expression: missing ), unterminated subpattern at "
                "position 0"
            ),
            (
                "smoke_test.expct: found an unknown key; allowed body, key, content_type, accept, expect; did you mean "
                "'expect'?"
            ),
        ],
    ),
    "a smoke test's key with an unknown name": (
        [("name: iris\n", "name: iris\nsmoke_test: {key: 'x/{{ ds }}', content_type: text/csv}\n")],
        [
            (
                "smoke_test.key: found 'x/{{ ds }}'; 'ds' is not allowed, because it is in UTC and missing in runs "
                "without a logical date; use data_date or date"
            )
        ],
    ),
    "retention that keeps nothing": (
        [("name: iris\n", "name: iris\nretention: {keep: 0}\n")],
        ["retention.keep: found 0; it must have value greater than or equal to 1"],
    ),
    "transform without data to predict on, and with what is added": (
        [
            (
                "name: iris\n",
                (
                    "name: iris\ntransform: {ModelName: x, TransformInput: {DataSource: {}}, TransformResources: "
                    "{InstanceType: ml.m4.xlarge, InstanceCount: 1}, "
                    "TransformOutput: {S3OutputPath: s3://x/, Acept: x}}\n"
                ),
            ),
        ],
        [
            "transform.ModelName: found 'x'; remove it: the model is the one that the run has trained",
            "transform.TransformInput.DataSource: found {}; remove it: it is the folder of data.prediction",
            (
                "transform.TransformOutput.S3OutputPath: found 's3://x/'; remove it: it is "
                "output-prediction/<data date>/<pipeline>/"
            ),
            "data.prediction: found nothing; it must be given where there is a transform section",
            (
                "transform.TransformOutput.Acept: found an unknown key; allowed S3OutputPath, Accept, "
                "AssembleWith, KmsKeyId; did you mean 'Accept'?"
            ),
        ],
    ),
    "members that are not the file's to give": (
        [
            ("  RoleArn", "  TrainingJobName: iris\n  Tags: []\n  RoleArn"),
            ("endpoint_config:\n", "endpoint: {EndpointConfigName: x}\nendpoint_config:\n  EndpointConfigName: x\n"),
            ("endpoint_config", "model: {ModelName: x, PrimaryContainer: {ModelDataUrl: s3://x}}\nendpoint_config"),
        ],
        [
            (
                "training.TrainingJobName: found 'iris'; remove it: it is made from pipeline, data date and run, "
                "so that no run trains twice"
            ),
            "training.Tags: found []; remove it: write tags under aws_tags",
            "model.ModelName: found 'x'; remove it: it is the training job's name",
            "endpoint_config.EndpointConfigName: found 'x'; remove it: it is the training job's name",
            "endpoint.EndpointConfigName: found 'x'; remove it: it is the training job's name",
            (
                "model.PrimaryContainer.ModelDataUrl: found 's3://x'; remove it: the model is the one that the run has "
                "trained"
            ),
        ],
    ),
    "nowhere for the model": (
        [
            ("InitialInstanceCount: 1", "InitialInstanceCount: 1, ModelName: champion"),
            ("endpoint_config", "model: {Containers: [{Image: x, ModelDataUrl: s3://x}]}\nendpoint_config"),
        ],
        [
            (
                "model.Containers: found a model in each; leave it out of one: the model is the one that the run has "
                "trained"
            ),
            (
                "endpoint_config.ProductionVariants: found a ModelName in each; leave it out of one: the "
                "model is the one "
                "that the run has trained"
            ),
        ],
    ),
    "no image to serve": (
        [('TrainingImage: "repo:latest"', "AlgorithmName: iris")],
        [
            "model.PrimaryContainer.Image: found nothing; it must be given, as training names no TrainingImage",
        ],
    ),
    "an extra channel without a source": (
        [("training:\n  Algo", "training:\n  InputDataConfig: [{ChannelName: extra}]\n  Algo")],
        ["training.InputDataConfig[0].DataSource: found nothing; a value is required here"],
    ),
    "repeated key": (
        [("name: iris\n", "name: iris\nmodel: {a: 1,\n  b: 2, a: 3}\n")],
        ["iris.yaml:3:9: found the key 'a' again (first in line 2); remove one"],
    ),
    "broken YAML": ([("bucket: sample-bucket", "bucket: [")], ["iris.yaml:5:11: did not find expected ',' or ']'"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_say_what_is_wrong(problems, case):
    changes, expected = WRONG[case]
    assert sorted(problems(changed(*changes))) == sorted(expected)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "found nothing; it must be a mapping of keys such as name, region, bucket"),
        (b"- a", "found a list; it must be a mapping of keys such as name, region, bucket"),
        (b"\xff", "not YAML: unacceptable character #x00ff: invalid leading UTF-8 octet"),
        (b"a: \x07", "not YAML: unacceptable character #x0007: control characters are not allowed"),
        (b"!!python/object/apply:os.getcwd []", "could not determine a constructor for the tag"),
        (b"a: " + b"[" * 5000, "did not find expected node content"),
        (b"a: &a\n  b: *a", "name: found nothing; a value is required here"),
    ],
)
def test_hostile_content_is_an_error_of_its_file_only(folder, content, problem):
    (folder / "a.yaml").write_bytes(content)
    (folder / "iris.yaml").write_text(BASE)
    loaded = load_pipelines(folder)
    assert [pipeline.name for pipeline in loaded.pipelines] == ["iris"]
    [error] = loaded.errors
    assert error.path == folder / "a.yaml"
    assert problem in str(error)


def test_known_names_are_airflows():
    from airflow.sdk.definitions.context import KNOWN_CONTEXT_KEYS

    ours = checks.AIRFLOW_NAMES | checks.UTC_NAMES | checks.SECRET_NAMES
    assert set(KNOWN_CONTEXT_KEYS) - {"start_date"} <= ours  # only Airflow 3.1 has that one
    assert not checks.OUR_NAMES & ours


# Folders.


def test_a_folders_pipelines_are_sorted_and_each_error_is_one_files(folder):
    for name in ("b", "c", "a"):
        (folder / f"{name}.yaml").write_text(changed(("name: iris", f"name: {name}")))
    (folder / "c.yaml").write_text("name: [")
    (folder / "d.yml").write_text(BASE)
    (folder / "pipeline.schema.json").write_text("{}")
    (folder / "e.yaml").mkdir()
    loaded = load_pipelines(folder)
    assert [pipeline.name for pipeline in loaded.pipelines] == ["a", "b"]
    assert [error.path.name for error in loaded.errors] == ["c.yaml", "d.yml", "e.yaml"]
    assert loaded.errors[1].problems == ("found the suffix '.yml'; allowed .yaml; rename it d.yaml",)
    assert loaded.errors[2].problems == ("cannot be read: Is a directory",)


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
    assert [error.problems for error in loaded.errors] == [
        ("endpoint.EndpointName: found 'A', which a.yaml deploys to; give one of them another",)
    ]


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
        "fresh_endpoints.pipeline_file.model.__file__", str(tmp_path / "site/plugins/package/room/model.py")
    )
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(tmp_path / "home" / "dags"))
    beside = tmp_path / "home" / "include" / "pipelines"
    inside = tmp_path / "home" / "dags" / "include" / "pipelines"
    assert pipelines_dir() == tmp_path / "site" / "include" / "pipelines"
    inside.mkdir(parents=True)
    assert pipelines_dir() == inside
    beside.mkdir(parents=True)
    assert pipelines_dir() == beside


# The cache.

LOAD = """
import sys
from pathlib import Path
from fresh_endpoints.pipeline_file.model import load_pipelines
loaded = load_pipelines(Path(sys.argv[1]))
for pipeline in loaded.pipelines:
    print(pipeline.model_dump_json())
for error in loaded.errors:
    print(error)
print([name for name in ("airflow", "botocore", "croniter", "jinja2", "regex") if name in sys.modules])
"""


def load_in_new_process(folder, cache):
    environment = {**os.environ, "TMPDIR": str(cache), "PYTHONPATH": str(PLUGINS)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder)], env=environment, check=True, capture_output=True, text=True
    )
    *answers, imported = done.stdout.splitlines()
    return answers, imported


def test_an_unchanged_file_is_not_checked_again(folder, own_cache):
    file = folder / "iris.yaml"
    file.write_text(BASE)
    checked, imported = load_in_new_process(folder, own_cache)
    assert imported == "['botocore', 'croniter', 'jinja2', 'regex']"
    assert json.loads(checked[0])["endpoint"] == {"EndpointName": "iris"}
    assert load_in_new_process(folder, own_cache) == (checked, "[]")

    file.write_text(changed(("  ResourceConfig", "  ResorceConfig")))
    answers, imported = load_in_new_process(folder, own_cache)
    assert "botocore" in imported
    assert "did you mean 'ResourceConfig'?" in "".join(answers)
    assert load_in_new_process(folder, own_cache) == (answers, "[]")

    file.write_text(BASE)
    assert load_in_new_process(folder, own_cache) == (checked, "[]")


def test_the_file_name_is_part_of_what_is_remembered(folder):
    (folder / "iris.yaml").write_text(BASE)
    load_pipeline(folder / "iris.yaml")
    with pytest.raises(PipelineFileError, match="it must be 'other'"):
        load_pipeline((folder / "iris.yaml").rename(folder / "other.yaml"))


def test_other_checking_code_checks_again(folder, own_cache, monkeypatch):
    (folder / "iris.yaml").write_text(BASE)
    load_pipeline(folder / "iris.yaml")
    asked = []
    monkeypatch.setattr(checks, "find_problems", lambda pipeline: asked.append(pipeline.name) or ["wrong"])
    load_pipeline(folder / "iris.yaml")
    assert asked == []
    monkeypatch.setattr(memory, "checks_digest", lambda: b"other")
    with pytest.raises(PipelineFileError, match="wrong"):
        load_pipeline(folder / "iris.yaml")
    assert asked == ["iris"]


def entries(own_cache):
    return list(own_cache.glob("*/*"))


def test_a_broken_entry_costs_time_only(folder, own_cache):
    (folder / "iris.yaml").write_text(BASE)
    pipeline = load_pipeline(folder / "iris.yaml")
    [entry] = entries(own_cache)
    remembered = entry.read_bytes()
    for broken in (b"", b"{}", remembered[:-1]):
        entry.write_bytes(broken)
        assert load_pipeline(folder / "iris.yaml") == pipeline
        assert entry.read_bytes() == remembered


@pytest.mark.parametrize("obstacle", ["file", "writable by others", "link", "missing"])
def test_a_cache_folder_that_cannot_be_trusted_is_not_used(folder, own_cache, tmp_path, obstacle):
    (folder / "iris.yaml").write_text(BASE)
    cache = own_cache / f"fresh-endpoints-{os.getuid()}"
    if obstacle == "file":
        cache.touch()
    elif obstacle == "writable by others":
        cache.mkdir()
        cache.chmod(0o777)
    elif obstacle == "link":
        (tmp_path / "elsewhere").mkdir()
        cache.symlink_to(tmp_path / "elsewhere")
    else:
        own_cache.rmdir()
    assert load_pipeline(folder / "iris.yaml").name == "iris"
    assert entries(own_cache) == []
    assert not (tmp_path / "elsewhere").exists() or not list((tmp_path / "elsewhere").iterdir())


def test_what_json_would_change_is_not_remembered(folder, own_cache):
    (folder / "iris.yaml").write_text(BASE)
    pipeline = load_pipeline(folder / "iris.yaml")
    entry = memory.entry("other.yaml", b"")
    memory.remember(entry, pipeline.model_copy(update={"training": {"HyperParameters": {"a": float("nan")}}}))
    assert memory.recall(entry, type(pipeline)) is None
    assert not entry.exists()


# What a DAG file is to build.


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
