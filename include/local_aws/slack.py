"""A Slack that takes incoming-webhook messages and shows them.

See https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks for the payload and the error words.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any
from urllib.parse import parse_qs

from werkzeug.wrappers import Response

from local_aws.slack_limits import problem_of_blocks
from local_aws.slack_page import render
from local_aws.wire import read_json

MOST_MESSAGES = 1_000
PAGE_PATHS = ("/slack", "/slack/")  # where people read the messages


class Slack:
    """The messages received, oldest first. Thread-safe. Webhook paths are secrets and are not kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: deque[dict[str, Any]] = deque(maxlen=MOST_MESSAGES)

    def receive(self, body: bytes, content_type: str) -> Response:
        """Answer a webhook.

        Args:
            body: JSON, or a form whose field ``payload`` holds it.
            content_type: The request's Content-Type.

        Returns:
            ``ok``, or 400 with Slack's word for what is wrong.
        """
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
        with self._lock:
            self._messages.append({"received": time.time(), "payload": payload})
        return _plain("ok", 200)

    def messages(self) -> list[dict[str, Any]]:
        """Get what was received.

        Returns:
            Time (epoch seconds) and payload of each message, oldest first.
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


def _plain(text: str, status: int) -> Response:
    return Response(text, status=status, content_type="text/html")
