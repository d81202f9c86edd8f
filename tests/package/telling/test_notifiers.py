"""Notifiers of Airflow's own get the message, once, in time, rendered once; and change nothing."""

from __future__ import annotations

import logging
import sys
import time
from datetime import date, datetime, timezone
from types import SimpleNamespace

import pytest

from fresh_endpoints.pipeline_file.model import Slack
from fresh_endpoints.pipeline_file.notify import Notify
from fresh_endpoints.run import Run
from fresh_endpoints.telling import notifiers
from fresh_endpoints.telling.message import Kind, Message
from fresh_endpoints.telling.refusal import Refusal
from fresh_endpoints.telling.sending import PipelineNotifier, tell_once
from told_tags import Tags

RUN = Run("iris", "d", "r", date(2019, 3, 5), date(2019, 3, 4), datetime(2019, 3, 4, tzinfo=timezone.utc))
STARTED = Message("🚀 Training started", "It starts.", links={"Airflow log": "http://airflow/log"}, kind=Kind.PROGRESS)
FAILED = Message("❌ Training failed", "a < b & {{ 7 * 7 }} {{ conn.slack.password }}")

MODULE = """
import time
from airflow.sdk import BaseNotifier

SENT = []

class Kept(BaseNotifier):
    template_fields = ("message", "more")

    def __init__(self, message, more=None, **kwargs):
        super().__init__(**kwargs)
        self.message, self.more = message, more

    def notify(self, context):
        SENT.append((self.message, self.more))

class Broken(Kept):
    def notify(self, context):
        raise ValueError("https://secret.example/key")

class Refused(Kept):
    def notify(self, context):
        from botocore.exceptions import ClientError
        raise ClientError({"Error": {"Code": "AuthorizationError", "Message": "not authorized"}}, "Publish")

class Hanging(Kept):
    def notify(self, context):
        time.sleep(60)
"""


@pytest.fixture
def sent(tmp_path, monkeypatch):
    """What the module's notifiers have sent."""
    (tmp_path / "of_the_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("of_the_test", None)
    import of_the_test

    yield of_the_test.SENT
    del sys.modules["of_the_test"]


def pipeline(*entries):
    parsed = tuple(Notify(**{"arguments": {"message": "{{ message }}"}, **entry}) for entry in entries)
    return SimpleNamespace(name="iris", slack=None, notify=parsed, deploy="never")


def entry(name, **more):
    return {"notifier": f"of_the_test.{name}", **more}


def tell(message, *entries):
    return PipelineNotifier(pipeline(*entries)).tell(RUN, message)


def test_a_message_comes_as_plain_text_with_its_links(sent):
    assert tell(STARTED, entry("Kept", on="all"))
    text = "Training started: iris, data date 2019-03-04. It starts."
    assert sent == [(f"{text}\n\nAirflow log: http://airflow/log", None)]


def test_what_comes_from_outside_is_rendered_no_second_time(sent):
    arguments = {"message": "{{ title }} {{ data_date }}: {{ message }}", "more": {"html": ["{{ message_html }}"]}}
    assert tell(FAILED, entry("Kept", arguments=arguments))
    [(text, more)] = sent
    outside = "a < b & {{ 7 * 7 }} {{ conn.slack.password }}"
    assert text.startswith(
        f"Training failed 2019-03-04: Training failed: iris, data date 2019-03-04. {outside} What to do: "
    )
    assert more["html"][0].count("a &lt; b &amp; {{ 7 * 7 }} {{ conn.slack.password }}") == 1


def test_only_problems_are_told_where_not_all_are_asked_for(sent):
    assert not tell(STARTED, entry("Kept"))
    assert tell(FAILED, entry("Kept"))
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("failing", "said"),
    [
        (entry("Broken"), "of_the_test.Broken did not take the message 'training-failed': ValueError; the run"),
        (
            entry("Refused"),
            "ClientError: An error occurred (AuthorizationError) when calling the Publish operation: not",
        ),
        (entry("Missing"), "of_the_test has nothing of that name"),
        (entry("Kept", arguments={"messages": "m"}), "Kept has no argument 'messages'; did you mean 'message'?"),
        ({"notifier": "no.Such"}, "no module 'no' is found"),
        (entry("Kept", arguments={"message": "{{ ti.log }}"}), "the name 'ti' is not known"),
    ],
    ids=lambda each: each["notifier"] if isinstance(each, dict) else "",
)
def test_one_that_fails_is_logged_and_the_next_is_told(sent, failing, said, caplog):
    assert not tell(FAILED, failing)
    assert said in caplog.text
    assert "secret.example" not in caplog.text
    assert tell(FAILED, failing, entry("Kept"))
    assert len(sent) == 1


def test_one_that_hangs_leaves_the_next_its_time(sent, monkeypatch, caplog):
    monkeypatch.setattr(notifiers, "MOST_SECONDS", 2)
    began = time.monotonic()
    assert tell(FAILED, entry("Hanging"), entry("Kept"))
    assert time.monotonic() - began < 10
    assert "of_the_test.Hanging did not take the message 'training-failed': it has not ended within 1 s" in caplog.text
    assert len(sent) == 1


def test_slack_and_notifiers_fit_into_airflows_time_for_callbacks():
    assert max(notifiers.MOST_SECONDS_WITH_SLACK, 16 + notifiers.LEAST_SECONDS) < 20


def test_an_event_is_told_once_where_there_is_no_slack(sent):
    tags = Tags()
    notifier = PipelineNotifier(pipeline(entry("Kept", on="all")))
    for message in (STARTED, FAILED, STARTED, FAILED):
        tell_once(notifier, RUN, message, client=tags, arn="arn")
    assert tags.tags == {"fresh-endpoints:told": "training-started training-failed"}
    assert len(sent) == 2


def test_what_nobody_took_is_not_remembered(sent):
    tags = Tags()
    notifier = PipelineNotifier(pipeline(entry("Broken"), entry("Kept")))
    tell_once(notifier, RUN, STARTED, client=tags, arn="arn")
    assert tags.tags == {}
    tell_once(notifier, RUN, FAILED, client=tags, arn="arn")
    assert tags.tags == {"fresh-endpoints:told": "training-failed"}


def test_slack_and_notifiers_are_told_together_and_one_is_enough(sent, monkeypatch, caplog):
    hook = SimpleNamespace(post=lambda body: Refusal("404 no_service."), line_of=lambda body: "slack_default")
    monkeypatch.setattr(PipelineNotifier, "hook", hook)
    both = pipeline(entry("Kept"))
    both.slack = Slack(channel="c", username="u")
    tags = Tags()
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            tell_once(PipelineNotifier(both), RUN, FAILED, client=tags, arn="arn")
    assert "Slack did not take the message 'training-failed': 404 no_service; the run goes on." in caplog.text
    assert "Told of_the_test.Kept: 'training-failed'" in caplog.text
    assert len(sent) == 1
