"""One watcher looks for all that wait in a triggerer, so that a thousand waits cost little more than one.

A watcher serves one Airflow connection and region in one event loop. While few wait, it describes each resource when
its look is due. Where many wait, it also lists, newest first, back to the oldest that is waited for: each page tells of
a hundred. What lists do not tell of, because they are throttled, refused or too long, is described by turns. All
requests are spaced, made one at a time and in a thread, and each is made once: AWS throttles whole accounts, so after a
fault the watcher itself waits, for all.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws.errors import (
    code_of,
    is_credentials_refused,
    is_denied,
    is_not_found,
    may_heal,
    pause_after_fault,
)
from fresh_endpoints.aws.kinds import KINDS, Answer
from fresh_endpoints.waiting import pace
from fresh_endpoints.waiting.connections import SageMakerConnection, connection_of
from fresh_endpoints.waiting.event import NOT_FOUND
from fresh_endpoints.waiting.waits import Herd, Wait

log = logging.getLogger(__name__)

# Of one watcher, in all: five requests a second at most. How many Describe operations an account has is not documented;
# they are throttled, too, by whoever asks without pause.
REQUEST_SECONDS = 0.2
# Lists: half of the two a second that an account has for whoever lists, the steps included.
LIST_SECONDS = 1.0
# As many waits as these, each with a look a minute, make as many requests as a list every five seconds.
MANY_WAITS = 10
# How long AWS may leave looks unanswered before the task is woken, to look and to say so.
GIVE_UP_SECONDS = 900.0
# The next wait often follows soon, and needs the same client.
LINGER_SECONDS = 60.0


class Requests(Protocol):
    """Makes one request of SageMaker, without retrying it."""

    async def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the boto3 client."""


class Watcher:
    """Looks at resources until they need no more waiting, for all who wait in one event loop.

    Args:
        requests: Makes the requests.
        on_end: Called when nobody has waited for a while and the watcher has ended.
    """

    def __init__(self, requests: Requests, on_end: Callable[[], object] = lambda: None):
        self.requests = requests
        self._on_end = on_end
        self._waits: set[Wait] = set()
        # By the operation of the kind.
        self._herds: dict[str, Herd] = {}
        self._describing = _Lane(REQUEST_SECONDS)
        self._listing = _Lane(LIST_SECONDS)
        # The kinds of which the last look was refused.
        self._refused_kinds: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    async def wait(self, kind: str, name: str, started: float, expected: float | None = None, refusals: int = 0) -> str:
        """Wait until a resource is in a status that needs no more waiting.

        Args:
            kind: A key of KINDS.
            name: The resource's name.
            started: AWS's time from which on the resource is waited for, as seconds since the epoch: a job's creation,
                an endpoint's last change.
            expected: How long the same wait took before, in seconds, if known.
            refusals: How many such waits, one after the other, have ended because AWS refused to tell.

        Returns:
            The status; NOT_FOUND for a resource that does not exist.

        Raises:
            botocore.exceptions.ClientError: AWS refuses to tell, or could not for GIVE_UP_SECONDS.
            botocore.exceptions.BotoCoreError: AWS could not be reached for GIVE_UP_SECONDS, or no credentials be had.
        """
        now = time.time()
        ended = asyncio.get_running_loop().create_future()
        # The first event must not come while the scheduler still handles the deferral (apache/airflow race).
        wait = Wait(KINDS[kind], name, started, expected, now, now + pace.first_look(refusals), ended)
        self._waits.add(wait)
        if self._task is None:
            # Without the context of this wait's task: the watcher outlives it.
            self._task = contextvars.Context().run(asyncio.create_task, self._watch())
        try:
            await asyncio.wait([ended])
            await asyncio.sleep(max(wait.not_before - time.time(), 0))
            return ended.result()
        finally:
            self._waits.discard(wait)
            if ended.done() and not ended.cancelled():
                ended.exception()  # Or asyncio says that nobody has asked, where this wait was cancelled meanwhile.

    async def _watch(self) -> None:
        error: Exception | None = None
        idle_since = time.time()
        try:
            # A wait may have begun during the last pause: who waits is asked last, without a pause before the end.
            while self._waits or time.time() - idle_since < LINGER_SECONDS:
                pause = await self._look()
                # A wait that begins meanwhile is due no sooner.
                await asyncio.sleep(min(pause, pace.FIRST_LOOK_SECONDS))
                idle_since = time.time() if self._waits else idle_since
        except Exception as unforeseen:
            error = unforeseen
            log.exception("The watcher has failed; the tasks look themselves.")
        finally:
            self._task = None
            self._on_end()
            for wait in self._waits:
                wait.fail(error or asyncio.CancelledError())

    async def _look(self) -> float:
        """Make the request that is due, if one is; return how long to wait before the next one."""
        now = time.time()
        waits = [wait for wait in self._waits if not wait.ended.done()]
        self._gather(waits, now)
        lists = [herd for herd in self._herds.values() if herd.is_listable(now)]
        herd = min(lists, key=lambda herd: herd.due, default=None)
        first = min(waits, key=lambda wait: wait.due, default=None)
        # Lists come first: they are few, and there may always be something to describe.
        list_due = max(herd.due, self._listing.open_at) if herd else float("inf")
        describe_due = max(first.due, self._describing.open_at) if first else float("inf")
        if herd and list_due <= now:
            await self._listing.go(functools.partial(self._list, herd))
        elif first and describe_due <= now:
            await self._describing.go(functools.partial(self._describe, first))
        else:
            return min(list_due, describe_due) - now
        return REQUEST_SECONDS

    def _gather(self, waits: list[Wait], now: float) -> None:
        """Note of which kinds many wait; what has once been many is so until all have ended."""
        for operation, kind in KINDS.items():
            alike = [wait for wait in waits if wait.kind is kind]
            if len(alike) >= MANY_WAITS:
                self._herds.setdefault(operation, Herd(kind, now))
            if operation in self._herds and alike:
                self._herds[operation].waits = alike
            else:
                self._herds.pop(operation, None)

    async def _describe(self, wait: Wait) -> ClientError | BotoCoreError | None:
        """Look at one resource; return the fault for which all others have to wait, too."""
        try:
            answer = await self.requests(wait.kind.describe, **wait.kind.named(wait.name))
        except (ClientError, BotoCoreError) as error:
            return self._not_described(wait, error)
        self._refused_kinds.discard(wait.kind.operation)
        wait.described = now = time.time()
        status = wait.kind.status_of(answer)
        if wait.kind.answer_to(status) is Answer.WAIT:
            herd = self._herds.get(wait.kind.operation)
            wait.look_again(now, herd.turn if herd else None)
        else:
            wait.end(status)
        return None

    def _not_described(self, wait: Wait, error: ClientError | BotoCoreError) -> ClientError | BotoCoreError | None:
        now = time.time()
        if isinstance(error, ClientError) and is_not_found(error):
            wait.end(NOT_FOUND)
        elif is_denied(error) or is_credentials_refused(error):
            self._refused(wait, error)
        elif isinstance(error, ClientError) and not may_heal(error):
            wait.fail(error)
        else:
            wait.unanswered_since = wait.unanswered_since or now
            wait.due = now + pace.SHORTEST_SECONDS
            wait.context.run(log.warning, "Could not look at %s: %s", wait.name, error)
            self._give_up_on_silence(error, now)
            return error
        return None

    def _refused(self, wait: Wait, error: ClientError | BotoCoreError) -> None:
        """Tell a refusal to all whom it concerns: what is refused twice in a row is not about one resource."""
        is_ours = is_credentials_refused(error)
        others = [
            other
            for other in self._waits
            if other is not wait and not other.ended.done() and (is_ours or other.kind is wait.kind)
        ]
        wait.fail(error)
        if wait.kind.operation in self._refused_kinds:
            for other in others:
                other.fail(error)
        elif others:
            self._refused_kinds.add(wait.kind.operation)
            others[0].due = time.time()

    def _give_up_on_silence(self, error: ClientError | BotoCoreError, now: float) -> None:
        """Wake whom AWS has not answered for long, whether or not they were asked for one by one."""
        for wait in self._waits:
            in_all = max(self._describing.faults_since or now, wait.told)
            if now - min(in_all, wait.unanswered_since or now) > GIVE_UP_SECONDS:
                wait.fail(error)

    async def _list(self, herd: Herd) -> ClientError | BotoCoreError | None:
        """Read one page; return the fault for which all other lists have to wait, too."""
        try:
            answer = await self.requests(herd.kind.list, **herd.scan(time.time()).request)
        except (ClientError, BotoCoreError) as error:
            if is_credentials_refused(error):
                min(herd.waits, key=lambda wait: wait.due).due = time.time()  # All are told when it is refused, too.
            if isinstance(error, ClientError) and not may_heal(error):
                log.warning(
                    "%s is refused (%s); describing instead, which takes longer.", herd.kind.list, code_of(error)
                )
                herd.give_up_lists(time.time())
                return None
            return error
        herd.take(answer, time.time())
        return None


class _Lane:
    """Requests of one sort: one after the other, spaced, and after a fault of AWS's with growing pauses.

    Args:
        seconds: From one to the next.
    """

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._faults = 0
        self.open_at = 0.0
        self.faults_since: float | None = None

    async def go(self, request: Callable[[], Awaitable[ClientError | BotoCoreError | None]]) -> None:
        """Make a request.

        Args:
            request: Makes it, and returns the fault if AWS has not answered.
        """
        self.open_at = time.time() + self._seconds
        error = await request()
        if error is None:
            if self.faults_since is not None:
                log.info("SageMaker answers again, after %.0f s.", time.time() - self.faults_since)
            self._faults, self.faults_since = 0, None
            return
        self._faults += 1
        self.faults_since = self.faults_since or time.time()
        pause = pause_after_fault(self._faults)
        # Throttling may last for hours: told when it begins and when it ends.
        level = logging.INFO if self._faults == 1 else logging.DEBUG
        log.log(level, "SageMaker gave no answer (%s); the next look comes in %.1f s.", error, pause)
        self.open_at = time.time() + self._seconds + pause


_watchers: dict[tuple[asyncio.AbstractEventLoop, str | None, str | None], Watcher] = {}


def watcher_of(aws_conn_id: str | None, region_name: str | None) -> Watcher:
    """Return the running event loop's watcher for a connection and region.

    Args:
        aws_conn_id: The Airflow connection.
        region_name: The AWS region.
    """
    # By loop: `dag.test()` runs each trigger in an event loop of its own.
    key = (asyncio.get_running_loop(), aws_conn_id, region_name)
    if key not in _watchers:
        connection = connection_of(SageMakerConnection, aws_conn_id, region_name)
        _watchers[key] = Watcher(connection, on_end=lambda: _watchers.pop(key, None))
    return _watchers[key]
