"""AWS's wire protocols, as far as the edge must know them: who calls what, and how an error is said.

See https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html for the credential
scope and https://smithy.io/2.0/aws/protocols/index.html for the protocols.
"""

from __future__ import annotations

import functools
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

Environ = dict[str, Any]
INVOCATIONS = re.compile(r"^/endpoints/(?P<endpoint>[^/]+)/(?P<queue>async-)?invocations$")
_SCOPE = re.compile(r"Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_TOP_LEVEL_IDENTIFIER = re.compile(r"(name|arn|names?prefix|id)$", re.IGNORECASE)
_FORM = "application/x-www-form-urlencoded"
_LONGEST_PARAMETER = 512


class AwsError(Exception):
    """An error answer, in the words that AWS uses for it.

    Attributes:
        code: Error code, for example ``ValidationException``.
        message: AWS's sentence.
        status: HTTP status.
        members: Further members of the error's shape.
    """

    def __init__(self, code: str, message: str, status: int = 400, members: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.members = dict(members or {})


def validation_error(message: str) -> AwsError:
    """Make SageMaker's usual refusal.

    Args:
        message: What is wrong.

    Returns:
        A ValidationException.
    """
    return AwsError("ValidationException", message)


def not_there(call: Call, reason: str) -> AwsError:
    """Make the error for what moto does not do.

    Args:
        call: What was asked.
        reason: What moto says.

    Returns:
        The error. No policies are judged here, so none is simulated: that is answered as AWS answers a caller who may
        not, which clients know what to do about.
    """
    said = f"local AWS: {call.service} {call.operation} is not there. {reason}"
    if call.operation in ("SimulatePrincipalPolicy", "SimulateCustomPolicy"):
        return AwsError("AccessDenied", said, 403)
    return AwsError("UnknownOperationException" if call.protocol == "json" else "InvalidAction", said)


def read_json(body: bytes) -> Any:
    """Read a request's JSON.

    Args:
        body: The JSON.

    Returns:
        What it says. All text in it can be stored and shown: a lone surrogate (U+D800 to U+DFFF), which JSON can
        spell, has no UTF-8 (https://www.rfc-editor.org/rfc/rfc8259#section-8.2).

    Raises:
        ValueError: It is not JSON, is nested too deeply or has a lone surrogate.
    """
    try:
        content = json.loads(body)
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"it has {error.object[error.start]!r}, half of a surrogate pair, without the other"
        ) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return content


def refuse_unsound_policy(body: bytes) -> None:
    """Refuse a bucket policy that S3 refuses, and that moto would keep and then stumble over.

    Args:
        body: PutBucketPolicy's body.

    Raises:
        AwsError: It is no JSON object.
    """
    try:
        is_policy = isinstance(read_json(body), dict)
    except ValueError:
        is_policy = False
    if not is_policy:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
        raise AwsError("MalformedPolicy", "This policy contains invalid Json")


@dataclass(frozen=True)
class Call:
    """One request, identified.

    Attributes:
        service: The service's signing name, "slack" for Slack.
        operation: The API operation as botocore names it; for services whose names cost more to find out, the HTTP
            method and path.
        region: Region of the credential scope, or the server's.
        access_key_id: Who signed; None for unsigned requests.
        protocol: "json", "query", "rest-xml", "rest-json", "slack" (a webhook) or "slack-api".
        parameters: The request's top-level names and ARNs, bucket and key.
    """

    service: str
    operation: str
    region: str
    access_key_id: str | None
    protocol: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def identify(environ: Environ, body: bytes, default_region: str) -> Call:
    """Find out what a request asks for.

    Args:
        environ: WSGI environment.
        body: The request's body.
        default_region: Region of requests without a credential scope.

    Returns:
        The call.
    """
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    region = scope["region"] if scope else default_region
    key = scope["key"] if scope else None
    path: str = environ.get("PATH_INFO", "/")
    target: str = environ.get("HTTP_X_AMZ_TARGET", "")
    if path.startswith("/slack/services/"):
        return Call("slack", "slack", region, None, "slack")
    if path.startswith("/slack/api/"):
        return Call("slack", "slack", region, None, "slack-api", {"Method": path.removeprefix("/slack/api/")})
    if invocation := INVOCATIONS.match(path):
        name = {"EndpointName": invocation["endpoint"]}
        operation = "InvokeEndpointAsync" if invocation["queue"] else "InvokeEndpoint"
        return Call("sagemaker", operation, region, key, "rest-json", name)
    if target:
        service = scope["service"] if scope else target.partition(".")[0].partition("_")[0].lower()
        return Call(service, target.rpartition(".")[2], region, key, "json", _json_identifiers(body))
    if environ.get("CONTENT_TYPE", "").startswith(_FORM) and b"Action=" in body:
        form = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
        service = scope["service"] if scope else "sts"
        return Call(service, form.get("Action", ""), region, key, "query", _identifiers(form))
    if scope and scope["service"] != "s3":
        return Call(scope["service"], f"{environ['REQUEST_METHOD']} {path}", region, key, "rest-json")
    operation, parameters = _s3_operation(environ, path)
    return Call("s3", operation, region, key, "rest-xml", parameters)


def error_response(call: Call, error: AwsError) -> Response:
    """Say an error in the protocol of the call.

    Args:
        call: What was asked.
        error: What went wrong.

    Returns:
        The HTTP response.
    """
    request_id = str(uuid.uuid4())
    response = _ERROR_FORMS[call.protocol](error, request_id)
    response.status_code = error.status
    response.headers["x-amzn-RequestId"] = request_id
    return response


def json_response(content: Mapping[str, Any]) -> Response:
    """Make a successful answer of the JSON 1.1 protocol.

    Args:
        content: The operation's output; timestamps as epoch seconds.

    Returns:
        The HTTP response.
    """
    response = Response(json.dumps(content), content_type="application/x-amz-json-1.1")
    response.headers["x-amzn-RequestId"] = str(uuid.uuid4())
    return response


def _json_error(error: AwsError, _request_id: str) -> Response:
    content = {"__type": error.code, "message": error.message, **error.members}
    return Response(json.dumps(content), content_type="application/x-amz-json-1.1")


def _rest_json_error(error: AwsError, _request_id: str) -> Response:
    # InvokeEndpoint says nothing about throttling (recorded in opensearch-project/ml-commons issue 2429).
    said = {"message": None} if error.code == "ThrottlingException" else {"Message": error.message}
    response = Response(json.dumps({**said, **error.members}), content_type="application/json")
    response.headers["X-Amzn-ErrorType"] = error.code
    return response


# S3 has words of its own: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_S3_WORDS = {"ThrottlingException": ("SlowDown", 503), "AccessDeniedException": ("AccessDenied", 403)}


def _rest_xml_error(error: AwsError, request_id: str) -> Response:
    code, error.status = _S3_WORDS.get(error.code, (error.code, error.status))
    xml = (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{escape(code)}</Code>'
        f"<Message>{escape(error.message)}</Message><RequestId>{request_id}</RequestId></Error>"
    )
    return Response(xml, content_type="application/xml")


def _query_error(error: AwsError, request_id: str) -> Response:
    code = "Throttling" if error.code == "ThrottlingException" else error.code
    side = "Sender" if error.status < 500 else "Receiver"
    xml = (
        f"<ErrorResponse><Error><Type>{side}</Type><Code>{escape(code)}</Code>"
        f"<Message>{escape(error.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return Response(xml, content_type="text/xml")


def _slack_error(error: AwsError, _request_id: str) -> Response:
    # https://docs.slack.dev/apis/web-api/rate-limits
    if error.code == "ThrottlingException":
        error.status = 429
        return Response("rate_limited", headers={"Retry-After": "1"}, content_type="text/plain")
    return Response("server_error", content_type="text/plain")


def _slack_api_error(error: AwsError, _request_id: str) -> Response:
    words = {"ThrottlingException": "ratelimited", "AccessDenied": "access_denied"}
    headers = {}
    if error.code == "ThrottlingException":
        error.status, headers = 429, {"Retry-After": "1"}
    content = {"ok": False, "error": words.get(error.code, "internal_error")}
    return Response(json.dumps(content), headers=headers, content_type="application/json; charset=utf-8")


_ERROR_FORMS = {
    "json": _json_error,
    "rest-json": _rest_json_error,
    "rest-xml": _rest_xml_error,
    "query": _query_error,
    "slack": _slack_error,
    "slack-api": _slack_api_error,
}


def _identifiers(parameters: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value[:_LONGEST_PARAMETER]
        for name, value in parameters.items()
        if isinstance(value, str) and _TOP_LEVEL_IDENTIFIER.search(name) and "access" not in name.lower()
    }


def _json_identifiers(body: bytes) -> dict[str, str]:
    try:
        content = read_json(body or b"{}")
    except ValueError:
        return {}
    return _identifiers(content) if isinstance(content, dict) else {}


def _s3_operation(environ: Environ, path: str) -> tuple[str, dict[str, str]]:
    bucket, _, key = path.lstrip("/").partition("/")
    depth = 0 if not bucket else 1 if not key else 2
    query = set(parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    copies = "HTTP_X_AMZ_COPY_SOURCE" in environ
    method = environ["REQUEST_METHOD"]
    candidates = [
        (len(needed) + copy, name)
        for name, needed, copy in _s3_operations().get((method, depth), ())
        if needed <= query and copy <= copies
    ]
    # The most particular one: ListObjectsV2 (?list-type=2) rather than ListObjects, CopyObject rather than PutObject.
    operation = max(candidates, default=(0, f"{method} {path}"))[1]
    parameters = {"Bucket": bucket, "Key": key[:_LONGEST_PARAMETER]}
    return operation, {name: value for name, value in parameters.items() if value}


@functools.cache
def _s3_operations() -> dict[tuple[str, int], list[tuple[str, frozenset[str], bool]]]:
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    model = ServiceModel(Loader().load_service_model("s3", "service-2"), "s3")
    table: dict[tuple[str, int], list[tuple[str, frozenset[str], bool]]] = {}
    for name in model.operation_names:
        if name == "ListDirectoryBuckets":  # looks like ListBuckets, but has an endpoint of its own
            continue
        operation = model.operation_model(name)
        members = operation.input_shape.members.items() if operation.input_shape else ()
        required = operation.input_shape.required_members if operation.input_shape else ()
        path, _, query = operation.http["requestUri"].partition("?")
        needed = set(parse_qs(query, keep_blank_values=True))
        needed |= {s.serialization["name"] for n, s in members if n in required and _in_query(s)}
        copy = "CopySource" in required
        depth = sum(1 for part in path.split("/") if part)
        table.setdefault((operation.http["method"], depth), []).append((name, frozenset(needed), copy))
    return table


def _in_query(shape: Any) -> bool:
    return bool(shape.serialization.get("location") == "querystring")
