from __future__ import annotations

import json
from typing import Any

import pytest

from local_aws.wire import AwsError, Call, error_response, identify, read_json

SCOPE = (
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20190305/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
)


def environ(method: str, path: str, query: str = "", service: str = "s3", **headers: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_AUTHORIZATION": SCOPE.format(region="eu-west-1", service=service),
        **headers,
    }


@pytest.mark.parametrize(
    ("method", "path", "query", "operation"),
    [
        ("GET", "/", "", "ListBuckets"),
        ("PUT", "/bucket", "", "CreateBucket"),
        ("GET", "/bucket", "list-type=2&prefix=a", "ListObjectsV2"),
        ("GET", "/bucket", "prefix=a", "ListObjects"),
        ("GET", "/bucket", "versioning", "GetBucketVersioning"),
        ("HEAD", "/bucket/a/b.csv", "", "HeadObject"),
        ("GET", "/bucket/a/b.csv", "", "GetObject"),
        ("PUT", "/bucket/a/b.csv", "", "PutObject"),
        ("PUT", "/bucket/a/b.csv", "partNumber=1&uploadId=x", "UploadPart"),
        ("POST", "/bucket/a/b.csv", "uploads", "CreateMultipartUpload"),
        ("DELETE", "/bucket/a/b.csv", "", "DeleteObject"),
    ],
)
def test_s3_operations_have_botocores_names(method: str, path: str, query: str, operation: str) -> None:
    call = identify(environ(method, path, query), b"", "ap-northeast-1")
    assert (call.service, call.operation, call.region, call.access_key_id) == (
        "s3",
        operation,
        "eu-west-1",
        "AKIDEXAMPLE",
    )


def test_a_copy_is_told_from_a_put_by_its_header() -> None:
    call = identify(environ("PUT", "/bucket/key", HTTP_X_AMZ_COPY_SOURCE="other/key"), b"", "r")
    assert call.operation == "CopyObject"
    assert call.parameters == {"Bucket": "bucket", "Key": "key"}


def test_a_json_call_is_named_by_its_target_and_keeps_only_names_and_arns() -> None:
    body = json.dumps(
        {"TrainingJobName": "job", "RoleArn": "arn:role", "HyperParameters": {"token": "s3cret"}, "Password": "p"}
    ).encode()
    given = environ("POST", "/", service="sagemaker", HTTP_X_AMZ_TARGET="SageMaker.CreateTrainingJob")
    call = identify(given, body, "r")
    assert (call.service, call.operation, call.protocol) == ("sagemaker", "CreateTrainingJob", "json")
    assert call.parameters == {"TrainingJobName": "job", "RoleArn": "arn:role"}


def test_a_query_call_is_named_by_its_action() -> None:
    given = environ("POST", "/", service="iam", CONTENT_TYPE="application/x-www-form-urlencoded; charset=utf-8")
    call = identify(given, b"Action=GetRole&RoleName=worker&Version=2010-05-08", "r")
    assert (call.service, call.operation, call.protocol) == ("iam", "GetRole", "query")
    assert call.parameters == {"RoleName": "worker"}


def test_an_invocation_needs_no_target() -> None:
    call = identify({"REQUEST_METHOD": "POST", "PATH_INFO": "/endpoints/multiclass/invocations"}, b"1,2", "here")
    assert (call.operation, call.region, call.parameters) == ("InvokeEndpoint", "here", {"EndpointName": "multiclass"})


def test_a_webhooks_path_is_a_secret() -> None:
    call = identify({"REQUEST_METHOD": "POST", "PATH_INFO": "/slack/services/T0/B0/s3cret"}, b"{}", "r")
    assert (call.service, call.operation) == ("slack", "slack")
    assert "s3cret" not in str(call)


@pytest.mark.parametrize(
    ("protocol", "header", "text"),
    [
        ("json", None, '"__type": "ValidationException"'),
        ("rest-json", "ValidationException", '"Message": "no <good>"'),
        ("rest-xml", None, "<Code>ValidationException</Code><Message>no &lt;good&gt;</Message>"),
        ("query", None, "<Type>Sender</Type><Code>ValidationException</Code>"),
    ],
)
def test_errors_are_said_in_each_protocol(protocol: str, header: str | None, text: str) -> None:
    call = Call("service", "Operation", "r", None, protocol)
    response = error_response(call, AwsError("ValidationException", "no <good>", 400))
    assert response.status_code == 400
    assert response.headers.get("X-Amzn-ErrorType") == header
    assert text in response.get_data(as_text=True)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"a": "\\ud800"}', r"it has '\\ud800', half of a surrogate pair, without the other"),
        (b'{"a": {"\\udc00\\ud800": 1}}', "half of a surrogate pair"),
        (b'["\xed\xa0\x80"]', "half of a surrogate pair"),
        (b'["\xff"]', "invalid start byte"),
        (b"[" * 100_000, "nested too deeply"),
        (b"{", "Expecting property name"),
    ],
)
def test_json_that_could_not_be_stored_or_shown_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_json(body)


def test_json_may_spell_every_character() -> None:
    assert read_json(b'["\\ud83d\\ude00", "\xf0\x9f\x98\x80", "\\u0000"]') == ["\U0001f600", "\U0001f600", "\0"]
