"""Waiting without a worker slot: triggers for what SageMaker does and for data in S3."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.amazon.aws.hooks.sagemaker import SageMakerHook
from airflow.providers.amazon.aws.triggers.s3 import S3KeyTrigger
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async
from botocore.exceptions import BotoCoreError, ClientError

from sagemaker_pipelines import polling, statuses
from sagemaker_pipelines.aws_errors import BOTOCORE_CONFIG, is_not_found, may_heal

# How many looks in a row AWS may leave unanswered (each already retried by botocore) before the task is asked to look.
MAX_FAULTS_IN_A_ROW = 10

_DESCRIBE: dict[str, tuple[str, str, str, Any]] = {
    # kind: (client method, name parameter, status member, table of statuses)
    "training_job": ("describe_training_job", "TrainingJobName", "TrainingJobStatus", statuses.TRAINING_JOB),
    "transform_job": ("describe_transform_job", "TransformJobName", "TransformJobStatus", statuses.TRANSFORM_JOB),
    "endpoint": ("describe_endpoint", "EndpointName", "EndpointStatus", statuses.ENDPOINT),
}
_STOP = {
    "training_job": ("stop_training_job", "TrainingJobName"),
    "transform_job": ("stop_transform_job", "TransformJobName"),
}


class SageMakerTrigger(BaseTrigger):
    """Fires once a training job, transform job or endpoint is in a status that needs no more waiting.

    It decides nothing: the task looks again when it resumes. When a user marks the waiting task failed or clears it,
    the job is stopped (an endpoint's change is not: SageMaker cannot stop one).

    Args:
        kind: ``training_job``, ``transform_job`` or ``endpoint``.
        name: The resource's name.
        started: When the waiting started, as seconds since the epoch; how often to look follows from it.
        expected_seconds: How long the same wait took the last time, if known.
        aws_conn_id: The Airflow connection.
        region_name: The AWS region.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        started: float,
        expected_seconds: float | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
    ):
        super().__init__()
        self.kind = kind
        self.name = name
        self.started = started
        self.expected_seconds = expected_seconds
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that make an equal trigger."""
        arguments = ("kind", "name", "started", "expected_seconds", "aws_conn_id", "region_name")
        return (
            "sagemaker_pipelines.triggers.SageMakerTrigger",
            {argument: getattr(self, argument) for argument in arguments},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until there is nothing more to wait for, then fire once."""
        # The first event must not come while the scheduler still handles the deferral (apache/airflow race).
        await asyncio.sleep(polling.FIRST_LOOK_SECONDS)
        faults = 0
        while True:
            try:
                status = await self._status()
                faults = 0
            except (ClientError, BotoCoreError) as error:
                faults += 1
                healable = not isinstance(error, ClientError) or may_heal(error)
                self.log.warning("Could not look at %s %s: %s", self.kind, self.name, error)
                if not healable or faults >= MAX_FAULTS_IN_A_ROW:
                    # The connection may have changed since the client was made.
                    _clients.pop((self.aws_conn_id, self.region_name), None)
                    # The task meets the same refusal when it looks, and says so in AWS's own words.
                    yield TriggerEvent({"name": self.name, "status": "could not look"})
                    return
            else:
                if statuses.answer_to(_DESCRIBE[self.kind][3], status) is not statuses.Answer.WAIT:
                    yield TriggerEvent({"name": self.name, "status": status})
                    return
            await asyncio.sleep(polling.next_look(time.time() - self.started, self.expected_seconds))

    async def on_kill(self) -> None:
        """Stop the job, so that it stops costing, when a user has given up or cleared the waiting task."""
        if self.kind not in _STOP:
            return
        method, parameter = _STOP[self.kind]
        client = await self._client()
        try:
            await asyncio.to_thread(getattr(client, method), **{parameter: self.name})
            self.log.info("Stopped %s %s, for a user has ended its task.", self.kind, self.name)
        except (ClientError, BotoCoreError) as error:
            # A job that has ended needs no stopping, and SageMaker refuses to.
            self.log.info("Did not stop %s %s: %s", self.kind, self.name, error)

    async def _status(self) -> str:
        method, parameter, member, _ = _DESCRIBE[self.kind]
        client = await self._client()
        try:
            description = await asyncio.to_thread(getattr(client, method), **{parameter: self.name})
        except ClientError as error:
            if is_not_found(error):
                return "not found"
            raise
        return description[member]

    async def _client(self) -> Any:
        key = (self.aws_conn_id, self.region_name)
        if key not in _clients:
            # sync_to_async, not a bare thread: reading the connection goes back through the triggerer's event loop.
            _clients[key] = await sync_to_async(self._make_client, thread_sensitive=False)()
        return _clients[key]

    def _make_client(self) -> Any:
        hook = SageMakerHook(aws_conn_id=self.aws_conn_id, region_name=self.region_name, config=BOTOCORE_CONFIG)
        return hook.get_conn()


# One client a connection and region for all triggers of the process: a boto3 client takes megabytes and is thread-safe.
_clients: dict[tuple[str | None, str | None], Any] = {}


class DataTrigger(S3KeyTrigger):
    """The provider's S3 trigger with an end of its own, and a first look after the scheduler has handled the deferral.

    Args:
        deadline: When to fire whether or not the files are there, as seconds since the epoch.
        arguments: The provider's trigger's.
    """

    def __init__(self, *, deadline: float, **arguments: Any):
        super().__init__(**arguments)
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that make an equal trigger."""
        arguments = {**super().serialize()[1], "deadline": self.deadline}
        arguments.update(arguments.pop("hook_params"))
        return "sagemaker_pipelines.triggers.DataTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the files, or for the deadline."""
        await asyncio.sleep(polling.FIRST_LOOK_SECONDS)
        try:
            yield await asyncio.wait_for(anext(super().run()), max(self.deadline - time.time(), 0))
        except asyncio.TimeoutError:
            yield TriggerEvent({"status": "timeout"})
