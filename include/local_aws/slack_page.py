"""Renders messages as Slack shows them, in one HTML page without other files.

Formats: https://docs.slack.dev/messaging/formatting-message-text and https://docs.slack.dev/reference/block-kit/blocks.
"""

from __future__ import annotations

import datetime as dt
import functools
import html
import json
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

_AVATARS = ("#4a154b", "#1264a3", "#007a5a", "#b5470d", "#5b2c83", "#0b6e75")
_TOGETHER = 300.0  # seconds within which Slack shows the messages of one sender under one name
# The Airflow run that a message links to: what belongs to one run is shown together.
_RUN = re.compile(r"/dags/[^/|>\"]+/runs/[^/|>?\"]+")
_COLORS = {"good": "#2eb67d", "warning": "#ecb22e", "danger": "#e01e5a"}
_EMOJI = {
    "arrows_counterclockwise": "🔄", "bar_chart": "📊", "bell": "🔔", "calendar": "📅", "eyes": "👀", "rewind": "⏪",
    "fast_forward": "⏩", "fire": "🔥", "gear": "⚙️", "hourglass": "⌛", "hourglass_flowing_sand": "⏳", "mag": "🔍",
    "large_green_circle": "🟢", "large_yellow_circle": "🟡", "leftwards_arrow_with_hook": "↩️", "no_entry": "⛔",
    "package": "📦", "red_circle": "🔴", "robot_face": "🤖", "rocket": "🚀", "rotating_light": "🚨", "tada": "🎉",
    "warning": "⚠️", "x": "❌", "white_check_mark": "✅", "zzz": "💤", "chart_with_upwards_trend": "📈",
    "heavy_check_mark": "✔️", "black_right_pointing_double_triangle_with_vertical_bar": "⏭️",
}  # fmt: skip
_TOKEN = re.compile(r"```(?P<pre>.+?)```|`(?P<code>[^`\n]+)`|<(?P<link>[^<>\n]+)>", re.DOTALL)
_BOLD = re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])")
_ITALIC = re.compile(r"(?<![\w_])_(?=\S)([^_\n]+?)(?<=\S)_(?![\w_])")
_STRIKE = re.compile(r"(?<![\w~])~(?=\S)([^~\n]+?)(?<=\S)~(?![\w~])")
_QUOTE = re.compile(r"^(?:&gt;|&amp;gt;) ?(.*)$", re.MULTILINE)
_NAMED_EMOJI = re.compile(r":([a-z0-9_+-]+):")
_SAFE_LINK = re.compile(r"(https?|mailto):", re.IGNORECASE)
_HEX_COLOR = re.compile(r"#?[0-9a-fA-F]{6}")

Json = Mapping[str, Any]


def render(messages: Sequence[Json]) -> str:
    """Render a page of messages: the newest run first, and in a run the messages in order.

    Args:
        messages: Each with ``received`` (epoch seconds), ``payload`` (what Slack took) and, from a Slack of threads,
            ``ts``; oldest first.

    Returns:
        HTML.
    """
    runs = [
        [_shown(before, message) for before, message in zip([None, *run[:-1]], run, strict=True)]
        for run in _runs(messages)
    ]
    return _template().render(
        channels=sorted({_channel(message) for message in messages} - {""}),
        count=len(messages),
        days=[(day, list(those)) for day, those in groupby(runs, key=lambda run: run[0]["moment"].date())],
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(mrkdwn=mrkdwn, plain=plain, colour=_colour, mappings=_mappings)
    environment.tests.update(safe_link=lambda link: _SAFE_LINK.match(str(link)) is not None)
    return environment.get_template("slack_page.html")


def _runs(messages: Sequence[Json]) -> list[list[Json]]:
    """Group the messages by the Airflow run that they link to; one without a run stands alone. Newest run first."""
    runs: dict[str, list[Json]] = {}
    keys: dict[tuple[str, Any], str] = {}
    for number, message in enumerate(messages):
        link = _RUN.search(json.dumps(message["payload"]))
        # A reply stands in its thread, whatever it links to.
        first = (_channel(message), _thread(message))
        key = keys[first] if first in keys else link[0] if link else str(number)
        if message.get("ts"):
            keys[_channel(message), message["ts"]] = key
        runs.setdefault(key, []).append(message)
    threaded = [_by_thread(run) for run in runs.values()]
    return sorted(threaded, key=lambda run: run[0]["received"], reverse=True)


def _by_thread(run: Sequence[Json]) -> list[Json]:
    """Put the replies behind their thread's first message."""
    first_of = {message["ts"]: number for number, message in enumerate(run) if message.get("ts")}
    places = [(first_of.get(_thread(message), number), number) for number, message in enumerate(run)]
    return [run[number] for _, number in sorted(places)]


def _shown(before: Json | None, message: Json) -> Json:
    """Tell what the page shows of a message; Slack names a sender again only after a pause."""
    user = _user(message)
    icon = _emoji(message["payload"].get("icon_emoji"))
    initials = "".join(word[0] for word in re.findall(r"\w+", user)[:2]).upper()
    return {
        "payload": message["payload"],
        "moment": dt.datetime.fromtimestamp(message["received"], tz=dt.timezone.utc),
        "user": user,
        "channel": _channel(message),
        "colour": _AVATARS[sum(map(ord, user)) % len(_AVATARS)],
        "face": icon if icon and not icon.startswith(":") else initials,
        "is_reply": _thread(message) is not None,
        "is_first_reply": _thread(message) is not None and (before is None or _thread(before) != _thread(message)),
        "is_broadcast": bool(message["payload"].get("reply_broadcast")),
        "is_joined": before is not None
        and _thread(before) == _thread(message)
        and message["received"] - before["received"] < _TOGETHER
        and (_user(before), _channel(before)) == (user, _channel(message)),
    }


def _user(message: Json) -> str:
    return str(message["payload"].get("username") or "incoming-webhook")


def _channel(message: Json) -> str:
    return str(message["payload"].get("channel") or "").lstrip("#")


def _thread(message: Json) -> Any:
    return message["payload"].get("thread_ts") or None


def _colour(name: Any) -> str:
    return _COLORS.get(str(name)) or (f"#{str(name).lstrip('#')}" if _HEX_COLOR.fullmatch(str(name)) else "#ddd")


def _mappings(items: Any) -> list[Json]:
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, (list, tuple)) else []


def mrkdwn(text: Any) -> Markup:
    """Convert Slack's markup to HTML.

    Args:
        text: Mrkdwn; ``&``, ``<`` and ``>`` in it are escaped as Slack wants them.

    Returns:
        HTML in which nothing of the text is markup except what mrkdwn knows.
    """
    text = str(text or "")
    parts = []
    # Code and links are cut out first, and kept aside: what is in them is not formatted, but may be in bold text.
    aside: list[str] = []
    position = 0
    for match in _TOKEN.finditer(text):
        parts.append(_escape(text[position : match.start()]))
        aside.append(_token(match))
        parts.append(f"\x00{len(aside) - 1}\x00")
        position = match.end()
    parts.append(_escape(text[position:]))
    whole = re.sub(r"\x00(\d+)\x00", lambda match: aside[int(match[1])], _format("".join(parts)))
    return Markup(whole)  # noqa: S704 - each part of it has been escaped


def _token(match: re.Match[str]) -> str:
    if match["pre"]:
        return f"<pre>{_escape(match['pre'].strip(chr(10)))}</pre>"
    if match["code"]:
        return f"<code>{_escape(match['code'])}</code>"
    target, _, label = match["link"].partition("|")
    if target.startswith(("!", "@", "#")):  # <!here>, <@U123>, <#C123|name>
        mark = "#" if target.startswith("#") else "@"
        return f"<b>{mark}{_escape(label or target[1:].split('^')[0])}</b>"
    if not _SAFE_LINK.match(target):
        return _escape(match[0])
    return f'<a href="{_escape(target)}" rel="noreferrer">{_format(_escape(label or target))}</a>'


def plain(content: Json) -> str:
    """Read a ``plain_text`` object, in which nothing is markup but the names of emoji, unless it says otherwise.

    Args:
        content: The object.

    Returns:
        The text, not yet HTML.
    """
    text = _unescape(str(content.get("text") or ""))
    return text if content.get("emoji") is False else _emoji(text)


def _escape(text: str) -> str:
    return html.escape(_unescape(text.replace("\x00", "")))


def _unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _format(escaped: str) -> str:
    for pattern, tag in ((_BOLD, "b"), (_ITALIC, "i"), (_STRIKE, "s")):
        escaped = pattern.sub(rf"<{tag}>\1</{tag}>", escaped)
    escaped = _QUOTE.sub(r"<blockquote>\1</blockquote>", escaped).replace("</blockquote>\n", "</blockquote>")
    return _emoji(escaped)


def _emoji(text: Any) -> str:
    return _NAMED_EMOJI.sub(lambda match: _EMOJI.get(match[1], match[0]), str(text or ""))
