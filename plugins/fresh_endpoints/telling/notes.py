"""What has happened on the way to a run's end, for the run's last message: under ``changes`` Slack is told it there."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fresh_endpoints.aws import tags
from fresh_endpoints.telling.message import Kind

if TYPE_CHECKING:
    from fresh_endpoints.telling.message import Message
    from fresh_endpoints.telling.sending import PipelineNotifier

log = logging.getLogger(__name__)


class Notes:
    """Keeps what a step has met on its way; nothing, where people are told it at once.

    Args:
        notifier: Knows what Slack is told.
        client: A boto3 SageMaker client.
        carried: What was noted before a wait, as ``as_json`` has it.
    """

    def __init__(self, notifier: PipelineNotifier, client: Any, carried: Iterable[Mapping[str, str]] = ()):
        self._notifier = notifier
        self._client = client
        self.as_json = [dict(note) for note in carried]

    def take(self, message: Message, arn: str = "") -> None:
        """Note an event, unless it has been told, or is told now.

        Args:
            message: The event.
            arn: The resource that remembers what was told of it; empty where none does.
        """
        if self._notifier.tells_changes and message.kind is Kind.INTERIM and message.event not in self._told(arn):
            self.as_json.append({"title": message.title, "event": message.event, "says": message.sentence, "arn": arn})

    def added_to(self, message: Message) -> Message:
        """Let the run's last message say what was noted.

        Args:
            message: That message.
        """
        return replace(message, facts={**message.facts, **{note["title"]: note["says"] for note in self.as_json}})

    def remember(self) -> None:
        """Write down that all of it has been told; what AWS refuses is logged, and may be told again."""
        for note in filter(lambda note: note["arn"], self.as_json):
            told = [*self._told(note["arn"]), note["event"]]
            try:
                tags.write(self._client, note["arn"], {tags.TOLD: " ".join(dict.fromkeys(told))})
            except Exception as error:
                log.warning("Could not write the record of what was told at %s: %s", note["arn"], error)

    def _told(self, arn: str) -> list[str]:
        if not arn:
            return []
        try:
            return tags.read(self._client, arn).get(tags.TOLD, "").split()
        except Exception as error:
            log.warning("Could not read the record of what was told at %s: %s", arn, error)
            return []
