"""Deletes a pipeline's old endpoint configs and models, and never what is in use.

What belongs to the pipeline is told by its tags; a name only narrows the search. Artifacts in S3 and training jobs are
not touched: an S3 lifecycle rule is the means for the former, and the latter cost nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from fresh_endpoints.aws import tags
from fresh_endpoints.aws.errors import is_not_found

log = logging.getLogger(__name__)

# SageMaker's own is 10.
_PAGES = {"PageSize": 100}


@dataclass(frozen=True)
class Expired:
    """What is beyond the newest and not in use.

    Attributes:
        endpoint_configs: Their names, newest first.
        models: Their names, newest first.
    """

    endpoint_configs: tuple[str, ...]
    models: tuple[str, ...]


def find_expired(client: Any, pipeline: str, keep: int) -> Expired:
    """Find what may be deleted.

    Kept are the newest, whatever any endpoint of the account serves or is being updated from or to, the models of all
    these endpoint configs, and the models of running transform jobs.

    Args:
        client: A boto3 SageMaker client.
        pipeline: The pipeline's name.
        keep: How many of the newest endpoint configs, and of the newest models, are kept.

    Raises:
        botocore.exceptions.ClientError: AWS refused; then nobody knows what is in use.
    """
    configs = _ours(client, pipeline, "list_endpoint_configs", "EndpointConfig")
    models = _ours(client, pipeline, "list_models", "Model")
    if len(configs) <= keep and len(models) <= keep:
        return Expired((), ())
    serving = set(_configs_in_use(client))
    kept_configs = serving | set(configs[:keep])
    kept_models = set(models[:keep]) | set(_models_of_transform_jobs(client))
    for name in kept_configs:
        kept_models |= set(_models_of_config(client, name))
    return Expired(
        tuple(name for name in configs if name not in kept_configs),
        tuple(name for name in models if name not in kept_models),
    )


def delete_expired(client: Any, pipeline: str, keep: int, *, dry_run: bool) -> Expired:
    """Delete what is beyond the newest and not in use.

    Args:
        client: A boto3 SageMaker client.
        pipeline: The pipeline's name.
        keep: As in find_expired().
        dry_run: Only list.

    Returns:
        What was deleted, or would be.

    Raises:
        botocore.exceptions.ClientError: AWS refused; what was deleted until then stays so, the rest is for next time.
    """
    expired = find_expired(client, pipeline, keep)
    would = "Would delete" if dry_run else "Deleting"
    # Configs first: a config without its model could no longer be gone back to.
    for name in expired.endpoint_configs:
        log.info("%s endpoint config %s", would, name)
        if not dry_run:
            _delete(client.delete_endpoint_config, EndpointConfigName=name)
    for name in expired.models:
        log.info("%s model %s", would, name)
        if not dry_run:
            _delete(client.delete_model, ModelName=name)
    return expired


def _ours(client: Any, pipeline: str, operation: str, stem: str) -> list[str]:
    """List the names of what carries the pipeline's tag, newest first.

    Tags are read only of what is named like the pipeline's: nobody else's need be readable.
    """
    pages = client.get_paginator(operation).paginate(
        NameContains=pipeline, SortBy="CreationTime", SortOrder="Descending", PaginationConfig=_PAGES
    )
    found = [summary for page in pages for summary in page[f"{stem}s"]]
    return [
        summary[f"{stem}Name"]
        for summary in found
        if summary[f"{stem}Name"].startswith(f"{pipeline}-")
        and _tags_of(client, summary[f"{stem}Arn"]).get(tags.PIPELINE) == pipeline
    ]


def _tags_of(client: Any, arn: str) -> dict[str, str]:
    try:
        return tags.read(client, arn)
    except ClientError as error:
        if is_not_found(error):
            return {}  # Deleted since it was listed.
        raise


def _configs_in_use(client: Any) -> Iterator[str]:
    for page in client.get_paginator("list_endpoints").paginate(PaginationConfig=_PAGES):
        for summary in page["Endpoints"]:
            try:
                endpoint = client.describe_endpoint(EndpointName=summary["EndpointName"])
            except ClientError as error:
                if is_not_found(error):
                    continue
                raise
            # While it is being updated this is the config that it comes from; the summary names where it goes to.
            for seen in (endpoint, endpoint.get("PendingDeploymentSummary") or {}):
                if name := seen.get("EndpointConfigName"):
                    yield name


def _models_of_config(client: Any, name: str) -> Iterator[str]:
    try:
        config = client.describe_endpoint_config(EndpointConfigName=name)
    except ClientError as error:
        if is_not_found(error):
            return  # AWS lets a config be deleted while it serves.
        raise
    for variant in [*config["ProductionVariants"], *config.get("ShadowProductionVariants", [])]:
        if "ModelName" in variant:
            yield variant["ModelName"]


def _models_of_transform_jobs(client: Any) -> Iterator[str]:
    for status in ("InProgress", "Stopping"):
        for page in client.get_paginator("list_transform_jobs").paginate(StatusEquals=status, PaginationConfig=_PAGES):
            for summary in page["TransformJobSummaries"]:
                yield client.describe_transform_job(TransformJobName=summary["TransformJobName"])["ModelName"]


def _delete(operation: Any, **name: str) -> None:
    try:
        operation(**name)
    except ClientError as error:
        if not is_not_found(error):
            raise
