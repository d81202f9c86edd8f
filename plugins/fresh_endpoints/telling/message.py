"""What a message is, and how Slack shows it: Block Kit, and a plain text of the same facts beside it.

The header, the facts' labels and the links' are words of our own. All else may hold what somebody outside has written,
such as AWS's reasons and cells of the data: it is shown as it is (see slack_text).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fresh_endpoints.telling import slack_text

if TYPE_CHECKING:
    from fresh_endpoints.run import Run

# A fact is two fields of a section: the label, and beside it the value.
FACTS_PER_SECTION = slack_text.MOST_FIELDS // 2
_PROBLEMS = frozenset({"❌", "🚫", "🚨", "⚠️", "⌛", "👻", "⏰", "↩️", "♻️"})


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

    @property
    def is_problem(self) -> bool:
        """Whether somebody should look at it."""
        return self.heading.partition(" ")[0] in _PROBLEMS

    def text(self, run: Run) -> str:
        """Return the message as one plain line, for notifications and screen readers.

        Args:
            run: The run that it is about.
        """
        facts = "".join(f" {label}: {value}." for label, value in self.facts.items() if value not in self.sentence)
        head = f"{self.title}: {run.pipeline}, data date {run.data_date}. {self.sentence}"
        return slack_text.fitting(head + facts, slack_text.MOST_TEXT_CHARACTERS)

    def blocks(self, run: Run) -> list[dict[str, Any]]:
        """Return the message as Block Kit: https://docs.slack.dev/block-kit.

        Args:
            run: The run that it is about.
        """
        facts = list({"Pipeline": run.pipeline, "Data date": run.data_date.isoformat(), **self.facts}.items())
        header = slack_text.plain(self.heading, slack_text.MOST_HEADER_CHARACTERS)
        shown: list[dict[str, Any]] = [
            {"type": "header", "text": {**header, "emoji": True}},
            {"type": "section", "text": slack_text.plain(self.sentence, slack_text.MOST_TEXT_CHARACTERS)},
        ]
        for first in range(0, len(facts), FACTS_PER_SECTION):
            shown.append({"type": "section", "fields": _fields(facts[first : first + FACTS_PER_SECTION])})
        if links := slack_text.linked(self.links):
            shown.append({"type": "context", "elements": [links]})
        return shown

    def with_links(self, links: Mapping[str, str]) -> Message:
        """Return the message with further addresses.

        Args:
            links: Addresses by label.
        """
        return replace(self, links={**self.links, **links})


def _fields(facts: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    fields = []
    for label, value in facts:
        fields += [slack_text.bold(label), slack_text.plain(value, slack_text.MOST_FIELD_CHARACTERS)]
    return fields
