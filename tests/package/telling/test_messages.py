"""All that people are told, held word by word: messages.golden.txt is what Slack gets of each event.

When a text is meant to change: `WRITE_GOLDEN=1 .venv/bin/python -m pytest tests/package/telling/test_messages.py`.
"""

from __future__ import annotations

import inspect
import os
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from fresh_endpoints.aws.errors import Quota
from fresh_endpoints.aws.hold import Hold
from fresh_endpoints.deployment import Deployment
from fresh_endpoints.live import PROVEN, LiveModel
from fresh_endpoints.pipeline_file.model import Slack
from fresh_endpoints.run import Run
from fresh_endpoints.telling import decisions, failed_deployments, findings, messages, waits
from fresh_endpoints.telling.changes import Change
from fresh_endpoints.telling.remedies import helpful

GOLDEN = Path(__file__).with_name("messages.golden.txt")
JOB = "iris-2019-03-04-41fa4f4f"
RUN = Run("iris", "d", "r", date(2019, 3, 5), date(2019, 3, 4), datetime(2019, 3, 4, 15, tzinfo=timezone.utc))
FACTS = {
    "training_job": JOB,
    "artifact": f"s3://sample-bucket/output-model/{JOB}/output/model.tar.gz",
    "metrics": {"validation:accuracy": 0.9666666, "validation:logloss": 0.1},
}
LOG = {"Airflow log": "https://airflow/log"}
DEPLOYMENT = Deployment(RUN, FACTS, JOB, "iris-endpoint", {"Endpoint": "https://console/endpoint", **LOG})
JOB_LINKS = {"Training job": "https://console/job", **LOG}
TRANSFORM_LINKS = {"Transform job": "https://console/transform", **LOG}
LIVE = "iris-old, data date 2019-03-03 (2 days ago), proven, InService"
TODAY = date(2019, 3, 5)
BEFORE = LiveModel(
    "iris",
    "iris-endpoint",
    "InService",
    config="iris-old",
    data_date=date(2019, 3, 3),
    proof=PROVEN,
    metrics={"validation:accuracy": 0.95, "validation:logloss": 0.1},
)
PIPELINE = SimpleNamespace(
    name="iris", deploy="auto", slack=Slack(mention=["@here"], runbook="https://git/operations.md")
)
HOLD = Hold(datetime(2019, 3, 11, 18, 2, tzinfo=timezone.utc), "ann", "the new model is slow")
DECISION = decisions.Decision("ann", "the new model is slow", "iris-bad", "proven", HOLD)
NO_HOLD = decisions.Decision("ann", "", None, "not proven: failed", None)
QUOTA = Quota("ml.m4.xlarge for training job usage", 20, 20, 1)
UNTIL = datetime(2019, 3, 6, tzinfo=ZoneInfo("Asia/Tokyo"))
WHY = "failed: Found the answer _9_"

SAMPLES = {
    "no_new_data": lambda: messages.no_new_data(RUN.data_date, skipping="training until the next run", links=LOG),
    "training_started": lambda: messages.training_started(JOB, attempt=1, links=JOB_LINKS),
    "training_started, again": lambda: messages.training_started(JOB, attempt=2, links=JOB_LINKS),
    "training_complete": lambda: messages.training_complete(FACTS, links=JOB_LINKS),
    "only_trained": lambda: messages.only_trained(FACTS, timedelta(minutes=4), live=None, links=JOB_LINKS),
    "only_trained, live stays": lambda: messages.only_trained(FACTS, None, live=LIVE, links=JOB_LINKS),
    "training_failed": lambda: messages.training_failed(JOB, reason="AlgorithmError: no data", links=JOB_LINKS),
    "quality_gate_failed": lambda: messages.quality_gate_failed(DEPLOYMENT, ["One rule.", "Another rule."]),
    "deployment_skipped": lambda: messages.deployment_skipped(DEPLOYMENT, live="iris-x", live_date="2019-03-09"),
    "deployment_overtaken": lambda: messages.deployment_overtaken(DEPLOYMENT, live="iris-other"),
    "endpoint_of_another": lambda: failed_deployments.endpoint_of_another(DEPLOYMENT, live="churn-x", other="churn"),
    "live_config_gone": lambda: failed_deployments.live_config_gone(DEPLOYMENT, live="by-hand"),
    "endpoint_recreated": lambda: messages.endpoint_recreated(DEPLOYMENT, reason="No ping."),
    "no_model": lambda: failed_deployments.no_model("train"),
    "deployment_started": lambda: messages.deployment_started(DEPLOYMENT),
    "deployment_completed": lambda: messages.deployment_completed(DEPLOYMENT),
    "deployment_completed, with what has changed": lambda: messages.deployment_completed(
        DEPLOYMENT, Change(BEFORE, timedelta(seconds=3725))
    ),
    "deployment_completed, the first": lambda: messages.deployment_completed(DEPLOYMENT, Change(None, None)),
    "smoke_test_failed": lambda: messages.smoke_test_failed(DEPLOYMENT, 'Found the answer "9".'),
    "clean_up_failed": lambda: messages.clean_up_failed(DEPLOYMENT, RuntimeError("denied")),
    "rolled_back": lambda: failed_deployments.rolled_back(DEPLOYMENT, live="iris-old", reason="The ping check failed."),
    "rolled_back, no reason": lambda: failed_deployments.rolled_back(DEPLOYMENT, live="iris-old", reason=None),
    "not_deployed": lambda: failed_deployments.not_deployed(DEPLOYMENT, status="Failed", reason="No capacity."),
    "endpoint_unusable": lambda: failed_deployments.endpoint_unusable(
        DEPLOYMENT, status="OutOfService", live="iris-old", reason="Patched."
    ),
    "endpoint_stuck": lambda: failed_deployments.endpoint_stuck(DEPLOYMENT, status="Updating", live="old", minutes=180),
    "taken_back": lambda: failed_deployments.taken_back(DEPLOYMENT, live="iris-old", why=WHY),
    "left_unproven": lambda: failed_deployments.left_unproven(
        DEPLOYMENT, status="InService", why=WHY, previous="iris-old", refused="it has been deleted."
    ),
    "left_unproven, no previous": lambda: failed_deployments.left_unproven(
        DEPLOYMENT, status="InService", why=WHY, previous="", refused=None
    ),
    "name_taken": lambda: failed_deployments.name_taken("Model", JOB, ["Image: found 'a', wanted 'b'"]),
    "prediction_started": lambda: messages.prediction_started("iris-t", JOB, attempt=1, links=TRANSFORM_LINKS),
    "prediction_started, again": lambda: messages.prediction_started("iris-t", JOB, attempt=2, links=TRANSFORM_LINKS),
    "prediction_complete": lambda: messages.prediction_complete(
        "iris-t", JOB, output="s3://sample-bucket/output-prediction/iris.csv.out", links=TRANSFORM_LINKS
    ),
    "prediction_complete, all that is told": lambda: messages.prediction_complete(
        "iris-t", JOB, output="s3://b/iris.csv.out", links=TRANSFORM_LINKS, took=timedelta(seconds=59)
    ),
    "prediction_failed": lambda: messages.prediction_failed("iris-t", JOB, reason="No data.", links=TRANSFORM_LINKS),
    "job_of_another": lambda: messages.job_of_another(
        "training job", JOB, differences=["RoleArn: found 'a', wanted 'b'"], links=JOB_LINKS
    ),
    "step_failed": lambda: messages.step_failed("wait_for_data", "Could not look.", links=LOG),
    "deadline_missed": lambda: messages.deadline_missed("scheduled__1", minutes=360, has_failed=True),
    "deadline_missed, going on": lambda: messages.deadline_missed("scheduled__1", minutes=360, has_failed=False),
    "waiting_for_quota": lambda: waits.waiting_for_quota(f'Training job "{JOB}"', QUOTA, until=UNTIL, links=LOG),
    "waiting_for_quota, no figures": lambda: waits.waiting_for_quota("Endpoint iris", None, until=UNTIL, links=LOG),
    "waiting_for_capacity": lambda: waits.waiting_for_capacity(
        f'Training job "{JOB}"', "CapacityError: None left.", until=UNTIL, links=JOB_LINKS
    ),
    "deployment_waiting_for_capacity": lambda: waits.deployment_waiting_for_capacity(
        DEPLOYMENT, "Unable to provision.", until=UNTIL, links=DEPLOYMENT.links
    ),
    "after_waiting": lambda: waits.after_waiting(SAMPLES["training_started"](), 5400),
    "after_waiting, capacity": lambda: waits.after_waiting(SAMPLES["training_started, again"](), 65, want="capacity"),
    "redeploy_started": lambda: decisions.redeploy_started(DEPLOYMENT, DECISION),
    "redeploy_started, no endpoint": lambda: decisions.redeploy_started(DEPLOYMENT, NO_HOLD),
    "redeployed": lambda: decisions.redeployed(DEPLOYMENT, DECISION),
    "redeployed, not held": lambda: decisions.redeployed(DEPLOYMENT, NO_HOLD),
    "redeploy_refused": lambda: decisions.redeploy_refused(
        "iris", "There is no day.", choices=[f"2019-03-04: {JOB} (proven, live)", "2019-03-03: old (x)"]
    ),
    "redeploy_refused, nothing there": lambda: decisions.redeploy_refused("iris", "There is no day.", choices=[]),
    "redeploy_failed": lambda: decisions.redeploy_failed(DEPLOYMENT, "Could not create model."),
    "redeploy_overtaken": lambda: decisions.redeploy_overtaken(DEPLOYMENT, live="iris-x"),
    "hold_set": lambda: decisions.hold_set(DEPLOYMENT, DECISION, becoming=None),
    "hold_set, changing": lambda: decisions.hold_set(DEPLOYMENT, DECISION, becoming="iris-x"),
    "hold_released": lambda: decisions.hold_released(DEPLOYMENT, NO_HOLD, was=HOLD),
    "hold_released, not held": lambda: decisions.hold_released(DEPLOYMENT, NO_HOLD, was=None),
    "deployment_held": lambda: decisions.deployment_held(DEPLOYMENT, HOLD, live="iris-old"),
    "deployment_held, by hand": lambda: decisions.deployment_held(DEPLOYMENT, Hold(None), live="iris-old"),
    "hold_overridden": lambda: decisions.hold_overridden(DEPLOYMENT, HOLD, live="iris-old"),
    "hold_ended": lambda: decisions.hold_ended(DEPLOYMENT, HOLD, live="iris-old"),
    "hold_ended, seen by the watch": lambda: findings.hold_ended(BEFORE, HOLD, TODAY),
    "pipeline_file_unusable": lambda: findings.pipeline_file_unusable(
        BEFORE, TODAY, file="iris.yaml", problems=["bucket: found nothing"]
    ),
    "model_too_old": lambda: findings.model_too_old(BEFORE, TODAY, most_days=1),
    "endpoint_without_file": lambda: findings.endpoint_without_file(BEFORE, TODAY, instances={"ml.m5.large": 1}),
    "run_never_began": lambda: findings.run_never_began("iris", RUN.scheduled_for, BEFORE, TODAY, minutes=90),
}


def as_slack_gets_it(message):
    message = helpful(message, RUN, PIPELINE)
    header, *sections = message.blocks(RUN)
    rest = [section for section in sections if "text" not in section]
    lines = [f"{message.event}: {message.kind.value}", header["text"]["text"]]
    lines += [section["text"]["text"] for section in sections if "text" in section]
    texts = [field["text"] for block in rest for field in block.get("fields", ())]
    lines += [f"{label} {value}" for label, value in zip(texts[::2], texts[1::2], strict=True)]
    lines += [element["text"] for block in rest for element in block.get("elements", ())]
    return "\n    ".join([*lines, f"text: {message.text(RUN)}"])


@pytest.fixture(autouse=True)
def _live(monkeypatch):
    monkeypatch.setattr("fresh_endpoints.telling.remedies.live_now", lambda pipeline: LIVE)


def test_every_word_is_as_it_was():
    told = "\n\n".join(f"{name}\n    {as_slack_gets_it(sample())}" for name, sample in SAMPLES.items()) + "\n"
    if os.environ.get("WRITE_GOLDEN"):
        GOLDEN.write_text(told, encoding="utf-8")
    assert told == GOLDEN.read_text(encoding="utf-8")


def test_every_event_is_among_them():
    functions = {
        name
        for page in (messages, failed_deployments, decisions, findings, waits)
        for name, function in inspect.getmembers(page, inspect.isfunction)
        if function.__module__ == page.__name__ and not name.startswith("_")
    } - {"waited_in_vain"}  # A sentence of a failure's.
    assert functions == {name.partition(",")[0] for name in SAMPLES}


@pytest.mark.parametrize("name", SAMPLES)
def test_an_event_is_named_so_that_a_tag_can_remember_it(name):
    assert sample_event(name).replace("-", "").isalpha()


def sample_event(name):
    return SAMPLES[name]().event
