"""Waiting for what AWS has refused for now, for want of quota or of capacity, without a worker slot.

The triggerer imports this module, as it does triggers.py.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from airflow.triggers.base import BaseTrigger, TriggerEvent

from fresh_endpoints.aws.kinds import ENDPOINT, KINDS, Answer, Kind
from fresh_endpoints.waiting import pace, turns
from fresh_endpoints.waiting.connections import SageMakerConnection, connection_of
from fresh_endpoints.waiting.event import WaitEnded
from fresh_endpoints.waiting.turns import Claim, Queue

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Counter:
    """Where those queue up who wait for the same.

    Attributes:
        aws_conn_id: The Airflow connection.
        region_name: The AWS region.
        kind: ``training_job``, ``transform_job`` or ``endpoint``.
        wanted: What there is not enough of, such as ``ml.m4.xlarge for training job usage``.
        is_capacity: Whether AWS has none, rather than the account's quota.
    """

    aws_conn_id: str | None
    region_name: str | None
    kind: str
    wanted: str
    is_capacity: bool


# By loop: `dag.test()` runs each trigger in an event loop of its own.
_queues: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Counter, Queue]] = WeakKeyDictionary()


class RefusedTrigger(BaseTrigger):
    """Fires when it is this one's turn to ask AWS again for what was refused, or at the deadline.

    Its event is a WaitEnded without a name, so that the task asks again, whichever it was. Where a user ends the
    waiting task it gives up its place, and there is nothing to stop.

    Args:
        kind: ``training_job``, ``transform_job`` or ``endpoint``.
        name: The name of the resource that is asked for.
        key: Tells this wait from all others; the same in each try of the task.
        wanted: What there is not enough of, in AWS's words; all that wait for the same queue up.
        since: When it was refused first, as seconds since the epoch: its place in the queue.
        deadline: When to fire in any case, as seconds since the epoch.
        is_told: Whether people have been told that it waits.
        is_capacity: Whether AWS has none, rather than the account's quota.
        attempt: Which of the run's jobs is asked for, from 1.
        aws_conn_id: The Airflow connection.
        region_name: The AWS region.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        key: str,
        wanted: str,
        since: float,
        deadline: float,
        is_told: bool = False,
        is_capacity: bool = False,
        attempt: int = 1,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
    ):
        super().__init__()
        self.kind = kind
        self.name = name
        self.key = key
        self.wanted = wanted
        self.since = since
        self.deadline = deadline
        self.is_told = is_told
        self.is_capacity = is_capacity
        self.attempt = attempt
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that make an equal trigger."""
        arguments = (
            "kind",
            "name",
            "key",
            "wanted",
            "since",
            "deadline",
            "is_told",
            "is_capacity",
            "attempt",
            "aws_conn_id",
            "region_name",
        )
        return (
            "fresh_endpoints.waiting.refused.RefusedTrigger",
            {argument: getattr(self, argument) for argument in arguments},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for its turn, then fire once."""
        yield TriggerEvent((await self._wait()).to_json())

    async def _wait(self) -> WaitEnded:
        claim = Claim(self.key, self.name, self.since, self.is_told)
        counter = Counter(self.aws_conn_id, self.region_name, self.kind, self.wanted, self.is_capacity)
        left = max(self.deadline - time.time(), pace.FIRST_LOOK_SECONDS)
        try:
            claim = await asyncio.wait_for(_queue_at(counter).wait(claim), left)
        except asyncio.TimeoutError:
            self.log.info("The time to wait is over; the task asks once more.")
        except Exception as error:
            self.log.exception("Cannot wait for its turn; the task asks by itself.")
            await asyncio.sleep(min(left, pace.REFUSED_SECONDS))
            return WaitEnded(reason=str(error), **self._known_of(claim))
        return WaitEnded(**self._known_of(claim))

    def _known_of(self, claim: Claim) -> dict[str, Any]:
        return {"refused_since": claim.since, "is_told": claim.is_told, "attempt": self.attempt}


def note_end(aws_conn_id: str | None, region_name: str | None, kind: str) -> None:
    """Note that what the triggerer waited for has ended: those who wait for a quota of its kind may ask.

    Args:
        aws_conn_id: The Airflow connection.
        region_name: The AWS region.
        kind: ``training_job``, ``transform_job`` or ``endpoint``.
    """
    for counter, queue in _queues.get(asyncio.get_running_loop(), {}).items():
        if (counter.aws_conn_id, counter.region_name, counter.kind) == (aws_conn_id, region_name, kind):
            queue.note_end()


def _queue_at(counter: Counter) -> Queue:
    queues = _queues.setdefault(asyncio.get_running_loop(), {})
    if counter not in queues:
        sort = turns.CAPACITY if counter.is_capacity else turns.QUOTA
        queues[counter] = Queue(_look_at(counter), sort)
    return queues[counter]


def _look_at(counter: Counter) -> Callable[[str], Awaitable[bool]]:
    kind = KINDS[counter.kind]
    requests = connection_of(SageMakerConnection, counter.aws_conn_id, counter.region_name)

    async def is_let_in(name: str) -> bool:
        """Look whether AWS has taken the request; False also where it does not tell: the queue goes on without."""
        try:
            found = await requests(kind.describe, **kind.named(name))
        except Exception as error:
            log.debug("Could not look at %s: %s", name, error)
            return False
        return _has_begun(kind, found, is_capacity=counter.is_capacity)

    return is_let_in


def _has_begun(kind: Kind, found: dict[str, Any], *, is_capacity: bool) -> bool:
    if kind is ENDPOINT:
        # It is there before it is changed, and what a change has failed for stays to be read until the next one.
        answer = kind.answer_to(kind.status_of(found))
        return answer is Answer.DONE and not found.get("FailureReason") if is_capacity else answer is Answer.WAIT
    return bool(found.get(kind.start_member)) if is_capacity else True
