"""Text as Slack takes it: what comes from outside never formats, and nothing is longer than Slack's limits.

Slack's markup cannot be escaped but for three characters, so text from outside stands in ``plain_text`` objects, which
know no markup: https://docs.slack.dev/reference/block-kit/composition-objects/text-object.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from fresh_endpoints.pipeline_file.slack_choices import HANDLE

# https://docs.slack.dev/reference/block-kit/blocks/header-block, …/section-block and …/context-block
MOST_HEADER_CHARACTERS = 150
MOST_TEXT_CHARACTERS = 3000
MOST_FIELD_CHARACTERS = 2000
MOST_FIELDS = 10

NOTHING = "-"  # Slack refuses an empty text.
_CUT = "…"
_UNREADABLE = "\ufffd"
# https://docs.slack.dev/messaging/formatting-message-text#escaping
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LINE_ENDS = re.compile(r"\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
# They turn the order of what follows, so that a text can look like another one: https://www.unicode.org/reports/tr36
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# What a URL is made of (RFC 3986), and "%" for what is encoded already; the rest would end Slack's link, or its URL.
_URL_CHARACTERS = ":/?#[]@!$&'()*+,;=-._~%"


def plain(text: str, most: int) -> dict[str, Any]:
    """Return a text object in which nothing is markup.

    Args:
        text: Any text.
        most: How many characters Slack takes there.
    """
    return {"type": "plain_text", "text": fitting(text, most), "emoji": False}


def bold(label: str) -> dict[str, Any]:
    """Return a text object of words of our own, in bold.

    Args:
        label: The words.
    """
    return {"type": "mrkdwn", "text": f"*{fitting(label, MOST_FIELD_CHARACTERS - 2)}*", "verbatim": True}


def calling(handles: Iterable[str]) -> dict[str, Any]:
    """Return a text object that calls people; their handles are the only text from a pipeline file that formats.

    https://docs.slack.dev/messaging/formatting-message-text#mentioning-users

    Args:
        handles: ``@here``, ``@channel``, or the id of a member (U…, W…) or of a user group (S…).

    Raises:
        ValueError: One of them is none of these.
    """
    return {"type": "mrkdwn", "text": " ".join(_handle(each) for each in handles), "verbatim": True}


def _handle(text: str) -> str:
    if not re.fullmatch(HANDLE, text):
        raise ValueError(f"nobody in Slack is called {text!r}")
    if text.startswith("@"):
        return f"<!{text[1:]}>"
    return f"<!subteam^{text}>" if text.startswith("S") else f"<@{text}>"


def linked(links: Mapping[str, str]) -> dict[str, Any] | None:
    """Return a text object of links; one that does not fit any more is left out whole.

    Args:
        links: Addresses by label; the labels are words of our own.

    Returns:
        The text object; None where there is no address of the web among them.
    """
    text = ""
    for label, url in links.items():
        if not url.startswith(("https://", "http://")):
            continue
        link = f"<{escaped(quote(readable(url), safe=_URL_CHARACTERS))}|{escaped(readable(label))}>"
        longer = f"{text} · {link}" if text else link
        text = longer if width(longer) <= MOST_TEXT_CHARACTERS else text
    return {"type": "mrkdwn", "text": text, "verbatim": True} if text else None


def fitting(text: str, most: int) -> str:
    """Make a text readable, escape it, and cut it where it is then too long: never inside of an escaped character.

    Args:
        text: Any text.
        most: How many characters Slack takes.
    """
    kept = readable(text[: 2 * most + 2])  # Two characters may become one, so this is too long if the whole text is.
    if not kept.strip():
        return NOTHING
    whole = escaped(kept)
    if width(whole) <= most:
        return whole
    pieces, length = [], width(_CUT)
    for character in kept:
        piece = _ENTITIES.get(character, character)
        length += width(piece)
        if length > most:
            break
        pieces.append(piece)
    return "".join(pieces) + _CUT


def escaped(text: str) -> str:
    """Escape the three characters that begin and end what Slack reads as its own.

    Args:
        text: Any text.
    """
    return "".join(_ENTITIES.get(character, character) for character in text)


def readable(text: str) -> str:
    """Replace what is no text: control characters, lone surrogates, and what turns the direction of writing.

    Args:
        text: Any text.
    """
    return "".join(_UNREADABLE if _is_unreadable(character) else character for character in _LINE_ENDS.sub("\n", text))


def _is_unreadable(character: str) -> bool:
    if character in "\n\t":
        return False
    return unicodedata.category(character) in ("Cc", "Cs") or character in _TURNING


def width(text: str) -> int:
    """Count as JavaScript does, in which a character beyond the basic plane is two: no count of Slack's is higher.

    Args:
        text: Any text.
    """
    return len(text) + sum(character > "\uffff" for character in text)
