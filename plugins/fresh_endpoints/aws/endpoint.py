"""One endpoint: every call about it, about its endpoint configs and about their tags.

What has come out of a deployment is written to the tags of its endpoint config, so that a try that dies is taken up by
the next one where it was.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws import requests, tags
from fresh_endpoints.aws.clients import SageMakerHook
from fresh_endpoints.aws.errors import (
    BOTOCORE_CONFIG,
    again_while,
    already_exists,
    explained,
    is_in_progress,
    is_not_found,
    is_out_of_quota,
    may_heal,
    message_of,
    pause_after_fault,
)
from fresh_endpoints.aws.kinds import ENDPOINT, Answer

log = logging.getLogger(__name__)

# How many requests to change the endpoint one try may find unanswered or throttled.
MAX_UNANSWERED = 8


class LiveConfigGoneError(Exception):
    """AWS refuses to update an endpoint whose own endpoint config has been deleted; the endpoint serves on.

    Attributes:
        name: The endpoint config's name.
    """

    def __init__(self, name: str):
        super().__init__(f"endpoint config {name} has been deleted")
        self.name = name


@dataclass(frozen=True)
class Seen:
    """What DescribeEndpoint said.

    Attributes:
        status: The endpoint's status; None where there is no endpoint.
        answer: What the status means; None where there is no endpoint.
        live: The endpoint config that it names: what it serves, or what a creation is to bring up.
        becoming: The endpoint config that it is changing to.
        reason: Its FailureReason.
        changed: When it was last modified, by AWS's clock.
        has_served: Whether it has variants: one whose creation has failed has none, one that is broken later does.
        arn: Its ARN; None where there is no endpoint.
    """

    status: str | None = None
    answer: Answer | None = None
    live: str | None = None
    becoming: str | None = None
    reason: str | None = None
    changed: datetime | None = None
    has_served: bool = False
    arn: str | None = None

    @property
    def version(self) -> str:
        """What moves with every change of the endpoint, as a tag can hold it."""
        return self.changed.isoformat() if self.changed else "none"

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> Seen:
        """Read a description; an empty one is that of no endpoint.

        While Updating, EndpointConfigName is the old config and PendingDeploymentSummary names the new one:
        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html

        Args:
            description: What DescribeEndpoint returned.
        """
        if not description:
            return cls()
        status, live = ENDPOINT.status_of(description), description.get("EndpointConfigName")
        pending = description.get("PendingDeploymentSummary") or {}
        return cls(
            status=status,
            answer=ENDPOINT.answer_to(status),
            live=live,
            becoming=pending.get("EndpointConfigName") or (live if status == "Creating" else None),
            reason=description.get("FailureReason"),
            changed=description["LastModifiedTime"],
            has_served=bool(description.get("ProductionVariants")),
            arn=description["EndpointArn"],
        )


class Endpoint:
    """An endpoint of SageMaker's.

    Args:
        hook: Makes the clients.
        name: The endpoint's name.
    """

    def __init__(self, hook: SageMakerHook, name: str):
        self.name = name
        self._hook = hook
        self._configs: dict[str, dict[str, Any]] = {}
        self._arns: dict[str, str] = {}
        self._arn: str | None = None
        self._made: dict[str, datetime | None] = {}
        self._unanswered = 0

    def describe(self) -> Seen:
        """Return what the endpoint is like now.

        Raises:
            AirflowException: AWS refused.
        """
        with explained(f"describe endpoint {self.name}"):
            try:
                seen = Seen.of(self.client.describe_endpoint(EndpointName=self.name))
                self._arn = seen.arn
                return seen
            except ClientError as error:
                if is_not_found(error):
                    return Seen()
                raise

    def create(self, request: requests.Request) -> bool:
        """Ask for the endpoint to be created; False if it has to be looked at again first.

        Args:
            request: The CreateEndpoint request.
        """
        return self._change("create_endpoint", request)

    def update(self, request: requests.Request, *, live: str | None) -> bool:
        """Ask for the endpoint to serve another config; False if it has to be looked at again first.

        Args:
            request: The UpdateEndpoint request.
            live: The endpoint config that it serves.

        Raises:
            LiveConfigGoneError: AWS refuses, because what is live has been deleted.
            OutOfQuotaError: AWS refused for want of a quota that others free.
            AirflowException: AWS refused.
        """
        config_name = request["EndpointConfigName"]
        return self._change("update_endpoint", request, live=live if live != config_name else None)

    def delete(self) -> bool:
        """Ask for the endpoint to be deleted; False if it has to be looked at again first."""
        return self._change("delete_endpoint", {"EndpointName": self.name})

    def create_config(self, request: Mapping[str, Any]) -> list[str] | None:
        """Create an endpoint config, or find that there is one of the name.

        Args:
            request: The CreateEndpointConfig request.

        Returns:
            None where it was created. Else in what the one that exists differs from the request; maybe nothing.

        Raises:
            AirflowException: AWS refused.
        """
        name = request["EndpointConfigName"]
        with explained(f"create endpoint config {name}"):
            try:
                # The model was created a moment ago, and may not be seen yet.
                made = again_while(is_not_found, lambda: self.client.create_endpoint_config(**request))
                self._arns[name] = made["EndpointConfigArn"]
                return None
            except ClientError as error:
                if not already_exists(error):
                    raise
                log.info("Endpoint config %s exists from an earlier try.", name)
                found = again_while(is_not_found, lambda: self.config(name))
                return requests.differences(requests.without_tags(request), found)

    def config(self, name: str) -> dict[str, Any]:
        """Describe an endpoint config, which never changes, once.

        Args:
            name: The config's name.

        Raises:
            botocore.exceptions.ClientError: AWS refused, or there is none.
        """
        if name not in self._configs:
            self._configs[name] = self.client.describe_endpoint_config(EndpointConfigName=name)
        return self._configs[name]

    def config_arn(self, name: str) -> str:
        """Return an endpoint config's ARN, which is known of what was created or described here.

        Args:
            name: The config's name.

        Raises:
            botocore.exceptions.ClientError: AWS refused, or there is none.
        """
        if name not in self._arns:
            self._arns[name] = again_while(is_not_found, lambda: self.config(name))["EndpointConfigArn"]
        return self._arns[name]

    def know_config(self, name: str, arn: str) -> None:
        """Take what config_arn() has returned in another process.

        Args:
            name: The config's name.
            arn: Its ARN.
        """
        self._arns[name] = arn

    def has_config(self, name: str) -> bool:
        """Tell whether an endpoint config exists now.

        Args:
            name: The config's name.

        Raises:
            AirflowException: AWS refused.
        """
        self._configs.pop(name, None)
        with explained(f"describe endpoint config {name}"):
            try:
                return bool(self.config(name))
            except ClientError as error:
                if is_not_found(error):
                    return False
                raise

    def config_tags(self, name: str) -> dict[str, str]:
        """Return an endpoint config's tags; none where it does not exist: AWS lets one be deleted while it serves.

        Args:
            name: The config's name.

        Raises:
            AirflowException: AWS refused.
        """
        with explained(f"read the tags of endpoint config {name}"):
            arn, found = tags.read_of_config(self.client, self._arn, name)
            if found:
                self._arns[name] = arn
                self._made[name] = tags.when_made(found)[0]
                return found
            try:
                return tags.read(self.client, self.config(name)["EndpointConfigArn"])
            except ClientError as error:
                if is_not_found(error):
                    return {}
                raise

    def tag_config(self, name: str, key: str, value: str) -> None:
        """Add a tag to an endpoint config, or overwrite it.

        Args:
            name: The config's name.
            key: The tag's key.
            value: The tag's value.

        Raises:
            AirflowException: AWS refused.
        """
        with explained(f"tag endpoint config {name}"):
            arn = self.config_arn(name)
            again_while(is_not_found, lambda: tags.write(self.client, arn, {key: value}))

    def seconds_of_last_change(self, seen: Seen) -> float | None:
        """Tell how long it took until the endpoint served what is live, if no further call is needed for it.

        A deployment creates its config just before it changes the endpoint. Whatever changes the endpoint later, the
        scaling of a variant for example, makes this too long.

        Args:
            seen: What the endpoint was like.
        """
        live = seen.live or ""
        made = self._made.get(live) or self._configs.get(live, {}).get("CreationTime")
        return (seen.changed - made).total_seconds() if made and seen.changed else None

    def _change(self, method: str, request: dict[str, Any], *, live: str | None = None) -> bool:
        """Ask SageMaker once to change the endpoint; False if the endpoint has to be looked at again first.

        botocore must not repeat the request by itself: between two tries, or after an answer that was lost, somebody
        else may have deployed a later data date.
        """
        with explained(f"{method.replace('_', ' ')} {self.name}"):
            try:
                getattr(self._client_without_retries, method)(**request)
            except (ClientError, BotoCoreError) as error:
                if isinstance(error, ClientError):
                    if live and is_not_found(error) and f'endpoint-config/{live.lower()}"' in message_of(error):
                        raise LiveConfigGoneError(live) from error
                    if is_out_of_quota(error) or not (may_heal(error) or _is_passing(error)):
                        raise
                self._unanswered += 1
                if self._unanswered == MAX_UNANSWERED:
                    text = f"{method.replace('_', ' ')} {self.name}: {MAX_UNANSWERED} requests were not taken. {error}"
                    raise AirflowException(text) from error
                log.warning("%s of %s: %s; looking again.", method, self.name, error)
                time.sleep(pause_after_fault(self._unanswered))
                return False
        return True

    @property
    def client(self) -> Any:
        """A boto3 SageMaker client for what is not about the endpoint alone."""
        return self._hook.conn

    def client_of(self, service: str) -> Any:
        """Make a client of another service, by the same connection.

        Args:
            service: boto3's name of it.
        """
        return self._hook.client_of(service)

    @cached_property
    def _client_without_retries(self) -> Any:
        return self._hook.get_client_type(config=Config(**{**BOTOCORE_CONFIG, "retries": {"total_max_attempts": 1}}))


def _is_passing(error: ClientError) -> bool:
    """Whether a refusal passes: somebody else changes the endpoint, or what was just created is not seen yet.

    CreateEndpoint reads with eventual consistency:
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html
    """
    return already_exists(error) or is_in_progress(error) or is_not_found(error)
