"""What docker-compose.yaml refuses to start on, and the wait for local AWS's data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import compose_settings
from local_aws import sample_data
from local_aws.process import LocalAws

LOCAL = {
    "COMPOSE_PROFILES": "local-aws",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW_CONN_AWS_DEFAULT": "aws://local:local@/?endpoint_url=http%3A%2F%2Flocal-aws%3A5000&region_name=eu-west-1",
    "AIRFLOW_CONN_SLACK_DEFAULT": "slackwebhook://:http%3A%2F%2Flocal-aws%3A5000%2Fslack%2Fservices%2FT%2FB%2Fx@",
    "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
}
ROLE = {"conn_type": "aws", "extra": {"region_name": "ap-northeast-1"}}
REAL = {
    **LOCAL,
    "COMPOSE_PROFILES": "",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
    "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(ROLE),
}
Settings = dict[str, str]
NO_AWS = "No AWS is there"
BOTH = "COMPOSE_PROFILES asks for local AWS, too"
AT_ONCE = "New DAGs would run on the real AWS at once"
SHOWN = "holds a secret, which `docker inspect` would show"


def told(environment: Settings, connections: dict[str, Any] | None = None) -> list[str]:
    return compose_settings.problems(environment, connections or {})


@pytest.mark.parametrize(
    ("environment", "connections"),
    [
        (LOCAL, {}),
        (LOCAL | {"COMPOSE_PROFILES": "local-aws,celery"}, {}),
        (LOCAL | {"AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True"}, {}),
        (REAL, {}),
        (REAL | {"COMPOSE_PROFILES": "celery"}, {}),
        (REAL | {"AIRFLOW_CONN_AWS_DEFAULT": "aws://?region_name=ap-northeast-1"}, {}),
        # A key in the file, and what compose sets where .env names nothing.
        (REAL | {"AIRFLOW_CONN_AWS_DEFAULT": LOCAL["AIRFLOW_CONN_AWS_DEFAULT"]}, {"aws_default": "aws://id:key@"}),
        (REAL | {"AIRFLOW_CONN_AWS_DEFAULT": LOCAL["AIRFLOW_CONN_AWS_DEFAULT"]}, {"aws_default": ROLE}),
        # Another backend may hold the connection.
        (
            REAL
            | {
                "AIRFLOW_CONN_AWS_DEFAULT": LOCAL["AIRFLOW_CONN_AWS_DEFAULT"],
                "AIRFLOW__SECRETS__BACKEND": "airflow.providers.amazon.aws.secrets.ssm.SystemsManagerBackend",
            },
            {},
        ),
        (LOCAL, {"slack_default": {"conn_type": "slackwebhook", "password": "https://hooks.slack.com/services/x"}}),
    ],
)
def test_settings_that_agree_are_taken(environment: Settings, connections: dict[str, Any]) -> None:
    assert told(environment, connections) == []


@pytest.mark.parametrize(
    ("environment", "connections", "words"),
    [
        (REAL | {"COMPOSE_PROFILES": "celery,local-aws"}, {}, [BOTH]),
        (LOCAL, {"aws_default": ROLE}, [BOTH]),
        (LOCAL, {"aws_default": "aws://id:key@/?region_name=eu-west-1"}, [BOTH]),
        (LOCAL | {"COMPOSE_PROFILES": ""}, {}, [NO_AWS]),
        (REAL | {"AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False"}, {}, [AT_ONCE]),
        (REAL | {"AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": ""}, {}, [AT_ONCE]),
        (REAL | {"AIRFLOW_CONN_AWS_DEFAULT": "aws://id:hidden@/?region_name=eu-west-1"}, {}, [SHOWN]),
        (REAL | {"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(ROLE | {"password": "hidden"})}, {}, [SHOWN]),
        (
            REAL
            | {
                "AIRFLOW_CONN_AWS_DEFAULT": json.dumps({"conn_type": "aws", "extra": '{"aws_session_token": "hidden"}'})
            },
            {},
            [SHOWN],
        ),
        (LOCAL | {"AIRFLOW_CONN_SLACK_DEFAULT": "slackwebhook://:https%3A%2F%2Fhidden@"}, {}, [SHOWN]),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    environment: Settings, connections: dict[str, Any], words: list[str]
) -> None:
    found = told(environment, connections)
    assert [part for part in (NO_AWS, BOTH, AT_ONCE, SHOWN) if any(part in sentence for sentence in found)] == words
    assert len(found) == len(words)
    assert all(".env" in sentence and "hidden" not in sentence for sentence in found)


def test_json_that_is_none_is_told_without_its_text(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "connections.json").write_text("{}")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", '{"password": "hidden"')
    assert compose_settings.main(["check", "--connections", str(tmp_path / "connections.json")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("AIRFLOW_CONN_AWS_DEFAULT in .env is no valid JSON")
    assert "hidden" not in said
    (tmp_path / "connections.json").write_text("[]")
    assert compose_settings.main(["check", "--connections", str(tmp_path / "connections.json")]) == 1
    assert "secrets/connections.json: expected a JSON object" in capsys.readouterr().err


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, local_aws: LocalAws) -> Callable[[str, str], int]:
    def waited(connection: str, timeout: str) -> int:
        (tmp_path / "connections.json").write_text("{}")
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection)
        options = ["--connections", str(tmp_path / "connections.json"), "--url", local_aws.url, "--timeout", timeout]
        return compose_settings.main(["wait", *options])

    return waited


def test_local_awss_data_is_waited_for(
    wait: Callable[[str, str], int],
    local_aws: LocalAws,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bucket = f"sample-{uuid4()}"
    monkeypatch.setattr(sample_data, "BUCKET", bucket)
    assert wait(LOCAL["AIRFLOW_CONN_AWS_DEFAULT"], "1.5") == 1
    assert "has had no sample data" in capsys.readouterr().err
    s3 = sample_data.client(local_aws.url, "ap-northeast-1")
    sample_data.upload(s3, "ap-northeast-1", sample_data.recent_days(0), bucket)
    assert wait(LOCAL["AIRFLOW_CONN_AWS_DEFAULT"], "60") == 0


def test_nothing_is_waited_for_on_the_real_aws(wait: Callable[[str, str], int]) -> None:
    assert wait(json.dumps(ROLE), "0") == 0
