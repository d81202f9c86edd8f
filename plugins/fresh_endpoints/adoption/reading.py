"""What AWS tells of an endpoint: its config, its models, and the training job whose artifact it serves. Only reads."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws import tags
from fresh_endpoints.aws.clients import SageMakerHook
from fresh_endpoints.aws.errors import explained, is_not_found
from fresh_endpoints.aws.kinds import TRAINING_JOB
from fresh_endpoints.aws.lists import newest

# Where the artifact's path names no job, the newest are described one by one; a person waits.
MOST_PAGES = 5
MOST_DESCRIBED = 50

Description = Mapping[str, Any]


class CannotAdoptError(Exception):
    """No pipeline can take the endpoint over. ``str()`` says why."""


@dataclass(frozen=True)
class Running:
    """What runs.

    Attributes:
        region: The region.
        endpoint: What DescribeEndpoint tells.
        config: What DescribeEndpointConfig tells of what is live.
        model: What DescribeModel tells of the model that is trained anew.
        job: What DescribeTrainingJob tells of its training; empty where it was not found.
        artifact: Where the artifact is, as the model names it; empty where it names none.
        tags: The endpoint's tags, but for AWS's and this package's own.
        files: By S3 URL of a channel's input: the keys below it, of which there may be more; empty where S3 told none.
    """

    region: str
    endpoint: Description
    config: Description
    model: Description
    job: Description
    artifact: str
    tags: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_running(hook: SageMakerHook, name: str) -> Running:
    """Read what runs.

    Args:
        hook: Makes the clients.
        name: The endpoint's name.

    Raises:
        CannotAdoptError: There is no such endpoint, it serves no model, or it is a pipeline's already.
        AirflowException: AWS refused to tell.
    """
    client = hook.conn
    endpoint = _endpoint(client, name)
    config = _described(client, "endpoint_config", EndpointConfigName=endpoint["EndpointConfigName"])
    _require_nobodys(client, name, config)
    models = _models(client, name, config)
    model, artifact, job = _trained(client, models)
    with explained(f"read the tags of endpoint {name}"):
        found = tags.read(client, endpoint["EndpointArn"])
    own = {key: value for key, value in found.items() if not key.startswith(("aws:", tags.PREFIX))}
    files = _files(hook.client_of("s3"), job)
    return Running(client.meta.region_name, endpoint, config, model, job, artifact, own, files)


def _endpoint(client: Any, name: str) -> Description:
    with explained(f"describe endpoint {name}"):
        try:
            found: Description = client.describe_endpoint(EndpointName=name)
        except ClientError as error:
            if is_not_found(error):
                raise CannotAdoptError(f"There is no endpoint {name} in {client.meta.region_name}.") from error
            raise
    if found["EndpointStatus"] != "InService":
        raise CannotAdoptError(
            f"Endpoint {name} is {found['EndpointStatus']}. Wait until it is InService, when what it serves is known."
        )
    return found


def _require_nobodys(client: Any, name: str, config: Description) -> None:
    with explained(f"read the tags of endpoint config {config['EndpointConfigName']}"):
        owner = tags.read(client, config["EndpointConfigArn"]).get(tags.PIPELINE)
    if owner:
        raise CannotAdoptError(
            f"Endpoint {name} serves a model of pipeline {owner} already. Give that pipeline another file's content, "
            "or deploy over it with deploy: always."
        )


def _models(client: Any, name: str, config: Description) -> list[Description]:
    names = [variant.get("ModelName") for variant in config.get("ProductionVariants", [])]
    found = [_described(client, "model", ModelName=model) for model in dict.fromkeys(filter(None, names))]
    if not found:
        raise CannotAdoptError(
            f"Endpoint {name} has no variant with a model. A pipeline deploys its model as a variant; inference "
            "components cannot be adopted."
        )
    return found


def _trained(client: Any, models: list[Description]) -> tuple[Description, str, Description]:
    """Find the model that a training job has made, the artifact and the job."""
    artifacts = [(model, artifact) for model in models for artifact in _artifacts(model)]
    for model, artifact in artifacts:
        if job := _job_of_path(client, artifact):
            return model, artifact, job
    made = {artifact.rstrip("/"): (model, artifact) for model, artifact in artifacts}
    for job in _newest_jobs(client) if made else ():
        path = ((job.get("ModelArtifacts") or {}).get("S3ModelArtifacts") or "").rstrip("/")
        if path in made:
            model, artifact = made[path]
            return model, artifact, job
    return models[0], next((artifact for _, artifact in artifacts), ""), {}


def containers_of(model: Description) -> list[Description]:
    """Return a model's containers.

    Args:
        model: What DescribeModel tells.
    """
    return [*([model["PrimaryContainer"]] if model.get("PrimaryContainer") else []), *(model.get("Containers") or [])]


def artifact_of(container: Description) -> str:
    """Return where a container's model is, as an S3 URL; empty where it has none.

    Args:
        container: A part of what DescribeModel tells.
    """
    source = (container.get("ModelDataSource") or {}).get("S3DataSource") or {}
    return str(source.get("S3Uri") or container.get("ModelDataUrl") or "")


def _artifacts(model: Description) -> Iterator[str]:
    yield from filter(None, map(artifact_of, containers_of(model)))


def _job_of_path(client: Any, artifact: str) -> Description:
    """Ask for the job that the path names: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_OutputDataConfig.html."""
    parts = artifact.rstrip("/").split("/")
    if len(parts) < 5 or parts[-2] != "output":
        return {}
    with explained(f"describe training job {parts[-3]}"):
        try:
            job: Description = client.describe_training_job(TrainingJobName=parts[-3])
        except ClientError as error:
            if is_not_found(error) or error.response["Error"]["Code"] == "ValidationException":
                return {}
            raise
    made = (job.get("ModelArtifacts") or {}).get("S3ModelArtifacts") or ""
    return job if made.rstrip("/") == artifact.rstrip("/") else {}


def _newest_jobs(client: Any) -> Iterator[Description]:
    with explained("list training jobs"):
        found = newest(client, TRAINING_JOB, statuses=("Completed",), most_pages=MOST_PAGES)
        for summary in itertools.islice(found, MOST_DESCRIBED):
            yield client.describe_training_job(TrainingJobName=summary["TrainingJobName"])


def _described(client: Any, operation: str, **named: str) -> Description:
    [name] = named.values()
    with explained(f"describe {operation.replace('_', ' ')} {name}"):
        found: Description = getattr(client, f"describe_{operation}")(**named)
    return found


def channel_uri(channel: Description) -> str:
    """Return the S3 URL that a channel reads; empty where it reads no S3 prefix.

    Args:
        channel: One of what DescribeTrainingJob tells as InputDataConfig.
    """
    source = (channel.get("DataSource") or {}).get("S3DataSource") or {}
    return str(source.get("S3Uri", "")) if source.get("S3DataType") == "S3Prefix" else ""


def _files(s3: Any, job: Description) -> dict[str, tuple[str, ...]]:
    return {uri: _keys(s3, uri) for uri in filter(None, map(channel_uri, job.get("InputDataConfig") or []))}


def _keys(s3: Any, uri: str) -> tuple[str, ...]:
    """Look for the keys below a prefix; what this login may not see is left to the person."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    try:
        found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=100)
    except (BotoCoreError, ClientError):
        return ()
    return tuple(item["Key"] for item in found.get("Contents", []) if not item["Key"].endswith("/"))
