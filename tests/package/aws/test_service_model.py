import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest

from fresh_endpoints.aws.service_model import check_request, coerce, members, only_members
from fresh_endpoints.problems import Problem

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
ROLE = "arn:aws:iam::123456789012:role/dev-sagemaker"


def training_job(**changes):
    request = {
        "TrainingJobName": "multiclass-2019-03-04",
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://sample-bucket/output-model/"},
        **changes,
    }
    return {key: value for key, value in request.items() if value is not ...}


def test_a_right_request_has_no_problems():
    request = training_job(
        AlgorithmSpecification={
            "TrainingImage": "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/sagemaker-repo:latest",
            "TrainingInputMode": "File",
        },
        HyperParameters={"objective": "multiclass", "num_class": "3"},
        InputDataConfig=[
            {
                "ChannelName": "training",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://sample-bucket/training/"}},
            }
        ],
        ResourceConfig={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
        StoppingCondition={"MaxRuntimeInSeconds": 1800},
        EnableManagedSpotTraining=False,
        Tags=[{"Key": "部門", "Value": "研究 1"}],
    )
    assert check_request("CreateTrainingJob", request) == []


@pytest.mark.parametrize(
    ("changes", "path", "kind", "constraint", "text"),
    [
        pytest.param(
            {"RoleArn": ...},
            ("RoleArn",),
            "missing",
            "Member must not be null",
            "RoleArn: found nothing; a value is required here",
            id="missing",
        ),
        pytest.param(
            {"VpcConfig": None},
            ("VpcConfig",),
            "missing",
            "Member must not be null",
            "VpcConfig: found nothing; a value is required here",
            id="null",
        ),
        pytest.param(
            {"TrainingJobName": "multi_class"},
            ("TrainingJobName",),
            "pattern",
            "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
            "TrainingJobName: found 'multi_class'; "
            "it must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
            id="pattern of the whole value",
        ),
        pytest.param(
            {"HyperParameters": {"objective": "x" * 2501}},
            ("HyperParameters", "objective"),
            "length",
            "Member must have length less than or equal to 2500",
            f"HyperParameters.objective: found '{'x' * 118}… (2501 characters); "
            "it must have length less than or equal to 2500",
            id="length, with a long value shortened",
        ),
        pytest.param(
            {"ResourceConfig": {"InstanceCount": -1, "InstanceType": "ml.m4.xlarge", "VolumeSizeInGB": 1}},
            ("ResourceConfig", "InstanceCount"),
            "range",
            "Member must have value greater than or equal to 0",
            "ResourceConfig.InstanceCount: found -1; it must have value greater than or equal to 0",
            id="range",
        ),
        pytest.param(
            {"AlgorithmSpecification": {"TrainingInputMode": "file"}},
            ("AlgorithmSpecification", "TrainingInputMode"),
            "enum",
            "Member must satisfy enum value set: [Pipe, File, FastFile]",
            "AlgorithmSpecification.TrainingInputMode: found 'file'; allowed Pipe, File, FastFile; "
            "did you mean 'File'?",
            id="enum",
        ),
        pytest.param(
            {"HyperParameters": {"num_class": 3}},
            ("HyperParameters", "num_class"),
            "type",
            "Member must be a string",
            "HyperParameters.num_class: found 3 (an integer); it must be a string; put the value in quotes",
            id="number for a string",
        ),
        pytest.param(
            {"EnableManagedSpotTraining": "true"},
            ("EnableManagedSpotTraining",),
            "type",
            "Member must be true or false",
            "EnableManagedSpotTraining: found 'true' (a string); it must be true or false",
            id="string for a boolean",
        ),
        pytest.param(
            {"StoppingCondition": {"MaxRuntimeInSeconds": True}},
            ("StoppingCondition", "MaxRuntimeInSeconds"),
            "type",
            "Member must be an integer",
            "StoppingCondition.MaxRuntimeInSeconds: found True (a boolean); it must be an integer",
            id="boolean for an integer",
        ),
        pytest.param(
            {"Environment": {"DAY": dt.date(2019, 3, 4)}},
            ("Environment", "DAY"),
            "type",
            "Member must be a string",
            "Environment.DAY: found 2019-03-04 (a date); it must be a string; put the value in quotes",
            id="date for a string",
        ),
        pytest.param(
            {"InputDataConfig": {}},
            ("InputDataConfig",),
            "type",
            "Member must be a list",
            "InputDataConfig: found {} (a mapping); it must be a list",
            id="mapping for a list",
        ),
        pytest.param(
            {"Tags": [{"Key": "team", "Value": "a"}, {"Key": "team!", "Value": "b"}]},
            ("Tags", 1, "Key"),
            "pattern",
            r"Member must satisfy regular expression pattern: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*)",
            r"Tags[1].Key: found 'team!'; it must satisfy regular expression pattern: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*)",
            id="inside a list, by a pattern that only Java and regex read",
        ),
        pytest.param(
            {"HyperParameters": {"k" * 257: "v"}},
            ("HyperParameters", "k" * 257),
            "length",
            "Map keys must satisfy constraint: [Member must have length less than or equal to 256]",
            None,
            id="map key",
        ),
    ],
)
def test_each_rule_is_checked_and_explained(changes, path, kind, constraint, text):
    [problem] = check_request("CreateTrainingJob", training_job(**changes))
    assert (problem.path, problem.kind, problem.constraint) == (path, kind, constraint)
    if text:
        assert str(problem) == text


def test_an_unknown_member_names_its_near_miss_and_what_is_allowed():
    [problem] = check_request("CreateTrainingJob", training_job(StoppingCondition={"MaxRuntimeInSecond": 60}))
    assert problem.kind == "unknown"
    assert problem.value == 60
    assert problem.allowed == ("MaxRuntimeInSeconds", "MaxWaitTimeInSeconds", "MaxPendingTimeInSeconds")
    assert str(problem) == (
        "StoppingCondition.MaxRuntimeInSecond: found an unknown key; "
        "allowed MaxRuntimeInSeconds, MaxWaitTimeInSeconds, MaxPendingTimeInSeconds; "
        "did you mean 'MaxRuntimeInSeconds'?"
    )


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"StoppingCondition": {"RoleArn": "x"}}, ("StoppingCondition", "RoleArn"), "at the top"),
        ({"VolumeSizeInGB": 1}, ("VolumeSizeInGB",), "in ResourceConfig"),
        ({"ContentType": "text/csv"}, ("ContentType",), "in InputDataConfig"),
    ],
)
def test_an_unknown_member_that_belongs_a_level_higher_or_deeper_says_where(changes, path, said):
    [problem] = check_request("CreateTrainingJob", training_job(**changes))
    assert problem.path == path
    assert problem.explanation == f"found an unknown key; it belongs {said}; move it there"


def test_of_a_long_enum_only_near_misses_are_shown():
    config = {"InstanceType": "ml.m4.xlrge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    [problem] = check_request("CreateTrainingJob", training_job(ResourceConfig=config))
    assert len(problem.allowed) > 100
    assert "ml.m4.xlarge" in problem.allowed
    assert len(str(problem)) < 200
    assert str(problem).startswith("ResourceConfig.InstanceType: found 'ml.m4.xlrge'; did you mean 'ml.m4.xlarge'")
    far = Problem(problem.path, "enum", "t2.micro!?", problem.constraint, problem.allowed)
    assert f"it is none of the {len(problem.allowed)} that AWS knows" in str(far)


def test_all_problems_are_found_in_one_go():
    request = training_job(TrainingJobName="-" * 64, RoleArn="me", HyperParameters={"a": 1, "b": 2})
    found = [(problem.path, problem.kind) for problem in check_request("CreateTrainingJob", request)]
    assert found == [
        (("TrainingJobName",), "length"),
        (("TrainingJobName",), "pattern"),
        (("RoleArn",), "length"),
        (("RoleArn",), "pattern"),
        (("HyperParameters", "a"), "type"),
        (("HyperParameters", "b"), "type"),
    ]


def test_a_union_takes_exactly_one_member():
    schedule = {"DataSource": {}}
    problems = check_request("CreateAutoMLJobV2", {"AutoMLProblemTypeConfig": schedule})
    assert ("AutoMLProblemTypeConfig", "DataSource") in [problem.path for problem in problems]
    [problem] = [
        problem
        for problem in check_request("CreateAutoMLJobV2", {"AutoMLProblemTypeConfig": {}})
        if problem.path == ("AutoMLProblemTypeConfig",)
    ]
    assert problem.kind == "type"
    assert problem.constraint.startswith("Member must have exactly one of: [ImageClassificationJobConfig, ")


@pytest.mark.parametrize(
    ("value", "is_right"),
    [
        (dt.datetime(2019, 3, 4, tzinfo=dt.timezone.utc), True),
        ("2019-03-04T00:00:00Z", True),
        (1551657600.5, True),
        ("?", False),
    ],
)
def test_timestamps(value, is_right):
    assert (check_request("ListTrainingJobs", {"CreationTimeAfter": value}) == []) == is_right


@pytest.mark.parametrize(("body", "is_right"), [(b"1,2", True), ("1,2", True), (12, False)])
def test_another_service_and_blobs(body, is_right):
    problems = check_request("InvokeEndpoint", {"EndpointName": "multiclass", "Body": body}, "sagemaker-runtime")
    assert (problems == []) == is_right


def test_of_a_template_only_the_type_is_checked():
    template = "{{ var.value.x }}"
    request = training_job(
        RoleArn=template,
        StoppingCondition={"MaxRuntimeInSeconds": template},
        EnableManagedSpotTraining=template,
        VpcConfig=template,
    )
    [problem] = check_request("CreateTrainingJob", request, is_unknown=lambda text: "{{" in text)
    assert (problem.path, problem.kind) == (("VpcConfig",), "type")


def test_coerce_converts_what_a_template_has_rendered_and_copies():
    request = training_job(
        HyperParameters={"num_class": "3"},
        ResourceConfig={"InstanceCount": " 2 ", "VolumeSizeInGB": "ten", "InstanceType": "ml.m4.xlarge"},
        EnableManagedSpotTraining="True",
        Unknown={"Size": "3"},
    )
    coerced = coerce("CreateTrainingJob", request)
    assert coerced["HyperParameters"] == {"num_class": "3"}
    assert coerced["ResourceConfig"] == {"InstanceCount": 2, "VolumeSizeInGB": "ten", "InstanceType": "ml.m4.xlarge"}
    assert coerced["EnableManagedSpotTraining"] is True
    assert coerced["Unknown"] == {"Size": "3"}
    assert request["ResourceConfig"]["InstanceCount"] == " 2 "
    variants = {"ProductionVariants": [{"VariantName": "a", "InitialVariantWeight": "0.5"}]}
    assert coerce("CreateEndpointConfig", variants)["ProductionVariants"][0]["InitialVariantWeight"] == 0.5


def test_an_unknown_operation_is_refused_with_its_near_miss():
    with pytest.raises(ValueError, match="sagemaker has no operation 'CreateTrainingJb'; did you mean 'CreateTraining"):
        check_request("CreateTrainingJb", {})


def test_members():
    assert members("UpdateEndpoint") >= {"EndpointName", "EndpointConfigName", "RetainAllVariantProperties"}
    assert "Tags" not in members("UpdateEndpoint")


def test_every_pattern_of_the_model_can_be_compiled():
    from fresh_endpoints.aws.service_model import _compile, _service_model

    model = _service_model("sagemaker")
    patterns = {shape.metadata.get("pattern") for shape in map(model.shape_for, model.shape_names)} - {None}
    assert len(patterns) > 100
    for pattern in patterns:
        _compile(pattern)


def test_importing_the_module_does_not_import_botocore():
    code = (
        "import sys, fresh_endpoints.aws.service_model; sys.exit('botocore' in sys.modules or 'regex' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PLUGINS, check=True)


def test_of_a_description_only_what_the_request_may_hold_is_taken_at_every_depth():
    described = {
        "ModelName": "m",
        "ModelArn": "arn:…",
        "CreationTime": dt.datetime(2026, 11, 25, tzinfo=dt.timezone.utc),
        "PrimaryContainer": {"Image": "i", "Environment": {"A": "1"}, "ModelDataUrl": "", "Unknown": 1},
        "EnableNetworkIsolation": False,
        "VpcConfig": {},
    }
    assert only_members("CreateModel", described) == {
        "ModelName": "m",
        "PrimaryContainer": {"Image": "i", "Environment": {"A": "1"}},
        "EnableNetworkIsolation": False,
    }
