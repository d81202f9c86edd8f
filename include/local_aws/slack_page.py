"""Renders webhook messages as Slack shows them, in one HTML page without other files.

Formats: https://docs.slack.dev/messaging/formatting-message-text and https://docs.slack.dev/reference/block-kit/blocks.
"""

from __future__ import annotations

import datetime as dt
import html
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; display: flex; min-height: 100vh; background: #fff; color: #1d1c1d; font: 15px/1.467 Lato, "Segoe UI",
  "Helvetica Neue", Arial, "Noto Sans", "Noto Sans CJK JP", sans-serif; }
nav { flex: none; width: 210px; background: #4a154b; color: #d9c6da; padding: 0 8px; }
nav h1 { margin: 0 0 10px; padding: 13px 10px; color: #fff; font-size: 18px; font-weight: 900; line-height: 24px; }
nav h2 { margin: 0; padding: 4px 10px; font-size: 14px; font-weight: 400; }
nav div { margin: 2px 0; padding: 2px 10px 3px; border-radius: 6px; font-size: 15px; overflow-wrap: anywhere; }
nav .one { background: #f9edff; color: #39063a; }
main { flex: 1; min-width: 0; padding-bottom: 24px; }
main > header { position: sticky; top: 0; z-index: 2; display: flex; gap: 12px; align-items: baseline; background: #fff;
  border-bottom: 1px solid #ddd; padding: 13px 20px 12px; }
main > header b { font-size: 18px; font-weight: 900; line-height: 24px; }
main > header span { color: #616061; font-size: 13px; }
.day { display: flex; justify-content: center; position: relative; margin: 14px 0 4px; }
.day::before { content: ""; position: absolute; top: 50%; left: 0; right: 0; border-top: 1px solid #ddd; }
.day span { position: relative; background: #fff; border: 1px solid #ddd; border-radius: 24px; padding: 2px 14px 3px;
  font-size: 13px; font-weight: 700; }
.run { padding: 6px 0; } .run + .run { border-top: 1px solid #eee; }
article { display: flex; gap: 8px; padding: 8px 20px; } article.more { padding-top: 6px; }
article:hover { background: #f8f8f8; }
.gutter { flex: none; width: 36px; text-align: right; }
.gutter time { font-size: 11px; line-height: 26px; font-variant-numeric: tabular-nums; }
.avatar { width: 36px; height: 36px; border-radius: 8px; color: #fff; font-weight: 700; font-size: 15px;
  display: flex; align-items: center; justify-content: center; }
.message { min-width: 0; flex: 1; max-width: 720px; overflow-wrap: anywhere; }
.user { font-weight: 900; } .app { background: #e8e8e8; color: #616061; font-size: 10px; font-weight: 700;
  border-radius: 2px; padding: 1px 3px; margin: 0 6px 0 4px; vertical-align: 1px; }
time, .channel { color: #616061; font-size: 12px; } .channel { margin-left: 8px; }
.context { color: #616061; font-size: 13px; margin: 6px 0 2px; }
p { margin: 2px 0; white-space: pre-wrap; }
h3 { margin: 2px 0 4px; font-size: 18px; font-weight: 900; line-height: 1.33; }
a { color: #1264a3; text-decoration: none; } a:hover { text-decoration: underline; }
code { background: #f6f6f6; border: 1px solid #ddd; border-radius: 3px; padding: 1px 3px; font-size: 12px;
  color: #c01343; font-family: Monaco, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { background: #f8f8f8; border: 1px solid #ddd; border-radius: 4px; padding: 8px; margin: 4px 0;
  white-space: pre-wrap; font: 12px/1.5 Monaco, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
blockquote { margin: 2px 0; padding-left: 12px; border-left: 4px solid #ddd; }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 20px; margin: 8px 0 4px; }
.fields p { margin: 0; }
.attachment { border-left: 4px solid #ddd; border-radius: 3px; padding: 2px 0 2px 12px; margin: 6px 0; }
.button { display: inline-block; border: 1px solid #bbb; border-radius: 8px; padding: 3px 12px; margin: 6px 8px 4px 0;
  font-size: 13px; font-weight: 700; color: #1d1c1d; background: #fff; }
.primary { background: #007a5a; border-color: #007a5a; color: #fff; }
.danger { background: #e01e5a; border-color: #e01e5a; color: #fff; }
hr { border: 0; border-top: 1px solid #ddd; margin: 8px 0; }
.empty { padding: 60px 20px; text-align: center; color: #616061; }
.unknown { color: #616061; font-style: italic; }
@media (max-width: 720px) { nav { display: none; } .fields { grid-template-columns: 1fr; } }
"""
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
        messages: Each with ``received`` (epoch seconds) and ``payload`` (what the webhook took), oldest first.

    Returns:
        HTML.
    """
    channels = sorted({_channel(message) for message in messages} - {""})
    title = f"# {_escape(channels[0])}" if len(channels) == 1 else "All channels"
    listed = "".join(f"<div{' class=one' * (len(channels) == 1)}># {_escape(channel)}</div>" for channel in channels)
    count = f"{len(messages)} message{'s' * (len(messages) != 1)}, newest run first, times in UTC"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<link rel="icon" href="data:,"><title>Slack on local AWS</title><style>{_STYLE}</style></head><body>'
        f"<nav><h1>Local AWS</h1><h2>Channels</h2>{listed}</nav>"
        f"<main><header><b>{title}</b><span>{count}</span></header>"
        f"{_days(messages, len(channels) > 1) or _EMPTY}</main>"
        "</body></html>"
    )


def _days(messages: Sequence[Json], show_channel: bool) -> str:
    parts, day = [], None
    for run in _runs(messages):
        first = _moment(run[0])
        if first.date() != day:
            day = first.date()
            parts.append(f'<div class="day"><span>{first:%A, %B} {day.day}, {day.year}</span></div>')
        shown = [
            _message(message, show_channel, joined=_is_joined(before, message))
            for before, message in zip([None, *run[:-1]], run, strict=True)
        ]
        parts.append(f'<section class="run">{"".join(shown)}</section>')
    return "".join(parts)


def _runs(messages: Sequence[Json]) -> list[list[Json]]:
    """Group the messages by the Airflow run that they link to; one without a run stands alone. Newest run first."""
    runs: dict[str, list[Json]] = {}
    for number, message in enumerate(messages):
        link = _RUN.search(json.dumps(message["payload"]))
        runs.setdefault(link[0] if link else str(number), []).append(message)
    return sorted(runs.values(), key=lambda run: run[0]["received"], reverse=True)


def _is_joined(before: Json | None, message: Json) -> bool:
    return (
        before is not None
        and message["received"] - before["received"] < _TOGETHER
        and (_user(before), _channel(before)) == (_user(message), _channel(message))
    )


def _user(message: Json) -> str:
    return str(message["payload"].get("username") or "incoming-webhook")


def _channel(message: Json) -> str:
    return str(message["payload"].get("channel") or "").lstrip("#")


def _moment(message: Json) -> dt.datetime:
    return dt.datetime.fromtimestamp(message["received"], tz=dt.timezone.utc)


_EMPTY = '<p class="empty">No messages yet.</p>'


def mrkdwn(text: str) -> str:
    """Convert Slack's markup to HTML.

    Args:
        text: Mrkdwn; ``&``, ``<`` and ``>`` in it are escaped as Slack wants them.

    Returns:
        HTML in which nothing of the text is markup except what mrkdwn knows.
    """
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
    return re.sub(r"\x00(\d+)\x00", lambda match: aside[int(match[1])], _format("".join(parts)))


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


def _escape(text: str) -> str:
    plain = text.replace("\x00", "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return html.escape(plain)


def _format(escaped: str) -> str:
    for pattern, tag in ((_BOLD, "b"), (_ITALIC, "i"), (_STRIKE, "s")):
        escaped = pattern.sub(rf"<{tag}>\1</{tag}>", escaped)
    escaped = _QUOTE.sub(r"<blockquote>\1</blockquote>", escaped).replace("</blockquote>\n", "</blockquote>")
    return _emoji(escaped)


def _emoji(text: str) -> str:
    return _NAMED_EMOJI.sub(lambda match: _EMOJI.get(match[1], match[0]), text)


def _message(message: Json, show_channel: bool, joined: bool) -> str:
    payload = message["payload"]
    moment = _moment(message)
    time = f'<time datetime="{moment.isoformat()}" title="{moment:%Y-%m-%d %H:%M:%S} UTC">{moment:%H:%M}</time>'
    # Slack shows text only where there are no blocks; with blocks it is for notifications.
    blocks = payload.get("blocks")
    body = _blocks(blocks) if blocks else _paragraph(payload.get("text"))
    body += "".join(_attachment(attachment) for attachment in _dicts(payload.get("attachments")))
    if joined:
        return f'<article class="more"><div class="gutter">{time}</div><div class="message">{body}</div></article>'
    where = f'<span class="channel">#{_escape(_channel(message))}</span>' if show_channel and _channel(message) else ""
    return (
        f'<article><div class="gutter">{_avatar(payload, _user(message))}</div><div class="message"><div>'
        f'<span class="user">{_escape(_user(message))}</span><span class="app">APP</span>{time}{where}</div>{body}'
        "</div></article>"
    )


def _avatar(payload: Json, user: str) -> str:
    color = _AVATARS[sum(map(ord, user)) % len(_AVATARS)]
    icon = _emoji(str(payload.get("icon_emoji") or ""))
    initials = "".join(word[0] for word in re.findall(r"\w+", user)[:2]).upper()
    face = icon if icon and not icon.startswith(":") else initials
    return f'<div class="avatar" style="background:{color}">{_escape(face)}</div>'


def _attachment(attachment: Json) -> str:
    color = str(attachment.get("color") or "")
    color = _COLORS.get(color) or (f"#{color.lstrip('#')}" if _HEX_COLOR.fullmatch(color) else "#ddd")
    body = _paragraph(attachment.get("pretext"))
    title = _title(attachment)
    inner = title + _paragraph(attachment.get("text")) + _blocks(attachment.get("blocks"))
    if fields := _dicts(attachment.get("fields")):
        cells = "".join(
            f"<div><b>{mrkdwn(str(f.get('title', '')))}</b>{_paragraph(f.get('value'))}</div>" for f in fields
        )
        inner += f'<div class="fields">{cells}</div>'
    if footer := attachment.get("footer"):
        inner += f'<div class="context">{mrkdwn(str(footer))}</div>'
    if not inner:
        inner = _paragraph(attachment.get("fallback"))
    return f'{body}<div class="attachment" style="border-color:{color}">{inner}</div>'


def _title(attachment: Json) -> str:
    title = attachment.get("title")
    if not title:
        return ""
    link = str(attachment.get("title_link") or "")
    text = mrkdwn(str(title))
    return f'<p><b><a href="{_escape(link)}">{text}</a></b></p>' if _SAFE_LINK.match(link) else f"<p><b>{text}</b></p>"


def _blocks(blocks: Any) -> str:
    return "".join(_block(block) for block in _dicts(blocks))


def _block(block: Json) -> str:
    kind = str(block.get("type"))
    renderer = _BLOCKS.get(kind)
    return renderer(block) if renderer else f'<p class="unknown">[{_escape(kind)} block]</p>'


def _section(block: Json) -> str:
    body = f"<p>{_text(block.get('text'))}</p>" if block.get("text") else ""
    if fields := _dicts(block.get("fields")):
        cells = "".join(f"<div><p>{_text(field)}</p></div>" for field in fields)
        body += f'<div class="fields">{cells}</div>'
    return body + "".join(_element(element) for element in _dicts([block.get("accessory")]))


def _context(block: Json) -> str:
    return f'<div class="context">{" ".join(_element(element) for element in _dicts(block.get("elements")))}</div>'


def _actions(block: Json) -> str:
    return f"<div>{''.join(_element(element) for element in _dicts(block.get('elements')))}</div>"


def _element(element: Json) -> str:
    if element.get("type") in ("mrkdwn", "plain_text"):
        return _text(element)
    if element.get("type") == "button":
        style = str(element.get("style") or "")
        style = style if style in ("primary", "danger") else ""
        link = str(element.get("url") or "")
        href = f' href="{_escape(link)}"' if _SAFE_LINK.match(link) else ""
        return f'<a class="button {style}"{href}>{_text(element.get("text"))}</a>'
    if element.get("type") == "image":
        return f'<span class="unknown">[image: {_escape(str(element.get("alt_text", "")))}]</span>'
    return f'<span class="unknown">[{_escape(str(element.get("type")))}]</span>'


def _text(content: Any) -> str:
    if not isinstance(content, Mapping):
        return mrkdwn(str(content or ""))
    text = str(content.get("text") or "")
    return _emoji(html.escape(text)) if content.get("type") == "plain_text" else mrkdwn(text)


def _paragraph(text: Any) -> str:
    return f"<p>{mrkdwn(str(text))}</p>" if text else ""


def _dicts(content: Any) -> list[Json]:
    return [item for item in content if isinstance(item, Mapping)] if isinstance(content, (list, tuple)) else []


_BLOCKS = {
    "section": _section,
    "header": lambda block: f"<h3>{_text(block.get('text'))}</h3>",
    "context": _context,
    "divider": lambda _block: "<hr>",
    "actions": _actions,
    "image": _element,
}
