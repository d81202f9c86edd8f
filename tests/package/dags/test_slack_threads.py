"""By an app's token each run is one thread in a real channel, whatever becomes of its tasks."""

from __future__ import annotations

import logging
from datetime import date

import pytest
import requests

from fresh_endpoints.telling.slack_thread import XCOM_THREAD

DAY_1, DAY_2 = date(2019, 3, 4), date(2019, 3, 5)


@pytest.fixture
def app(pipeline):
    """A pipeline that trains and serves in no time, and tells by an app, in a channel of its own."""
    pipeline.use_tiny_image(model="m")
    slack = {"connection": "slack_api_default", "channel": f"#{pipeline.name}", "username": "Iris"}
    pipeline.write(lambda content: content.update(slack=slack))
    return pipeline


def told(pipeline):
    """Title, thread and whether it is in the channel, of each message in the pipeline's channel."""
    messages = requests.get(f"{pipeline.aws.url}/slack/messages", timeout=10).json()
    found = [each for each in messages if each["payload"].get("channel") == pipeline.name]
    assert {each["payload"]["username"] for each in found} <= {"Iris"}
    return [
        (
            each["payload"]["text"].partition(":")[0],
            each["payload"].get("thread_ts", each["ts"]),
            "thread_ts" not in each["payload"] or each["payload"].get("reply_broadcast", False),
        )
        for each in found
    ]


def threads(messages):
    return list(dict.fromkeys(thread for _, thread, _ in messages))


def test_the_messages_of_a_run_are_one_thread_and_those_of_the_next_another(app):
    for day in (DAY_1, DAY_2):
        app.upload(day)
        assert app.run(day).state == "success"
    messages = told(app)
    titles = ["Training started", "Training complete", "Deployment started", "Deployment completed"]
    assert [title for title, _, _ in messages] == 2 * titles
    assert len(threads(messages[:4])) == len(threads(messages[4:])) == 1
    assert len(threads(messages)) == 2
    assert [in_channel for _, _, in_channel in messages] == 2 * [True, False, False, False]


def test_a_retry_goes_on_in_the_thread_and_a_failure_is_shown_in_the_channel(app):
    app.upload(DAY_1)
    app.write(lambda content: content.update(retries=1))
    app.aws.add_faults(
        {"operation": "CreateTrainingJob", "kind": "fail_training", "failure_reason": "InternalServerError: no"}
    )
    try:
        assert app.run(DAY_1).state == "failed"
    finally:
        app.aws.clear_faults()
    messages = told(app)
    assert [(title, in_channel) for title, _, in_channel in messages] == [
        ("Training started", True),
        ("Training started", False),
        ("Training failed", True),
    ]
    assert len(threads(messages)) == 1


def test_what_is_cleared_goes_on_in_the_thread(app):
    app.upload(DAY_1)
    ended = app.run(DAY_1)
    assert ended.state == "success"
    assert app.clear(ended, "train", "deploy", "publish").state == "success"
    assert app.clear(ended, *ended.tasks).state == "success"
    assert len(told(app)) > len(threads(told(app))) == 1


def test_redeploys_and_predictions_are_threads_of_their_own(app):
    app.deploy_first(2, [DAY_1, DAY_2])
    before = len(told(app))
    app.redeploy(reason="why")
    messages = told(app)[before:]
    assert [title for title, _, _ in messages] == ["Redeploy started", "Redeployed"]
    assert len(threads(messages)) == 1
    app.predict(data_date=str(DAY_1))
    messages = told(app)[before + 2 :]
    assert [title for title, _, _ in messages] == ["Prediction started", "Prediction complete"]
    assert len(threads(messages)) == 1


def test_a_lost_or_unreadable_thread_costs_a_new_one_and_no_run(app, monkeypatch):
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    pull, push = RuntimeTaskInstance.xcom_pull, RuntimeTaskInstance.xcom_push

    def refused(method):
        def refusing(self, *args, **kwargs):
            if kwargs.get("key") == XCOM_THREAD:
                raise RuntimeError("no")
            return method(self, *args, **kwargs)

        return refusing

    monkeypatch.setattr(RuntimeTaskInstance, "xcom_pull", refused(pull))
    monkeypatch.setattr(RuntimeTaskInstance, "xcom_push", refused(push))
    app.upload(DAY_1)
    assert app.run(DAY_1).state == "success"
    messages = told(app)
    assert len(messages) == len(threads(messages)) == 4


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "error", "status": 500},
        {"kind": "throttle"},
        {"kind": "latency", "seconds": 20},
        {"kind": "lost_answer"},
    ],
    ids=lambda fault: fault["kind"],
)
def test_no_fault_of_slacks_changes_a_run_or_reveals_the_token(app, fault, caplog, monkeypatch):
    monkeypatch.setattr("fresh_endpoints.telling.slack_api.TIMEOUT_SECONDS", 1)
    monkeypatch.setenv(
        "AIRFLOW_CONN_SLACK_API_DEFAULT",
        f'{{"conn_type": "slack", "password": "xoxb-SECRET", "extra": {{"base_url": "{app.aws.slack_api_url}"}}}}',
    )
    app.upload(DAY_1)
    app.aws.add_faults({"operation": "slack", **fault})
    try:
        with caplog.at_level(logging.DEBUG):
            ended = app.run(DAY_1)
    finally:
        app.aws.clear_faults()
    assert ended.state == "success"
    assert "Slack takes no message now" in caplog.text
    assert "xoxb-SECRET" not in caplog.text
