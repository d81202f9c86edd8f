"""Want of quota or of capacity is a wait, not a failure: without a worker slot, and without using up retries."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from fresh_endpoints.pipeline_file.schedule import next_due
from fresh_endpoints.steps.step import PipelineStep
from fresh_endpoints.telling import waits
from fresh_endpoints.telling.sending import run_links
from fresh_endpoints.waiting.refused import RefusedTrigger

if TYPE_CHECKING:
    from fresh_endpoints.aws.errors import OutOfQuotaError
    from fresh_endpoints.aws.kinds import Kind
    from fresh_endpoints.telling.message import Message
    from fresh_endpoints.waiting.event import WaitEnded

# Where no next run is due by which it should have begun.
LONGEST_SECONDS = 86_400.0
# The trigger ends the wait itself; Airflow's own timeout comes later, should the trigger hang.
GRACE_SECONDS = 120.0


@dataclass(frozen=True)
class Wanted:
    """What a step asks AWS for, in vain so far.

    Attributes:
        kind: The kind of the resource.
        name: The resource's name.
        key: Tells the wait from all others; the same in each try of the task.
        of: What there is not enough of; all that wait for the same queue up.
        is_capacity: Whether AWS has none, rather than the account's quota.
        attempt: Which of the run's jobs it is, from 1.
    """

    kind: Kind
    name: str
    key: str
    of: str
    is_capacity: bool = False
    attempt: int = 1

    @classmethod
    def by_quota(cls, error: OutOfQuotaError, kind: Kind, name: str, key: str, attempt: int = 1) -> Wanted:
        """Return what was refused for want of a quota.

        Args:
            error: The refusal.
            kind: The kind of the resource.
            name: The resource's name.
            key: As in the attribute.
            attempt: As in the attribute.
        """
        return cls(kind, name, key, error.quota.name if error.quota else kind.noun, attempt=attempt)

    @property
    def in_words(self) -> str:
        """What it is, at the beginning of a sentence."""
        return f'{self.kind.noun.capitalize()} "{self.name}"'


class InstancesWait(PipelineStep):
    """Mixed into a step that asks AWS for instances."""

    def wait_for_quota(
        self,
        context: Any,
        wanted: Wanted,
        error: OutOfQuotaError,
        ended: WaitEnded | None,
        carried: Mapping[str, Any] = MappingProxyType({}),
    ) -> str:
        """Wait without a worker slot until it is this task's turn to ask again.

        Args:
            context: The task's context.
            wanted: What was asked for.
            error: AWS's refusal.
            ended: How the wait before has ended; None on a new try.
            carried: What execute_complete() is given besides.

        Returns:
            Where it has waited as long as it may: that, in words.

        Raises:
            AirflowDeferred: There is time left.
        """
        since = self._since(context, ended)
        until = self.until(context, since)
        is_told = ended is not None and ended.is_told
        if time.time() >= until.timestamp() or (ended is not None and ended.timed_out):
            return self.waited_in_vain(str(error), since)
        # A retry may have waited before: its trigger knows, and says so when it is its turn.
        if not is_told and self._knows_that_it_is_new(context, ended):
            links = run_links(context)
            message = waits.waiting_for_quota(wanted.in_words, error.quota, until=until, links=links)
            self.notifier.tell(self.run_of(context), message)
            is_told = True
        self.log.info("%s Waiting without a worker slot until %s at most.", error, until)
        self.defer_to_its_turn(wanted, since, until, carried, is_told=is_told)
        raise AssertionError("unreachable")

    def defer_to_its_turn(
        self,
        wanted: Wanted,
        since: float,
        until: dt.datetime,
        carried: Mapping[str, Any] = MappingProxyType({}),
        *,
        is_told: bool,
    ) -> None:
        """Defer until it is this task's turn to ask again.

        Args:
            wanted: What was asked for.
            since: Since when it has waited, as seconds since the epoch.
            until: Until when it waits at most.
            carried: What execute_complete() is given besides.
            is_told: Whether people have been told.
        """
        trigger = RefusedTrigger(
            kind=wanted.kind.operation,
            name=wanted.name,
            key=wanted.key,
            wanted=wanted.of,
            since=since,
            deadline=until.timestamp(),
            is_told=is_told,
            is_capacity=wanted.is_capacity,
            attempt=wanted.attempt,
            aws_conn_id=self.pipeline.aws_conn_id,
            region_name=self.pipeline.region,
        )
        seconds = max(until.timestamp() - time.time(), 0.0) + GRACE_SECONDS
        self.defer_with(trigger, seconds, dict(carried))

    def waited_in_vain(self, reason: str, since: float, *, want: str = "quota") -> str:
        """Say that it has waited as long as it may.

        Args:
            reason: How AWS has refused.
            since: Since when it has waited, as seconds since the epoch.
            want: For what.
        """
        is_chosen = self.pipeline.quota_wait_minutes is not None
        return waits.waited_in_vain(reason, time.time() - since, is_chosen=is_chosen, want=want)

    def after_waiting(self, message: Message, ended: WaitEnded | None) -> Message:
        """Let a message that something has started say how long it waited for quota, if it did.

        Args:
            message: The message.
            ended: How the wait before has ended.
        """
        if ended is None or ended.refused_since is None:
            return message
        return waits.after_waiting(message, time.time() - ended.refused_since)

    def _since(self, context: Any, ended: WaitEnded | None) -> float:
        if ended is None or ended.name is not None:
            return time.time()
        # Airflow tells nothing of a wait whose trigger has failed; the try's start is kept over its waits.
        started = getattr(context["ti"], "start_date", None)
        return ended.refused_since or (started.timestamp() if started else time.time())

    def until(self, context: Any, since: float) -> dt.datetime:
        """Return until when to wait: as the file says, else until the next run is due, of a run that was due itself.

        Args:
            context: The task's context.
            since: Since when it has waited, as seconds since the epoch.
        """
        zone, minutes = ZoneInfo(self.pipeline.timezone), self.pipeline.quota_wait_minutes
        begun = dt.datetime.fromtimestamp(since, tz=zone)
        if minutes is not None:
            return begun + dt.timedelta(minutes=minutes)
        due = next_due(self.pipeline, begun) if context["dag_run"].run_type == "scheduled" else None
        return due or begun + dt.timedelta(seconds=LONGEST_SECONDS)

    def _knows_that_it_is_new(self, context: Any, ended: WaitEnded | None) -> bool:
        return self._is_first_try(context) or (ended is not None and ended.refused_since is not None)

    def _is_first_try(self, context: Any) -> bool:
        first: bool = context["ti"].try_number == self.run_of(context).generation + 1
        return first
