"""Local AWS's chat.postMessage, as Slack's own client and the provider's hook speak it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from local_aws.process import LocalAws
from local_aws.slack import channel_id
from local_aws.slack_page import render


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws(slack_channels=("#models", "other")) as aws:
        yield aws


@pytest.fixture
def client(aws: LocalAws) -> WebClient:
    return WebClient(token="xoxb-local", base_url=aws.slack_api_url, timeout=10)


def error_of(client: WebClient, **message: Any) -> tuple[int, str]:
    with pytest.raises(SlackApiError) as refused:
        client.chat_postMessage(**message)
    return refused.value.response.status_code, refused.value.response["error"]


@pytest.mark.parametrize("channel", ["models", "#models", channel_id("models")])
def test_a_channel_is_known_by_its_name_and_by_its_id(aws: LocalAws, client: WebClient, channel: str) -> None:
    answer = client.chat_postMessage(channel=channel, text=f"to {channel}", username="Iris")
    assert answer["channel"] == channel_id("models")
    assert aws.slack_messages()[-1] == {"channel": "models", "text": f"to {channel}", "username": "Iris"}


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"channel": "nowhere", "text": "t"}, "channel_not_found"),
        ({"channel": "models", "text": ""}, "no_text"),
        ({"channel": "models", "text": "t", "blocks": [{"type": "section"}]}, "invalid_blocks"),
    ],
)
def test_what_slack_refuses_is_refused_in_its_word(client: WebClient, message: dict[str, Any], error: str) -> None:
    assert error_of(client, **message) == (200, error)


@pytest.mark.parametrize(("token", "error"), [(None, "not_authed"), ("xoxp-1", "invalid_auth"), ("", "not_authed")])
def test_without_a_bots_token_nothing_is_taken(aws: LocalAws, token: str | None, error: str) -> None:
    client = WebClient(token=token, base_url=aws.slack_api_url, timeout=10)
    assert error_of(client, channel="models", text="t") == (200, error)
    assert aws.count("slack")


def test_other_methods_and_what_is_no_json_are_refused(aws: LocalAws) -> None:
    headers = {"Authorization": "Bearer xoxb-local"}
    url = f"{aws.slack_api_url}chat.postMessage"
    assert requests.post(url, data="{", headers=headers, timeout=10).json()["error"] == "invalid_json"
    other = requests.post(f"{aws.slack_api_url}users.list", headers=headers, timeout=10)
    assert other.json() == {"ok": False, "error": "unknown_method"}


def test_a_reply_stands_in_its_thread_and_one_to_nothing_by_itself(aws: LocalAws, client: WebClient) -> None:
    first = client.chat_postMessage(channel="models", text="first")
    reply = client.chat_postMessage(channel="models", text="reply", thread_ts=first["ts"], reply_broadcast=True)
    assert reply["message"]["thread_ts"] == first["ts"] < reply["ts"]
    for channel, ts in (("other", first["ts"]), ("models", "1.5")):
        alone = client.chat_postMessage(channel=channel, text="alone", thread_ts=ts)
        assert "thread_ts" not in alone["message"]
    html = requests.get(f"{aws.url}/slack", timeout=10).text
    assert html.count('class="replies"') == 1
    assert "Also sent to the channel" in html


def test_faults_come_in_the_apis_own_words(aws: LocalAws, client: WebClient) -> None:
    for kind, answer in (({"kind": "throttle"}, (429, "ratelimited")), ({"kind": "error", "status": 500}, None)):
        aws.add_faults({"operation": "slack", "times": 1, **kind})
        status, error = error_of(client, channel="models", text="t")
        assert (status, error) == (answer or (500, "internal_error"))


def test_the_page_shows_a_threads_replies_behind_its_first_message() -> None:
    def message(text: str, ts: str, **more: Any) -> dict[str, Any]:
        return {"received": float(ts), "ts": ts, "payload": {"channel": "models", "text": text, **more}}

    html = render(
        [
            message("one begins", "1.0"),
            message("two begins", "2.0"),
            message("one ends", "3.0", thread_ts="1.0"),
            message("two ends", "4.0", thread_ts="2.0"),
        ]
    )
    texts = ["two begins", "two ends", "one begins", "one ends"]
    assert sorted(texts, key=html.index) == texts
    assert html.count('class="replies"') == 2
