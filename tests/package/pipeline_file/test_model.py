"""What a right file holds."""

import re
from pathlib import Path

import pytest

from fresh_endpoints.pipeline_file.checks.pipeline import find_warnings
from fresh_endpoints.pipeline_file.loading import load_pipeline
from pipeline_files import BASE, changed

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "include" / "pipelines" / "multiclass.yaml"


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
    assert {name: channel.key for name, channel in pipeline.data.channels.items()} == {
        "training": "input-data-training/{{ data_date }}/{{ pipeline }}/iris.csv",
        "validation": "input-data-validation/{{ data_date }}/{{ pipeline }}/iris.csv",
    }
    assert pipeline.data.prediction == "input-data-prediction/{{ data_date }}/{{ pipeline }}/iris.csv"
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
    assert pipeline.endpoint == {"EndpointName": "multiclass", "RetainAllVariantProperties": True}
    assert find_warnings(pipeline) == []


def test_the_samples_metrics_are_those_that_the_training_image_prints():
    printed = "[10] validation:accuracy=0.9667\n"
    [metric] = [
        found
        for definition in load_pipeline(SAMPLE).training["AlgorithmSpecification"]["MetricDefinitions"]
        if definition["Name"] == "validation:accuracy"
        for found in re.findall(definition["Regex"], printed)
    ]
    assert float(metric) == 0.9667


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


def test_a_smoke_test_is_patient_for_two_minutes_unless_the_file_says_otherwise(folder):
    for more, seconds in (("", 120), (", patience_seconds: 0", 0), (", patience_seconds: 900", 900)):
        (folder / "iris.yaml").write_text(f"{BASE}smoke_test: {{body: x, content_type: text/csv{more}}}\n")
        assert load_pipeline(folder / "iris.yaml").smoke_test.patience_seconds == seconds


@pytest.mark.parametrize(
    "changes",
    [
        [("bucket: sample-bucket", "bucket: \"{{ var.value.get('bucket', 'x') }}\"")],
        [("bucket: sample-bucket", 'bucket: "{{ pipeline }}-data"')],
        [("VolumeSizeInGB: 10", "VolumeSizeInGB: \"{{ params.get('size', 10) }}\"")],
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
        [('/output/{{ data_date }}/"', '/output/{{ data_date }}/", CompressionType: NONE')],
        [("endpoint_config", "model: {VpcConfig: null}\nendpoint_config")],
        [
            ('TrainingImage: "repo:latest"', "AlgorithmName: iris"),
            ("endpoint_config", 'model: {PrimaryContainer: {Image: "repo:serve"}}\nendpoint_config'),
        ],
    ],
    ids=lambda changes: changes[-1][1].strip(),
)
def test_right_files(problems, changes):
    assert problems(changed(*changes)) == []
