"""The way to Slack: the provider's webhook hook, of whose address nothing gets into a log.

Whoever has the address can write into the channel. slack_sdk logs it, at INFO when it asks again and at DEBUG with
every request, and what Python raises about an address holds it, too. So the client is handed a logger of which nothing
is heard, what is said of an error never quotes the address, and Airflow's own masking knows all of its parts.

Imported when a message is sent, not before: two HTTP clients come with it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook
from airflow.sdk.log import mask_secret
from slack_sdk import WebhookClient
from slack_sdk.webhook import WebhookResponse

from fresh_endpoints.telling.refusal import PASSING_STATUSES, Refusal, seconds_of

# Airflow gives all callbacks of a task 20 s together ([core] task_success_overtime): two tries fit, see delivery.py.
TIMEOUT_SECONDS = 5

# The words that Slack answers with, and nothing else: a proxy's page may quote the address.
_WORD = re.compile(r"[a-z]+(?:_[a-z]+)*")
_LONGEST_WORD = 60

# What to do, by status: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
_ADVICE = {
    400: "The message itself was refused, and no other try will help; please report it.",
    403: "A restriction of the workspace or a wrong token; ask the workspace's administrators, or make a new webhook.",
    404: "The webhook, its channel or its workspace is gone; put a new webhook's address into the connection.",
    410: "The channel is archived; unarchive it, or make a webhook of another channel.",
    429: "Too many messages at once; Slack takes one a second.",
}
_ADVICE_ON_FAULT = "A fault of Slack's or of a proxy; see https://slack-status.com if it lasts."
_ADVICE_ON_ANOTHER = "Look at the connection's address and proxy."


class QuietWebhookHook(SlackWebhookHook):
    """The provider's hook, whose client says nothing of its address.

    Args:
        connection: The id of the Airflow connection that holds the address.
    """

    def __init__(self, connection: str):
        # In no tree of loggers, so that no configuration turns it on.
        silent = logging.Logger("slack_sdk", level=logging.CRITICAL + 1)
        super().__init__(slack_webhook_conn_id=connection, timeout=TIMEOUT_SECONDS, retry_handlers=[], logger=silent)
        self._connection = connection

    @cached_property
    def client(self) -> WebhookClient:
        """The client, whose address Airflow masks from here on."""
        client = super().client
        for part in secret_parts(client.url):
            mask_secret(part)
        return client

    def line_of(self, body: Mapping[str, Any]) -> str:
        """Return what names all messages that share one rate: those of a webhook.

        Args:
            body: What the webhook takes.
        """
        return self._connection

    def post(self, body: dict[str, Any]) -> Refusal | None:
        """Send a message, once.

        Args:
            body: What the webhook takes.

        Returns:
            None if Slack took it.

        Raises:
            Exception: Slack was not reached, or the connection is not usable; see what_failed().
        """
        # It has no threads, so there is nothing to broadcast from one.
        response = self.client.send_dict({key: body[key] for key in body if key != "reply_broadcast"})
        return None if response.status_code == 200 else _refusal(response)


def secret_parts(url: str) -> list[str]:
    """Return what must not be seen of a webhook's address: as a whole, its path, and its last part, which is the key.

    Args:
        url: The address.
    """
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    key = path.rpartition("/")[2]
    # What is shorter is no secret, and a word of many texts; Slack's keys have 24 characters.
    return [part for part, least in ((url, 1), (path, 8), (path.strip("/"), 8), (key, 16)) if len(part) >= least]


def _refusal(response: WebhookResponse) -> Refusal:
    status, body = response.status_code, str(response.body or "").strip()
    word = body if len(body) <= _LONGEST_WORD and _WORD.fullmatch(body) else "in words that are not Slack's"
    advice = _ADVICE.get(status, _ADVICE_ON_FAULT if status >= 500 else _ADVICE_ON_ANOTHER)
    words = f"{status} {word}. {advice}"
    if status == 429:
        return Refusal(words, may_pass=True, retry_after=seconds_of(response.headers))
    return Refusal(words, may_pass=status in PASSING_STATUSES)
