"""The way to Slack by an app's token: a real channel, a user name, and one thread a run.

Who has the token can do whatever the app may. It stands in a header only; slack_sdk's logger is silenced all the same,
and what is said of an answer are Slack's own words, never the answer's text.

Imported when a message is sent, not before: two HTTP clients come with it.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.slack.hooks.slack import SlackHook
from airflow.sdk.log import mask_secret
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from fresh_endpoints.telling.refusal import MOST_SECONDS_BEFORE_ANOTHER, PASSING_STATUSES, Refusal, seconds_of
from fresh_endpoints.telling.slack_webhook import TIMEOUT_SECONDS

if TYPE_CHECKING:
    from fresh_endpoints.telling.slack_thread import Thread


# Slack's words for an error, and for scopes: nothing else is repeated, for a proxy may answer in its place.
_WORD = re.compile(r"[a-z]+(?:_[a-z]+)*")
_SCOPES = re.compile(r"[a-z._]+(?::[a-z._]+)*(?:,[a-z._]+(?::[a-z._]+)*)*")
_LONGEST_WORD = 60

# The thread takes no more: https://docs.slack.dev/reference/methods/chat.postMessage#errors
_THREAD_REFUSED = frozenset(
    {"cannot_reply_to_message", "restricted_action_non_threadable_channel", "restricted_action_thread_locked"}
)

_USE = "put the Bot User OAuth Token (xoxb-…) of the installed app into the connection's password"
_FAULT = "A fault of Slack's or of a proxy; see https://slack-status.com if it lasts"
_TOO_MANY = "Too many messages at once; Slack takes one a second in a channel"
_RATE_WORDS = ("ratelimited", "rate_limited")
_MESSAGE = "The message itself was refused, and no other try will help; please report it"
# What to do, by Slack's word (same page). docs/telling.md has the words that people meet.
ADVICE = {
    "channel_not_found": "There is no such channel, or the app cannot see it: correct slack.channel (a name, or better "
    "the id from the channel's details), and invite the app into a private channel",
    "not_in_channel": "The app is no member: write /invite @APP in the channel, or give the app the scope "
    "chat:write.public",
    "is_archived": "The channel is archived; unarchive it, or name another in slack.channel",
    **dict.fromkeys(("not_authed", "invalid_auth"), f"The token is not valid; {_USE}"),
    **dict.fromkeys(("account_inactive", "token_revoked", "token_expired"), f"The token is no longer valid; {_USE}"),
    **dict.fromkeys(("missing_scope", "no_permission"), "Give the app the scope chat:write and install it again"),
    "not_allowed_token_type": f"It is a token of another kind; {_USE}",
    **dict.fromkeys((*_RATE_WORDS, "message_limit_exceeded"), _TOO_MANY),
    **dict.fromkeys(("invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long"), _MESSAGE),
    **dict.fromkeys(("no_text", "invalid_arguments", "invalid_json"), _MESSAGE),
    **dict.fromkeys(("internal_error", "fatal_error", "request_timeout", "service_unavailable"), _FAULT),
}
_ADVICE_ON_ANOTHER = (
    "Look at the connection's base_url and proxy, and at https://docs.slack.dev/reference/methods/chat.postMessage"
)
_RESTRICTED = "A restriction of the workspace; ask its administrators"
_NO_CHANNEL = (
    "the pipeline file has no slack.channel, which a connection of type Slack API needs, because an app has no "
    "channel of its own; name one"
)


class QuietApiHook(SlackHook):
    """The provider's hook, which says nothing of its token.

    Args:
        connection: The id of the Airflow connection that holds the token.
        thread: The run's thread.
    """

    def __init__(self, connection: str, thread: Thread):
        # In no tree of loggers, so that no configuration turns it on.
        silent = logging.Logger("slack_sdk", level=logging.CRITICAL + 1)
        super().__init__(slack_conn_id=connection, timeout=TIMEOUT_SECONDS, retry_handlers=[], logger=silent)
        self._thread = thread

    @cached_property
    def client(self) -> WebClient:
        """The client, whose token Airflow masks from here on."""
        client = super().client
        mask_secret(client.token)
        return client

    def line_of(self, body: Mapping[str, Any]) -> str:
        """Return what names all messages that share one rate: those of a channel.

        Args:
            body: What chat.postMessage takes.
        """
        return f"{self.slack_conn_id} {body.get('channel')}"

    def post(self, body: dict[str, Any]) -> Refusal | None:
        """Send a message: the run's first begins its thread, the others reply there.

        Args:
            body: What chat.postMessage takes; with ``reply_broadcast`` a reply is shown in the channel, too.

        Returns:
            None if Slack took it.

        Raises:
            Exception: Slack was not reached, or the connection is not usable; see what_failed().
        """
        if not body.get("channel"):
            return Refusal(_NO_CHANNEL)
        begun = time.monotonic()
        first = self._thread.read()
        refused = self._send(body, first)
        is_soon = time.monotonic() - begun < MOST_SECONDS_BEFORE_ANOTHER
        if first and _word_of(refused) in _THREAD_REFUSED and is_soon:
            refused = self._send(body, None)
        return None if refused is None else _refusal(refused)

    def _send(self, body: Mapping[str, Any], first: str | None) -> Any:
        """Send a message, in reply to the first one if that is given; return Slack's answer if it is a refusal."""
        # A link is not to unfold into a picture of a login page.
        given = {**body, "unfurl_links": False, "unfurl_media": False}
        if first:
            given["thread_ts"] = first
        else:
            given.pop("reply_broadcast", None)
        try:
            answer = self.call("chat.postMessage", json=given)
        except SlackApiError as error:
            return error.response
        # A reply to what has been deleted becomes a message of its own, and then this is missing.
        in_thread = (answer.get("message") or {}).get("thread_ts")
        if ts := in_thread or answer.get("ts"):
            self._thread.remember(str(ts), is_new=ts != first)
        return None


def _said(response: Any, member: str) -> Any:
    data = getattr(response, "data", response)
    return data.get(member) if isinstance(data, Mapping) else None


def _word_of(response: Any) -> str | None:
    """Return Slack's word for what is wrong; None where the answer is not Slack's."""
    word = _said(response, "error")
    return word if isinstance(word, str) and len(word) <= _LONGEST_WORD and _WORD.fullmatch(word) else None


def _refusal(response: Any) -> Refusal:
    status, word = getattr(response, "status_code", None), _word_of(response)
    if status == 429 or word in _RATE_WORDS:
        words = f"{word or 'ratelimited'}. {_TOO_MANY}."
        return Refusal(words, may_pass=True, retry_after=seconds_of(getattr(response, "headers", None) or {}))
    may_pass = status in PASSING_STATUSES or ADVICE.get(word or "") == _FAULT
    return Refusal(_in_words(response, status, word), may_pass)


def _in_words(response: Any, status: Any, word: str | None) -> str:
    if word is None:
        advice = _FAULT if isinstance(status, int) and status >= 500 else _ADVICE_ON_ANOTHER
        return f"{status} in words that are not Slack's. {advice}."
    advice = ADVICE.get(word) or (_RESTRICTED if word.startswith("restricted_action") else _ADVICE_ON_ANOTHER)
    needed = _said(response, "needed") if word == "missing_scope" else None
    if isinstance(needed, str) and len(needed) <= _LONGEST_WORD and _SCOPES.fullmatch(needed):
        advice = f"Give the app the scope {needed} and install it again"
    return f"{word}. {advice}."
