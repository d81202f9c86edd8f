"""The Models page, asked through the api-server's whole application, of what the DAGs have left on local AWS."""

from __future__ import annotations

import re
import time
from datetime import date, datetime, timezone

import pytest
from fastapi.testclient import TestClient

from fresh_endpoints import page
from fresh_endpoints.page import airflow_facts, aws_facts
from fresh_endpoints.page import app as page_app

DAY_1, DAY_2 = date(2019, 3, 4), date(2019, 3, 5)
PAGES = ["/", "/models.json", "/dags/train_and_deploy_iris", "/style.css", "/links.js"]


@pytest.fixture(scope="module")
def airflow(airflow_database, tmp_path_factory):
    """Airflow's api-server application, and tokens for its users."""
    from airflow.api_fastapi.app import create_app, purge_cached_app

    with pytest.MonkeyPatch.context() as patched:
        passwords = tmp_path_factory.mktemp("users") / "passwords.json"
        passwords.write_text('{"reader": "read", "stranger": "read"}')
        patched.setenv("AIRFLOW__CORE__AUTH_MANAGER", "reading_auth_manager.ReadingAuthManager")
        patched.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "reader:viewer,stranger:viewer")
        patched.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(passwords))
        patched.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "only for this test, and long enough for it")
        purge_cached_app()
        with TestClient(create_app(apps="core"), raise_server_exceptions=True) as client:
            yield client
        purge_cached_app()


@pytest.fixture
def get(airflow):
    """Ask for one of the page's addresses as a user; None is nobody."""

    def get(path, user="reader", method="GET"):
        headers = {}
        if user:
            token = airflow.post("/auth/token", json={"username": user, "password": "read"}).json()["access_token"]
            headers["Cookie"] = f"_token={token}"
        airflow.cookies.clear()
        return airflow.request(method, page.PREFIX + path, headers=headers)

    page_app.make_app.cache_clear()
    return get


def test_the_page_shows_what_is_live_and_what_airflow_knows(pipeline, get):
    pipeline.upload(DAY_1)
    pipeline.upload(DAY_2)
    pipeline.run(DAY_1)
    pipeline.write(lambda content: content.update(quality={"rules": ["validation:accuracy >= 2"]}, schedule=None))
    pipeline.run(DAY_2)
    answer = get("/models.json")
    [model] = [model for model in answer.json()["models"] if model["pipeline"] == pipeline.name]
    assert model["live"]["data_date"] == "2019-03-04"
    assert (model["level"], model["verdict"]) == ("warn", "newest model refused")
    assert model["last_run"]["state"] == "success"
    assert "validation:accuracy >= 2" in model["refused"]
    html = get("/").text
    assert f'id="{pipeline.name}"' in html
    assert "validation:accuracy &gt;= 2" in html
    tab = get(f"/dags/train_and_deploy_{pipeline.name}").text
    assert model["live"]["training_job"] in tab


def test_the_history_of_a_renamed_pipeline_goes_on(pipeline, get):
    for day in (DAY_1, DAY_2):
        pipeline.use_tiny_image()
        pipeline.upload(day)
        assert pipeline.run(day).tasks["publish"] == "success"
        before = pipeline.name
        if day == DAY_1:
            pipeline.rename()
    tab = get(f"/dags/train_and_deploy_{pipeline.name}").text
    jobs = [event["training_job"] for event in pipeline.published()]
    assert len(jobs) == 1
    assert jobs[0] in tab
    assert f"-{DAY_1}-" in tab, "trained under the former name"
    assert before == pipeline.name


def test_a_hold_is_shown_with_whose_it_is_and_why(pipeline, get):
    pipeline.use_tiny_image()
    pipeline.upload(DAY_1)
    pipeline.run(DAY_1)
    tag = {"Key": "fresh-endpoints:hold", "Value": "until=2999-01-02T03:00:00Z by=ann why=the new model is slow"}
    pipeline.sagemaker.add_tags(ResourceArn=pipeline.endpoint()["EndpointArn"], Tags=[tag])
    [model] = [model for model in get("/models.json").json()["models"] if model["pipeline"] == pipeline.name]
    assert (model["level"], model["verdict"]) == ("held", "held until 2999-01-02 03:00 UTC")
    assert "by ann: the new model is slow" in get("/").text


def test_a_failed_run_hides_neither_a_hold_nor_how_old_the_model_is(pipeline, get):
    pipeline.use_tiny_image()
    pipeline.write(lambda content: content.update(retries=0))
    pipeline.upload(DAY_1)
    pipeline.upload(DAY_2)
    pipeline.run(DAY_1)
    tag = {"Key": "fresh-endpoints:hold", "Value": "until=2999-01-02T03:00:00Z by=ann why=the new model is slow"}
    pipeline.sagemaker.add_tags(ResourceArn=pipeline.endpoint()["EndpointArn"], Tags=[tag])
    [fault] = pipeline.aws.add_faults({"kind": "fail_training", "failure_reason": "AlgorithmError: no data"})
    try:
        assert pipeline.run(DAY_2).state == "failed"
    finally:
        pipeline.aws.remove_fault(fault)
    [model] = [model for model in get("/models.json").json()["models"] if model["pipeline"] == pipeline.name]
    assert model["verdict"] == "last run failed"
    assert model["days_behind"] > 2000
    for path in ("/", f"/dags/train_and_deploy_{pipeline.name}"):
        html = get(path).text
        assert "held until 2999-01-02 03:00 UTC by ann: the new model is slow" in html
        assert f">{model['days_behind']} days behind<" in html


def test_page_and_tab_lead_to_both_forms_the_endpoints_logs_and_its_console(pipeline, get):
    pipeline.use_tiny_image()
    pipeline.upload(DAY_1)
    pipeline.run(DAY_1)
    name = pipeline.name
    page, tab = get("/").text, get(f"/dags/train_and_deploy_{name}").text
    [row] = re.findall(rf'<tr id="{name}">.*?</tr>', page, re.DOTALL)
    assert links(row) == links(tab)
    assert list(links(row)) == ["trigger", "redeploy", "logs", "console"]
    assert links(row)["trigger"].endswith(f"/dags/train_and_deploy_{name}")
    assert links(row)["redeploy"].endswith(f"/dags/redeploy_{name}")
    assert links(row)["logs"].endswith(f"#logsV2:log-groups/log-group/$252Faws$252Fsagemaker$252FEndpoints$252F{name}")
    assert links(row)["console"].endswith(f"#/endpoints/{name}")


def links(html):
    """Where the links lead, by their words."""
    [found] = re.findall(r'class="links">(.*?)</(?:td|p)>', html, re.DOTALL)
    return {words: address for address, words in re.findall(r'<a href="([^"]+)">(\w+)</a>', found)}


@pytest.mark.parametrize(
    ("schedule", "due"),
    [("@daily", "2026-11-24"), ("@quarterly", "2026-09-30"), ("30 5 * * 1", "2026-11-22"), (None, None)],
)
def test_what_is_due_follows_the_schedule_in_the_pipelines_zone(pipeline, get, monkeypatch, schedule, due):
    pipeline.write(lambda content: content.update(schedule=schedule))
    pipeline.run(DAY_1)  # After which Airflow knows the DAG.
    monkeypatch.setattr(page_app, "_now", lambda: datetime(2026, 11, 24, 15, 0, tzinfo=timezone.utc))
    [model] = [model for model in get("/models.json").json()["models"] if model["pipeline"] == pipeline.name]
    assert model["due"] == due


@pytest.mark.parametrize("path", PAGES)
def test_who_is_not_logged_in_gets_nothing(get, path):
    answer = get(path, user=None)
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Not authenticated"}


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("token", ["nonsense", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyZWFkZXIifQ."])
def test_a_forged_cookie_gets_nothing(airflow, path, token):
    answer = airflow.get(page.PREFIX + path, headers={"Cookie": f"_token={token}"})
    assert answer.status_code in (401, 403)
    assert "iris" not in answer.text


def test_rows_follow_the_rights_on_dags(pipeline, get):
    pipeline.run(DAY_1)
    dag = f"/dags/train_and_deploy_{pipeline.name}"
    assert get(dag).status_code == 200
    assert pipeline.name in get("/").text
    assert get("/models.json", user="stranger").json() == {"models": []}
    assert pipeline.name not in get("/", user="stranger").text
    hidden = get(dag, user="stranger")
    assert (hidden.status_code, hidden.json()) == (404, get("/dags/none", user="stranger").json())
    assert hidden.status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_it_can_only_be_read(get, method):
    assert get("/", method=method).status_code == 405


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/redoc", "/airflow_facts.py", "/models.html"])
def test_there_is_nothing_else(get, path):
    assert get(path).status_code in (404, 405)


def test_answers_may_only_use_the_pages_own_style_and_script(get):
    policy = get("/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert get("/style.css").headers["Content-Type"].startswith("text/css")
    assert get("/links.js").headers["Content-Type"].startswith("text/javascript")


def test_without_rights_in_aws_the_page_says_so_and_shows_the_rest(pipeline, get, local_aws):
    pipeline.run(DAY_1)
    [denied] = local_aws.add_faults({"operation": "DescribeEndpoint", "kind": "denied"})
    [model] = [model for model in get("/models.json").json()["models"] if model["pipeline"] == pipeline.name]
    html = get("/").text
    local_aws.remove_fault(denied)
    assert "AccessDenied" in model["live"]["problem"]
    assert model["verdict"] == "nothing known to be live"
    assert model["last_run"]["state"] == "success"
    assert "AccessDenied" in html


def test_what_a_redeploy_has_changed_is_seen_with_the_next_look_at_aws(pipeline, get, monkeypatch):
    monkeypatch.setattr(aws_facts, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(airflow_facts, "FRESH_SECONDS", 0.0)
    pipeline.use_tiny_image()
    pipeline.upload(DAY_1)
    pipeline.run(DAY_1)
    assert "proven" in get("/").text
    pipeline.redeploy(model="live", hold_days=7, reason="a sale")
    deadline = time.monotonic() + 60
    while "a sale" not in get("/").text:
        assert time.monotonic() < deadline, "the hold is not seen"


def test_looking_again_within_a_minute_asks_aws_nothing(pipeline, get, local_aws):
    pipeline.use_tiny_image()
    pipeline.upload(DAY_1)
    pipeline.run(DAY_1)
    get("/")
    asked = local_aws.count("DescribeEndpoint"), local_aws.count("ListTags")
    for _ in range(5):
        assert "InService" in get("/").text
    assert (local_aws.count("DescribeEndpoint"), local_aws.count("ListTags")) == asked
