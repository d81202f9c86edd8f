"""InvokeEndpoint: a request goes to one variant's program, and its answer back.

See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass

from werkzeug.wrappers import Response

from local_aws.endpoint import Endpoint
from local_aws.resources import Region
from local_aws.serving import INVOCATION_TIMEOUT, ModelServer, invoke
from local_aws.variants import Variant
from local_aws.wire import AwsError

_RESTORE_TIMEOUT = 60.0  # seconds that an invocation waits for a restored endpoint: InvokeEndpoint's own limit
_LARGEST_BODY = 6 * 1024 * 1024
_PASSED_ON = ("content-type", "accept", "x-amzn-sagemaker-custom-attributes", "x-amzn-sagemaker-inference-id")
_NOT_DONE = (
    "target-model",
    "enable-explanations",
    "inference-component",
    "target-container-hostname",
    "session-id",
    "prefix-aware-id",
)
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for "
    "each container in Amazon CloudWatch, resolve the issue, and try again."
)
_PROVISIONED = (
    "Either a serverless endpoint variant's resources are still being provisioned, or a multi-model endpoint is still "
    "downloading or loading the target model. Wait and try again."
)


@dataclass(frozen=True)
class Answer:
    """What a model answered.

    Attributes:
        variant: Name of the variant that answered.
        body: The answer's body.
        headers: Its headers, names in lower case.
    """

    variant: str
    body: bytes
    headers: Mapping[str, str]


class Invocations:
    """Asks the endpoints of a region."""

    def __init__(self, region: Region, endpoints: Mapping[str, Endpoint]) -> None:
        """Take the endpoints.

        Args:
            region: Where they are.
            endpoints: Name in lower case to endpoint, as it is at each request.
        """
        self._region = region
        self._endpoints = endpoints

    def answer(self, name: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Answer InvokeEndpoint.

        Args:
            name: The endpoint.
            body: The request's body.
            headers: The request's headers, names in lower case.

        Returns:
            The answer.

        Raises:
            AwsError: There is no such endpoint or variant, it cannot be asked so, or the model answered with an error.
        """
        refuse_headers("InvokeEndpoint", headers, _NOT_DONE)
        if len(body) > _LARGEST_BODY:
            raise AwsError(
                "ValidationError", f"Request {len(body)} bytes is too large; {_LARGEST_BODY} are allowed.", 413
            )
        if self.find(name).async_inference:
            raise AwsError(
                "ValidationError", f"Endpoint {name} is an asynchronous endpoint. Use InvokeEndpointAsync to ask it."
            )
        passed_on = {header: headers[header] for header in _PASSED_ON if header in headers}
        answer = self.ask(
            "InvokeEndpoint", name, body, passed_on, target=headers.get("x-amzn-sagemaker-target-variant")
        )
        response = Response(answer.body, content_type=answer.headers.get("content-type", "application/octet-stream"))
        response.headers["x-Amzn-Invoked-Production-Variant"] = answer.variant
        if attributes := answer.headers.get("x-amzn-sagemaker-custom-attributes"):
            response.headers["X-Amzn-SageMaker-Custom-Attributes"] = attributes
        return response

    def find(self, name: str) -> Endpoint:
        """Get an endpoint that can be asked. Wait for one that is brought back: AWS's answers meanwhile, too.

        Args:
            name: The endpoint.

        Returns:
            It.

        Raises:
            AwsError: There is none, or nothing is in service.
        """
        with self._region.lock:
            endpoint = self._endpoints.get(name.lower())
            is_brought_back = endpoint is not None and endpoint.status == "SystemUpdating"
        if endpoint and is_brought_back and not endpoint.settled.wait(_RESTORE_TIMEOUT):
            raise AwsError("ServiceUnavailable", f"Endpoint {name} is being brought back; try again.", 503)
        with self._region.lock:
            if endpoint is None or not endpoint.serves:
                account = self._region.settings.account_id
                raise AwsError("ValidationError", f"Endpoint {name} of account {account} not found.")
            return endpoint

    def ask(
        self,
        operation: str,
        name: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        target: str | None = None,
        timeout: float = INVOCATION_TIMEOUT,
    ) -> Answer:
        """Ask one variant of an endpoint.

        Args:
            operation: The operation that asks.
            name: The endpoint.
            body: The request's body.
            headers: The headers that the model gets.
            target: TargetVariant.
            timeout: Seconds in which the model must answer.

        Returns:
            The model's answer.

        Raises:
            AwsError: Nothing is in service, there is no such variant, or the model answered with an error.
        """
        variant, server = self._choose(name, target)
        try:
            self._refuse_unready(operation, name, variant, server)
            status, content, answered = invoke(server, body, headers, timeout)
        except (OSError, http.client.HTTPException) as error:
            raise self._model_error(name, server, 0, _TIMED_OUT) from error
        finally:
            server.end_request()
        if status >= 400:
            raise self._model_error(name, server, status, content.decode("utf-8", "replace"))
        return Answer(variant.name, content, answered)

    def _choose(self, name: str, target: str | None) -> tuple[Variant, ModelServer]:
        """Pick who answers a request. The server is told in the same breath: an update must not stop it before."""
        endpoint = self.find(name)
        with self._region.lock:
            variant = endpoint.pick(target)
            variant.server.begin_request()
            return variant, variant.server

    def _refuse_unready(self, operation: str, name: str, variant: Variant, server: ModelServer) -> None:
        """Refuse a request that comes before the model is loaded, where a fault says so: /ping is answered earlier."""
        age = time.time() - variant.in_service
        if not self._region.faults.first(
            "not_ready", operation, lambda fault: not fault.seconds or age < fault.seconds
        ):
            return
        if variant.is_serverless:
            raise AwsError("ModelNotReadyException", _PROVISIONED, 429)
        raise self._model_error(name, server, 503, "Service Unavailable")

    def _model_error(self, name: str, server: ModelServer, status: int, message: str) -> AwsError:
        side = "client" if 400 <= status < 500 else "server"
        region, account = self._region.name, self._region.settings.account_id
        group = f"/aws/sagemaker/Endpoints/{name}"
        text = (
            f'Received {side} error ({status}) from primary with message "{message}". See https://{region}.console.aws'
            f".amazon.com/cloudwatch/home?region={region}#logEventViewer:group={group} in account {account} for more "
            "information."
        )
        stream = f"arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:{server.log_stream}"
        members = {"OriginalStatusCode": status, "OriginalMessage": message, "LogStreamArn": stream}
        return AwsError("ModelError", text, 424, members)


def refuse_headers(operation: str, headers: Mapping[str, str], not_done: tuple[str, ...]) -> None:
    """Refuse a request for what local AWS cannot do.

    Args:
        operation: The operation's name.
        headers: The request's headers, names in lower case.
        not_done: Names of headers, after ``x-amzn-sagemaker-``.

    Raises:
        AwsError: It has one of them.
    """
    for header in not_done:
        if f"x-amzn-sagemaker-{header}" in headers:
            raise AwsError("ValidationError", f"local AWS: {operation} cannot do x-amzn-sagemaker-{header}.")
