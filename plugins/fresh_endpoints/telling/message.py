"""What a message is, and how Slack shows it: Block Kit, and a plain text of the same facts beside it.

The header, the facts' labels and the links' are words of our own. All else may hold what somebody outside has written,
such as AWS's reasons and cells of the data: it is shown as it is (see slack_text).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from fresh_endpoints.telling import slack_text

if TYPE_CHECKING:
    from fresh_endpoints.run import Run

# A fact is two fields of a section: the label, and beside it the value.
FACTS_PER_SECTION = slack_text.MOST_FIELDS // 2
# What a heading leaves of the header to the pipeline's name, 32 characters at most, and the data date.
_MOST_HEADING_CHARACTERS = 100


class Kind(Enum):
    """What an event is to a person: who wants to be told, and whether somebody is called."""

    PROGRESS = "it goes as it should, and goes on"
    OUTCOME = "it has gone as it should, and something is another than before"
    DECISION = "a person has decided it"
    PROBLEM = "it is no success, and nothing has failed"
    INTERIM = "it is no success, nothing has failed, and the run's last message says it, too"
    FAILURE = "something has failed, or was refused"


# What is told under each of the settings that a pipeline file may have. Decisions are told under every one: what a
# person has changed, the others must know.
_NO_SUCCESS = frozenset({Kind.PROBLEM, Kind.INTERIM, Kind.FAILURE})
TOLD_UNDER: Mapping[str, frozenset[Kind]] = {
    "all": frozenset(Kind),
    "changes": (_NO_SUCCESS | {Kind.DECISION, Kind.OUTCOME}) - {Kind.INTERIM},
    "problems": _NO_SUCCESS | {Kind.DECISION},
}


@dataclass(frozen=True)
class Message:
    """One event, in words.

    Attributes:
        heading: An emoji, for reading at a glance, and what happened, in two or three words.
        sentence: The article's sentence with its facts.
        facts: Further facts by label, shown as two columns.
        links: Addresses by label.
        kind: What it is to a person; a failure, unless it is said to be less.
        remedy: What to do about a problem; None where that follows from the title (see remedies.py).
        mention: Whom to call, as Slack's markup has it.
    """

    heading: str
    sentence: str
    facts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    kind: Kind = Kind.FAILURE
    remedy: str | None = None
    mention: Sequence[str] = ()

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
        """Whether it is no success: a person may have to do something about it."""
        return self.kind in _NO_SUCCESS

    @property
    def is_failure(self) -> bool:
        """Whether something has failed, or was refused: what a person is called for."""
        return self.kind is Kind.FAILURE

    @property
    def words(self) -> str:
        """The sentence, and what to do where the message itself knows it; for logs and terminals."""
        return f"{self.sentence} {self.remedy}" if self.remedy else self.sentence

    def is_told_under(self, setting: str) -> bool:
        """Tell whether it is told where a pipeline file has a setting.

        Args:
            setting: ``all``, ``changes`` or ``problems``.
        """
        return self.kind in TOLD_UNDER[setting]

    def text(self, run: Run) -> str:
        """Return the message as one plain line, for notifications and screen readers.

        Args:
            run: The run that it is about.
        """
        facts = "".join(
            f" {label}: {value}" + ("" if value.endswith(".") else ".")
            for label, value in self.facts.items()
            if value not in self.sentence
        )
        head = f"{self.title}: {run.title}, data date {run.data_date}. {self.sentence}"
        return slack_text.fitting(head + facts, slack_text.MOST_TEXT_CHARACTERS)

    def blocks(self, run: Run) -> list[dict[str, Any]]:
        """Return the message as Block Kit: https://docs.slack.dev/block-kit.

        Args:
            run: The run that it is about.
        """
        facts = list(self.facts.items())
        shown: list[dict[str, Any]] = [
            {"type": "header", "text": {"type": "plain_text", "text": self._header(run), "emoji": True}},
            {"type": "section", "text": slack_text.plain(self.sentence, slack_text.MOST_TEXT_CHARACTERS)},
        ]
        if self.mention:
            shown.append({"type": "section", "text": slack_text.calling(self.mention)})
        for first in range(0, len(facts), FACTS_PER_SECTION):
            shown.append({"type": "section", "fields": _fields(facts[first : first + FACTS_PER_SECTION])})
        if links := slack_text.linked(self.links):
            shown.append({"type": "context", "elements": [links]})
        return shown

    def _header(self, run: Run) -> str:
        """Say what happened, to which pipeline's model of which day; where that is too long, the name is cut."""
        head, day = slack_text.fitting(self.heading, _MOST_HEADING_CHARACTERS), run.data_date.isoformat()
        room = slack_text.MOST_HEADER_CHARACTERS - slack_text.width(f"{head}: , {day}")
        return f"{head}: {slack_text.fitting(run.title, room)}, {day}"

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
