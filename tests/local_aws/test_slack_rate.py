"""Local AWS's Slack takes as many messages a second as it is told, and says after how many seconds to come again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from local_aws.process import LocalAws


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws(slack_per_second=0.01) as aws:
        yield aws


def test_a_webhooks_message_that_comes_too_soon_is_refused_and_not_kept(aws: LocalAws) -> None:
    answers = [requests.post(aws.webhook_url, json={"text": "t"}, timeout=10) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].text == "rate_limited"
    assert 90 < int(answers[1].headers["Retry-After"]) <= 100
    another = requests.post(f"{aws.webhook_url}-of-another", json={"text": "t"}, timeout=10)
    assert another.status_code == 200
    assert len(aws.slack_messages()) == 2


def test_each_channel_of_an_app_has_a_rate_of_its_own(aws: LocalAws) -> None:
    client = WebClient(token="xoxb-local", base_url=aws.slack_api_url, timeout=10, retry_handlers=[])
    client.chat_postMessage(channel="one", text="t")
    client.chat_postMessage(channel="two", text="t")
    with pytest.raises(SlackApiError) as refused:
        client.chat_postMessage(channel="one", text="t")
    assert refused.value.response["error"] == "ratelimited"
    assert 90 < int(refused.value.response.headers["Retry-After"]) <= 100
