"""The article's state machine, state by state, with boto3: a look every 60 s, a Slack message at each change of stage.

It runs without Airflow, as its Lambda functions do; what Step Functions itself takes is left out, in its favour.
"""

from __future__ import annotations

import time
from typing import Any

import requests

from local_aws.process import LocalAws

WAIT_SECONDS = 60.0


def run(aws: LocalAws, training: dict[str, Any], endpoint: dict[str, Any]) -> None:
    """Run it once to its end.

    Args:
        aws: Local AWS, with Slack.
        training: The CreateTrainingJob request.
        endpoint: The Model, EndpointConfig and Endpoint requests.

    Raises:
        RuntimeError: JobFailed or DeploymentFailed.
    """
    s3, sagemaker = aws.client("s3"), aws.client("sagemaker")
    for channel in training["InputDataConfig"]:  # DataChecker
        bucket, _, prefix = channel["DataSource"]["S3DataSource"]["S3Uri"].removeprefix("s3://").partition("/")
        if not s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents"):
            return  # NoNewData
    name = training["TrainingJobName"]
    sagemaker.create_training_job(**training)  # StartTrainingJob
    _notify(aws, f'Starting training job "{name}"')
    while True:
        time.sleep(WAIT_SECONDS)  # CheckStatusWait
        status = sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"]  # GetStatus
        if status != "InProgress":
            break
    _notify(aws, f'Training job "{name}": {status}')
    if status != "Completed":
        raise RuntimeError(f"JobFailed: {status}")
    sagemaker.create_model(**endpoint["Model"])  # DeployModel
    sagemaker.create_endpoint_config(**endpoint["EndpointConfig"])
    sagemaker.create_endpoint(**endpoint["Endpoint"])
    _notify(aws, f'Started deploying model "{name}"')
    while True:
        time.sleep(WAIT_SECONDS)
        status = sagemaker.describe_endpoint(EndpointName=endpoint["Endpoint"]["EndpointName"])["EndpointStatus"]
        if status not in ("Creating", "Updating"):
            break
    _notify(aws, f'Deployment of "{name}": {status}')
    if status != "InService":
        raise RuntimeError(f"DeploymentFailed: {status}")


def _notify(aws: LocalAws, text: str) -> None:
    requests.post(aws.webhook_url, json={"text": text}, timeout=30).raise_for_status()
