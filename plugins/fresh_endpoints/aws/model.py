"""The SageMaker model of a training, which an endpoint or a transform job needs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException
from botocore.exceptions import ClientError

from fresh_endpoints.aws import requests
from fresh_endpoints.aws.errors import again_while, already_exists, explained, is_not_found, once_role_is_ready

log = logging.getLogger(__name__)


def model_request(
    section: Mapping[str, Any],
    *,
    name: str,
    facts: Mapping[str, Any],
    training: Mapping[str, Any],
    tags: Mapping[str, str],
) -> requests.Request:
    """Make the CreateModel request for a training's model.

    Args:
        section: The rendered ``model`` section.
        name: The model's name.
        facts: The facts of the training, with ``artifact``, an S3 URL.
        training: What DescribeTrainingJob returned, or what it will: the CreateTrainingJob request.
        tags: Tag values by tag key.

    Returns:
        The request.

    Raises:
        AirflowFailException: It is not clear which container of the section gets the training's model.
    """
    try:
        return requests.create_model(section, name=name, artifact=facts["artifact"], training=training, tags=tags)
    except ValueError as error:
        raise AirflowFailException(f"Could not create model {name}. {error}") from error


def create_model(
    client: Any,
    section: Mapping[str, Any],
    *,
    name: str,
    facts: Mapping[str, Any],
    tags: Mapping[str, str],
    training: Mapping[str, Any] | None = None,
) -> list[str]:
    """Create the model, or find that there is one of the name.

    Args:
        client: A boto3 SageMaker client.
        section: The rendered ``model`` section.
        name: The model's name.
        facts: The facts of the training: ``training_job``, its name, and ``artifact``, an S3 URL.
        tags: Tag values by tag key.
        training: What DescribeTrainingJob has returned, if it has been asked.

    Returns:
        In what the one that exists differs from what was wanted; empty where it was created or is the same.

    Raises:
        AirflowFailException: It is not clear which container of the section gets the training's model.
        AirflowException: AWS refused.
    """
    if training is None:
        with explained(f"describe training job {facts['training_job']}"):
            training = client.describe_training_job(TrainingJobName=facts["training_job"])
    request = model_request(section, name=name, facts=facts, training=training, tags=tags)
    with explained(f"create model {name}"):
        try:
            once_role_is_ready(lambda: client.create_model(**request))
            return []
        except ClientError as error:
            if not already_exists(error):
                raise
            log.info("Model %s exists from an earlier try.", name)
            found = again_while(is_not_found, lambda: client.describe_model(ModelName=name))
            return requests.differences(requests.without_tags(request), found)
