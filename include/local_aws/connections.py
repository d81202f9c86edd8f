"""How an Airflow reaches local AWS, and that AWS is a fast one: environment variables."""

from __future__ import annotations

import json

# Programs start and end within seconds here, which on AWS takes minutes: so long a step looks itself before it waits
# without a worker slot, where nothing of the past says how long it takes.
FAST = {"FRESH_ENDPOINTS_FIRST_TIME_WORKER_SECONDS": "6"}


def airflow_connections(url: str, region: str) -> dict[str, str]:
    """Return environment variables that define ``aws_default``, and Slack as a webhook and as an app.

    The webhook is ``slack_default``, the app ``slack_api_default``.

    https://airflow.apache.org/docs/apache-airflow/stable/howto/connection.html#storing-connections-in-environment-variables

    Args:
        url: Local AWS's address.
        region: Its region.
    """
    aws = {
        "conn_type": "aws",
        # Not the "local" of tests and tools: a record of calls tells who it was.
        "login": "worker",
        "password": "worker",
        "extra": {"endpoint_url": url, "region_name": region},
    }
    slack = {"conn_type": "slackwebhook", "password": f"{url}/slack/services/T000/B000/local"}
    app = {"conn_type": "slack", "password": "xoxb-local", "extra": {"base_url": f"{url}/slack/api/"}}
    return {
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(aws),
        "AIRFLOW_CONN_SLACK_DEFAULT": json.dumps(slack),
        "AIRFLOW_CONN_SLACK_API_DEFAULT": json.dumps(app),
        # The SDK must not look for credentials of a machine in the cloud.
        "AWS_EC2_METADATA_DISABLED": "true",
    }
