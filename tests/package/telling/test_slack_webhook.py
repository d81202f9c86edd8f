"""Nothing of the webhook's address is ever logged, and what Slack says of a message that it refuses always is."""

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

from fresh_endpoints.telling.slack_webhook import QuietWebhookHook

PLUGINS = Path(__file__).parents[3] / "plugins"
SECRETS = ("T0SECRETTEAM", "B0SECRETBOT", "kEySeCrEtKeySeCrEtKeySeC")
# What Slack or a proxy answers: status and body; None for none at all.
ANSWERS = {
    "invalid_blocks": (400, "invalid_blocks"),
    "action_prohibited": (403, "action_prohibited"),
    "no_service": (404, "no_service"),
    "archived": (410, "channel_is_archived"),
    "rate_limited": (429, "rate_limited"),
    "fault": (500, "rollup_error"),
    "proxy_fault": (502, "<html>Cannot reach http://127.0.0.1{path}</html>"),
    "quoting": (404, "{path}"),
    "moved": (307, "see {path}"),
    "broken": None,
}
SAID = {
    "invalid_blocks": "400 invalid_blocks. The message itself was refused",
    "action_prohibited": "403 action_prohibited. A restriction of the workspace",
    "no_service": "404 no_service. The webhook, its channel or its workspace is gone",
    "archived": "410 channel_is_archived. The channel is archived",
    "rate_limited": "429 rate_limited. Too many messages at once",
    "fault": "500 rollup_error. A fault of Slack's",
    "proxy_fault": "502 in words that are not Slack's. A fault of Slack's or of a proxy",
    "quoting": "404 in words that are not Slack's. The webhook,",
    "moved": "307 in words that are not Slack's. Look at the connection's address and proxy",
    "broken": "RemoteDisconnected: Remote end closed connection without response",
    "hanging": "TimeoutError: timed out",
    "closed": "ConnectionRefusedError: Connection refused",
    "no_tls": "SSLError: ",
    "proxied": "OSError: Tunnel connection failed: 407 Proxy Authentication Required",
    "with_a_space": "InvalidURL",
    "no_scheme": "SlackRequestError",
    "missing": "AirflowNotFoundException: The conn_id `missing` isn't defined",
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
from fresh_endpoints.telling import slack_webhook
from fresh_endpoints.telling.message import Message
from fresh_endpoints.telling.sending import PipelineNotifier

logging.basicConfig(level=logging.DEBUG, force=True)
for name in list(logging.root.manager.loggerDict):
    logging.getLogger(name).setLevel(logging.DEBUG)
logging.getLogger("slack_sdk.webhook.client").debug("What this logger says is heard.")
slack_webhook.TIMEOUT_SECONDS = 1
run = Run("iris", "d", "r", date(2019, 3, 5), date(2019, 3, 4), datetime(2019, 3, 4, tzinfo=timezone.utc))
for name in sys.argv[1:]:
    slack = Slack(connection=name, channel="c", username="u")
    message = Message("X " + name, "An event.")
    print(name, PipelineNotifier(SimpleNamespace(name="iris", slack=slack, deploy="never")).tell(run, message))
"""


class Slack(BaseHTTPRequestHandler):
    """Answers by the connection that the path names."""

    asked: ClassVar[Counter[str]] = Counter()

    def do_POST(self):
        name = self.path.split("/")[2]
        self.asked[name] += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        if name == "hanging":
            self.server.is_over.wait(60)
        if ANSWERS.get(name):
            status, body = ANSWERS[name]
            self.answer(status, body.format(path=self.path))
        self.close_connection = True

    def do_CONNECT(self):
        self.answer(407, "")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Retry-After", "60")
        self.send_header("Location", self.path)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

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
        names = [name for name in SAID if name != "proxied"]
        ended = [run(environment, *names)]
        proxy = f"http://127.0.0.1:{server.server_port}"
        ended.append(run({**environment, "no_proxy": "", "HTTPS_PROXY": proxy}, "proxied"))
        server.is_over.set()
        server.shutdown()
    output = "".join(process.stdout + process.stderr for process in ended)
    assert [process.returncode for process in ended] == [0, 0], output
    return output, Slack.asked


def connections(port):
    path = "/services/{}/" + "/".join(SECRETS)
    urls = dict.fromkeys(SAID, f"http://127.0.0.1:{port}{path}")
    urls["closed"] = f"http://127.0.0.1:1{path}"
    urls["no_tls"] = f"https://127.0.0.1:{port}{path}"
    urls["proxied"] = f"https://hooks.example{path}"
    urls["with_a_space"] += " more"
    urls["no_scheme"] = f"hooks://127.0.0.1{path}"
    del urls["missing"]
    return {
        f"AIRFLOW_CONN_{name.upper()}": json.dumps({"conn_type": "slackwebhook", "password": url.format(name)})
        for name, url in urls.items()
    }


def run(environment, *names):
    command = [sys.executable, "-c", PROGRAM, *names]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=180)


def test_no_process_says_anything_of_the_address(told):
    output, _ = told
    assert "What this logger says is heard." in output
    assert [part for part in (*SECRETS, *map(str.lower, SECRETS)) if part in output] == []


@pytest.mark.parametrize("name", SAID)
def test_what_slack_or_the_network_says_is_in_the_log(told, name):
    output, _ = told
    assert f"{name} False" in output
    assert f"WARNING:fresh_endpoints.telling.sending:Slack did not take the message '{name}': {SAID[name]}" in output


@pytest.mark.parametrize("name", ANSWERS)
def test_only_what_may_heal_is_sent_again(told, name):
    _, asked = told
    assert asked[name] == (2 if name in TWICE else 1)


@pytest.mark.parametrize(
    "connection",
    [
        {"password": "https://hooks.slack.com/services/" + "/".join(SECRETS)},
        {"host": "hooks.slack.com/services", "password": "/".join(SECRETS)},
        {"host": "https://relay.example/services/" + "/".join(SECRETS[:2]), "password": SECRETS[2]},
    ],
    ids=["address", "token", "key"],
)
def test_airflow_masks_the_address_and_its_parts(monkeypatch, connection):
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps({"conn_type": "slackwebhook", **connection}))
    url = QuietWebhookHook("slack_default").client.url
    path = url.partition("/services")[1] + url.partition("/services")[2]
    for text in (url, f"POST {path} HTTP/1.1", path.strip("/"), SECRETS[2]):
        assert SECRETS[2] not in redact(text)
    assert SECRETS[0] not in redact(f"host='hooks.slack.com', url='{path}'")
