"""docker-compose.yaml as it is written: rights, networks, profiles, and who holds which secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
CORE = {"connections.json", "fernet_key", "jwt_secret", "postgres_password"}
SECRETS: dict[str, set[str]] = {
    "check-settings": {"connections.json"},
    "postgres": {"postgres_password"},
    "init": CORE | {"airflow_password"},
    "api-server": CORE | {"api_secret_key"},
    "scheduler": CORE | {"redis_password"},
    "dag-processor": CORE,
    "triggerer": CORE,
    "local-aws": set(),
    "sample-data": set(),
    "redis": {"redis_password"},
    # They run the users' code: no key to the database, to what it encrypts, to tokens or to the login.
    "worker-1": {"connections.json", "redis_password"},
    "worker-2": {"connections.json", "redis_password"},
}
NETWORKS: dict[str, set[str]] = {
    "check-settings": set(),
    "postgres": {"database"},
    "init": {"database", "aws"},
    "api-server": {"database", "airflow"},
    "scheduler": {"database", "broker", "airflow", "aws"},
    "dag-processor": {"database", "airflow", "aws"},
    "triggerer": {"database", "airflow", "aws"},
    "local-aws": {"aws"},
    "sample-data": {"aws"},
    "redis": {"broker"},
    "worker-1": {"broker", "airflow", "aws"},
    "worker-2": {"broker", "airflow", "aws"},
}


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_has_no_right_that_it_does_not_need(service: str) -> None:
    written = SERVICES[service]
    assert written["cap_drop"] == ["ALL"]
    # Its entrypoint begins as root, and goes on as the user postgres.
    entrypoint = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]
    assert written.get("cap_add", []) == (entrypoint if service == "postgres" else [])
    assert written["security_opt"] == ["no-new-privileges:true"]
    assert written["read_only"] is True
    assert written["pids_limit"] > 0
    assert written.keys().isdisjoint({"privileged", "devices", "pid", "ipc", "extra_hosts"})
    assert not any("docker.sock" in str(volume) for volume in written.get("volumes", []))


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_writes_to_the_repository_nowhere(service: str) -> None:
    folders = [volume for volume in SERVICES[service].get("volumes", []) if volume[0] in "./$"]
    assert [folder for folder in folders if not folder.endswith(":ro")] == []


def test_each_service_is_in_the_networks_of_those_whom_it_asks() -> None:
    assert {name: set(service.get("networks", [])) for name, service in SERVICES.items()} == NETWORKS
    assert SERVICES["check-settings"]["network_mode"] == "none"
    assert {name for name, network in COMPOSE["networks"].items() if (network or {}).get("internal")} == {
        "database",
        "broker",
    }


def test_only_the_loopback_address_is_published() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) == 2
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_each_service_holds_the_secrets_that_it_needs() -> None:
    assert {name: set(service.get("secrets", [])) for name, service in SERVICES.items()} == SECRETS


@pytest.mark.parametrize("service", SERVICES)
def test_a_secret_is_asked_for_where_it_is_held(service: str) -> None:
    asked = json.dumps({**SERVICES[service], "secrets": None})
    # connections.json is named by .env.
    assert {name for name in COMPOSE["secrets"] if f"/run/secrets/{name}" in asked} == (
        SECRETS[service] - {"connections.json"}
    )


@pytest.mark.parametrize("service", SERVICES)
def test_what_always_runs_depends_on_nothing_that_a_profile_turns_off(service: str) -> None:
    # Compose refuses the whole file otherwise: https://docs.docker.com/reference/compose-file/profiles/
    own = set(SERVICES[service].get("profiles", []))
    for other in SERVICES[service].get("depends_on", {}):
        assert set(SERVICES[other].get("profiles", [])) in (set(), own)


def test_profiles_choose_local_aws_and_celery() -> None:
    assert {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service} == {
        "local-aws": ["local-aws"],
        "sample-data": ["local-aws"],
        "redis": ["celery"],
        "worker-1": ["celery"],
        "worker-2": ["celery"],
    }


def test_nothing_starts_before_the_settings_are_checked() -> None:
    def comes_after(service: str) -> set[str]:
        direct = set(SERVICES[service].get("depends_on", {}))
        return direct.union(*(comes_after(other) for other in direct)) if direct else set()

    # They hold no setting of the AWS that is meant.
    assert {name for name in SERVICES if "check-settings" not in comes_after(name)} == {
        "check-settings",
        "postgres",
        "redis",
    }


def test_new_dags_wait_unless_env_says_otherwise() -> None:
    environment = SERVICES["dag-processor"]["environment"]
    assert environment["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] == "${DAGS_ARE_PAUSED_AT_CREATION:-True}"
