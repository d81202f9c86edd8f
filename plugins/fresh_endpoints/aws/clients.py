"""The provider's hooks, whose clients are made faster: each task's process makes its clients anew.

What that comes to is in docs/benchmarks.md, "Overhead of one run".
"""

from __future__ import annotations

import copy
import functools
import gc
from typing import Any

import botocore.session
from airflow.providers.amazon.aws.hooks.logs import AwsLogsHook as ProviderLogsHook
from airflow.providers.amazon.aws.hooks.s3 import S3Hook as ProviderS3Hook
from airflow.providers.amazon.aws.hooks.sagemaker import SageMakerHook as ProviderSageMakerHook
from airflow.sdk.log import mask_secret

from fresh_endpoints.aws import service_model


class _QuickClients:
    """Mixed into a hook."""

    _session: Any = None

    def get_session(self, region_name: str | None = None, deferrable: bool = False) -> Any:
        """Return the hook's one session, which reads no description of a service that this process has read before."""
        if deferrable:
            return super().get_session(region_name, deferrable)  # type: ignore[misc]
        if self._session is None:
            _pass_over_imports()
            self._session = super().get_session(region_name)  # type: ignore[misc]
            # boto3 shows its botocore session to nobody, and the provider's factory takes none.
            _share_descriptions(self._session._session)
            self._session.events.register("before-send", _mask_token)
        return self._session

    def _get_caller(self, target_function_name: str = "execute") -> str:
        # For the user agent, the provider looks up the operator's name with inspect.stack(), which goes through all
        # modules and their files. Where a later provider names this differently, only time is lost.
        return "FreshEndpoints"


class SageMakerHook(_QuickClients, ProviderSageMakerHook):
    """Makes SageMaker clients, and those of other services by the same connection and session."""

    def client_of(self, service: str) -> Any:
        """Make a client of another service.

        Args:
            service: boto3's name of it.
        """
        self.get_session()  # Made before the copy, it is shared.
        hook = copy.copy(self)
        hook.client_type = service
        return hook.get_client_type()


class S3Hook(_QuickClients, ProviderS3Hook):
    """Makes S3 clients."""


class AwsLogsHook(_QuickClients, ProviderLogsHook):
    """Makes CloudWatch Logs clients."""


def read_descriptions(*services: str) -> None:
    """Read what botocore ships about services, so that a client need not when it is made.

    Args:
        services: boto3's names of them.
    """
    session = botocore.session.Session()
    _share_descriptions(session)
    session.set_credentials("none", "none")  # Or it would look for some, on the network, too.
    for service in services:
        session.create_client(service, region_name="us-east-1")


def _share_descriptions(session: botocore.session.Session) -> None:
    # A session's own loader is thrown away with all that it has read.
    session.register_component("data_loader", service_model.loader(session.get_config_variable("data_path")))


def _mask_token(request: Any, **_: Any) -> None:
    """Have Airflow mask a session's token, which AWS quotes where it refuses a signature.

    Airflow masks what a connection holds; this one may be of a role that was assumed, or of the machine. The secret key
    itself is never sent.
    """
    token = request.headers.get("X-Amz-Security-Token")
    if token:
        mask_token(token.decode() if isinstance(token, bytes) else str(token))


@functools.lru_cache(maxsize=100)
def mask_token(token: str) -> None:
    """Have Airflow mask a session's token, once: each time, Airflow's supervisor is told.

    Args:
        token: The token.
    """
    mask_secret(token)
    if token.strip() != token:  # Python quotes such a one, escaped, when it refuses to send it.
        mask_secret(token.strip())


@functools.cache
def _pass_over_imports() -> None:
    # A service's description is so many objects that their creation has Python look for garbage, again and again among
    # all that was imported before. What was imported stays, so it need not look there.
    gc.freeze()
