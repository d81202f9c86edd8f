"""Sends what was kept for later, from the triggerer: a message a second, failures first and then the oldest.

See https://docs.slack.dev/apis/web-api/rate-limits. All that wait in a triggerer stand in one line a webhook, or a
channel. While there is a line, the tasks are told so (see slack_pause.py), and stand in it, too.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async

from fresh_endpoints.telling.refusal import Refusal
from fresh_endpoints.telling.slack_pause import LONGEST_SECONDS, SlackPause

if TYPE_CHECKING:
    from fresh_endpoints.telling.later import Later

T = TypeVar("T")

log = logging.getLogger(__name__)

MESSAGE_SECONDS = 1.0
# For how long a message is tried. Then its run fails, which says so; cleared, it is tried anew.
LONGEST_TRYING_SECONDS = 86_400.0
# From one try to the next, while Slack takes nothing and does not say for how long.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 2.0, 60.0
# How long before it is over the tasks are told anew that there is a line.
_TELL_ANEW_SECONDS = 2.0


async def send(later: Later) -> Refusal | None:
    """Send a message when its turn comes.

    Args:
        later: The message.

    Returns:
        None once Slack has taken it; else why it never will.
    """
    senders = _senders.setdefault(asyncio.get_running_loop(), {})
    if later.line not in senders:
        senders[later.line] = Sender(post_later, SlackPause(later.line))
    return await senders[later.line].send(later)


def post_later(later: Later) -> Refusal | None:
    """Send a message, once.

    Args:
        later: The message.
    """
    from fresh_endpoints.telling.slack_hook import posted, slack_hook
    from fresh_endpoints.telling.slack_thread import ThreadOfAnother

    def thread() -> ThreadOfAnother:
        facts = {"dag_id": "", "run_id": "", "task_ids": (), **later.thread}
        return ThreadOfAnother(**facts, place=f"{later.connection} {later.body.get('channel')}")

    return posted(lambda: slack_hook(later.connection, thread).post(later.content))


@dataclass(eq=False)
class _Waiting:
    later: Later
    ended: asyncio.Future[Refusal | None]
    began: float = field(default_factory=time.time)
    context: contextvars.Context = field(default_factory=contextvars.copy_context)


class Sender:
    """Sends the messages of one webhook or channel, in one event loop.

    Args:
        post: Sends a message; may block.
        pause: What tells the tasks, and other triggerers.
    """

    def __init__(self, post: Callable[[Later], Refusal | None], pause: SlackPause):
        self._post = post
        self._pause = pause
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None
        # When the next message may be sent, and until when the tasks have been told to stand in line.
        self._open_at = 0.0
        self._told_until = 0.0
        self._faults = 0
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="fresh-endpoints-slack")

    async def send(self, later: Later) -> Refusal | None:
        """Send a message when its turn comes, as the function does."""
        waiting = _Waiting(later, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._task is None:
            # Without the context of this message's task: the sender outlives it.
            self._task = contextvars.Context().run(asyncio.create_task, self._go_on())
        try:
            return await waiting.ended
        finally:
            self._waiting.remove(waiting)

    async def _go_on(self) -> None:
        error: BaseException = asyncio.CancelledError()
        try:
            while left := [each for each in self._waiting if not each.ended.done()]:
                await self._rest(left)
                left = [each for each in self._waiting if not each.ended.done()]
                if left:
                    await self._send(min(left, key=lambda each: each.later.place), len(left) - 1)
        except Exception as unforeseen:
            error = unforeseen
            log.exception("Messages cannot be sent.")
        finally:
            self._task = None
            for each in self._waiting:
                if not each.ended.done():
                    each.ended.set_exception(error)

    async def _rest(self, left: list[_Waiting]) -> None:
        """Wait until the next message may be sent, as far as Slack has told anybody."""
        until = await self._in_thread(self._pause.until)
        if until > self._told_until + 0.001:  # Another's note.
            self._open_at = max(self._open_at, until)
        asked_for = max(each.later.not_before for each in left)
        self._open_at = max(self._open_at, min(asked_for, time.time() + LONGEST_SECONDS))
        await asyncio.sleep(max(self._open_at - time.time(), 0))

    async def _send(self, first: _Waiting, behind: int) -> None:
        await self._tell_of_the_line(behind)
        refusal = await self._in_thread(lambda: self._post(first.later))
        now = time.time()
        self._open_at = now + MESSAGE_SECONDS
        if refusal is None or not refusal.may_pass or now - first.began > LONGEST_TRYING_SECONDS:
            self._faults = 0
            if not first.ended.done():
                first.ended.set_result(refusal)
            return
        self._faults += 1
        pause = refusal.retry_after if refusal.retry_after is not None else self._after_a_fault()
        self._open_at = now + pause
        first.context.run(log.info, "Slack takes no message now (%s); again in %.0f s.", refusal.words, pause)
        await self._tell(self._open_at)

    async def _tell_of_the_line(self, behind: int) -> None:
        now = time.time()
        if behind and self._told_until < now + _TELL_ANEW_SECONDS:
            await self._tell(now + min(behind * MESSAGE_SECONDS + _TELL_ANEW_SECONDS, LONGEST_SECONDS - 1))

    async def _tell(self, until: float) -> None:
        if until > self._told_until:
            self._told_until = until
            await self._in_thread(lambda: self._pause.note(until))

    def _after_a_fault(self) -> float:
        longest = min(_FIRST_PAUSE_SECONDS * 2 ** min(self._faults - 1, 10), _LONGEST_PAUSE_SECONDS)
        return longest * random.uniform(0.5, 1)  # noqa: S311 - no secret

    async def _in_thread(self, function: Callable[[], T]) -> T:
        # sync_to_async, not a bare thread: what it asks of Airflow goes back through the triggerer's event loop.
        return await sync_to_async(function, thread_sensitive=False, executor=self._threads)()


# By loop: `dag.test()` runs each trigger in an event loop of its own.
_senders: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Sender]] = WeakKeyDictionary()
