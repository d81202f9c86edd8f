"""Waiting without a worker slot: triggers for what SageMaker does and for data in S3.

The triggerer imports this module, and runs the triggers, in its event loop. So nothing here imports the provider's
hooks at the top, and everything that may block runs in threads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async
from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws.errors import (
    code_of,
    is_credentials_refused,
    may_heal,
    message_of,
    pause_after_fault,
    speaker_of,
)
from fresh_endpoints.aws.kinds import KINDS
from fresh_endpoints.waiting import pace
from fresh_endpoints.waiting.connections import S3Connection, SageMakerConnection, connection_of
from fresh_endpoints.waiting.event import COULD_NOT_LOOK, THERE, WaitEnded
from fresh_endpoints.waiting.refused import note_end
from fresh_endpoints.waiting.task_state import state_of
from fresh_endpoints.waiting.watcher import watcher_of

# How often a request to stop a job is made, should AWS not answer it.
MAX_STOPS = 8

# The event loop holds its tasks weakly.
_stopping: set[asyncio.Task[None]] = set()


class SageMakerTrigger(BaseTrigger):
    """Fires once a training job, transform job or endpoint is in a status that needs no more waiting.

    It decides nothing: its event is a WaitEnded, and the task looks again when it resumes. When a user marks the
    waiting task failed or clears it, the job is stopped (an endpoint's change is not: SageMaker cannot stop one).

    Args:
        kind: ``training_job``, ``transform_job`` or ``endpoint``.
        name: The resource's name.
        started: When the waiting started, by AWS's clock, as seconds since the epoch.
        expected_seconds: How long the same wait took before, if known; how often to look follows from it.
        aws_conn_id: The Airflow connection.
        region_name: The AWS region.
        refusals: WaitEnded.refusals of the task's wait before, if that ended without a look.
        may_stop: Whether the job is the task's own to stop; one that another Airflow has started goes on.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        started: float,
        expected_seconds: float | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        refusals: int = 0,
        may_stop: bool = True,
    ):
        super().__init__()
        self.may_stop = may_stop
        self.kind = kind
        self.name = name
        self.started = started
        self.expected_seconds = expected_seconds
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.refusals = refusals

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that make an equal trigger."""
        arguments = (
            "kind",
            "name",
            "started",
            "expected_seconds",
            "aws_conn_id",
            "region_name",
            "refusals",
            "may_stop",
        )
        return (
            "fresh_endpoints.waiting.triggers.SageMakerTrigger",
            {argument: getattr(self, argument) for argument in arguments},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until there is nothing more to wait for, then fire once."""
        yield TriggerEvent((await self._wait()).to_json())

    async def _wait(self) -> WaitEnded:
        watcher = watcher_of(self.aws_conn_id, self.region_name)
        try:
            status = await watcher.wait(self.kind, self.name, self.started, self.expected_seconds, self.refusals)
        except (ClientError, BotoCoreError) as error:
            return _could_not_look(self, self.name, error)
        except Exception as error:
            self.log.exception("Cannot look at %s %s.", self.kind, self.name)
            refusals = self.refusals + 1
            return WaitEnded(self.name, trigger_failed=True, reason=_words_of(error), refusals=refusals)
        note_end(self.aws_conn_id, self.region_name, self.kind)
        return WaitEnded(self.name, status)

    async def on_kill(self) -> None:
        """Stop the job, so that it stops costing, when a user has given up or cleared the waiting task.

        Airflow 3.3 calls this also in a triggerer that was taken for dead and had its triggers handed to another one.
        Then the task is deferred as before, and the job goes on.
        """
        kind = KINDS[self.kind]
        if kind.stop is None or not self.may_stop:
            return
        # The triggerer cancels anew every second until the trigger has ended, and so would end a slower stop halfway.
        stopping = asyncio.create_task(self._stop_unless_waited_for(kind.stop, kind.named(self.name)))
        _stopping.add(stopping)
        stopping.add_done_callback(_stopping.discard)
        await asyncio.shield(stopping)

    def _is_still_waited_for(self) -> bool:
        if self.task_instance is None:  # Not in a triggerer.
            return False
        try:
            is_deferred = state_of(self.task_instance) == "deferred"
        except Exception as error:
            self.log.warning("Could not ask Airflow for the task's state (%s); %s goes on.", error, self.name)
            return True
        if is_deferred:
            self.log.info("Another triggerer waits for %s %s; it goes on.", self.kind, self.name)
        return is_deferred

    async def _stop_unless_waited_for(self, method: str, named: dict[str, str]) -> None:
        if await sync_to_async(self._is_still_waited_for, thread_sensitive=False)():
            return
        requests = connection_of(SageMakerConnection, self.aws_conn_id, self.region_name)
        for attempt in range(1, MAX_STOPS + 1):
            try:
                await requests(method, **named)
            except (ClientError, BotoCoreError) as error:
                if attempt < MAX_STOPS and (not isinstance(error, ClientError) or may_heal(error)):
                    await asyncio.sleep(pause_after_fault(attempt))
                    continue
                # A job that has ended needs no stopping, and SageMaker refuses to.
                self.log.info("Did not stop %s %s: %s", self.kind, self.name, error)
            else:
                self.log.info("Stopped %s %s, for a user has ended its task.", self.kind, self.name)
            return


class DataTrigger(BaseTrigger):
    """Fires once all files are in S3, or at the deadline, or when S3 refuses to tell; its event is a WaitEnded.

    The provider's S3KeyTrigger makes a client of its own, which takes a triggerer megabytes and blocks its event loop;
    here all that wait share one hook and its threads.

    Args:
        bucket_name: The bucket.
        bucket_key: The keys.
        deadline: When to fire whether or not the files are there, as seconds since the epoch.
        poke_interval: Seconds between two looks.
        aws_conn_id: The Airflow connection.
        region_name: The AWS region.
        refusals: WaitEnded.refusals of the task's wait before, if that ended without a look.
    """

    def __init__(
        self,
        bucket_name: str,
        bucket_key: list[str],
        deadline: float,
        poke_interval: float,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        refusals: int = 0,
    ):
        super().__init__()
        self.bucket_name = bucket_name
        self.bucket_key = bucket_key
        self.deadline = deadline
        self.poke_interval = poke_interval
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.refusals = refusals

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that make an equal trigger."""
        arguments = ("bucket_name", "bucket_key", "deadline", "poke_interval", "aws_conn_id", "region_name", "refusals")
        return (
            "fresh_endpoints.waiting.triggers.DataTrigger",
            {argument: getattr(self, argument) for argument in arguments},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the files, or for the deadline, then fire once."""
        # The first event must not come while the scheduler still handles the deferral (apache/airflow race).
        await asyncio.sleep(pace.FIRST_LOOK_SECONDS)
        await asyncio.sleep(min(pace.first_look(self.refusals) - pace.FIRST_LOOK_SECONDS, self._left))
        yield TriggerEvent((await self._wait()).to_json())

    async def _wait(self) -> WaitEnded:
        s3 = connection_of(S3Connection, self.aws_conn_id, self.region_name)
        while self._left > 0:
            try:
                if await s3.are_there(self.bucket_name, self.bucket_key):
                    return WaitEnded(status=THERE)
            except (ClientError, BotoCoreError) as error:
                self.log.warning("Could not look for s3://%s/%s: %s", self.bucket_name, self.bucket_key, error)
                if is_credentials_refused(error) or (isinstance(error, ClientError) and not may_heal(error)):
                    return _could_not_look(self, None, error)
            except Exception as error:
                self.log.exception("Cannot look for s3://%s/%s.", self.bucket_name, self.bucket_key)
                return WaitEnded(trigger_failed=True, reason=_words_of(error), refusals=self.refusals + 1)
            await asyncio.sleep(min(self.poke_interval, self._left))
        return WaitEnded(timed_out=True)

    @property
    def _left(self) -> float:
        return max(self.deadline - time.time(), 0.0)


def _could_not_look(
    trigger: SageMakerTrigger | DataTrigger, name: str | None, error: ClientError | BotoCoreError
) -> WaitEnded:
    """Say in the task's log that and why it is woken: it looks itself, and may meet the same refusal."""
    refusals, reason = trigger.refusals + 1, _words_of(error)
    pause = pace.first_look(refusals)
    trigger.log.warning(
        "The triggerer cannot look (%s). The task looks itself; should it have to wait on, this is tried again after "
        "%.0f s.",
        reason,
        pause,
    )
    return WaitEnded(name, COULD_NOT_LOOK, reason=reason, refusals=refusals)


def _words_of(error: Exception) -> str:
    if isinstance(error, ClientError):
        return f"{error.operation_name}: {speaker_of(error)} says {code_of(error)}: {message_of(error)}"
    return f"{type(error).__name__}: {error}"
