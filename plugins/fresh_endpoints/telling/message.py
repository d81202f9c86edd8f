"""What a message is, and how Slack shows it: Block Kit, and a plain text of the same facts beside it.

The limits: https://docs.slack.dev/reference/block-kit/composition-objects/text-object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fresh_endpoints.run import Run

MAX_FIELD_CHARACTERS = 1900
MAX_TEXT_CHARACTERS = 2900
MAX_FIELDS = 10


@dataclass(frozen=True)
class Message:
    """One event, in words.

    Attributes:
        heading: An emoji, for reading at a glance, and what happened, in two or three words.
        sentence: The article's sentence with its facts.
        facts: Further facts by label, shown as two columns.
        links: Addresses by label.
    """

    heading: str
    sentence: str
    facts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What happened, in two or three words."""
        return self.heading.partition(" ")[2]

    @property
    def event(self) -> str:
        """The event's name, such as ``training-started``; a tag remembers it."""
        return self.title.lower().replace(" ", "-")

    def text(self, run: Run) -> str:
        """Return the message as one plain line, for notifications and screen readers.

        Args:
            run: The run that it is about.
        """
        facts = "".join(f" {label}: {value}." for label, value in self.facts.items() if value not in self.sentence)
        head = f"{self.title}: {run.pipeline}, data date {run.data_date}. {self.sentence}"
        return _escape(_shorten(head + facts, MAX_TEXT_CHARACTERS))

    def blocks(self, run: Run) -> list[dict[str, Any]]:
        """Return the message as Block Kit: https://docs.slack.dev/block-kit.

        Args:
            run: The run that it is about.
        """
        facts = {"Pipeline": run.pipeline, "Data date": run.data_date.isoformat(), **self.facts}
        fields = [
            {"type": "mrkdwn", "text": f"*{label}*\n{_escape(_shorten(value, MAX_FIELD_CHARACTERS))}"}
            for label, value in list(facts.items())[:MAX_FIELDS]
        ]
        sentence = _escape(_shorten(self.sentence, MAX_TEXT_CHARACTERS))
        shown: list[dict[str, Any]] = [
            {"type": "header", "text": {"type": "plain_text", "text": self.heading, "emoji": True}},
            {"type": "section", "text": {"type": "mrkdwn", "text": sentence}},
            {"type": "section", "fields": fields},
        ]
        if self.links:
            links = " · ".join(f"<{url}|{_escape(label)}>" for label, url in self.links.items())
            shown.append({"type": "context", "elements": [{"type": "mrkdwn", "text": links}]})
        return shown

    def with_links(self, links: Mapping[str, str]) -> Message:
        """Return the message with further addresses.

        Args:
            links: Addresses by label.
        """
        return replace(self, links={**self.links, **links})


def _escape(text: str) -> str:
    # https://docs.slack.dev/messaging/formatting-message-text#escaping
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _shorten(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
