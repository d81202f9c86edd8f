"""A Slack that takes messages by incoming webhooks and by chat.postMessage, and shows them.

See https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and
https://docs.slack.dev/reference/methods/chat.postMessage for the payloads and the error words.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from werkzeug.wrappers import Response

from local_aws.slack_limits import problem_of_blocks
from local_aws.slack_page import render
from local_aws.slack_rate import SlackRate
from local_aws.wire import read_json

MOST_MESSAGES = 1_000
PAGE_PATHS = ("/slack", "/slack/")  # where people read the messages
API_PATH = "/slack/api/"  # the base_url of a connection of type Slack API
_BOT_TOKEN = re.compile(r"Bearer xoxb-\S+")
_CHANNEL_NAME = re.compile(r"[\w-]{1,80}")


class Slack:
    """The messages received, oldest first. Thread-safe. Webhook paths and tokens are secrets and are not kept.

    Args:
        channels: The channels that chat.postMessage knows; none for whatever can be a channel's name. A webhook belongs
            to a channel, and needs none.
        rate: How often it takes a message; None for no limit.
    """

    def __init__(self, channels: tuple[str, ...] = (), rate: SlackRate | None = None) -> None:
        self._channels = channels
        self._rate = rate or SlackRate(math.inf, 1)
        self._newest = 0
        self._lock = threading.Lock()
        self._messages: deque[dict[str, Any]] = deque(maxlen=MOST_MESSAGES)

    def receive(self, body: bytes, content_type: str, path: str = "") -> Response:
        """Answer a webhook.

        Args:
            path: The webhook's.
            body: JSON, or a form whose field ``payload`` holds it.
            content_type: The request's Content-Type.

        Returns:
            ``ok``; 400 with Slack's word for what is wrong; or 429.
        """
        if seconds := self._rate.take(path):
            return _plain("rate_limited", 429, seconds)
        if content_type.startswith("application/x-www-form-urlencoded"):
            body = parse_qs(body.decode("utf-8", "replace")).get("payload", [""])[0].encode()
        try:
            payload = read_json(body)
        except ValueError:
            return _plain("invalid_payload", 400)
        if not isinstance(payload, dict):
            return _plain("invalid_payload", 400)
        if not any(payload.get(member) for member in ("text", "blocks", "attachments")):
            return _plain("no_text", 400)
        if problem := problem_of_blocks(payload.get("blocks")):
            return _plain(problem, 400)
        self._keep(payload)
        return _plain("ok", 200)

    def post_message(self, body: bytes, authorization: str) -> Response:
        """Answer chat.postMessage.

        Args:
            body: JSON.
            authorization: The request's header of that name, with a bot's token.

        Returns:
            The message with its ``ts``, or Slack's word for what is wrong; 200 either way, as Slack has it, or 429.
        """
        if not _BOT_TOKEN.fullmatch(authorization):
            return _answer({"ok": False, "error": "invalid_auth" if authorization else "not_authed"})
        try:
            payload = read_json(body)
        except ValueError:
            payload = None
        if not isinstance(payload, dict):
            return _answer({"ok": False, "error": "invalid_json"})
        channel = self._channel(payload.get("channel"))
        problem = "channel_not_found" if channel is None else problem_of_blocks(payload.get("blocks"))
        if problem is None and not any(payload.get(member) for member in ("text", "blocks", "attachments")):
            problem = "no_text"
        if problem:
            return _answer({"ok": False, "error": problem})
        if seconds := self._rate.take(f"{authorization} {channel}"):
            return _answer({"ok": False, "error": "ratelimited"}, 429, seconds)
        return _answer(self._post(payload, str(channel)))

    def _channel(self, given: Any) -> str | None:
        """Find the name of a channel that is given by its name or id."""
        name = str(given or "").removeprefix("#")
        known = {channel_id(channel): channel for channel in self._channels}
        if name in known:
            return known[name]
        is_known = name in self._channels if self._channels else _CHANNEL_NAME.fullmatch(name)
        return name if is_known else None

    def _post(self, payload: Mapping[str, Any], channel: str) -> dict[str, Any]:
        first = payload.get("thread_ts")
        # A reply to what is not there becomes a message of its own: https://github.com/slack-go/slack/issues/1571
        is_reply = any(
            (each["payload"].get("channel"), each.get("ts")) == (channel, first) for each in self.messages() if first
        )
        dropped = () if is_reply else ("thread_ts", "reply_broadcast")
        kept = {**{key: value for key, value in payload.items() if key not in dropped}, "channel": channel}
        ts = self._keep(kept)
        shown = {key: kept[key] for key in kept if key in ("text", "blocks", "username", "thread_ts")}
        message = {**shown, "type": "message", "subtype": "bot_message", "ts": ts}
        return {"ok": True, "channel": channel_id(channel), "ts": ts, "message": message}

    def _keep(self, payload: dict[str, Any]) -> str:
        with self._lock:
            received = time.time()
            self._newest = max(self._newest + 1, int(received * 1e6))
            ts = f"{self._newest // 1_000_000}.{self._newest % 1_000_000:06}"
            self._messages.append({"received": received, "ts": ts, "payload": payload})
        return ts

    def messages(self) -> list[dict[str, Any]]:
        """Get what was received.

        Returns:
            Time (epoch seconds), ``ts`` and payload of each message, oldest first.
        """
        with self._lock:
            return list(self._messages)

    def restore(self, messages: list[dict[str, Any]]) -> None:
        """Take back what :meth:`messages` gave, before the first request.

        Args:
            messages: The messages, oldest first.
        """
        with self._lock:
            self._messages.extend(messages)

    def clear(self) -> None:
        """Forget all messages."""
        with self._lock:
            self._messages.clear()

    def page(self) -> Response:
        """Show the messages to people.

        Returns:
            An HTML page, newest run first.
        """
        return Response(render(self.messages()), content_type="text/html; charset=utf-8")


def channel_id(name: str) -> str:
    """Return the id of a channel.

    Args:
        name: The channel's name.
    """
    return f"C{hashlib.sha256(name.encode()).hexdigest()[:10].upper()}"


def _answer(content: Mapping[str, Any], status: int = 200, retry_after: int = 0) -> Response:
    content_type = "application/json; charset=utf-8"
    return Response(json.dumps(content), status=status, headers=_waits(retry_after), content_type=content_type)


def _plain(text: str, status: int, retry_after: int = 0) -> Response:
    return Response(text, status=status, headers=_waits(retry_after), content_type="text/html")


def _waits(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)} if seconds else {}
