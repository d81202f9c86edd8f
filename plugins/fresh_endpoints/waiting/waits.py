"""What the watcher knows of those who wait: one record a wait, and one of each kind of which many wait."""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from fresh_endpoints.aws.kinds import ENDPOINT, Answer, Kind
from fresh_endpoints.aws.lists import Scan
from fresh_endpoints.waiting import pace

# What is listed need not be described, but a wait never depends on lists alone.
DESCRIBE_AFTER_SECONDS = 600.0
# Where many wait and lists tell nothing of them, they are described by turns: each after this time, or, if they are
# more, so that all of them take some three requests a second.
TURN_SECONDS = 10.0
TURN_SECONDS_EACH = 0.3
# What a scan has not told of is not looked for in lists for so long: it may lie too deep, or not exist.
UNLISTED_SECONDS = 300.0
# One page may be read for every so many waits: it costs as much as describing these.
WAITS_PER_PAGE = 5
MOST_PAGES = 30
# A scan whose later pages are throttled begins anew after this time: its first pages have news by then.
SCAN_SECONDS = 60.0
# Of creation times: what is waited for since a moment was created a little before it at most.
OVERLAP_SECONDS = 60.0


@dataclass(eq=False)
class Wait:
    """Somebody who waits for a resource.

    Attributes:
        kind: Its kind.
        name: Its name.
        started: When the waiting started, by AWS's clock: when a job was created, or an endpoint last changed.
        expected: How long the same wait took before, in seconds, if known.
        began: When the watcher was told of it.
        not_before: When it may end at the earliest.
        ended: Its status, or the error, in the end.
        due: When it is to be described.
        described: When it was described last; at first a random time, so that many are not due at once.
        unlisted_until: Until then lists are not expected to tell of it.
        told: When AWS told of it last, in a list or described; at first when the wait began.
        unanswered_since: Since when AWS has not answered for it.
        context: What is logged about this wait belongs to its task's log.
    """

    kind: Kind
    name: str
    started: float
    expected: float | None
    began: float
    not_before: float
    ended: asyncio.Future[str]
    due: float = 0.0
    described: float = 0.0
    unlisted_until: float = 0.0
    told: float = 0.0
    unanswered_since: float | None = None
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def __post_init__(self) -> None:
        """Plan the first look."""
        self.due = max(self.not_before, self.began + pace.next_look(self.began - self.started, self.expected))
        self.told = self.began
        self.described = self.began - random.uniform(0, DESCRIBE_AFTER_SECONDS)  # noqa: S311 - no secret

    def look_again(self, now: float, turn: float | None) -> None:
        """Plan the next look, after one that has found nothing new.

        Args:
            now: The time.
            turn: Where many wait: after how long it is this one's turn.
        """
        self.told, self.unanswered_since = now, None
        self.due = now + pace.next_look(now - self.started, self.expected) if turn is None else now + turn

    def end(self, status: str) -> None:
        """End with a status."""
        if not self.ended.done():
            self.ended.set_result(status)

    def fail(self, error: BaseException) -> None:
        """End with an error."""
        if not self.ended.done():
            self.ended.set_exception(error)


class Herd:
    """Many who wait for the same kind of resource: they are listed, scan after scan, until all have ended.

    Args:
        kind: The kind.
        now: The time.
    """

    def __init__(self, kind: Kind, now: float):
        self.kind = kind
        self.due = now
        self.waits: Collection[Wait] = ()
        self._scan: Scan | None = None
        self._began = now
        self._unseen: dict[str, list[Wait]] = {}

    @property
    def turn(self) -> float:
        """After how long each is described again if lists do not tell of it, in seconds."""
        return max(TURN_SECONDS, TURN_SECONDS_EACH * len(self.waits))

    def is_listable(self, now: float) -> bool:
        """Whether lists may tell of any."""
        return self._scan is not None or any(wait.unlisted_until <= now for wait in self.waits)

    def scan(self, now: float) -> Scan:
        """Return the scan that is under way, or begin one.

        Jobs are listed back to the creation of the oldest that is waited for. An endpoint that changes may have been
        created long ago, so endpoints are listed back to the page that tells of the last, if the account has few.
        """
        wanted = [wait for wait in self.waits if wait.unlisted_until <= now]
        if self._scan is None or (wanted and now - self._began > SCAN_SECONDS):
            self._began = now
            self._unseen = defaultdict(list)
            for wait in wanted:
                self._unseen[wait.name].append(wait)
            oldest = min(wait.started for wait in wanted) - OVERLAP_SECONDS
            bound = None if self.kind is ENDPOINT else datetime.fromtimestamp(oldest, tz=timezone.utc)
            self._scan = Scan(self.kind, bound, min(MOST_PAGES, 1 + len(wanted) // WAITS_PER_PAGE))
        return self._scan

    def take(self, answer: Mapping[str, Any], now: float) -> None:
        """Take a page of the scan under way: what it tells holds, whatever comes of the next one.

        Args:
            answer: What the List operation returned.
            now: The time.
        """
        scan = self.scan(now)
        for item in scan.take(answer):
            for wait in self._unseen.pop(self.kind.name_of(item), ()):
                self._tell(wait, item, now)
        if scan.is_over or all(wait.ended.done() for waits in self._unseen.values() for wait in waits):
            for wait in (wait for waits in self._unseen.values() for wait in waits):
                wait.unlisted_until = now + UNLISTED_SECONDS
            self._scan = None
            self.due = now + pace.SHORTEST_SECONDS

    def give_up_lists(self, now: float) -> None:
        """Do without lists for a while: they are refused."""
        self._scan = None
        self.due = now + UNLISTED_SECONDS

    def _tell(self, wait: Wait, item: Mapping[str, Any], now: float) -> None:
        if self.kind.answer_to(status := self.kind.status_of(item)) is not Answer.WAIT:
            changed = item.get("LastModifiedTime")  # Jobs need not have one.
            if changed is None or changed.timestamp() >= wait.started:
                wait.end(status)
            # Else the list lags behind, and tells of an endpoint's earlier change; or the change was over before the
            # wait began, by the clock of who began it. The look that is due will tell.
            return
        wait.look_again(now, self.turn)
        wait.due = max(min(wait.due, wait.described + DESCRIBE_AFTER_SECONDS), now)
