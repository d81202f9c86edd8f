"""Whose turn it is to ask AWS for what it has refused for now, so that a thousand who wait ask little.

AWS tells nobody when a quota, or an instance, is free: that is found out by asking. All that wait for the same in a
triggerer stand in one queue, and its head is who was refused first. Only the head may ask: after a pause that grows
while it is refused, and at once when a job of ours has ended, which frees what it had. Who asks is the task, in a
worker; that it was let in is seen in AWS, that it was refused by its coming back, to the place that it had.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from fresh_endpoints.waiting import pace

log = logging.getLogger(__name__)

# Of one queue: as many ask at once at most, where so many jobs have ended.
MOST_AT_ONCE = 20
# Who has not come back keeps its place for so long: its worker may have been killed, and a retry waits up to an hour.
REMEMBER_SECONDS = 2 * 3600.0


@dataclass(frozen=True)
class Sort:
    """What is waited for, as far as it makes a difference.

    Attributes:
        look_seconds: How often to look whether one whose turn it was has been let in.
        turn_seconds: After how long another one may ask, whatever has become of the one before.
        longest_pause: The longest pause from one refusal to the next try.
        heeds_ends: Whether the end of a job frees what is waited for.
    """

    look_seconds: float
    turn_seconds: float
    longest_pause: float
    heeds_ends: bool


# Where a quota is free, AWS takes the request; a task needs some seconds to make it, or minutes where workers are busy.
QUOTA = Sort(look_seconds=3.0, turn_seconds=120.0, longest_pause=300.0, heeds_ends=True)
# Where it has instances is told when a job begins to run; it may be pending for long before. Each try is another job.
CAPACITY = Sort(look_seconds=20.0, turn_seconds=900.0, longest_pause=900.0, heeds_ends=False)


@dataclass(frozen=True)
class Claim:
    """Somebody who waits to ask.

    Attributes:
        key: Tells it from all others; the same in each try of its task.
        name: What is to be seen in AWS once it has been let in.
        since: When it was refused first, as seconds since the epoch: its place.
        is_told: Whether people have been told that it waits.
    """

    key: str
    name: str
    since: float
    is_told: bool = False


@dataclass(eq=False)
class _Waiter:
    claim: Claim
    not_before: float
    turn: asyncio.Future[None]
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    @property
    def place(self) -> tuple[float, str]:
        return self.claim.since, self.claim.key


@dataclass(eq=False)
class _Turn:
    claim: Claim
    began: float
    look_at: float
    is_probe: bool


@dataclass(frozen=True)
class _Known:
    claim: Claim
    at: float
    has_asked: bool = False


class Queue:
    """Lets those who wait for the same ask one after another, in one event loop.

    Args:
        is_let_in: Tells by the name whether one whose turn it was has been let in.
        sort: What is waited for.
    """

    def __init__(self, is_let_in: Callable[[str], Awaitable[bool]], sort: Sort = QUOTA):
        self._is_let_in = is_let_in
        self._sort = sort
        self._waiting: set[_Waiter] = set()
        self._asking: dict[str, _Turn] = {}
        self._known: dict[str, _Known] = {}
        # How many have ended whose place nobody has asked for yet.
        self._freed = 0
        self._freed_at = 0.0
        self._refusals = 0
        self._probe_at = 0.0
        # What ends the pause of `_go_on`.
        self._news: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def wait(self, claim: Claim) -> Claim:
        """Wait until it is this one's turn to ask.

        Args:
            claim: Who waits; it has just been refused.

        Returns:
            The same, with what is known of it from an earlier try: its place, and whether people have been told.
        """
        claim = self._take_up(claim, time.time())
        # The first event must not come while the scheduler still handles the deferral (apache/airflow race).
        not_before = time.time() + pace.FIRST_LOOK_SECONDS
        waiter = _Waiter(claim, not_before, asyncio.get_running_loop().create_future())
        self._waiting.add(waiter)
        if self._task is None:
            # Without the context of this one's task: the queue outlives it.
            self._task = contextvars.Context().run(asyncio.create_task, self._go_on())
        self._wake()
        try:
            await waiter.turn
        finally:
            self._waiting.discard(waiter)
            self._wake()
        return claim

    def note_end(self) -> None:
        """Note that a job of ours has ended, which may have freed what is waited for."""
        if not self._sort.heeds_ends or not (self._waiting or self._asking):
            return
        now = time.time()
        # Of a whole quota all may end at once; the first refusal says what of it is not free.
        self._freed, self._freed_at = min(self._freed + 1, max(len(self._waiting), MOST_AT_ONCE)), now
        # AWS may count what has ended for a little longer.
        self._refusals = 0
        self._probe_at = min(self._probe_at, now + self._pause())
        self._wake()

    def _take_up(self, claim: Claim, now: float) -> Claim:
        self._known = {key: known for key, known in self._known.items() if now - known.at < REMEMBER_SECONDS}
        if known := self._known.get(claim.key):
            since, is_told = min(claim.since, known.claim.since), claim.is_told or known.claim.is_told
            claim = replace(claim, since=since, is_told=is_told)
        if known and known.has_asked:
            self._refused(self._asking.pop(claim.key, None), now)
        elif not self._waiting and not self._asking:
            # Nobody else was there, and this one has just been refused.
            self._refusals, self._freed = 0, 0
            self._probe_at = now + self._pause()
        self._known[claim.key] = _Known(claim, now)
        return claim

    def _refused(self, turn: _Turn | None, now: float) -> None:
        self._refusals += 1
        self._probe_at = now + self._pause()
        if turn is None or self._freed_at < turn.began:
            self._freed = 0  # What had ended by then has been taken by somebody else.

    async def _go_on(self) -> None:
        error: BaseException = asyncio.CancelledError()
        try:
            while self._waiting or self._asking:
                self._let_ask(time.time())
                await self._rest()
                await self._look()
        except Exception as unforeseen:
            error = unforeseen
            log.exception("The queue has failed; the tasks ask by themselves.")
        finally:
            self._task = None
            for waiter in self._waiting:
                if not waiter.turn.done():
                    waiter.turn.set_exception(error)

    def _let_ask(self, now: float) -> None:
        while (at := self._next_turn()) is not None and at <= now:
            head = self._head
            assert head is not None
            turn = _Turn(head.claim, now, now + self._sort.look_seconds, is_probe=self._freed == 0)
            self._freed = max(self._freed - 1, 0)
            self._asking[head.claim.key] = turn
            self._known[head.claim.key] = _Known(head.claim, now, has_asked=True)
            head.context.run(log.info, "It is this task's turn to ask again, of %d that wait.", len(self._waiting))
            head.turn.set_result(None)

    @property
    def _head(self) -> _Waiter | None:
        waiting = (waiter for waiter in self._waiting if not waiter.turn.done())
        return min(waiting, key=lambda waiter: waiter.place, default=None)

    def _next_turn(self) -> float | None:
        """Return when the head may ask; None while that depends on others."""
        head = self._head
        if head is None or len(self._asking) >= MOST_AT_ONCE:
            return None
        if self._freed:
            return head.not_before
        return None if self._asking else max(self._probe_at, head.not_before)

    async def _rest(self) -> None:
        """Wait until there is something to do, or news."""
        at = self._next_turn()
        times = [turn.look_at for turn in self._asking.values()] + ([] if at is None else [at])
        seconds = min(times, default=time.time() + self._sort.look_seconds) - time.time()
        self._news = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._news], timeout=max(seconds, 0.01))
        self._news = None

    async def _look(self) -> None:
        """Look what has become of those whose turn it was."""
        for key, turn in list(self._asking.items()):
            if turn.look_at > time.time():
                continue
            is_in = await self._is_let_in(turn.claim.name)
            if self._asking.get(key) is not turn:
                continue  # It has come back meanwhile.
            now = time.time()
            if is_in:
                self._let_in(turn, now)
            elif now - turn.began >= self._sort.turn_seconds:
                del self._asking[key]
                self._probe_at = now + self._pause()
            else:
                turn.look_at = now + self._sort.look_seconds

    def _let_in(self, turn: _Turn, now: float) -> None:
        del self._asking[turn.claim.key]
        self._known.pop(turn.claim.key, None)
        self._refusals = 0
        # Where one was let in without an end of ours, there may be room for more.
        self._probe_at = now if turn.is_probe else now + self._pause()

    def _pause(self) -> float:
        return pace.pause_after_refusal(self._refusals, self._sort.longest_pause)

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
