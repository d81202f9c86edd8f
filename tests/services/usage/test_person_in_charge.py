"""What the person in charge is told, sees and does, on real services: Slack, SNS, the terminal, the watch, the page."""

from __future__ import annotations

import configparser
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from fresh_endpoints.aws.hold import Hold
from local_airflow.configuration import USERNAME
from local_airflow.services import ROOT, AirflowServices
from local_aws.connections import FAST, airflow_connections
from local_aws.process import LocalAws
from pipeline_under_test import PipelineUnderTest
from services_under_test import DAY_1, DAY_2, MESSAGES, PATIENCE, ServicesUnderTest
from sns_topic import Topic

KINDS = ("changes", "thread", "gone", "paused")
MEMORY = "/variables/fresh_endpoints_watch_models"
PAGES = ("/", "/models.json", "/style.css")
# A second user, who may read no DAG.
STRANGER = "stranger"
USERS = {
    "AIRFLOW__CORE__AUTH_MANAGER": "reading_auth_manager.ReadingAuthManager",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USERNAME}:admin,{STRANGER}:viewer",
    "PYTHONPATH": str(ROOT / "tests" / "support"),
}

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def topic(local_aws: LocalAws) -> Iterator[Topic]:
    """A topic, and the connection to it in this process' environment."""
    with pytest.MonkeyPatch.context() as patched:
        yield Topic(local_aws, "person-in-charge", patched)


@pytest.fixture(scope="module")
def pipelines(
    local_aws: LocalAws, topic: Topic, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, PipelineUnderTest]:
    """A pipeline for each kind of test."""
    folder = tmp_path_factory.mktemp("pipelines")
    pipelines = {kind: PipelineUnderTest(local_aws, folder) for kind in KINDS}
    for pipeline in pipelines.values():
        pipeline.content.update(schedule=None)
        pipeline.content.pop("transform", None)
        pipeline.use_tiny_image(model="m")
    changes, thread = pipelines["changes"], pipelines["thread"]
    changes.content["slack"]["tell"] = "changes"
    changes.write(lambda content: content.update(max_age_days=2))
    app = {"connection": "slack_api_default", "channel": thread.name}
    thread.write(lambda content: content.update(slack=app, notify=[topic.notifier(on="all")]))
    return pipelines


@pytest.fixture(scope="module")
def in_charge(
    local_aws: LocalAws,
    database: str | None,
    pipelines: dict[str, PipelineUnderTest],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, ServicesUnderTest]]:
    """All services; the watch has looked; each pipeline has deployed a day, and ``changes`` another one."""
    with AirflowServices(
        tmp_path_factory.mktemp("airflow"),
        database=database,
        pipelines_dir=pipelines["changes"].folder,
        environment={
            **airflow_connections(local_aws.url, local_aws.region),
            **FAST,
            **USERS,
            "AIRFLOW_CONN_SNS": os.environ["AIRFLOW_CONN_SNS"],
        },
        paused=False,
        boot_timeout=PATIENCE,
    ) as airflow:
        in_charge = {kind: ServicesUnderTest(airflow, pipeline) for kind, pipeline in pipelines.items()}
        # The schedule's own, of last midnight: from now on nobody but the tests has it look.
        wait_until(
            lambda: [run["state"] for run in airflow.runs("watch_models")] == ["success"], "the watch's first run"
        )
        for tested in in_charge.values():
            tested.trigger(DAY_1)
        for tested in in_charge.values():
            assert tested.wait_for_end() == "success"
        in_charge["changes"].trigger(DAY_2)
        assert in_charge["changes"].wait_for_end() == "success"
        yield in_charge
        for pipeline in pipelines.values():
            pipeline.delete()


@pytest.fixture
def airflow(in_charge: dict[str, ServicesUnderTest]) -> AirflowServices:
    return in_charge["changes"].airflow


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.2)


def watch(airflow: AirflowServices) -> None:
    run_id = airflow.trigger("watch_models")
    assert airflow.wait_for_run("watch_models", run_id, timeout=PATIENCE)["state"] == "success"


def command(airflow: AirflowServices, *arguments: str) -> str:
    """Run ``fresh-endpoints`` where the scheduler runs; what it prints."""
    program = [str(Path(sys.executable).with_name("fresh-endpoints")), *arguments]
    ended = subprocess.run(
        program, env=airflow.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_under_changes_a_run_tells_one_message_with_what_was_live_before(
    in_charge: dict[str, ServicesUnderTest],
) -> None:
    pipeline = in_charge["changes"].pipeline
    first, second = [job["TrainingJobName"] for job in pipeline.jobs()]
    [told] = [text for text in pipeline.slack() if f"{pipeline.name}, data date {DAY_2}." in text]
    assert told.startswith("Deployment completed: ")
    assert f"Live: {second}, data date {DAY_2}. Live before: {first}, data date {DAY_1}, proven. Duration: " in told


def test_by_an_app_a_run_is_one_thread_and_a_notifier_gets_what_slack_gets(
    in_charge: dict[str, ServicesUnderTest], topic: Topic, local_aws: LocalAws
) -> None:
    name = in_charge["thread"].pipeline.name
    first, *replies = [each for each in local_aws.slack_messages() if each.get("channel") == name]
    assert [each["text"].partition(":")[0] for each in (first, *replies)] == MESSAGES
    assert "thread_ts" not in first
    assert len({each["thread_ts"] for each in replies}) == 1
    assert [subject for subject, _ in topic.got()] == [f"{title}: {name}" for title in MESSAGES]


def test_the_terminal_tells_what_is_live_and_goes_back_by_way_of_the_scheduler(
    in_charge: dict[str, ServicesUnderTest], airflow: AirflowServices
) -> None:
    pipeline = in_charge["changes"].pipeline
    first, second = [job["TrainingJobName"] for job in pipeline.jobs()]
    [model] = json.loads(command(airflow, "status", pipeline.name, "--json"))
    assert (model["training_job"], model["data_date"], model["proof"]) == (second, str(DAY_2), "proven")
    found = json.loads(command(airflow, "history", pipeline.name, "--json"))
    assert [trained["training_job"] for trained in found] == [second, first]

    said = command(airflow, "redeploy", pipeline.name, "--reason", "it predicts nonsense")
    assert f"Triggered:     redeploy_{pipeline.name}, run " in said
    [run] = airflow.runs(f"redeploy_{pipeline.name}")
    assert airflow.wait_for_run(run["dag_id"], run["dag_run_id"], timeout=PATIENCE)["state"] == "success"
    assert pipeline.live() == first
    held = Hold.of(pipeline.tags(pipeline.endpoint()["EndpointArn"]))
    assert held is not None
    assert held.why == "it predicts nonsense"
    [model] = json.loads(command(airflow, "status", pipeline.name, "--json"))
    assert (model["training_job"], model["hold"]["why"]) == (first, "it predicts nonsense")


def test_the_watch_tells_once_of_a_stale_model_and_of_a_file_that_has_vanished(
    in_charge: dict[str, ServicesUnderTest], airflow: AirflowServices, local_aws: LocalAws
) -> None:
    stale, gone = in_charge["changes"].pipeline, in_charge["gone"].pipeline
    (gone.folder / f"{gone.name}.yaml").unlink()
    watch(airflow)
    assert stale.titles().count("Model too old") == 1
    assert gone.titles()[-1] == "Endpoint without pipeline file"
    assert "It costs 24 instance hours a day (1 of ml.m4.xlarge)." in gone.slack()[-1]
    told = local_aws.slack_messages()
    watch(airflow)
    assert local_aws.slack_messages() == told


def test_a_paused_pipeline_begins_no_run_serves_on_and_the_watch_tells_that_its_deadline_has_passed(
    in_charge: dict[str, ServicesUnderTest], airflow: AirflowServices
) -> None:
    tested = in_charge["paused"]
    dag, name, before = f"/dags/{tested.dag_id}", tested.pipeline.name, served(tested.pipeline)
    without_schedule = airflow.api("GET", dag)["timetable_summary"]
    airflow.unpause(tested.dag_id, paused=True)
    tested.pipeline.write(lambda content: content.update(schedule="@daily", deadline_minutes=1))
    wait_until(lambda: airflow.api("GET", dag)["timetable_summary"] != without_schedule, "the new schedule")
    watch(airflow)
    assert "Run never began" not in tested.pipeline.titles(), "what was due before the schedule is not owed"
    memory = json.loads(airflow.api("GET", MEMORY)["value"])
    memory["pipelines"][name]["since"] = (datetime.now(timezone.utc) - timedelta(days=2)).isoformat()
    airflow.api("PATCH", MEMORY, {"key": MEMORY.rpartition("/")[2], "value": json.dumps(memory)})
    watch(airflow)
    assert tested.pipeline.titles()[-1] == "Run never began"
    assert f"Live now: {before[0]}, data date {DAY_1} (" in tested.pipeline.slack()[-1]
    assert [run["dag_run_id"] for run in airflow.runs(tested.dag_id)] == [tested.run_id]
    assert served(tested.pipeline) == before


def served(pipeline: PipelineUnderTest) -> tuple[str, Any]:
    return pipeline.live(), pipeline.endpoint()["LastModifiedTime"]


def test_the_page_gives_nothing_to_forged_and_expired_cookies_and_no_row_to_a_stranger(
    in_charge: dict[str, ServicesUnderTest], airflow: AirflowServices
) -> None:
    configuration = configparser.ConfigParser(interpolation=None)
    configuration.read(airflow.home / "airflow.cfg")
    secret, token = configuration["api_auth"]["jwt_secret"], airflow.token()
    past = {name: int(time.time()) - ago for name, ago in (("iat", 7200), ("nbf", 7200), ("exp", 3600))}
    name = in_charge["changes"].pipeline.name

    assert name in asked(airflow, "/models.json", signed(token, secret)).text, "what is signed here is as Airflow's"
    for path in PAGES:
        for cookie in (None, signed(token, "another key, " * 8), signed(token, secret, **past)):
            answer = asked(airflow, path, cookie)
            assert answer.status_code in (401, 403), f"{path}: {answer.text}"
            assert name not in answer.text

    passwords = json.loads((airflow.home / "passwords.json").read_text())
    login = {"username": STRANGER, "password": passwords[STRANGER]}
    cookie = requests.post(f"{airflow.url}/auth/token", json=login, timeout=60).json()["access_token"]
    assert asked(airflow, "/models.json", cookie).json() == {"models": []}
    assert asked(airflow, f"/dags/train_and_deploy_{name}", cookie).status_code == 404


def asked(airflow: AirflowServices, path: str, cookie: str | None) -> requests.Response:
    cookies = {"_token": cookie} if cookie else {}
    return requests.get(f"{airflow.url}/fresh-endpoints{path}", cookies=cookies, timeout=60)


def signed(token: str, key: str, **claims: int) -> str:
    """Make a token like one of Airflow's, signed by a key."""
    header = jwt.get_unverified_header(token)
    found = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode({**found, **claims}, key, algorithm=header["alg"], headers=header)
