"""A message that Slack has not taken in its task's time: Airflow keeps it, as a run of the DAG ``tell_later``.

A DAG run is the one thing that a task can leave behind which is kept in Airflow's database, is found without knowing of
it, outlives the task's retries and clears, and can be made once only. Its `conf` holds the message; it holds no address
and no token. It costs no worker: the triggerer sends (see sender.py) and ends the run.

The message is given away with the run. Whoever has given it away counts it as told, so that nobody tells it again. It
is sent at least once: what a triggerer has sent that dies before Airflow notes it is sent again by the next one, and
Slack offers nothing by which to tell that it has a message already.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import logging
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow.triggers.base import BaseTrigger, TaskFailedEvent, TaskSuccessEvent, TriggerEvent

from fresh_endpoints.telling.sender import send
from fresh_endpoints.telling.slack_pause import supervisor

log = logging.getLogger(__name__)

DAG_ID = "tell_later"
# A message that comes so late says so.
_LATE_SECONDS = 60.0


@dataclass(frozen=True)
class Later:
    """A message to be sent later.

    Attributes:
        pipeline: The pipeline's name.
        event: The event's name.
        connection: The Airflow connection.
        line: What shares one rate with others.
        body: What Slack takes.
        since: When it was to be told, as seconds since the epoch.
        not_before: When it may be sent, likewise.
        is_failure: Whether somebody has to be called, for which others stand back.
        thread: The run whose thread it belongs to; see ThreadOfAnother.
    """

    pipeline: str
    event: str
    connection: str
    line: str
    body: Mapping[str, Any]
    since: float
    not_before: float = 0.0
    is_failure: bool = False
    thread: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Write it as JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Later:
        """Read what to_json() has written.

        Args:
            text: JSON.

        Raises:
            ValueError: It is something else.
        """
        try:
            return cls(**json.loads(text))
        except TypeError as error:
            raise ValueError(str(error)) from error

    @property
    def place(self) -> tuple[bool, float]:
        """Its place in the line."""
        return not self.is_failure, self.since

    @property
    def content(self) -> dict[str, Any]:
        """What to send now: the message, which says of when it is if it comes late."""
        blocks = list(self.body.get("blocks") or ())
        if blocks and time.time() - self.since > _LATE_SECONDS:
            moment = dt.datetime.fromtimestamp(self.since, tz=dt.timezone.utc)
            words = f"Of {moment:%Y-%m-%d %H:%M:%S} UTC. Slack has taken it only now."
            blocks.append({"type": "context", "elements": [{"type": "plain_text", "text": words, "emoji": False}]})
        return {**self.body, "blocks": blocks}


def hand_over(later: Later) -> str | None:
    """Leave a message to the DAG ``tell_later``.

    Args:
        later: The message.

    Returns:
        The DAG's run, in words; None where this process cannot start one, as the dag-processor, or Airflow refuses.
    """
    if not can_hand_over():
        return None
    from airflow.sdk.exceptions import ErrorType
    from airflow.sdk.execution_time.comms import ErrorResponse, TriggerDagRun

    moment = dt.datetime.fromtimestamp(later.since, tz=dt.timezone.utc)
    run_id = f"{later.pipeline}__{later.event}__{moment:%Y-%m-%dT%H:%M:%S}__{secrets.token_hex(4)}"
    try:
        answer = supervisor().send(TriggerDagRun(dag_id=DAG_ID, run_id=run_id, conf={"message": later.to_json()}))
    except Exception as error:
        log.warning("Airflow does not keep the message for the DAG %s: %s", DAG_ID, error)
        return None
    # There already: the answer to this very request was lost, and it was made again.
    if isinstance(answer, ErrorResponse) and answer.error is not ErrorType.DAGRUN_ALREADY_EXISTS:
        log.warning("Airflow does not keep the message for the DAG %s: %s", DAG_ID, answer.error.value)
        return None
    return f"run {run_id} of the DAG {DAG_ID}"


class TellLaterTrigger(BaseTrigger):
    """Sends a message when its turn comes, and ends its task.

    Args:
        message: What Later.to_json() has written.
        seconds_before: How long to wait first.
    """

    def __init__(self, message: str, seconds_before: float = 0.0):
        super().__init__()
        self.message = message
        self.seconds_before = seconds_before

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that make an equal trigger."""
        arguments = {"message": self.message, "seconds_before": self.seconds_before}
        return "fresh_endpoints.telling.later.TellLaterTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Send the message, then end the task: failed, where Slack will not take it."""
        yield TaskSuccessEvent() if await self._tell() else TaskFailedEvent()

    async def _tell(self) -> bool:
        import asyncio

        await asyncio.sleep(self.seconds_before)
        try:
            later = Later.from_json(self.message)
        except ValueError as error:
            self.log.error("The run's conf holds no message that this DAG can send: %s", error)
            return False
        if refusal := await send(later):
            self.log.error("Slack did not take the message %r: %s", later.event, refusal.words)
            self.log.error("It says: %s", later.body.get("text"))
            return False
        self.log.info("Told Slack, %.0f s late: %s", time.time() - later.since, later.body.get("text"))
        return True


def can_hand_over() -> bool:
    """Tell whether this is a task's process: what else Airflow runs never gets an answer to such a request."""
    if (comms := supervisor()) is None:
        return False
    decoder = getattr(comms, "body_decoder", None)
    if decoder is None:  # As in dag.test().
        return True
    from pydantic import ValidationError

    try:
        decoder.validate_python({"type": "StartupDetails"})  # Which nobody but a task is sent.
    except ValidationError as error:
        return all(problem["type"] != "union_tag_invalid" for problem in error.errors())
    return True
