"""The programs that answer for an endpoint: started, kept running and stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from local_aws.endpoint import Endpoint
from local_aws.resources import Region, Resource
from local_aws.serving import DeploymentError, ModelServer, start_model_server
from local_aws.variants import Definition, Variant

_GRACE = 30.0
_RESTART_PAUSE = 1.0  # seconds between restarts of a program that keeps dying


class Fleets:
    """The programs of a region's endpoints."""

    def __init__(self, region: Region) -> None:
        self._region = region

    def start(self, endpoint: Endpoint, definitions: Iterable[Definition], started: list[Variant]) -> None:
        """Start variants, and wait until all are healthy.

        Args:
            endpoint: Whose they are.
            definitions: What they are made from.
            started: Gets each variant once its program runs, also where a later one fails.

        Raises:
            DeploymentError: One cannot be served.
        """
        for config, model in definitions:
            started.append(Variant(config, model, self._start_server(endpoint, model, config["VariantName"])))
        for variant in started:
            timeout = variant.config.get(
                "ContainerStartupHealthCheckTimeoutInSeconds", self._region.settings.ping_timeout
            )
            if not variant.server.wait_until_healthy(timeout):
                raise DeploymentError(
                    f"The primary container for production variant {variant.name} did not pass the ping health check. "
                    "Please check CloudWatch logs for this endpoint."
                )

    def stop(self, variants: Iterable[Variant]) -> None:
        """End the programs of variants that get no new requests. What they have begun to answer is answered.

        Args:
            variants: The variants.
        """
        ended = list(variants)
        for variant in ended:
            variant.server.drain()
        for variant in ended:
            variant.server.stop(_GRACE)

    def watch(self, endpoint: Endpoint, variants: Iterable[Variant]) -> None:
        """Keep variants running, in the background, as long as they are in service.

        Args:
            endpoint: Whose they are.
            variants: The variants.
        """
        for variant in variants:
            threading.Thread(target=self._keep_serving, args=(endpoint, variant), daemon=True).start()

    def _start_server(self, endpoint: Endpoint, model: Resource, variant: str) -> ModelServer:
        return start_model_server(self._region, model, f"/aws/sagemaker/Endpoints/{endpoint.name}", variant)

    def _is_in_service(self, endpoint: Endpoint, variant: Variant) -> bool:
        return endpoint.serves and variant in endpoint.variants and not self._region.host.closed

    def _keep_serving(self, endpoint: Endpoint, variant: Variant) -> None:
        """Start the program of a variant in service again when it dies, as SageMaker replaces a dead container."""
        while True:
            variant.server.wait_until_ended()
            with self._region.lock:
                if not self._is_in_service(endpoint, variant):
                    return
            try:
                server = self._start_server(endpoint, variant.model, variant.name)
            except DeploymentError as error:
                self._region.host.report(f"endpoint {endpoint.name}, variant {variant.name}: {error}\n")
                time.sleep(_RESTART_PAUSE)
                continue
            healthy = server.wait_until_healthy(self._region.settings.ping_timeout)
            with self._region.lock:
                is_wanted = healthy and self._is_in_service(endpoint, variant)
                if is_wanted:
                    variant.server = server
            if not is_wanted:
                server.stop(_GRACE)
                time.sleep(_RESTART_PAUSE)
