"""By an app's token: nothing of it is ever logged, and what Slack refuses is said in words, with what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from airflow.sdk.log import redact

from fresh_endpoints.telling.slack_api import QuietApiHook

PLUGINS = Path(__file__).parents[3] / "plugins"
TOKEN = "xoxb-0SECRET0-kEySeCrEtKeySeCrEt"
# What Slack or a proxy answers: status and body; None for none at all.
ANSWERS = {
    "good": (200, {"ok": True, "ts": "1.2", "message": {}}),
    "channel": (200, {"ok": False, "error": "channel_not_found"}),
    "member": (200, {"ok": False, "error": "not_in_channel"}),
    "archived": (200, {"ok": False, "error": "is_archived"}),
    "token": (200, {"ok": False, "error": "invalid_auth"}),
    "revoked": (200, {"ok": False, "error": "token_revoked"}),
    "scope": (200, {"ok": False, "error": "missing_scope", "needed": "chat:write", "provided": "users:read"}),
    "quoted_scope": (200, {"ok": False, "error": "missing_scope", "needed": f"<{TOKEN}>"}),
    "blocks": (200, {"ok": False, "error": "invalid_blocks"}),
    "restricted": (200, {"ok": False, "error": "restricted_action_read_only_channel"}),
    "new_word": (200, {"ok": False, "error": "a_new_word"}),
    "rate_limited": (429, {"ok": False, "error": "ratelimited"}),
    "fault": (200, {"ok": False, "error": "internal_error"}),
    "proxy_fault": (502, f"<html>{TOKEN}</html>"),
    "quoting": (200, f"You sent {TOKEN}"),
    "quoting_json": (403, {"error": TOKEN}),
    "broken": None,
}
SAID = {
    "channel": "channel_not_found. There is no such channel, or the app cannot see it: correct slack.channel",
    "member": "not_in_channel. The app is no member: write /invite @APP in the channel",
    "archived": "is_archived. The channel is archived",
    "token": "invalid_auth. The token is not valid; put the Bot User OAuth Token",
    "revoked": "token_revoked. The token is no longer valid; put",
    "scope": "missing_scope. Give the app the scope chat:write and install it again",
    "quoted_scope": "missing_scope. Give the app the scope chat:write and install it again",
    "blocks": "invalid_blocks. The message itself was refused",
    "restricted": "restricted_action_read_only_channel. A restriction of the workspace",
    "new_word": "a_new_word. Look at the connection's base_url and proxy, and at https://docs.slack.dev",
    "rate_limited": "ratelimited. Too many messages at once",
    "fault": "internal_error. A fault of Slack's",
    "proxy_fault": "502 in words that are not Slack's. A fault of Slack's or of a proxy",
    "quoting": "200 in words that are not Slack's. Look at",
    "quoting_json": "403 in words that are not Slack's. Look at",
    "broken": "RemoteDisconnected: Remote end closed connection without response",
    "hanging": "TimeoutError: timed out",
    "closed": "ConnectionRefusedError: Connection refused",
    "no_tls": "SSLError: ",
    "with_a_line_end": "ValueError",
    "no_scheme": "ValueError",
    "no_token": "AirflowNotFoundException: Connection ID 'no_token' does not contain password",
    "no_channel": "the pipeline file has no slack.channel, which a connection of type Slack API needs",
}
# What another try may heal is asked for twice, all else once.
TWICE = {"fault", "proxy_fault", "broken"}

# A process with everything that logs at DEBUG, on stderr and stdout.
PROGRAM = """
import logging, sys
from datetime import date, datetime, timezone
from types import SimpleNamespace

from fresh_endpoints.pipeline_file.model import Slack
from fresh_endpoints.run import Run
from fresh_endpoints.telling import slack_api
from fresh_endpoints.telling.message import Message
from fresh_endpoints.telling.sending import PipelineNotifier

logging.basicConfig(level=logging.DEBUG, force=True)
for name in list(logging.root.manager.loggerDict):
    logging.getLogger(name).setLevel(logging.DEBUG)
logging.getLogger("slack_sdk.web.base_client").debug("What this logger says is heard.")
slack_api.TIMEOUT_SECONDS = 1
run = Run("iris", "d", "r", date(2019, 3, 5), date(2019, 3, 4), datetime(2019, 3, 4, tzinfo=timezone.utc))
for name in sys.argv[1:]:
    slack = Slack(connection=name, channel=None if name == "no_channel" else "c", username="u")
    message = Message("X " + name, "An event.")
    pipeline = SimpleNamespace(name="iris", slack=slack, notify=(), deploy="never")
    print(name, PipelineNotifier(pipeline).tell(run, message))
"""


class Slack(BaseHTTPRequestHandler):
    """Answers by the connection that the path names."""

    asked: ClassVar[Counter[str]] = Counter()
    tokens: ClassVar[set[str]] = set()

    def do_POST(self):
        name, method = self.path.split("/")[2:]
        self.asked[name] += 1
        self.tokens.add(self.headers["Authorization"])
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert (method, body["channel"], body["username"]) == ("chat.postMessage", "c", "u")
        if name == "hanging":
            self.server.is_over.wait(60)
        if ANSWERS.get(name):
            self.answer(*ANSWERS[name])
        self.close_connection = True

    def answer(self, status, body):
        text = body if isinstance(body, str) else json.dumps(body)
        self.send_response(status)
        self.send_header("Retry-After", "60")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def told():
    """All that a process has printed which has sent a message by each connection, and how often Slack was asked."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Slack) as server:
        server.is_over = threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = {**os.environ, "no_proxy": "127.0.0.1", "PYTHONPATH": str(PLUGINS)}
        environment.update(connections(server.server_port))
        command = [sys.executable, "-c", PROGRAM, "good", *SAID]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=400)
        server.is_over.set()
        server.shutdown()
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr, Slack.asked


def connections(port):
    urls = {name: f"http://127.0.0.1:{port}/api/{name}/" for name in ("good", *SAID)}
    urls["closed"] = "http://127.0.0.1:1/api/"
    urls["no_tls"] = f"https://127.0.0.1:{port}/api/"
    urls["no_scheme"] = f"hooks://127.0.0.1/{TOKEN}"
    tokens = dict.fromkeys(urls, TOKEN) | {"with_a_line_end": f"{TOKEN[:9]}\n{TOKEN[9:]}", "no_token": ""}
    return {
        f"AIRFLOW_CONN_{name.upper()}": json.dumps(
            {"conn_type": "slack", "password": tokens[name], "extra": {"base_url": url}}
        )
        for name, url in urls.items()
    }


def test_slack_gets_the_token_and_no_process_says_anything_of_it(told):
    output, _ = told
    assert "good True" in output
    assert f"Bearer {TOKEN}" in Slack.tokens
    assert "What this logger says is heard." in output
    assert [part for part in (TOKEN, *TOKEN.split("-")[1:]) if part in output] == []


@pytest.mark.parametrize("name", SAID)
def test_what_slack_or_the_network_says_is_in_the_log(told, name):
    output, _ = told
    assert f"{name} False" in output
    event = name.replace("X ", "")
    assert f"WARNING:fresh_endpoints.telling.sending:Slack did not take the message '{event}': {SAID[name]}" in output


@pytest.mark.parametrize("name", ANSWERS)
def test_only_what_may_heal_is_sent_again(told, name):
    _, asked = told
    assert asked[name] == (2 if name in TWICE else 1)


def test_airflow_masks_the_token(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_API", json.dumps({"conn_type": "slack", "password": TOKEN}))
    assert QuietApiHook("slack_api", None).client.token == TOKEN
    assert TOKEN not in redact(f"Authorization: Bearer {TOKEN}")


class Remembered:
    """A thread that is remembered in the test."""

    def __init__(self, first=None):
        self.first, self.began = first, []

    def read(self):
        return self.first

    def remember(self, ts, *, is_new):
        self.first = ts
        self.began.append(is_new)


@pytest.fixture
def post(local_aws, monkeypatch):
    """Sends a text to a channel of local AWS's, in a thread that is remembered."""
    extra = {"base_url": local_aws.slack_api_url}
    connection = {"conn_type": "slack", "password": "xoxb-local", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_API", json.dumps(connection))

    def post(channel, text, thread):
        hook = QuietApiHook("slack_api", thread)
        assert hook.post({"channel": channel, "text": text, "reply_broadcast": True}) is None
        return [each for each in local_aws.slack_messages() if each["text"] == text][-1]

    return post


def test_a_thread_whose_first_message_was_deleted_is_followed_by_a_new_one(post):
    thread = Remembered("1.000001")
    assert "thread_ts" not in post("deleted", "first", thread)
    assert thread.began == [True]
    reply = post("deleted", "second", thread)
    assert reply["thread_ts"] == thread.first != "1.000001"
    assert reply["reply_broadcast"] is True
    assert thread.began == [True, False]


def test_a_message_that_a_locked_thread_refuses_begins_a_new_one(post, monkeypatch):
    call = QuietApiHook.call

    def locked(self, method, json):
        if json.get("thread_ts") == "1.5":
            from slack_sdk.errors import SlackApiError

            raise SlackApiError("no", {"ok": False, "error": "restricted_action_thread_locked"})
        return call(self, method, json=json)

    monkeypatch.setattr(QuietApiHook, "call", locked)
    thread = Remembered("1.5")
    assert "thread_ts" not in post("locked", "unlocked", thread)
    assert thread.first != "1.5"
