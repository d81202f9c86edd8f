"""InvokeEndpointAsync: the request is an object in S3, and so will be the answer.

See https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-invoke-endpoint.html. A failure is written to
S3FailurePath only; without one AWS tells it by SNS alone.
"""

from __future__ import annotations

import json
import threading
import traceback
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from werkzeug.wrappers import Response

from local_aws.backends import S3Url, StorageError
from local_aws.endpoint import Endpoint
from local_aws.invocations import Invocations, refuse_headers
from local_aws.permissions import RoleS3
from local_aws.resources import Json, Region
from local_aws.wire import AwsError

_PREFIX = "x-amzn-sagemaker-"
_NOT_DONE = ("s3outputpathextension", "filename")
_LARGEST_BODY = 128_000
_TIMEOUT = 900.0  # seconds: AWS's default for InvocationTimeoutSeconds
# A request's header to the model's.
_PASSED_ON = {
    "content-type": "content-type",
    "accept": "accept",
    "custom-attributes": "x-amzn-sagemaker-custom-attributes",
    "inference-id": "x-amzn-sagemaker-inference-id",
}


@dataclass(frozen=True)
class _Request:
    """One asynchronous request.

    Attributes:
        endpoint: Name of the endpoint.
        body: The request, where it was sent along.
        source: Where it is, else.
        headers: What the model gets.
        timeout: Seconds in which the model must answer.
        output: Where the answer goes.
        failure: Where the reason of a failure goes.
    """

    endpoint: str
    body: bytes
    source: S3Url | None
    headers: Mapping[str, str]
    timeout: float
    output: S3Url
    failure: S3Url | None


class AsyncInvocations:
    """Asks the asynchronous endpoints of a region."""

    def __init__(self, region: Region, invocations: Invocations) -> None:
        self._region = region
        self._invocations = invocations

    def answer(self, name: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Answer InvokeEndpointAsync. The model is asked in the background.

        Args:
            name: The endpoint.
            body: The request's body, instead of InputLocation.
            headers: The request's headers, names in lower case.

        Returns:
            Where its answer will be.

        Raises:
            AwsError: There is no such endpoint, it is none for asynchronous requests, or the request is not sound.
        """
        refuse_headers("InvokeEndpointAsync", headers, _NOT_DONE)
        endpoint = self._invocations.find(name)
        if not endpoint.async_inference:
            raise AwsError("ValidationError", f"Endpoint {name} is not an asynchronous endpoint. Use InvokeEndpoint.")
        request = _read(name, body, headers, endpoint.async_inference["OutputConfig"])
        s3 = self._s3(endpoint)
        threading.Thread(target=self._run, args=(request, s3), name=f"invocation of {name}", daemon=True).start()
        inference_id = headers.get(f"{_PREFIX}inference-id", str(uuid.uuid4()))
        response = Response(json.dumps({"InferenceId": inference_id}), 202, content_type="application/json")
        response.headers["X-Amzn-SageMaker-OutputLocation"] = str(request.output)
        if request.failure:
            response.headers["X-Amzn-SageMaker-FailureLocation"] = str(request.failure)
        return response

    def _s3(self, endpoint: Endpoint) -> RoleS3:
        with self._region.lock:
            model = endpoint.variants[0].model
        return self._region.s3(model.request.get("ExecutionRoleArn", ""), endpoint.arn)

    def _run(self, request: _Request, s3: RoleS3) -> None:
        try:
            content = s3.read(request.source) if request.source else request.body
            answer = self._invocations.ask(
                "InvokeEndpointAsync", request.endpoint, content, request.headers, timeout=request.timeout
            )
            s3.write(request.output, answer.body)
        except (AwsError, StorageError) as error:
            self._tell_failure(request, s3, str(error))
        except Exception:  # nobody waits for this thread: its failure must be seen
            self._region.host.report(traceback.format_exc())

    def _tell_failure(self, request: _Request, s3: RoleS3, reason: str) -> None:
        if request.failure is None:
            return
        try:
            s3.write(request.failure, reason.encode())
        except StorageError as error:
            self._region.host.report(f"{request.failure} could not be written: {error}\n")


def _read(name: str, body: bytes, headers: Mapping[str, str], output: Json) -> _Request:
    location = headers.get(f"{_PREFIX}inputlocation")
    if (location is None) == (not body):
        raise AwsError("ValidationError", "Specify either InputLocation or Body.")
    if len(body) > _LARGEST_BODY:
        raise AwsError("ValidationError", f"Body of {len(body)} bytes is too large; {_LARGEST_BODY} are allowed.")
    try:
        source = None if location is None else S3Url.parse(location)
    except ValueError as error:
        raise AwsError("ValidationError", str(error)) from error
    stem = str(uuid.uuid4())
    failure = output.get("S3FailurePath")
    return _Request(
        endpoint=name,
        body=body,
        source=source,
        headers={theirs: headers[_PREFIX + ours] for ours, theirs in _PASSED_ON.items() if _PREFIX + ours in headers},
        timeout=float(headers.get(f"{_PREFIX}invocationtimeoutseconds", _TIMEOUT)),
        output=_below(output["S3OutputPath"], f"{stem}.out"),
        failure=_below(failure, f"{stem}-error.out") if failure else None,
    )


def _below(folder: str, name: str) -> S3Url:
    place = S3Url.parse(folder)
    return S3Url(place.bucket, f"{place.key.rstrip('/')}/{name}".lstrip("/"))
