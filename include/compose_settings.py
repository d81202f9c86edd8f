"""Holds docker-compose.yaml's settings against each other before its services start, and waits for local AWS's data."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from local_aws import sample_data

# The service's name is its host's.
PROFILE = HOST = "local-aws"
CONNECTIONS = Path("/run/secrets/connections.json")
_IN_FILE = "secrets/connections.json"
_SECRET_EXTRAS = {"aws_secret_access_key", "aws_session_token", "webhook_token"}


class SettingsError(Exception):
    """Settings that cannot be read; the text is written for a person."""


def problems(environment: Mapping[str, str], connections: Mapping[str, Any]) -> list[str]:
    """Find what contradicts itself.

    Args:
        environment: The environment of Airflow's services, with Compose's own COMPOSE_PROFILES.
        connections: What secrets/connections.json holds, by connection id.

    Returns:
        A sentence for each contradiction.

    Raises:
        SettingsError: A connection is neither a URI nor JSON.
    """
    profile = PROFILE in environment.get("COMPOSE_PROFILES", "").split(",")
    local = _aws_is_local(environment, connections)
    where, _ = _aws_default(environment, connections)
    found = [
        f"{name} in .env holds a secret, which `docker inspect` would show. Put the connection into {_IN_FILE},"
        " and take the line out of .env."
        for name in ("AIRFLOW_CONN_AWS_DEFAULT", "AIRFLOW_CONN_SLACK_DEFAULT")
        if _shows_a_secret(name, environment.get(name, ""))
    ]
    if profile and not local:
        found.append(
            f"{where} names another AWS than the local one, and COMPOSE_PROFILES asks for local AWS, too. Take"
            f" {PROFILE} out of COMPOSE_PROFILES in .env; or take the connection out, to work on local AWS."
        )
    if local and not profile and not _other_backend(environment):
        found.append(
            f"No AWS is there: the connection aws_default is local AWS's, and COMPOSE_PROFILES lacks {PROFILE}."
            " Add it in .env (COMPOSE_PROFILES=local-aws), or name the real AWS there in AIRFLOW_CONN_AWS_DEFAULT."
        )
    elif not profile and environment.get("AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION", "").lower() != "true":
        found.append(
            "New DAGs would run on the real AWS at once. Set DAGS_ARE_PAUSED_AT_CREATION=True in .env; switch the"
            " DAGs on in the UI."
        )
    return found


def _aws_default(environment: Mapping[str, str], connections: Mapping[str, Any]) -> tuple[str, object]:
    """Return where the connection is written that Airflow takes, and what is written there."""
    if "aws_default" in connections:
        return f"aws_default in {_IN_FILE}", connections["aws_default"]
    return "AIRFLOW_CONN_AWS_DEFAULT in .env", environment.get("AIRFLOW_CONN_AWS_DEFAULT", "")


def _aws_is_local(environment: Mapping[str, str], connections: Mapping[str, Any]) -> bool:
    endpoint = _extra(*_aws_default(environment, connections)).get("endpoint_url", "")
    return bool(urlsplit(str(endpoint)).hostname == HOST)


def _other_backend(environment: Mapping[str, str]) -> bool:
    # It may hold aws_default; this program does not ask it.
    backend = environment.get("AIRFLOW__SECRETS__BACKEND", "")
    return bool(backend) and not backend.endswith(".LocalFilesystemBackend")


def _shows_a_secret(name: str, connection: str) -> bool:
    if f"//{HOST}" in connection or f"%2F%2F{HOST}" in connection:
        return False  # local AWS's own, which knows no users
    password = _read(name, connection).get("password") or urlsplit(connection).password
    return bool(password) or not _SECRET_EXTRAS.isdisjoint(_extra(name, connection))


def _extra(name: str, connection: object) -> dict[str, Any]:
    read = _read(name, connection)
    if not read:
        uri = connection[0] if isinstance(connection, list) and connection else connection
        read = {"extra": dict(parse_qsl(urlsplit(str(uri)).query))}
        read["extra"] = read["extra"].get("__extra__", read["extra"])
    extra = read.get("extra") or {}
    return _json(name, extra) if isinstance(extra, str) else dict(extra)


def _read(name: str, connection: object) -> dict[str, Any]:
    """Read a connection that is no URI."""
    if isinstance(connection, str) and connection.lstrip().startswith("{"):
        return _json(name, connection)
    return dict(connection) if isinstance(connection, Mapping) else {}


def _json(name: str, text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except ValueError as error:
        # Not the text: it may hold a secret.
        raise SettingsError(f"{name} is no valid JSON: {error}. In .env, JSON stands in single quotes.") from None
    if not isinstance(read, dict):
        raise SettingsError(f"{name}: expected a JSON object, found {type(read).__name__}.")
    return read


def wait_for_data(url: str, timeout: float) -> bool:
    """Wait until local AWS holds the last of the sample data.

    Args:
        url: Local AWS's address.
        timeout: Seconds to wait.

    Returns:
        Whether it does.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    s3 = sample_data.client(url, "us-east-1")  # any: S3 answers in each
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        last = sample_data.keys(sample_data.recent_days(0)[-1])[-1]
        try:
            s3.head_object(Bucket=sample_data.BUCKET, Key=last)
        except (BotoCoreError, ClientError):
            time.sleep(1)
        else:
            return True
    return False


def main(arguments: list[str] | None = None) -> int:
    """Check the settings, or wait for the data if they name local AWS.

    Args:
        arguments: Command line without the program's name; None for the process's own.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["check", "wait"])
    parser.add_argument("--connections", type=Path, default=CONNECTIONS, help="(default: %(default)s)")
    parser.add_argument("--url", default=f"http://{HOST}:5000", help="local AWS's address (default: %(default)s)")
    parser.add_argument(
        "--timeout", type=float, default=180, help="seconds to wait for the data (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    try:
        connections = _json(_IN_FILE, options.connections.read_text(encoding="utf-8"))
        if options.command == "check":
            found = problems(os.environ, connections)
        else:
            found = _missing_data(options.url, options.timeout) if _aws_is_local(os.environ, connections) else []
    except (SettingsError, OSError) as error:
        found = [str(error)]
    for problem in found:
        sys.stderr.write(f"{problem}\n")
    return 1 if found else 0


def _missing_data(url: str, timeout: float) -> list[str]:
    if wait_for_data(url, timeout):
        return []
    advice = f"Is {PROFILE} among the profiles? A --profile on the command line replaces COMPOSE_PROFILES."
    logs = "Else `docker compose logs local-aws sample-data` says more."
    return [f"Local AWS at {url} has had no sample data for {timeout:.0f} s. {advice} {logs}"]


if __name__ == "__main__":
    sys.exit(main())
