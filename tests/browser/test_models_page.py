"""What the person in charge sees: the Models page with twelve pipelines in different states, and a DAG's tab."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from playwright.sync_api import Page, expect

from chromium import NEEDS_CHROMIUM, browser, page, screenshot
from local_airflow.postgres import postgres_if_installed
from local_airflow.services import AirflowServices
from local_aws.connections import airflow_connections
from local_aws.process import LocalAws

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "tests" / "support" / "images"
TODAY = datetime.now(timezone.utc).date()
# By pipeline: how many days ago each data date is, and the metric of its model, in order.
FRESH = [(3, "0.91"), (2, "0.93"), (1, "0.94")]
PIPELINES: dict[str, list[tuple[int, str]]] = {
    "churn": [(5, "0.84"), (4, "0.87"), (3, "0.86"), (2, "0.9"), (1, "0.92")],
    "credit-risk": FRESH,
    "delivery-time": [(5, "0.9"), (4, "0.91")],  # nothing has come since
    "demand": FRESH[1:],
    "fraud": [(2, "0.97"), (1, "fail")],
    "images": FRESH[2:],
    "lead-score": [(2, "0.92"), (1, "0.41")],  # the gate refuses the second
    "next-basket": FRESH[1:],
    "pricing": FRESH[2:],
    "returns": FRESH[2:],
    "search-rank": FRESH,
    "sizing": [],  # has never run
}
HELD = "pricing"
TRAINING = {
    "AlgorithmSpecification": {
        "TrainingImage": "1.dkr.ecr.x.amazonaws.com/tiny:1",
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "validation:accuracy", "Regex": "accuracy=([0-9.]+)"}],
    },
    "HyperParameters": {"read": "training"},
}

pytestmark = [NEEDS_CHROMIUM, pytest.mark.timeout(900)]
__all__ = ["browser", "page"]


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with pytest.MonkeyPatch.context() as patched:
        # Its pipelines have names of their own, which the policies that the records are held against do not allow.
        patched.delenv("LOCAL_AWS_RECORD_PERMISSIONS", raising=False)
        with LocalAws(images={"tiny": IMAGES / "tiny"}, status_seconds=0.1) as aws:
            yield aws


def write_pipeline(folder: Path, name: str) -> None:
    content: dict[str, Any] = yaml.safe_load((ROOT / "include/pipelines/multiclass.yaml").read_text())
    content |= {"name": name, "timezone": "UTC", "schedule": "@daily", "description": "", "retry_delay_seconds": 0}
    content["endpoint"]["EndpointName"] = name
    content["smoke_test"] = {"body": "ping", "content_type": "text/plain", "expect": "tiny:ping"}
    content["quality"] = {"rules": ["validation:accuracy >= 0.8"]}
    content.pop("transform")
    content["data"] = {
        kind: f"input-data-{kind}/{{{{ data_date }}}}/{name}/metric.txt" for kind in ("training", "validation")
    }
    content["training"] |= copy.deepcopy(TRAINING)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))


def upload(aws: LocalAws, name: str, day: date, metric: str) -> None:
    lesson = "fail the file has no rows" if metric == "fail" else f"accuracy={metric}"
    for kind in ("training", "validation"):
        key = f"input-data-{kind}/{day}/{name}/metric.txt"
        aws.client("s3").put_object(Bucket="sample-bucket", Key=key, Body=lesson.encode())


@pytest.fixture(scope="module")
def airflow(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowServices]:
    """An Airflow in which all of PIPELINES have run."""
    home, folder = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("pipelines")
    aws.client("s3").create_bucket(Bucket="sample-bucket", CreateBucketConfiguration={"LocationConstraint": aws.region})
    for name in PIPELINES:
        write_pipeline(folder, name)
    connections = airflow_connections(aws.url, aws.region)
    with (
        postgres_if_installed() as database,
        AirflowServices(home, database=database, pipelines_dir=folder, environment=connections) as airflow,
    ):
        for position in range(max(map(len, PIPELINES.values()))):
            run_the_next_day(airflow, aws, position)
        yield airflow


def run_the_next_day(airflow: AirflowServices, aws: LocalAws, position: int) -> None:
    """Run each pipeline's data date of a position, all at once."""
    runs = []
    for name, days in PIPELINES.items():
        if position < len(days):
            ago, metric = days[position]
            day, dag_id = TODAY - timedelta(days=ago), f"train_and_deploy_{name}"
            upload(aws, name, day, metric)
            airflow.wait_for_dag(dag_id)
            airflow.unpause(dag_id)
            wanted = "failed" if metric == "fail" else "success"
            runs.append((dag_id, airflow.trigger(dag_id, conf={"data_date": day.isoformat()}), wanted))
    for dag_id, run_id, wanted in runs:
        ended = airflow.wait_for_run(dag_id, run_id, 400)
        assert ended["state"] == wanted, "\n".join(message["text"] for message in aws.slack_messages())


def test_a_model_is_held_from_the_form_of_its_redeploy(page: Page, airflow: AirflowServices, tmp_path: Path) -> None:
    dag_id = f"redeploy_{HELD}"
    page.goto(f"{airflow.url}/dags/{dag_id}")
    page.get_by_label("Trigger Dag").click()
    form = page.get_by_role("dialog")
    form.locator("input[name=element_model]").fill("live")
    form.locator("[name=element_reason]").fill("no new prices during the sale")
    screenshot(page, "redeploy", tmp_path)
    form.get_by_role("button", name="Trigger", exact=True).click()
    expect(form).not_to_be_visible()
    [run] = airflow.runs(dag_id)
    assert airflow.wait_for_run(dag_id, run["dag_run_id"], 400)["state"] == "success"


def test_the_models_page_shows_how_every_pipeline_does(page: Page, airflow: AirflowServices, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 1600, "height": 1000})
    page.goto(airflow.url)
    page.get_by_role("link", name="Models", exact=True).or_(page.get_by_text("Models", exact=True)).first.click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="Models")).to_be_visible()
    expect(frame.locator("tbody tr")).to_have_count(len(PIPELINES))
    for name, verdict in {
        "churn": "fresh",
        "delivery-time": "3 days behind",
        "fraud": "last run failed",
        "lead-score": "newest model refused",
        HELD: re.compile("held until"),
        "sizing": "nothing known to be live",
    }.items():
        expect(frame.locator(f"tr#{name} .verdict")).to_have_text(verdict)
    expect(frame.locator(f"tr#{HELD}")).to_contain_text(f"by {airflow.username}: no new prices during the sale")
    expect(frame.locator("tr#churn svg polyline")).to_be_visible()
    screenshot(page, "models", tmp_path)

    frame.locator("tr#fraud").get_by_role("link", name="failed").click()
    page.wait_for_url(lambda url: "/dags/train_and_deploy_fraud/runs/" in url)


def test_each_dag_has_its_model_in_a_tab(page: Page, airflow: AirflowServices, tmp_path: Path) -> None:
    page.goto(f"{airflow.url}/dags/train_and_deploy_churn/plugin/model")
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="churn")).to_be_visible()
    expect(frame.locator("tr.live")).to_contain_text((TODAY - timedelta(days=1)).isoformat())
    screenshot(page, "model", tmp_path)


def test_without_a_login_there_is_no_page(airflow: AirflowServices) -> None:
    for path in ("/", "/models.json", "/dags/train_and_deploy_churn", "/style.css"):
        for cookies in ({}, {"_token": "forged"}):
            answer = requests.get(f"{airflow.url}/fresh-endpoints{path}", cookies=cookies, timeout=30)
            assert answer.status_code in (401, 403)
            assert "churn" not in answer.text
