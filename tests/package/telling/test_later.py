"""What Slack does not take in a task's time is told later, once: kept by Airflow, at the pace that Slack asks for."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from datetime import date, datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk.execution_time import comms, task_runner
from pydantic import TypeAdapter

from fresh_endpoints.pipeline_file.model import Slack as SlackSection
from fresh_endpoints.run import Run
from fresh_endpoints.steps import watch_models
from fresh_endpoints.telling import deadline, delivery, later, sender, untold
from fresh_endpoints.telling.later import Later, TellLaterTrigger
from fresh_endpoints.telling.message import Kind, Message
from fresh_endpoints.telling.sending import PipelineNotifier, tell_once
from fresh_endpoints.telling.slack_thread import XCOM_THREAD
from slack_burst import Airflow
from told_tags import Tags

ROOT = Path(__file__).parents[3]
RUN = Run("iris", "d", "r", date(2019, 3, 5), date(2019, 3, 4), datetime(2019, 3, 4, tzinfo=timezone.utc))
STARTED = Message("🚀 Training started", "As it is.", kind=Kind.PROGRESS)
FAILED = Message("🔴 Training failed", "As it is not.")
KEY = "kEySeCrEtKeySeCrEtKeySeC"
WITHIN_SECONDS = 60


class Slack:
    """A webhook that answers as it is told, and remembers when it was asked and what it took."""

    def __init__(self):
        self.answers = []  # status and Retry-After, of the next requests; when there are none it takes all
        self.asked = []
        self.taken = []
        slack = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                slack.asked.append(time.time())
                status, retry_after = slack.answers.pop(0) if slack.answers else (200, None)
                if status == 200:
                    slack.taken.append(body)
                word = {200: b"ok", 404: b"no_service"}.get(status, b"rate_limited")
                self.send_response(status)
                if retry_after is not None:
                    self.send_header("Retry-After", retry_after)
                self.send_header("Content-Length", str(len(word)))
                self.end_headers()
                self.wfile.write(word)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/T0/B0/{KEY}"

    @property
    def titles(self):
        return [body["text"].partition(":")[0] for body in self.taken]


@pytest.fixture
def slack(monkeypatch):
    slack = Slack()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    connection = {"conn_type": "slackwebhook", "password": slack.url}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(connection))
    yield slack
    slack.server.shutdown()
    slack.server.server_close()


@pytest.fixture
def airflow(monkeypatch):
    """What a task's process asks of Airflow, and Airflow's Variables and runs."""
    airflow = Airflow(SimpleNamespace(dict=dict))
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", airflow, raising=False)
    return airflow


@pytest.fixture
def hasty(monkeypatch):
    """A line that moves on without a second's pause."""
    monkeypatch.setattr(sender, "MESSAGE_SECONDS", 0.01)
    monkeypatch.setattr(sender, "_FIRST_PAUSE_SECONDS", 0.05)


def pipeline():
    slack = SlackSection(channel="c", username="u")
    named = {"name": "iris", "aws_name": "iris", "environment": "", "renamed_from": ()}
    return SimpleNamespace(**named, slack=slack, notify=(), deploy="never")


def tell(message=STARTED):
    return PipelineNotifier(pipeline()).tell(RUN, message)


def fire(*messages):
    """Run triggers at once, and return in which state each has ended its task."""

    async def payload(trigger):
        return [event.payload async for event in trigger.run()]

    async def fire_all():
        return await asyncio.gather(*(payload(TellLaterTrigger(message)) for message in messages))

    return [state for [state] in asyncio.run(asyncio.wait_for(fire_all(), WITHIN_SECONDS))]


# In the task's time.


def test_what_slack_does_not_take_for_now_is_left_to_airflow_and_counts_as_told(slack, airflow):
    slack.answers = [(429, "60")]
    tags, began = Tags(), time.monotonic()
    for _ in range(2):
        tell_once(PipelineNotifier(pipeline()), RUN, STARTED, client=tags, arn="arn")
    assert time.monotonic() - began < delivery.LONGEST_WAIT_SECONDS  # Nobody has waited for the minute to pass.
    assert tags.tags == {"fresh-endpoints:told": "training-started"}
    [run_id] = airflow.runs
    assert run_id.startswith("iris__training-started__")
    assert KEY not in "".join([*airflow.runs.values(), *airflow.variables.values()])
    assert len(slack.asked) == 1


def test_who_has_a_message_while_slack_wants_none_leaves_it_without_a_request(slack, airflow):
    slack.answers = [(429, "60")]
    assert [tell(), tell(), tell(FAILED)] == [True, True, True]
    assert (len(slack.asked), len(airflow.runs)) == (1, 3)


def test_a_short_wait_is_waited_and_nothing_is_left_behind(slack, airflow):
    slack.answers = [(429, "1")]
    assert tell()
    assert slack.titles == ["Training started"]
    assert slack.asked[1] - slack.asked[0] >= 1
    assert airflow.runs == {}


def test_a_slack_that_is_down_takes_no_more_time_than_two_tries_and_the_message_is_kept(slack, airflow, monkeypatch):
    connection = {"conn_type": "slackwebhook", "password": f"http://127.0.0.1:1/services/T0/B0/{KEY}"}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(connection))
    assert tell()
    assert len(airflow.runs) == 1


def test_what_slack_never_takes_is_kept_by_nobody(slack, airflow, caplog):
    slack.answers = [(404, None)]
    assert tell() is False
    assert "Slack did not take the message 'training-started': 404 no_service" in caplog.text
    assert (airflow.runs, airflow.variables) == ({}, {})


def test_where_airflow_does_not_keep_it_it_is_not_told_and_the_log_says_both(slack, airflow, monkeypatch, caplog):
    def refuses(message):
        if isinstance(message, comms.TriggerDagRun):
            raise RuntimeError("Dag with dag_id: 'tell_later' not found")
        return Airflow.send(airflow, message)

    monkeypatch.setattr(airflow, "send", refuses)
    slack.answers = [(429, "60")]
    tags = Tags()
    tell_once(PipelineNotifier(pipeline()), RUN, STARTED, client=tags, arn="arn")
    assert tags.tags == {}
    assert "Dag with dag_id: 'tell_later' not found" in caplog.text
    assert "Slack did not take the message 'training-started': 429" in caplog.text


def test_whatever_somebody_writes_into_the_variable_messages_are_told(slack, airflow):
    slack.answers = [(429, "60")]
    assert tell()
    [key] = airflow.variables
    for written in ("{}", "soon", "null", "1e99", "-1"):
        airflow.variables[key] = written
        assert tell()
    assert len(slack.taken) == 5


def test_only_a_tasks_process_starts_a_run_for_others_never_get_an_answer(monkeypatch):
    from airflow.dag_processing.processor import ToDagProcessor
    from airflow.jobs.triggerer_job_runner import ToTriggerRunner

    found = []
    for messages in (comms.ToTask, ToDagProcessor, ToTriggerRunner):
        decoder = comms.CommsDecoder(socket=None, body_decoder=TypeAdapter(messages))
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", decoder, raising=False)
        found.append(later.can_hand_over())
    assert found == [True, False, False]


# In a DAG's callback.


def test_what_a_callback_cannot_tell_is_told_by_the_daily_watch(slack, airflow, monkeypatch):
    monkeypatch.setattr(later, "can_hand_over", lambda: False)
    slack.answers = [(429, "60")] * 2
    task = SimpleNamespace(task_id="train", dag_id="train_and_deploy_iris", run_id="r")
    for _ in range(2):
        notifier = PipelineNotifier(pipeline())
        notifier.context = {"ti": task, "dag": SimpleNamespace(task_dict={})}
        monkeypatch.setattr(delivery, "LONGEST_WAIT_SECONDS", 0.01)
        assert notifier.tell(RUN, FAILED)
    assert (len(slack.asked), airflow.runs) == (2, {})
    assert len(untold.take_up("train_and_deploy_iris")) == 2

    monkeypatch.setattr(later, "can_hand_over", lambda: True)
    watch_models._hand_over_untold(pipeline())
    assert len(airflow.runs) == 2
    assert untold.take_up("train_and_deploy_iris") == []


def kept(event):
    return Later("iris", event, "slack_default", "slack_default", {"text": event}, since=1551700800.25)


def events(dag_id):
    return [later.event for later in untold.take_up(dag_id)]


def test_what_a_callback_keeps_while_the_watch_hands_over_is_not_lost(airflow, monkeypatch):
    def hand_over(later):
        untold.put_by(kept(f"after {later.event}"), dag_id)
        return None if later.event == "second" else "a run"

    dag_id = "train_and_deploy_iris"
    for event in ("first", "second"):
        untold.put_by(kept(event), dag_id)
    monkeypatch.setattr(watch_models, "hand_over", hand_over)
    watch_models._hand_over_untold(pipeline())
    assert events(dag_id) == ["second", "after first", "after second"]


def test_of_one_dag_so_many_messages_are_kept_and_the_log_has_those_that_are_not(airflow, caplog):
    for number in range(untold.MOST_MESSAGES + 2):
        untold.put_by(kept(f"event-{number}"), "d")
    assert events("d") == [f"event-{number}" for number in range(2, untold.MOST_MESSAGES + 2)]
    dropped = [record.getMessage() for record in caplog.records if "is dropped" in record.getMessage()]
    assert ['"event-0"' in dropped[0], '"event-1"' in dropped[1], len(dropped)] == [True, True, 2]


def test_what_a_missed_deadline_has_to_say_waits_in_the_triggerer(slack, airflow, monkeypatch, hasty):
    monkeypatch.setenv("PIPELINES_DIR", str(ROOT / "include" / "pipelines"))
    monkeypatch.setattr(deadline, "load_named", lambda name: SimpleNamespace(**vars(pipeline()), **DUE))
    monkeypatch.setattr("fresh_endpoints.telling.refusal._LONG_SECONDS", 1.0)
    slack.answers = [(429, "tomorrow"), (503, None)]
    dag_run = {
        "dag_id": "d",
        "dag_run_id": "r",
        "logical_date": "2019-03-04T15:00:00Z",
        "run_after": "2019-03-04T15:00:00Z",
        "run_type": "scheduled",
        "state": "running",
    }
    asyncio.run(asyncio.wait_for(deadline.tell_missed(pipeline="iris", context={"dag_run": dag_run}), WITHIN_SECONDS))
    assert slack.titles == ["Deadline missed"]
    assert airflow.runs == {}


DUE = {"deadline_minutes": 60, "timezone": "Asia/Tokyo"}


# In the triggerer.


def test_no_request_comes_before_slack_wants_one(slack, airflow, hasty):
    slack.answers = [(429, "6")]
    assert [tell(), tell()] == [True, True]
    slack.answers = [(429, "2"), (200, None), (429, "1")]
    assert fire(*airflow.runs.values()) == ["success", "success"]
    first, second, third, fourth, fifth = slack.asked
    assert (second - first >= 6, third - second >= 2, fifth - fourth >= 1) == (True, True, True)
    assert len(slack.taken) == 2


def test_failures_come_first_and_then_the_oldest(slack, airflow, hasty):
    slack.answers = [(429, "6")]
    for message in (STARTED, Message("✅ Training complete", "As it is.", kind=Kind.PROGRESS), FAILED):
        assert tell(message)
    fire(*reversed(airflow.runs.values()))
    assert slack.titles == ["Training failed", "Training started", "Training complete"]


def test_tasks_stand_in_line_behind_what_waits_already(slack, airflow):
    now = time.time()
    waiting = [Later("iris", "e", "slack_default", "slack_default", {"text": f"{n}: "}, now + n) for n in range(4)]
    seen = []

    def look():
        while not slack.asked:
            time.sleep(0.01)
        seen.append((tell(), len(slack.asked), len(airflow.runs)))

    thread = threading.Thread(target=look)
    thread.start()
    assert fire(*(each.to_json() for each in waiting)) == ["success"] * 4
    thread.join(WITHIN_SECONDS)
    assert seen == [(True, 1, 1)]


def test_a_slack_that_was_down_for_long_gets_the_message_once_with_when_it_was(slack, airflow, hasty):
    slack.answers = [(503, None)] * 3
    body = {"text": "Training started: iris", "blocks": [{"type": "header"}], "channel": "c"}
    old = Later("iris", "training-started", "slack_default", "slack_default", body, since=1551700800.0)
    assert fire(old.to_json()) == ["success"]
    [taken] = slack.taken
    [said] = taken["blocks"][-1]["elements"]
    assert said["text"] == "Of 2019-03-04 12:00:00 UTC. Slack has taken it only now."
    assert len(slack.asked) == 4


def test_what_slack_never_takes_fails_the_run_which_says_why_and_what_it_was(slack, airflow, hasty, capsys):
    slack.answers = [(404, None)]
    kept = Later("iris", "training-started", "slack_default", "slack_default", {"text": "The message."}, time.time())
    assert fire(kept.to_json()) == ["failed"]
    logged = capsys.readouterr().out
    assert "404 no_service" in logged
    assert "The message." in logged


def test_a_slack_that_is_down_for_a_day_fails_the_run(slack, airflow, hasty, monkeypatch):
    monkeypatch.setattr(sender, "LONGEST_TRYING_SECONDS", 0.1)
    slack.answers = [(503, None)] * 100
    kept = Later("iris", "training-started", "slack_default", "slack_default", {"text": "The message."}, time.time())
    assert fire(kept.to_json()) == ["failed"]
    assert slack.taken == []


@pytest.mark.parametrize("conf", ["", "null", "[1]", "{}", '{"event": "e", "more": 1}'])
def test_a_run_of_somebodys_own_fails_with_its_reason(conf, capsys):
    assert fire(conf) == ["failed"]
    assert "holds no message that this DAG can send" in capsys.readouterr().out


def test_a_run_has_one_thread_in_an_apps_channel_also_of_what_is_told_later(local_aws, airflow, monkeypatch, hasty):
    connection = {"conn_type": "slack", "password": "xoxb-local", "extra": {"base_url": local_aws.slack_api_url}}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_API", json.dumps(connection))
    thread = {"dag_id": "d", "run_id": "r", "task_ids": ["train", "deploy"]}
    place = "slack_api told-later"
    fire(
        *(
            Later(
                "iris", "e", "slack_api", place, {"text": text, "channel": "told-later"}, since, thread=thread
            ).to_json()
            for since, text in enumerate(["first", "second"])
        )
    )
    first, second = [each for each in local_aws.slack_messages() if each["channel"] == "told-later"]
    assert "thread_ts" not in first
    [ts] = {value[place] for value in airflow.xcoms.values()}
    assert second["thread_ts"] == ts
    assert sorted(airflow.xcoms) == [("deploy", XCOM_THREAD), ("train", XCOM_THREAD)]


def test_of_a_burst_of_many_processes_each_message_is_told_once(tmp_path):
    program = ROOT / "tests" / "support" / "slack_burst.py"
    options = ["--runs", "6", "--per-second", "2", "--seconds-between", "2"]
    done = subprocess.run(
        [sys.executable, program, *options], capture_output=True, text=True, check=False, timeout=300, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout[done.stdout.rindex("{") :])
    assert {name: figures[name] for name in ("messages", "told", "lost", "doubled")} == {
        "messages": 24,
        "told": 24,
        "lost": 0,
        "doubled": 0,
    }
    assert figures["kept for later"] > 0
    longest = delivery.LONGEST_WAIT_SECONDS + delivery._MOST_SPREAD_SECONDS
    assert figures["longest pause of a task for Slack, seconds"] <= longest == 6
