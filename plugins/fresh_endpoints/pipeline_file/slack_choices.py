"""What a pipeline file may choose of its Slack messages: which are told, whom they call, which page they link."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from fresh_endpoints.pipeline_file import limits

# https://docs.slack.dev/messaging/formatting-message-text#mentioning-users
HANDLE = r"@here|@channel|[UWS][A-Z0-9]{2,30}"
_PAGE = r"https?://[^\s#<>|\"@]+"


def _handle(value: str) -> str:
    if not re.fullmatch(HANDLE, value):
        raise ValueError(
            "allowed @here, @channel, and the ids of members (U… or W…) and of user groups (S…), which Slack copies "
            "from a profile or a group; a name calls nobody"
        )
    return value


def _page(value: str) -> str:
    if "hooks.slack.com" in value.lower():
        raise ValueError("it is a webhook's address, which is a secret; it belongs in an Airflow connection")
    if not re.fullmatch(_PAGE, value):
        raise ValueError("it must be a page's address, which begins with https:// and has no # part")
    return value


Tell = Annotated[
    Literal["all", "changes", "problems"],
    Field(
        description="all: every step of a run; changes: one message a run, at its end, with what it has changed, and "
        "problems as they happen; problems: only what is no success. What a person decides is told under each."
    ),
]
Mention = Annotated[
    tuple[Annotated[str, Field(max_length=limits.LONGEST_CONNECTION), AfterValidator(_handle)], ...],
    Field(
        strict=False,
        max_length=limits.MOST_MENTIONED,
        description="Whom a failure calls: @here, @channel, or the id of a Slack member (U… or W…) or of a user group "
        "(S…). Left out: nobody.",
        examples=[["@here"], ["U012AB3CD", "S012AB3CD"]],
    ),
]
Runbook = Annotated[
    Annotated[str, Field(max_length=limits.LONGEST_ADDRESS), AfterValidator(_page)] | None,
    Field(
        description="Address of the page docs/operations.md, which the messages of problems link. Left out: they name "
        "it.",
        examples=["https://git.example.com/fresh-endpoints/blob/main/docs/operations.md"],
    ),
]
