"""What a SageMaker container last wrote to CloudWatch Logs."""

from __future__ import annotations

import logging
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws.clients import AwsLogsHook

log = logging.getLogger(__name__)


def last_lines(
    aws_conn_id: str | None, region_name: str | None, group: str, stream_prefix: str, count: int = 20
) -> list[str]:
    """Return the last lines of the log stream that was written last.

    A log that cannot be read is no reason to hide why a job failed: it is said and an empty list comes back.

    Args:
        aws_conn_id: The Airflow connection.
        region_name: The AWS region.
        group: The log group, such as ``/aws/sagemaker/TrainingJobs``.
        stream_prefix: How the streams' names start: the job's name, before the slash.
        count: How many lines at most.
    """
    try:
        client: Any = AwsLogsHook(aws_conn_id=aws_conn_id, region_name=region_name).get_conn()
        found = client.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{stream_prefix}/")
        streams = [stream for stream in found.get("logStreams", []) if "logStreamName" in stream]
        if not streams:
            return []
        newest = max(streams, key=lambda stream: stream.get("lastEventTimestamp", 0))
        answer = client.get_log_events(
            logGroupName=group, logStreamName=newest["logStreamName"], limit=count, startFromHead=False
        )
    except (ClientError, BotoCoreError) as error:
        log.warning("Could not read the log of %s: %s", stream_prefix, error)
        return []
    return [event["message"] for event in answer.get("events", []) if "message" in event]
