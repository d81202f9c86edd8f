"""Writes `.env` for docker-compose.yaml, and beside it the folder `secrets`: fresh secrets, a login, connections."""

from __future__ import annotations

import argparse
import base64
import secrets
import string
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "secrets"

TEMPLATE = """\
# Made by `make env`; docker-compose.yaml reads it. It holds no secret: those are files of the folder below.

# What the services and you need to keep to yourselves. airflow_password is the login's.
SECRETS_DIR={secrets_dir}

# The login of Airflow's UI and REST API, created at the first start.
AIRFLOW_USERNAME=admin

# Ports on 127.0.0.1.
AIRFLOW_PORT={port}
LOCAL_AWS_PORT={aws_port}

# LocalExecutor; or CeleryExecutor, and celery among the profiles: COMPOSE_PROFILES=local-aws,celery
AIRFLOW_EXECUTOR=LocalExecutor

# Another folder of pipeline files.
#PIPELINES_DIR=./include/pipelines

# The environment, such as dev: its files' overrides, and what every name in AWS begins with. See docs/many-models.md.
#PIPELINES_ENV=

# AWS and Slack on this machine: they run, and new DAGs with them at once. For the real AWS, take local-aws out, set
# AIRFLOW_CONN_AWS_DEFAULT, and have a new DAG wait until somebody switches it on (True). What contradicts this does not
# start: `docker compose logs check-settings` then says why. A --profile on the command line replaces COMPOSE_PROFILES.
COMPOSE_PROFILES=local-aws
DAGS_ARE_PAUSED_AT_CREATION=False

# Local AWS's jobs and deployments end within seconds. For the real AWS take this out: it would only cost calls.
FRESH_ENDPOINTS_FIRST_TIME_WORKER_SECONDS=6

# The real AWS under the machine's role. A connection with a secret, such as an access key's or Slack's webhook, belongs
# into secrets/connections.json: {{"slack_default": {{"conn_type": "slackwebhook", "password": "https://hooks.slack.com/…"}}}}
# https://airflow.apache.org/docs/apache-airflow-providers-amazon/stable/connections/aws.html
# https://airflow.apache.org/docs/apache-airflow-providers-slack/stable/connections/slack-incoming-webhook.html
#AIRFLOW_CONN_AWS_DEFAULT='{{"conn_type": "aws", "extra": {{"region_name": "ap-northeast-1"}}}}'
#AIRFLOW_VAR_SAGEMAKER_BUCKET=
#AIRFLOW_VAR_SAGEMAKER_IMAGE=
#AIRFLOW_VAR_SAGEMAKER_ROLE=
#AIRFLOW_VAR_SAGEMAKER_NUM_CLASS=

# Where Airflow looks for connections first: that file, or instead AWS Secrets Manager. See docs/production.md.
AIRFLOW__SECRETS__BACKEND=airflow.secrets.local_filesystem.LocalFilesystemBackend
AIRFLOW__SECRETS__BACKEND_KWARGS='{{"connections_file_path": "/run/secrets/connections.json"}}'
"""


def write(file: Path, port: int = 8080, aws_port: int = 5000) -> list[Path]:
    """Write what is missing of the file and of the folder `secrets` beside it.

    What is there stays: a new password would lock the existing database, a new key what is encrypted in it.

    Args:
        file: The file.
        port: Airflow's port.
        aws_port: Local AWS's port.

    Returns:
        What was written.
    """
    folder = file.parent / FOLDER
    # Only the owner may enter; inside, the containers' users read what is mounted into their containers.
    folder.mkdir(mode=0o700, exist_ok=True)
    fresh = _secrets() | _secrets_of_an_earlier_version(file)
    written = [folder / name for name, content in fresh.items() if _create(folder / name, content, 0o644)]
    secrets_dir = f"./{FOLDER}" if file.parent == ROOT else folder
    if _create(file, TEMPLATE.format(secrets_dir=secrets_dir, port=port, aws_port=aws_port), 0o600):
        written.append(file)
    return written


def _secrets() -> dict[str, str]:
    return {
        "airflow_password": _letters(20),
        "fernet_key": _fernet_key(),
        "jwt_secret": _letters(86),
        "api_secret_key": _letters(43),
        "postgres_password": _letters(32),
        "redis_password": _letters(32),
        "connections.json": "{}\n",
    }


def _secrets_of_an_earlier_version(file: Path) -> dict[str, str]:
    """Read the secrets that 0.1.0 wrote into the file itself."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    settings = dict(line.split("=", 1) for line in lines if "=" in line)
    return {name: settings[name.upper()] for name in _secrets() if name.upper() in settings}


def _letters(count: int) -> str:
    # Letters and digits: they mean the same in URLs, shells, files and arguments. Almost 6 bits each.
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(count))


def _fernet_key() -> str:
    # https://github.com/fernet/spec: 32 bytes, base64url; one in four has no - and no _.
    while True:
        key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        if key.rstrip("=").isalnum():
            return key


def _create(file: Path, content: str, mode: int) -> bool:
    if file.exists():
        return False
    file.touch(mode=0o600)
    file.write_text(content, encoding="utf-8")
    file.chmod(mode)
    return True


def main(arguments: list[str] | None = None) -> int:
    """Write what is missing.

    Args:
        arguments: Command line without the program's name; None for the process's own.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, default=ROOT / ".env", help="(default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="Airflow's port (default: %(default)s)")
    parser.add_argument("--aws-port", type=int, default=5000, help="local AWS's port (default: %(default)s)")
    options = parser.parse_args(arguments)
    file = options.file.resolve()
    written = write(file, options.port, options.aws_port)
    for path in written:
        sys.stdout.write(f"Wrote {path}\n")
    if file not in written:
        sys.stdout.write(f"{file} is there already and stays as it is.\n")
    if "SECRETS_DIR=" not in file.read_text(encoding="utf-8"):
        sys.stderr.write(
            f"{file} is of an earlier version: its passwords and keys are now in {file.parent / FOLDER}, and it has no"
            " SECRETS_DIR. Remove it, run this again, and set in the new one what you had set.\n"
        )
        return 1
    sys.stdout.write(
        f"The login is admin, unless .env names another; its password: {file.parent / FOLDER / 'airflow_password'}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
