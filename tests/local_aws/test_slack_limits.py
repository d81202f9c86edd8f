"""Local AWS's webhook refuses the blocks that Slack refuses, in Slack's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_aws.slack import Slack


def plain(length: int, **further: Any) -> dict[str, Any]:
    return {"type": "plain_text", "text": "x" * length, **further}


def mrkdwn(length: int, **further: Any) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": "x" * length, **further}


def header(text: Any) -> dict[str, Any]:
    return {"type": "header", "text": text}


def section(**content: Any) -> dict[str, Any]:
    return {"type": "section", **content}


def context(*elements: Any) -> dict[str, Any]:
    return {"type": "context", "elements": list(elements)}


def answer_to(blocks: Any) -> str:
    slack = Slack()
    answer = slack.receive(json.dumps({"text": "t", "blocks": blocks}).encode(), "application/json")
    assert (answer.status_code == 200) == (len(slack.messages()) == 1)
    return answer.get_data(as_text=True)


@pytest.mark.parametrize(
    "block",
    [
        header(plain(150, emoji=True)),
        section(text=mrkdwn(3000, verbatim=True)),
        section(fields=[plain(2000)] * 10),
        section(text=plain(1), fields=[mrkdwn(1)]),
        context(*[mrkdwn(3000)] * 10),
        context({"type": "image", "image_url": "https://x.example", "alt_text": "x"}),
        {"type": "divider"},
    ],
)
def test_what_is_within_the_limits_is_taken(block: Any) -> None:
    assert answer_to([block] * 50) == "ok"
    assert answer_to([block] * 51) == "invalid_blocks"


@pytest.mark.parametrize(
    "block",
    [
        header(plain(151)),
        header(mrkdwn(1)),
        header(None),
        section(),
        section(text=plain(3001)),
        section(text=plain(0)),
        section(text={"type": "plain_text", "text": "  "}),
        section(text=mrkdwn(1, emoji=False)),
        section(text=plain(1, verbatim=True)),
        section(text={"type": "bold", "text": "x"}),
        section(fields=[plain(2001)]),
        section(fields=[plain(1)] * 11),
        section(fields=[]),
        section(text=plain(1), fields=["x"]),
        context(),
        context(*[mrkdwn(1)] * 11),
        context(mrkdwn(3001)),
        {"no": "type"},
        "x",
    ],
)
def test_what_is_beyond_them_is_refused(block: Any) -> None:
    assert answer_to([block]) == "invalid_blocks"


def test_what_is_no_list_is_refused_in_another_word() -> None:
    assert answer_to({"type": "divider"}) == "invalid_blocks_format"
