"""What a person does in the browser: log in, read the DAG, fill the trigger form, follow the run, read Slack.

The screenshots of README are taken here: `make screenshots` sets SCREENSHOTS_DIR to docs/images.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from chromium import NEEDS_CHROMIUM, browser, page, screenshot
from local_airflow.rest_api import ApiError
from local_airflow.services import AirflowServices
from local_aws import sample_data
from local_aws.connections import FAST, airflow_connections
from local_aws.process import LocalAws

DAG_ID = "train_and_deploy_multiclass"
RUN_SECONDS = 400

__all__ = ["browser", "page"]
pytestmark = [NEEDS_CHROMIUM, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


@pytest.fixture(scope="module")
def days(aws: LocalAws) -> list[date]:
    days = list(sample_data.recent_days(7))
    sample_data.upload(aws.client("s3"), aws.region, days)
    return days


@pytest.fixture(scope="module")
def airflow(aws: LocalAws, days: list[date], tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowServices]:
    home = tmp_path_factory.mktemp("airflow")
    with AirflowServices(home, environment={**airflow_connections(aws.url, aws.region), **FAST}) as airflow:
        airflow.wait_for_dag(DAG_ID)
        yield airflow


def test_nobody_gets_in_without_a_password(browser: Browser, airflow: AirflowServices) -> None:
    page = browser.new_page()
    page.goto(f"{airflow.url}/dags/{DAG_ID}")
    page.wait_for_url(re.compile("/auth/login"))
    page.fill("input[name=username]", airflow.username)
    page.fill("input[name=password]", "admin")
    page.click("button[type=submit]")
    expect(page.get_by_text("Invalid credentials")).to_be_visible()
    page.close()


def test_the_dag_explains_itself(page: Page, airflow: AirflowServices) -> None:
    page.goto(f"{airflow.url}/dags/{DAG_ID}")
    page.get_by_label("Dag Docs").click()
    docs = page.get_by_role("dialog")
    expect(docs).to_contain_text("Classifies iris flowers")
    expect(docs).to_contain_text("the day before DATE")


def test_a_day_is_triggered_from_the_form_and_ends_in_slack(
    page: Page, airflow: AirflowServices, aws: LocalAws, days: list[date], tmp_path: Path
) -> None:
    day = days[-1]  # later than what the schedule deploys, so that it goes live
    airflow.unpause(DAG_ID)
    page.goto(f"{airflow.url}/dags/{DAG_ID}")
    page.get_by_label("Show Graph").click()
    for task_id in ("wait_for_data", "train", "deploy", "publish"):
        expect(page.get_by_test_id("rf__wrapper").get_by_text(task_id, exact=True)).to_be_visible()
    page.wait_for_timeout(1_000)  # the graph glides into place
    screenshot(page, "graph", tmp_path)

    page.get_by_label("Trigger Dag").click()
    form = page.get_by_role("dialog")
    for title in ("Data date", "Wait (minutes)"):
        expect(form.get_by_text(title, exact=True)).to_be_visible()
    expect(form.get_by_role("combobox", name="Deploy")).to_be_visible()
    form.locator("input[name=element_data_date]").fill(day.isoformat())
    screenshot(page, "form", tmp_path)
    before = {run["dag_run_id"] for run in airflow.runs(DAG_ID)}
    form.get_by_role("button", name="Trigger", exact=True).click()
    expect(form).not_to_be_visible()

    triggered = [run for run in airflow.runs(DAG_ID) if run["dag_run_id"] not in before and run["run_type"] == "manual"]
    [run] = triggered
    ended = airflow.wait_for_run(DAG_ID, run["dag_run_id"], RUN_SECONDS)
    assert ended["state"] == "success"
    assert ended["conf"]["data_date"] == day.isoformat()

    page.goto(f"{airflow.url}/dags/{DAG_ID}/runs/{run['dag_run_id']}")
    expect(page.get_by_text("Success").first).to_be_visible()
    page.wait_for_timeout(1_000)
    screenshot(page, "run", tmp_path)

    page.goto(f"{airflow.url}/dags/{DAG_ID}/runs/{run['dag_run_id']}/tasks/train/details")
    link = page.get_by_role("link", name="Training job")
    expect(link).to_be_visible()
    assert f"multiclass-{day}-" in (link.get_attribute("href") or "")
    expect(page.get_by_role("link", name="Artifact")).to_be_visible()

    page.goto(f"{aws.url}/slack")
    expect(page.get_by_text("Training complete").first).to_be_visible()
    expect(page.get_by_text(f"multiclass-{day}-").first).to_be_visible()
    screenshot(page, "slack", tmp_path)


@pytest.mark.parametrize(
    ("field", "nonsense"),
    [("data_date", "yesterday"), ("wait_minutes", -1), ("wait_minutes", "long"), ("deploy", "no")],
)
def test_nonsense_is_refused_before_a_run_starts(airflow: AirflowServices, field: str, nonsense: object) -> None:
    with pytest.raises(ApiError, match=str(nonsense)):
        airflow.trigger(DAG_ID, conf={field: nonsense})
