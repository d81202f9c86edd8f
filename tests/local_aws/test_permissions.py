import json

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from werkzeug.test import create_environ

from local_aws.permissions import Permission, PermissionRecord, needed
from local_aws.wire import identify

ACCOUNT = "123456789012"
SAGEMAKER = f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}"
REGION = {"aws:RequestedRegion": "eu-west-1"}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"


def permissions(service, method, path, body=b"", target=None, status=200, content_type=None):
    """What a signed request needs."""
    url = f"http://127.0.0.1{path}"
    headers = {"X-Amz-Target": f"{target}"} if target else {}
    if content_type:
        headers["Content-Type"] = content_type
    request = AWSRequest(method, url, headers, body)
    SigV4Auth(Credentials("worker", "secret"), service, "eu-west-1").add_auth(request)
    path, _, query = path.partition("?")
    environ = create_environ(path, query_string=query, method=method, data=body, headers=dict(request.headers))
    call = identify(environ, body, "us-east-1")
    assert call.access_key_id == "worker"
    return list(needed(call, body, query, status, ACCOUNT))


def sagemaker(operation, **request):
    return permissions("sagemaker", "POST", "/", json.dumps(request).encode(), f"SageMaker.{operation}")


def test_a_creation_with_tags_and_a_role_needs_those_too():
    job = f"{SAGEMAKER}:training-job/iris-1"
    tagged = {**REGION, "aws:TagKeys": ["a", "c"]}
    assert sagemaker(
        "CreateTrainingJob",
        TrainingJobName="Iris-1",
        RoleArn=ROLE,
        Tags=[{"Key": "c", "Value": "d"}, {"Key": "a", "Value": "b"}],
    ) == [
        Permission("sagemaker:CreateTrainingJob", job, tagged),
        Permission("sagemaker:AddTags", job, tagged),
        Permission("iam:PassRole", ROLE, {"iam:PassedToService": "sagemaker.amazonaws.com"}),
    ]
    assert sagemaker("CreateTransformJob", TransformJobName="iris-1", ModelName="m") == [
        Permission("sagemaker:CreateTransformJob", f"{SAGEMAKER}:transform-job/iris-1", REGION)
    ]


@pytest.mark.parametrize(
    ("operation", "request_"), [("AddTags", {"Tags": [{"Key": "a", "Value": "b"}]}), ("DeleteTags", {"TagKeys": ["a"]})]
)
def test_a_change_of_tags_is_of_their_keys(operation, request_):
    endpoint = f"{SAGEMAKER}:endpoint/iris"
    assert sagemaker(operation, ResourceArn=endpoint, **request_) == [
        Permission(f"sagemaker:{operation}", endpoint, {**REGION, "aws:TagKeys": ["a"]})
    ]


@pytest.mark.parametrize("tags", [None, "a", [1], [{}], {}])
def test_a_request_whose_tags_have_another_form_is_refused_and_has_no_keys(tags):
    endpoint = f"{SAGEMAKER}:endpoint/iris"
    assert sagemaker("AddTags", ResourceArn=endpoint, Tags=tags) == [Permission("sagemaker:AddTags", endpoint, REGION)]


@pytest.mark.parametrize("operation", ["CreateEndpoint", "UpdateEndpoint"])
def test_an_endpoint_needs_its_config_too(operation):
    assert sagemaker(operation, EndpointName="iris", EndpointConfigName="iris-1") == [
        Permission(f"sagemaker:{operation}", f"{SAGEMAKER}:endpoint/iris", REGION),
        Permission(f"sagemaker:{operation}", f"{SAGEMAKER}:endpoint-config/iris-1", REGION),
    ]


@pytest.mark.parametrize(
    ("operation", "request_", "resource"),
    [
        ("DescribeEndpointConfig", {"EndpointConfigName": "iris-1"}, f"{SAGEMAKER}:endpoint-config/iris-1"),
        ("StopTransformJob", {"TransformJobName": "iris-1"}, f"{SAGEMAKER}:transform-job/iris-1"),
        ("DeleteModel", {"ModelName": "iris-1"}, f"{SAGEMAKER}:model/iris-1"),
        ("ListTags", {"ResourceArn": f"{SAGEMAKER}:model/iris-1"}, f"{SAGEMAKER}:model/iris-1"),
        ("ListModels", {"NameContains": "iris"}, "*"),
    ],
)
def test_the_rest_of_sagemaker_needs_the_one_it_names(operation, request_, resource):
    assert sagemaker(operation, **request_) == [Permission(f"sagemaker:{operation}", resource, REGION)]


def test_an_invocation_is_of_its_endpoint():
    assert permissions("sagemaker", "POST", "/endpoints/iris/invocations", b"1,2") == [
        Permission("sagemaker:InvokeEndpoint", f"{SAGEMAKER}:endpoint/iris", REGION)
    ]


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("HEAD", "/b/day/iris.csv", 200, [("s3:GetObject", "b/day/iris.csv", {})]),
        ("HEAD", "/b/day/iris.csv", 404, [("s3:GetObject", "b/day/iris.csv", {}), ("s3:ListBucket", "b", {})]),
        ("GET", "/b?list-type=2&prefix=day/", 200, [("s3:ListBucket", "b", {"s3:prefix": "day/"})]),
        ("PUT", "/b/x", 200, [("s3:PutObject", "b/x", {})]),
        ("DELETE", "/b/x", 204, [("s3:DeleteObject", "b/x", {})]),
        ("PUT", "/b", 200, [("s3:CreateBucket", "b", {})]),
    ],
)
def test_s3s_actions_have_their_own_names(method, path, status, expected):
    assert permissions("s3", method, path, status=status) == [
        Permission(action, f"arn:aws:s3:::{resource}", context) for action, resource, context in expected
    ]


def test_logs_are_of_a_group_and_a_stream():
    group = f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/aws/sagemaker/TrainingJobs"
    body = json.dumps({"logGroupName": "/aws/sagemaker/TrainingJobs", "logStreamName": "iris-1/algo-1-5"}).encode()
    assert permissions("logs", "POST", "/", body, "Logs_20140328.GetLogEvents") == [
        Permission("logs:GetLogEvents", f"{group}:log-stream:iris-1/algo-1-5")
    ]
    body = json.dumps({"logGroupName": "/aws/sagemaker/TrainingJobs"}).encode()
    assert permissions("logs", "POST", "/", body, "Logs_20140328.DescribeLogStreams") == [
        Permission("logs:DescribeLogStreams", group)
    ]


def test_cloudwatchs_actions_have_its_own_name_not_the_one_it_is_signed_with():
    body = b"Action=DescribeAlarms&Version=2010-08-01"
    used = permissions("monitoring", "POST", "/", body, content_type="application/x-www-form-urlencoded")
    assert used == [Permission("cloudwatch:DescribeAlarms", "*", REGION)]


def test_each_use_is_recorded_once_in_a_file_of_the_servers_own(tmp_path):
    folder = tmp_path / "record"
    servers = [PermissionRecord(folder), PermissionRecord(folder)]
    for server in servers:
        for _ in range(2):
            server.note("worker", Permission("s3:GetObject", "arn:aws:s3:::b/k"))
        server.note(ROLE, Permission("s3:ListBucket", "arn:aws:s3:::b", {"s3:prefix": "k"}), used_by="job")
    files = list(folder.iterdir())
    assert len(files) == 2
    for file in files:
        assert [json.loads(line) for line in file.read_text().splitlines()] == [
            {
                "principal": "worker",
                "action": "s3:GetObject",
                "resource": "arn:aws:s3:::b/k",
                "context": {},
                "used_by": None,
            },
            {
                "principal": ROLE,
                "action": "s3:ListBucket",
                "resource": "arn:aws:s3:::b",
                "context": {"s3:prefix": "k"},
                "used_by": "job",
            },
        ]


def test_the_tagging_apis_action_has_the_name_tag():
    used = permissions("tagging", "POST", "/", b"{}", "ResourceGroupsTaggingAPI_20170126.GetResources")
    assert used == [Permission("tag:GetResources", "*", REGION)]
