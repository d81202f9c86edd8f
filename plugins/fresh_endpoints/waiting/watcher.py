"""One watcher looks for all that wait in a triggerer, so that a thousand waits cost little more than one.

A watcher serves one Airflow connection and region in one event loop. While few wait, it describes each resource when
its look is due. When many wait, it lists every few seconds what has changed (``LastModifiedTimeAfter``) until all have
ended, which costs one request for a hundred changes however many wait. Its requests are spaced, made one at a time and
in a thread, and each is made once: AWS throttles whole accounts, so after a fault the watcher itself waits, for all.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from asgiref.sync import sync_to_async
from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws.errors import code_of, is_not_found, may_heal
from fresh_endpoints.aws.kinds import KINDS, Answer, Kind
from fresh_endpoints.waiting import pace

log = logging.getLogger(__name__)

# Of one watcher, in all: five requests a second at most.
REQUEST_SECONDS = 0.2
# As many waits as these, each with a look a minute, make as many requests as a list every five seconds.
MANY_WAITS = 10
MAX_RESULTS = 100
# A change may show up in a list a little after its own time.
OVERLAP_SECONDS = 15.0
# A list tells of changes only; whether a resource is still there, only Describe tells.
DESCRIBE_AFTER_SECONDS = 600.0
# How long not to list where that is refused, or takes a page for every WAITS_PER_PAGE waits.
WAITS_PER_PAGE = 3
NO_LIST_SECONDS = 300.0
# How long AWS may leave looks unanswered before the task is woken, to look and to say so.
GIVE_UP_SECONDS = 900.0
# The next wait often follows soon, and needs the same client.
LINGER_SECONDS = 60.0

_ONE_TRY: dict[str, Any] = {"retries": {"total_max_attempts": 1}, "connect_timeout": 5, "read_timeout": 15}


NOT_FOUND = "not found"


class Requests(Protocol):
    """Makes one request of SageMaker, without retrying it."""

    async def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the boto3 client."""


@dataclass(eq=False)
class _Wait:
    kind: Kind
    name: str
    started: float
    expected: float | None
    due: float
    # AWS's clock: by then the resource was still to be waited for.
    known: float
    not_before: float
    described: float
    ended: asyncio.Future[str]
    faults_since: float | None = None
    # What is logged about this wait belongs to its task's log.
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def looked(self, now: float, known: float) -> None:
        self.known = known
        self.faults_since = None
        self.due = now + pace.next_look(now - self.started, self.expected)

    def end(self, status: str) -> None:
        if not self.ended.done():
            self.ended.set_result(status)

    def fail(self, error: BaseException) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)


class Watcher:
    """Looks at resources until they need no more waiting, for all who wait in one event loop.

    Args:
        requests: Makes the requests.
        on_end: Called when nobody has waited for a while and the watcher has ended.
    """

    def __init__(self, requests: Requests, on_end: Callable[[], object] = lambda: None):
        self.requests = requests
        self._on_end = on_end
        self._waits: set[_Wait] = set()
        self._list_at: dict[str, float] = {}
        self._no_list_until: dict[str, float] = {}
        self._faults = 0
        self._task: asyncio.Task[None] | None = None

    async def wait(self, kind: str, name: str, started: float, expected: float | None = None) -> str:
        """Wait until a resource is in a status that needs no more waiting.

        Args:
            kind: A key of KINDS.
            name: The resource's name.
            started: AWS's time from which on the resource is waited for, as seconds since the epoch.
            expected: How long the same wait took before, in seconds, if known.

        Returns:
            The status; NOT_FOUND for a resource that does not exist.

        Raises:
            botocore.exceptions.ClientError: AWS refuses to tell, or could not for GIVE_UP_SECONDS.
            botocore.exceptions.BotoCoreError: AWS could not be reached for GIVE_UP_SECONDS.
        """
        now = time.time()
        # The first event must not come while the scheduler still handles the deferral (apache/airflow race).
        not_before = now + pace.FIRST_LOOK_SECONDS
        wait = _Wait(
            KINDS[kind],
            name,
            started,
            expected,
            due=max(not_before, now + pace.next_look(now - started, expected)),
            known=started,
            not_before=not_before,
            described=now,
            ended=asyncio.get_running_loop().create_future(),
        )
        self._waits.add(wait)
        if self._task is None:
            # Without the context of this wait's task: the watcher outlives it.
            self._task = contextvars.Context().run(asyncio.create_task, self._watch())
        try:
            return await wait.ended
        finally:
            self._waits.discard(wait)

    async def _watch(self) -> None:
        error: Exception | None = None
        idle_since: float | None = None
        try:
            while idle_since is None or time.time() - idle_since < LINGER_SECONDS:
                idle_since = None if self._waits else idle_since or time.time()
                pause = await self._look() if self._waits else LINGER_SECONDS
                # A wait that begins meanwhile is due no sooner.
                await asyncio.sleep(min(pause, pace.FIRST_LOOK_SECONDS))
        except Exception as unforeseen:
            error = unforeseen
        finally:
            self._task = None
            self._on_end()
            for wait in self._waits:
                wait.fail(error or asyncio.CancelledError())

    async def _look(self) -> float:
        """Make the request that is due, if one is; return how long to wait before the next one."""
        now = time.time()
        waits = [wait for wait in self._waits if not wait.ended.done()]
        looks = []
        for kind in KINDS.values():
            alike = [wait for wait in waits if wait.kind is kind]
            if not alike:
                self._list_at.pop(kind.list, None)
            elif len(alike) >= MANY_WAITS:
                self._list_at.setdefault(kind.list, now)
            if kind.list in self._list_at and self._no_list_until.get(kind.list, now) <= now:
                due = max(self._list_at[kind.list], min(wait.not_before for wait in alike))
                looks.append((due, functools.partial(self._list, kind, alike)))
            elif alike:
                first = min(alike, key=lambda wait: wait.due)
                looks.append((first.due, functools.partial(self._describe, first)))
        due, look = min(looks, key=lambda look: look[0], default=(now + REQUEST_SECONDS, None))
        if look is None or due > now:
            return due - now
        try:
            await look()
        except (ClientError, BotoCoreError) as error:
            self._faults += 1
            pause = pace.after_fault(self._faults)
            log.info("SageMaker gave no answer (%s); the next look comes in %.1f s.", error, pause)
            return REQUEST_SECONDS + pause
        self._faults = 0
        return REQUEST_SECONDS

    async def _describe(self, wait: _Wait) -> None:
        try:
            answer = await self.requests(wait.kind.describe, **wait.kind.named(wait.name))
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and is_not_found(error):
                wait.end(NOT_FOUND)
                return
            self._note_fault(wait, error)
            raise
        now = time.time()
        wait.described = now
        status = wait.kind.status_of(answer)
        if wait.kind.answer_to(status) is Answer.WAIT:
            wait.looked(now, _answered_at(answer))
        else:
            wait.end(status)

    def _note_fault(self, wait: _Wait, error: ClientError | BotoCoreError) -> None:
        now = time.time()
        wait.faults_since = wait.faults_since or now
        wait.due = now + pace.SHORTEST_SECONDS
        wait.context.run(log.warning, "Could not look at %s: %s", wait.name, error)
        lasting = isinstance(error, ClientError) and not may_heal(error)
        if lasting or now - wait.faults_since > GIVE_UP_SECONDS:
            wait.fail(error)

    async def _list(self, kind: Kind, waits: list[_Wait]) -> None:
        """Look at all resources of a kind by what has changed since they were looked at last."""
        since = min(wait.known for wait in waits) - OVERLAP_SECONDS
        try:
            answers = [answer async for answer in self._pages(kind, since, most=1 + len(waits) // WAITS_PER_PAGE)]
        except ClientError as error:
            if may_heal(error):
                raise
            log.warning("%s is refused (%s); describing each resource, which takes longer.", kind.list, code_of(error))
            self._no_list_until[kind.list] = time.time() + NO_LIST_SECONDS
            return
        now = time.time()
        changed = {kind.name_of(item): item for answer in answers for item in answer[kind.summaries]}
        is_whole = "NextToken" not in answers[-1]
        for wait in waits:
            if wait.not_before > now:
                continue
            item = changed.get(wait.name)
            if item and _has_ended(item, wait):
                wait.end(kind.status_of(item))
            elif is_whole:
                wait.looked(now, _answered_at(answers[0]))
        self._list_at[kind.list] = now + pace.SHORTEST_SECONDS
        if not is_whole:
            log.warning("%s has more to tell than %s pages; describing.", kind.list, len(answers))
            self._no_list_until[kind.list] = now + NO_LIST_SECONDS
        seldom = min(waits, key=lambda wait: wait.described)
        if now - seldom.described > DESCRIBE_AFTER_SECONDS and not seldom.ended.done():
            await self._describe(seldom)

    async def _pages(self, kind: Kind, since: float, most: int) -> AsyncIterator[dict[str, Any]]:
        parameters: dict[str, Any] = {
            "LastModifiedTimeAfter": datetime.fromtimestamp(since, tz=timezone.utc),
            "MaxResults": MAX_RESULTS,
        }
        for _ in range(most):
            answer = await self.requests(kind.list, **parameters)
            yield answer
            if "NextToken" not in answer:
                return
            parameters["NextToken"] = answer["NextToken"]
            await asyncio.sleep(REQUEST_SECONDS)


def _has_ended(item: Mapping[str, Any], wait: _Wait) -> bool:
    # Lists may lag behind: what was seen waiting later than the item's last change goes on.
    is_news = item["LastModifiedTime"].timestamp() >= wait.started
    return is_news and wait.kind.answer_to(wait.kind.status_of(item)) is not Answer.WAIT


def _answered_at(answer: Mapping[str, Any]) -> float:
    """AWS's own time of an answer: this machine's clock may be wrong."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(date).timestamp() if date else time.time()


class ClientRequests:
    """Makes requests with one boto3 client, each in a thread.

    Args:
        aws_conn_id: The Airflow connection.
        region_name: The AWS region.
    """

    def __init__(self, aws_conn_id: str | None, region_name: str | None):
        self._aws_conn_id = aws_conn_id
        self._region_name = region_name
        self._client: Any = None
        self._making = asyncio.Lock()

    async def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the client; see Requests."""
        async with self._making:
            if self._client is None:
                # sync_to_async, not a bare thread: reading the connection goes back through the triggerer's event loop.
                self._client = await sync_to_async(self._make_client, thread_sensitive=False)()
            client = self._client
        try:
            answer: dict[str, Any] = await asyncio.to_thread(getattr(client, method), **parameters)
        except ClientError as error:
            if not (may_heal(error) or is_not_found(error)):
                # The connection may have been changed since the client was made.
                self._client = None
            raise
        return answer

    def _make_client(self) -> Any:
        # Imported here because a DAG file's parse, which imports this module, must not pay for the provider.
        from fresh_endpoints.aws.clients import SageMakerHook

        hook = SageMakerHook(aws_conn_id=self._aws_conn_id, region_name=self._region_name, config=_ONE_TRY)
        return hook.get_conn()


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
        _watchers[key] = Watcher(ClientRequests(aws_conn_id, region_name), on_end=lambda: _watchers.pop(key, None))
    return _watchers[key]
