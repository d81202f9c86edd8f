"""Slack tells, never decides: once an event, escaped, within Slack's limits, without the webhook's address."""

from __future__ import annotations

import json
import logging
import threading
from datetime import date, datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from fresh_endpoints.pipeline_file.model import Slack
from fresh_endpoints.run import Run
from fresh_endpoints.telling import delivery, live_now, slack_webhook
from fresh_endpoints.telling.callbacks import FailureNotifier
from fresh_endpoints.telling.message import Kind, Message
from fresh_endpoints.telling.sending import PipelineNotifier, tell_once
from told_tags import Tags

RUN = Run("iris", "d", "r", date(2019, 3, 5), date(2019, 3, 4), datetime(2019, 3, 4, tzinfo=timezone.utc))
MESSAGE = Message("🚀 Training started", 'Starting training job "x".', {"Training job": "x"}, kind=Kind.PROGRESS)


@pytest.fixture
def notifier(monkeypatch):
    """A notifier whose hook keeps what it sends, or raises its ``error``."""
    sent = []
    settings = Slack(channel="c", username="u")
    notifier = PipelineNotifier(SimpleNamespace(name="iris", slack=settings, notify=(), deploy="never"))
    hook = SimpleNamespace(error=None, sent=sent)

    def post(content):
        if hook.error:
            raise hook.error
        sent.append(content)

    hook.post = post
    hook.line_of = lambda body: "slack_default"
    monkeypatch.setattr(PipelineNotifier, "hook", hook)
    return notifier


def test_an_event_is_told_once_and_remembered_at_the_resource(notifier):
    tags = Tags()
    for _ in range(3):
        tell_once(notifier, RUN, MESSAGE, client=tags, arn="arn")
    assert len(notifier.hook.sent) == 1
    assert tags.tags == {"fresh-endpoints:told": "training-started"}


def test_what_was_told_before_is_remembered_beside_it(notifier):
    tags = Tags()
    for message in (MESSAGE, Message("✅ Training complete", "Done."), MESSAGE):
        tell_once(notifier, RUN, message, client=tags, arn="arn")
    assert tags.tags == {"fresh-endpoints:told": "training-started training-complete"}
    assert len(notifier.hook.sent) == 2


def test_what_slack_did_not_take_is_not_remembered(notifier, caplog):
    tags = Tags()
    notifier.hook.error = RuntimeError("https://hooks.slack.com/services/SECRET")
    with caplog.at_level(logging.DEBUG):
        tell_once(notifier, RUN, MESSAGE, client=tags, arn="arn")
    assert tags.tags == {}
    assert "Slack did not take the message 'training-started': RuntimeError; the run goes on." in caplog.text
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize(("fails", "sent"), [(("AddTags",), 1), (("ListTags",), 0)])
def test_a_record_that_fails_changes_nothing_else(notifier, fails, sent):
    tell_once(notifier, RUN, MESSAGE, client=Tags(fails), arn="arn")
    assert len(notifier.hook.sent) == sent


def test_a_pipeline_without_slack_is_silent():
    notifier = PipelineNotifier(SimpleNamespace(name="iris", slack=None, notify=()))
    assert notifier.tell(RUN, MESSAGE) is False
    tell_once(notifier, RUN, MESSAGE, client=None, arn="arn")


def test_facts_that_the_sentence_holds_are_not_repeated():
    assert MESSAGE.text(RUN) == 'Training started: iris, data date 2019-03-04. Starting training job "x".'


def test_a_look_at_what_is_live_and_two_tries_fit_into_airflows_time_for_callbacks():
    # Retry-After is whole seconds, and the client adds up to one.
    sending = 2 * slack_webhook.TIMEOUT_SECONDS + delivery.LONGEST_WAIT_SECONDS + 1
    assert live_now.LOOK_SECONDS + sending < 20


def test_a_failure_that_slack_did_not_take_is_left_to_the_dags_backstop(notifier):
    pushed = []
    context = {
        "task": SimpleNamespace(run_of=lambda context: RUN),
        "exception": RuntimeError("denied"),
        "ti": SimpleNamespace(task_id="train", try_number=2, xcom_push=lambda **xcom: pushed.append(xcom["value"])),
    }
    failure = FailureNotifier(notifier.pipeline)
    notifier.hook.error = RuntimeError("429")
    failure.notify(context)
    assert pushed == []
    notifier.hook.error = None
    failure.notify(context)
    [told] = pushed
    assert (told["event"], told["try_number"]) == ("training-failed", 2)


@pytest.mark.parametrize(("retry_after", "tries"), [("1", 2), ("60", 1)])
def test_a_message_that_came_too_soon_is_sent_again_if_slack_asks_for_a_short_wait(monkeypatch, retry_after, tries):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    requests = []

    class TooMany(BaseHTTPRequestHandler):
        def do_POST(self):
            requests.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(429 if len(requests) == 1 else 200)
            self.send_header("Retry-After", retry_after)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), TooMany) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        connection = {"conn_type": "slackwebhook", "password": f"http://127.0.0.1:{server.server_port}/services/x"}
        monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(connection))
        settings = Slack(channel="c", username="u")
        told = PipelineNotifier(SimpleNamespace(name="iris", slack=settings, notify=())).tell(RUN, MESSAGE)
        server.shutdown()
    assert (told, len(requests)) == (tries == 2, tries)


def test_a_task_that_a_user_has_ended_tells_no_failure():
    pushed = []
    context = {
        "task": SimpleNamespace(given_up=True),
        "exception": RuntimeError("the job was stopped"),
        "ti": SimpleNamespace(xcom_push=lambda **xcom: pushed.append(xcom)),
    }
    # Without hook, run or task id: any attempt to tell would fail.
    FailureNotifier(SimpleNamespace(name="iris", slack=None, notify=())).notify(context)
    assert pushed == []
