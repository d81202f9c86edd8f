"""The SageMaker model of a training, which an endpoint or a transform job needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from fresh_endpoints.aws import requests
from fresh_endpoints.aws.errors import already_exists, explained
from fresh_endpoints.model_facts import fact_tags


def create_model(
    client: Any, section: Mapping[str, Any], *, name: str, facts: Mapping[str, Any], tags: Mapping[str, str]
) -> tuple[dict[str, Any], bool]:
    """Create the model, unless there is one of that name.

    Args:
        client: A boto3 SageMaker client.
        section: The rendered ``model`` section.
        name: The model's name.
        facts: The facts of the training.
        tags: The run's tags.

    Returns:
        The request, and whether it has created the model.

    Raises:
        AirflowException: AWS refused.
    """
    with explained(f"describe training job {facts['training_job']}"):
        training = client.describe_training_job(TrainingJobName=facts["training_job"])
    request = requests.create_model(
        section, name=name, artifact=facts["artifact"], training=training, tags={**tags, **fact_tags(facts)}
    )
    with explained(f"create model {name}"):
        try:
            client.create_model(**request)
        except ClientError as error:
            if already_exists(error):
                return request, False
            raise
    return request, True
