"""What a pipeline file says of what runs, where AWS tells more than a plain endpoint has."""

from __future__ import annotations

import datetime as dt

import pytest
import yaml

from fresh_endpoints.adoption.content import Adopted
from fresh_endpoints.adoption.dates import find_day, with_data_date
from fresh_endpoints.adoption.reading import Running
from fresh_endpoints.pipeline_file.loading import load_pipeline

NOW = dt.datetime(2026, 11, 25, 3, tzinfo=dt.timezone.utc)
ROLE = "arn:aws:iam::123456789012:role/dev-sagemaker"
IMAGE = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/repo:1"
ARTIFACT = "s3://data/models/job/output/model.tar.gz"
VARIANT = {"VariantName": "main", "ModelName": "live-model", "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1}


def channel(name, uri, **more):
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, "CompressionType": "None", **more}


def running(*, job=None, model=None, config=None, endpoint=None, files=None):
    """A plain endpoint, with other members."""
    default_job = {
        "TrainingJobName": "job",
        "TrainingJobArn": "arn:…",
        "TrainingJobStatus": "Completed",
        "CreationTime": NOW,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "HyperParameters": {},
        "InputDataConfig": [
            channel("training", "s3://data/t/2026-11-24/"),
            channel("validation", "s3://data/v/2026-11-24/"),
        ],
        "OutputDataConfig": {"KmsKeyId": "", "S3OutputPath": "s3://data/models/"},
        "ResourceConfig": {"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "EnableNetworkIsolation": False,
    }
    default_model = {
        "ModelName": "live-model",
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"Image": IMAGE, "Mode": "SingleModel", "ModelDataUrl": ARTIFACT, "Environment": {}},
    }
    return Running(
        region="ap-northeast-1",
        endpoint={"EndpointName": "iris", **(endpoint or {})},
        config={"EndpointConfigName": "c", "ProductionVariants": [VARIANT], **(config or {})},
        model={**default_model, **(model or {})},
        job={**default_job, **(job or {})},
        artifact=ARTIFACT,
        files={
            "s3://data/t/2026-11-24/": ("t/2026-11-24/a.csv",),
            "s3://data/v/2026-11-24/": ("v/2026-11-24/part-0.csv", "v/2026-11-24/_SUCCESS"),
            **(files or {}),
        },
    )


@pytest.fixture
def adopted(tmp_path):
    """The content and what is left of it; the check accepts it."""

    def adopted(**told):
        found = Adopted(running(**told), "iris")
        path = tmp_path / "iris.yaml"
        path.write_text(yaml.safe_dump(found.content, sort_keys=False))
        load_pipeline(path)
        return found.content, " ".join(found.left)

    return adopted


@pytest.mark.parametrize(
    ("uri", "template"),
    [
        ("s3://b/x/2026-11-24/y/", "s3://b/x/{{ data_date }}/y/"),
        ("s3://b/x/20261124.csv", "s3://b/x/{{ data_date.replace('-', '') }}.csv"),
        ("s3://b/2026/11/24/y", "s3://b/{{ data_date.replace('-', '/') }}/y"),
        (
            "s3://b/year=2026/month=11/day=23/",
            "s3://b/year={{ data_date[:4] }}/month={{ data_date[5:7] }}/day={{ data_date[8:] }}/",
        ),
        ("s3://b/2026-11-25/2026-11-25.csv", "s3://b/{{ data_date }}/{{ data_date }}.csv"),
        ("s3://b/2026-11-20/", None),  # not of this training
        ("s3://b/2026-11-26/", None),
        ("s3://b/20261399/", None),
        ("s3://b/123420261124/", None),
    ],
)
def test_the_trainings_day_becomes_data_date(uri, template):
    assert with_data_date(uri, find_day([uri], NOW)) == (template or uri)


def test_a_run_waits_for_the_only_file_of_a_folder_or_for_the_mark_of_its_end(adopted):
    content, left = adopted()
    assert content["data"] == {
        "training": "t/{{ data_date }}/a.csv",
        "validation": "v/{{ data_date }}/_SUCCESS",
    }
    assert "data.training" not in left
    assert "data.validation: a run waits for v/2026-11-24/_SUCCESS; there are 2 files" in left
    assert content["model"] == {}


def test_a_channel_without_the_day_stays_as_it_is_and_is_said(adopted):
    channels = [*running().job["InputDataConfig"], channel("code", "s3://code/source/", ContentType="text/plain")]
    content, left = adopted(job={"InputDataConfig": channels})
    [code] = content["training"]["InputDataConfig"]
    assert code["DataSource"]["S3DataSource"]["S3Uri"] == "s3://code/source/"
    assert "channel code reads s3://code/source/ every day. Is that meant?" in left
    elsewhere = [*running().job["InputDataConfig"], channel("more", "s3://other/2026-11-24/")]
    content, _ = adopted(job={"InputDataConfig": elsewhere})
    [more] = content["training"]["InputDataConfig"]
    assert more["DataSource"]["S3DataSource"]["S3Uri"] == "s3://other/{{ data_date }}/"


def test_vpc_and_isolation_of_the_model_stay_what_they_are(adopted):
    vpc = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
    content, _ = adopted(job={"VpcConfig": vpc, "EnableNetworkIsolation": True})
    assert content["model"] == {"VpcConfig": None, "EnableNetworkIsolation": False}
    content, _ = adopted(job={"VpcConfig": vpc}, model={"VpcConfig": vpc, "EnableNetworkIsolation": True})
    assert content["model"] == {"EnableNetworkIsolation": True}


def test_the_container_that_gets_the_trained_model_is_marked_among_several(adopted):
    containers = [
        {"Image": IMAGE, "ModelDataUrl": "s3://data/fixed/model.tar.gz"},
        {"Image": IMAGE, "ModelDataUrl": ARTIFACT},
    ]
    content, _ = adopted(model={"PrimaryContainer": None, "Containers": containers})
    assert content["model"]["Containers"] == [containers[0], {"Image": IMAGE, "ModelDataSource": {}}]


def test_what_aws_tells_of_its_own_algorithms_metrics_is_not_given_back(adopted):
    metrics = [{"Name": "validation:auc", "Regex": "auc=(.*)"}]
    algorithm = {"TrainingInputMode": "File", "MetricDefinitions": metrics}
    own = "683313688378.dkr.ecr.ap-northeast-1.amazonaws.com/sagemaker-xgboost:1.7-1"
    content, _ = adopted(job={"AlgorithmSpecification": {**algorithm, "TrainingImage": own}})
    assert "MetricDefinitions" not in content["training"]["AlgorithmSpecification"]
    content, _ = adopted(job={"AlgorithmSpecification": {**algorithm, "TrainingImage": IMAGE}})
    assert content["training"]["AlgorithmSpecification"]["MetricDefinitions"] == metrics


def test_a_sign_of_templates_in_a_value_is_no_template(adopted):
    content, _ = adopted(job={"HyperParameters": {"prompt": "Hello {{ name }}", "n": "3"}})
    assert content["training"]["HyperParameters"] == {
        "prompt": "{% raw %}Hello {{ name }}{% endraw %}",
        "n": "3",
    }


def test_a_serverless_endpoint_has_nothing_to_retain_and_a_policy_of_deployment_stays(adopted):
    serverless = {"VariantName": "main", "ModelName": "live-model"}
    serverless["ServerlessConfig"] = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    content, _ = adopted(config={"ProductionVariants": [serverless]})
    assert content["endpoint"] == {"EndpointName": "iris"}
    policy = {"TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 60}}
    content, _ = adopted(endpoint={"LastDeploymentConfig": {"BlueGreenUpdatePolicy": policy}})
    assert content["endpoint"]["DeploymentConfig"] == {"BlueGreenUpdatePolicy": policy}


def test_a_variant_with_another_model_keeps_it(adopted):
    other = {**VARIANT, "VariantName": "champion", "ModelName": "champion-1"}
    content, _ = adopted(config={"ProductionVariants": [VARIANT, other]})
    assert [variant.get("ModelName") for variant in content["endpoint_config"]["ProductionVariants"]] == [
        None,
        "champion-1",
    ]


def test_metrics_are_told_as_far_as_aws_knows_them(adopted):
    _, left = adopted(job={"FinalMetricDataList": [{"MetricName": "validation:auc", "Value": 0.9}]})
    assert "The training has validation:auc." in left
