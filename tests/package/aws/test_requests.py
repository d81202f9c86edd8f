import copy

import pytest

from fresh_endpoints.aws import requests
from fresh_endpoints.aws.service_model import check_request

ROLE = "arn:aws:iam::123456789012:role/dev-sagemaker"
IMAGE = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/sagemaker-repo:latest"
DATA = {
    "training": {"key": "input-data-training/2019-03-04/multiclass/iris.csv"},
    "validation": {"key": "input-data-validation/2019-03-04/multiclass/iris.csv"},
}
TRAINING = {"AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"}, "RoleArn": ROLE}
TAGS = {"project": "multiclass"}
TAG_LIST = [{"Key": "project", "Value": "multiclass"}]


def training_job(section, data=DATA):
    return requests.create_training_job(section, name="job", bucket="sample-bucket", data=data, tags=TAGS)


def model(section, training=TRAINING):
    artifact = "s3://sample-bucket/model.tar.gz"
    return requests.create_model(section, name="job", artifact=artifact, training=training, tags=TAGS)


def channel(name, folder, **options):
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://sample-bucket/{folder}/"}
    return {"ChannelName": name, **options, "DataSource": {"S3DataSource": source}}


def test_training_job_of_the_article():
    section = {**TRAINING, "OutputDataConfig": {"S3OutputPath": "s3://sample-bucket/output-model/"}}
    untouched = copy.deepcopy(section)
    request = training_job(section)
    assert request == {
        "TrainingJobName": "job",
        **section,
        "InputDataConfig": [
            channel("training", "input-data-training/2019-03-04/multiclass"),
            channel("validation", "input-data-validation/2019-03-04/multiclass"),
        ],
        "Tags": TAG_LIST,
    }
    assert check_request("CreateTrainingJob", request) == []
    assert section == untouched


def test_the_channels_are_the_keys_of_data_and_no_other_is_added():
    data = {
        "train": {"key": "in/2019-03-04/_SUCCESS", "file": False, "content_type": "text/csv"},
        "code": {"key": "code/v1/sourcedir.tar.gz", "file": True, "content_type": None},
    }
    request = training_job(TRAINING, data)
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://sample-bucket/code/v1/sourcedir.tar.gz"}
    assert request["InputDataConfig"] == [
        channel("train", "in/2019-03-04", ContentType="text/csv"),
        {"ChannelName": "code", "DataSource": {"S3DataSource": source}},
    ]
    assert "InputDataConfig" not in training_job(TRAINING, {})


def test_other_channels_and_what_more_is_said_of_one_are_the_sections_own():
    elsewhere = {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": "s3://other/manifest"}}
    given = [
        {"ChannelName": "vocabulary", "DataSource": elsewhere},
        {"ChannelName": "training", "ContentType": "text/csv"},
    ]
    assert training_job({"InputDataConfig": given})["InputDataConfig"] == [
        given[0],
        channel("training", "input-data-training/2019-03-04/multiclass", ContentType="text/csv"),
        channel("validation", "input-data-validation/2019-03-04/multiclass"),
    ]


def test_a_manifest_is_the_key_itself():
    given = {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataType": "ManifestFile"}}}
    data = {"train": {"key": "manifests/2019-03-04.json", "file": True}}
    [train] = training_job({"InputDataConfig": [given]}, data)["InputDataConfig"]
    assert train["DataSource"]["S3DataSource"] == {
        "S3DataType": "ManifestFile",
        "S3Uri": "s3://sample-bucket/manifests/2019-03-04.json",
    }


def test_a_source_without_a_path_keeps_its_options():
    source = {"S3DataSource": {"S3DataDistributionType": "ShardedByS3Key"}}
    [training, _] = training_job({"InputDataConfig": [{"ChannelName": "training", "DataSource": source}]})[
        "InputDataConfig"
    ]
    assert training["DataSource"]["S3DataSource"] == {
        "S3DataType": "S3Prefix",
        "S3Uri": "s3://sample-bucket/input-data-training/2019-03-04/multiclass/",
        "S3DataDistributionType": "ShardedByS3Key",
    }


def test_rendered_numbers_become_numbers():
    request = training_job({"ResourceConfig": {"InstanceCount": "2"}, "EnableManagedSpotTraining": "True"})
    assert request["ResourceConfig"] == {"InstanceCount": 2}
    assert request["EnableManagedSpotTraining"] is True


def test_model_of_the_article():
    request = model({})
    assert request == {
        "ModelName": "job",
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "s3://sample-bucket/model.tar.gz"},
        "Tags": TAG_LIST,
    }
    assert check_request("CreateModel", request) == []


def test_a_models_own_image_and_role_win():
    own = {"ExecutionRoleArn": f"{ROLE}-serving", "PrimaryContainer": {"Image": "own", "Environment": {"A": "b"}}}
    request = model(own)
    assert request["ExecutionRoleArn"] == f"{ROLE}-serving"
    assert request["PrimaryContainer"] == {
        "Image": "own",
        "Environment": {"A": "b"},
        "ModelDataUrl": "s3://sample-bucket/model.tar.gz",
    }


@pytest.mark.parametrize("artifact", ["s3://sample-bucket/job/output/model", "s3://sample-bucket/job/output/model/"])
def test_an_uncompressed_artifact_is_a_folder(artifact):
    training = {**TRAINING, "OutputDataConfig": {"S3OutputPath": "s3://sample-bucket/", "CompressionType": "NONE"}}
    request = requests.create_model({}, name="job", artifact=artifact, training=training, tags=TAGS)
    source = {"S3Uri": "s3://sample-bucket/job/output/model/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    assert request["PrimaryContainer"] == {"Image": IMAGE, "ModelDataSource": {"S3DataSource": source}}
    assert check_request("CreateModel", request) == []


def test_a_compressed_artifact_is_a_file():
    training = {**TRAINING, "OutputDataConfig": {"S3OutputPath": "s3://sample-bucket/", "CompressionType": "GZIP"}}
    assert model({}, training)["PrimaryContainer"]["ModelDataUrl"] == "s3://sample-bucket/model.tar.gz"


VPC = {"SecurityGroupIds": ["sg-0123456789abcdef0"], "Subnets": ["subnet-0123456789abcdef0"]}


def test_a_model_is_as_isolated_as_its_training():
    request = model({}, {**TRAINING, "VpcConfig": VPC, "EnableNetworkIsolation": True})
    assert (request["VpcConfig"], request["EnableNetworkIsolation"]) == (VPC, True)
    assert check_request("CreateModel", request) == []
    # As DescribeTrainingJob answers for a training without.
    assert not model({}, {**TRAINING, "EnableNetworkIsolation": False}).keys() & set(requests.TAKEN_OVER)


def test_a_models_own_vpc_and_isolation_win():
    own = {"VpcConfig": {**VPC, "Subnets": ["subnet-1"]}, "EnableNetworkIsolation": False}
    request = model(own, {**TRAINING, "VpcConfig": VPC, "EnableNetworkIsolation": True})
    assert {member: request[member] for member in requests.TAKEN_OVER} == own


def test_a_model_may_do_without_the_vpc_of_its_training():
    request = model({"VpcConfig": None, "EnableNetworkIsolation": None}, {**TRAINING, "VpcConfig": VPC})
    assert not request.keys() & set(requests.TAKEN_OVER)


ARTIFACT = "s3://sample-bucket/model.tar.gz"
SCALER = {"Image": "scaler", "ModelDataUrl": "s3://sample-bucket/scaler.tar.gz"}
LABELS = {"Image": "labels"}


@pytest.mark.parametrize(
    ("containers", "position"),
    [
        ([SCALER, LABELS, {"Image": IMAGE}], 2),
        ([LABELS, {"ContainerHostname": "classifier"}, SCALER], 1),
        ([LABELS, {}], 1),
        ([LABELS, {"Image": "serving", "ModelDataSource": {}}], 1),
        ([{"Image": IMAGE}, {"Image": "serving", "ModelDataSource": {}}], 1),
        ([{"Image": IMAGE}, {}], 1),
        ([SCALER, {"Image": "serving"}], 1),
    ],
    ids=str,
)
def test_in_an_inference_pipeline_one_container_gets_the_model(containers, position):
    untouched = copy.deepcopy(containers)
    request = model({"Containers": containers})
    assert "PrimaryContainer" not in request
    trained = request["Containers"].pop(position)
    given = containers[position]
    assert trained["ModelDataUrl"] == ARTIFACT
    assert trained["Image"] == given.get("Image", IMAGE)
    assert "ModelDataSource" not in trained
    assert request["Containers"] == containers[:position] + containers[position + 1 :]
    assert containers == untouched


@pytest.mark.parametrize(
    "containers",
    [[LABELS, {"Image": "serving"}], [{"Image": IMAGE}, {"Image": IMAGE}], [{}, {}], [SCALER], []],
    ids=str,
)
def test_no_model_is_made_where_it_is_not_clear_which_container_gets_it(containers):
    with pytest.raises(ValueError, match="not clear which"):
        model({"Containers": containers})


def test_an_inference_pipelines_container_gets_an_uncompressed_artifact():
    training = {**TRAINING, "OutputDataConfig": {"S3OutputPath": "s3://sample-bucket/", "CompressionType": "NONE"}}
    request = model({"Containers": [LABELS, {"Image": "serving", "ModelDataSource": {}}]}, training)
    assert request["Containers"][1]["ModelDataSource"]["S3DataSource"]["S3DataType"] == "S3Prefix"
    assert check_request("CreateModel", request) == []


def test_without_a_training_image_no_image_is_made_up():
    assert model({}, {"AlgorithmSpecification": {"AlgorithmName": "mine"}, "RoleArn": ROLE})["PrimaryContainer"] == {
        "ModelDataUrl": "s3://sample-bucket/model.tar.gz"
    }


def test_variants_get_the_model_unless_they_name_one():
    variant = {"VariantName": "AllTraffic", "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": "1"}
    section = {
        "ProductionVariants": [variant, {**variant, "VariantName": "champion", "ModelName": "champion"}],
        "ShadowProductionVariants": [{**variant, "VariantName": "shadow"}],
    }
    request = requests.create_endpoint_config(section, name="job", model_name="job", tags=TAGS)
    assert [each["ModelName"] for each in request["ProductionVariants"]] == ["job", "champion"]
    assert request["ShadowProductionVariants"][0]["ModelName"] == "job"
    assert request["ProductionVariants"][0]["InitialInstanceCount"] == 1
    assert request["EndpointConfigName"] == "job"
    assert request["Tags"] == TAG_LIST
    assert check_request("CreateEndpointConfig", request) == []
    assert "ModelName" not in variant


def test_an_endpoint_section_serves_creation_and_update():
    section = {
        "EndpointName": "multiclass",
        "DeploymentConfig": {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": "60"}
            }
        },
        "RetainAllVariantProperties": "true",
    }
    created = requests.create_endpoint(section, config_name="job", tags=TAGS)
    updated = requests.update_endpoint(section, config_name="job")
    assert created.keys() == {"EndpointName", "EndpointConfigName", "DeploymentConfig", "Tags"}
    assert updated.keys() == {
        "EndpointName",
        "EndpointConfigName",
        "DeploymentConfig",
        "RetainAllVariantProperties",
    }
    assert updated["RetainAllVariantProperties"] is True
    for request in created, updated:
        routing = request["DeploymentConfig"]["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
        assert routing["WaitIntervalInSeconds"] == 60
        assert request["EndpointConfigName"] == "job"
    assert check_request("CreateEndpoint", created) == check_request("UpdateEndpoint", updated) == []


@pytest.mark.parametrize(
    ("key", "uri"), [("a/b/iris.csv", "s3://sample-bucket/a/b/"), ("a/iris.csv", "s3://sample-bucket/a/")]
)
def test_folder_uri(key, uri):
    assert requests.folder_uri("sample-bucket", key) == uri
