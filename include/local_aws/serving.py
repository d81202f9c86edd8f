"""One ``serve`` program with a model: started, asked, stopped. Endpoints and transform jobs use it.

See https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html.
"""

from __future__ import annotations

import contextlib
import http.client
import secrets
import threading
import time
from collections.abc import Mapping

from local_aws.container import Address, Container
from local_aws.container_host import ContainerStartError
from local_aws.model_data import ModelData, ModelDataError
from local_aws.resources import Region, Resource

_PING_INTERVAL = 0.05
_PING_TIMEOUT = 2.0
INVOCATION_TIMEOUT = 60.0  # AWS's own for InvokeEndpoint


class DeploymentError(Exception):
    """A model cannot be served; ``str()`` is the FailureReason."""


class ModelServer:
    """A running ``serve`` program.

    Attributes:
        log_stream: Its CloudWatch Logs stream.
    """

    def __init__(self, container: Container, log_stream: str) -> None:
        self.log_stream = log_stream
        self._container = container
        self._address: Address | None = None
        self._idle = threading.Condition()
        self._requests = 0

    def begin_request(self) -> None:
        """Note that a request is on its way, so that :meth:`drain` waits for it."""
        with self._idle:
            self._requests += 1

    def end_request(self) -> None:
        """Note that a request of :meth:`begin_request` has its answer."""
        with self._idle:
            self._requests -= 1
            self._idle.notify_all()

    def drain(self) -> None:
        """Wait until no request is on its way. No new one may come."""
        with self._idle:
            self._idle.wait_for(lambda: not self._requests, INVOCATION_TIMEOUT)

    def wait_until_healthy(self, timeout: float) -> bool:
        """Wait until GET /ping answers 200.

        Args:
            timeout: Seconds.

        Returns:
            Whether it did; False at once when the program ends.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._container.exited.is_set():
                return False
            if self._ping():
                return True
            self._container.exited.wait(_PING_INTERVAL)
        return False

    def wait_until_ended(self) -> None:
        """Wait until the program has ended."""
        self._container.exited.wait()

    def stop(self, grace: float) -> None:
        """End the program.

        Args:
            grace: Seconds between SIGTERM and SIGKILL.
        """
        self._container.stop(grace)

    def connect(self, timeout: float) -> http.client.HTTPConnection:
        """Make a connection to the program, which is opened by its first request.

        Args:
            timeout: Seconds for each wait.

        Returns:
            The connection; close it.

        Raises:
            ConnectionError: Nobody knows yet where the program listens.
        """
        self._address = self._address or self._container.address
        if self._address is None:
            raise ConnectionError("the program does not listen yet")
        return http.client.HTTPConnection(*self._address, timeout=timeout)

    def _ping(self) -> bool:
        try:
            with contextlib.closing(self.connect(_PING_TIMEOUT)) as connection:
                connection.request("GET", "/ping")
                return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


def start_model_server(
    region: Region, model: Resource, log_group: str, name: str, environment: Mapping[str, str] | None = None
) -> ModelServer:
    """Unpacks a model's data and starts ``serve`` on it.

    Args:
        region: Where the model is.
        model: The model.
        log_group: Where the program's log goes.
        name: First part of the log stream.
        environment: What a transform job adds to the model's environment.

    Returns:
        The program, which may not answer yet.

    Raises:
        DeploymentError: The image or the model data is missing, the data is no tar.gz, or Docker does not start it.
    """
    definition = model.request["PrimaryContainer"]
    image = definition["Image"]
    if not region.host.has_image(image):
        raise DeploymentError(f"ClientError: Requested image {image} not found. {region.host.advice()}")
    base = region.host.new_base(model.name)
    try:
        (base / "model").mkdir()
        if data := ModelData.of(definition):
            data.download(region.s3(model.request.get("ExecutionRoleArn", ""), model.arn), base / "model")
        told = {"AWS_REGION": region.name, **definition.get("Environment", {}), **(environment or {})}
        is_isolated = model.request.get("EnableNetworkIsolation", False)
        container = region.host.start(image, "serve", base, told, is_isolated=is_isolated)
    except (ModelDataError, ContainerStartError) as error:
        region.host.discard(base)
        raise DeploymentError(str(error)) from error
    except BaseException:
        region.host.discard(base)
        raise
    stream = f"{name}/i-{secrets.token_hex(8)}"
    container.watch(
        lambda lines: region.backends.log(region.name, log_group, stream, lines), lambda: region.host.discard(base)
    )
    return ModelServer(container, stream)


def invoke(
    server: ModelServer, body: bytes, headers: Mapping[str, str], timeout: float = INVOCATION_TIMEOUT
) -> tuple[int, bytes, dict[str, str]]:
    """Asks a model.

    Args:
        server: The program that serves it.
        body: The request's body.
        headers: The request's headers.
        timeout: Seconds in which it must answer.

    Returns:
        Status, body and headers (names in lower case) of the answer.

    Raises:
        OSError: It does not listen or takes longer.
        http.client.HTTPException: It does not speak HTTP.
    """
    with contextlib.closing(server.connect(timeout)) as connection:
        connection.request("POST", "/invocations", body, dict(headers))
        response = connection.getresponse()
        return response.status, response.read(), {k.lower(): v for k, v in response.getheaders()}
