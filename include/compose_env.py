"""Writes `.env` for docker-compose.yaml: fresh secrets, a login, and what else can be set."""

from __future__ import annotations

import argparse
import base64
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

TEMPLATE = """\
# Made by `make env`. Secrets: do not commit this file, do not share it. docker-compose.yaml reads it.

# The login of Airflow's UI and REST API, created at the first start.
AIRFLOW_USERNAME=admin
AIRFLOW_PASSWORD={airflow_password}

# Encrypts connections and variables in the database (Fernet), signs tokens (JWT) and sessions.
FERNET_KEY={fernet_key}
JWT_SECRET={jwt_secret}
API_SECRET_KEY={api_secret_key}
POSTGRES_PASSWORD={postgres_password}
REDIS_PASSWORD={redis_password}

# Ports on 127.0.0.1.
AIRFLOW_PORT={port}
LOCAL_AWS_PORT={aws_port}

# LocalExecutor, or CeleryExecutor together with `docker compose --profile celery up`.
AIRFLOW_EXECUTOR=LocalExecutor

# Another folder of pipeline files.
#PIPELINES_DIR=./include/pipelines

# The real AWS and the real Slack instead of local ones. Connections are URIs, or JSON in single quotes:
# https://airflow.apache.org/docs/apache-airflow-providers-amazon/stable/connections/aws.html
# https://airflow.apache.org/docs/apache-airflow-providers-slack/stable/connections/slack-incoming-webhook.html
#AIRFLOW_CONN_AWS_DEFAULT=aws://<access key id>:<secret access key, percent-encoded>@/?region_name=ap-northeast-1
#AIRFLOW_CONN_SLACK_DEFAULT=slackwebhook://:<webhook URL, percent-encoded>@
#AIRFLOW_VAR_SAGEMAKER_BUCKET=
#AIRFLOW_VAR_SAGEMAKER_IMAGE=
#AIRFLOW_VAR_SAGEMAKER_ROLE=
#AIRFLOW_VAR_SAGEMAKER_NUM_CLASS=
# Where Airflow looks for connections first, such as AWS Secrets Manager; JSON in single quotes. See README, "On AWS".
#AIRFLOW__SECRETS__BACKEND=
#AIRFLOW__SECRETS__BACKEND_KWARGS=
# Whether a new DAG waits until somebody switches it on.
#DAGS_ARE_PAUSED_AT_CREATION=True
"""


def write(file: Path, port: int = 8080, aws_port: int = 5000) -> None:
    """Write a new file, readable by its owner only.

    Args:
        file: The file.
        port: Airflow's port.
        aws_port: Local AWS's port.

    Raises:
        FileExistsError: There is one already; new secrets would lock the existing database.
    """
    content = TEMPLATE.format(
        airflow_password=secrets.token_urlsafe(12),
        # https://github.com/fernet/spec: 32 bytes, base64url
        fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        jwt_secret=secrets.token_urlsafe(64),
        api_secret_key=secrets.token_urlsafe(32),
        postgres_password=secrets.token_urlsafe(24),
        redis_password=secrets.token_urlsafe(24),
        port=port,
        aws_port=aws_port,
    )
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(content)


def main(arguments: list[str] | None = None) -> int:
    """Write the file unless there is one.

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
    try:
        write(options.file, options.port, options.aws_port)
    except FileExistsError:
        sys.stdout.write(f"{options.file} is there already and stays as it is.\n")
        return 0
    sys.stdout.write(f"Wrote {options.file}: the login is in it.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
