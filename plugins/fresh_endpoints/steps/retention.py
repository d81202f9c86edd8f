"""Deletes a pipeline's old endpoint configs and models, and never what is in use or leads back from it.

What belongs to the pipeline is told by its tags; a name only narrows the search. Artifacts in S3 and training jobs are
not touched: an S3 lifecycle rule is the means for the former, and the latter cost nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException
from botocore.exceptions import ClientError

from fresh_endpoints.aws import tags
from fresh_endpoints.aws.errors import is_not_found
from fresh_endpoints.aws.kinds import ENDPOINT, TRANSFORM_JOB
from fresh_endpoints.aws.lists import ENDPOINT_CONFIG, MODEL, Listable, ListTooLongError, newest
from fresh_endpoints.steps.way_back import leading_back

if TYPE_CHECKING:
    from fresh_endpoints.aws.endpoint import Endpoint

log = logging.getLogger(__name__)

# Of what may be deleted: the account's newest 5,000. What lies deeper is left where it is.
MOST_PAGES = 50
# Of what may be in use: 20,000. Beyond that it is not known, and nothing is deleted.
MOST_PAGES_IN_USE = 200
# SageMaker lets no job run longer: https://docs.aws.amazon.com/general/latest/gr/sagemaker.html
LONGEST_JOB = timedelta(days=28)


@dataclass(frozen=True)
class Expired:
    """What is beyond the newest and not in use.

    Attributes:
        endpoint_configs: Their names, newest first.
        models: Their names, newest first.
    """

    endpoint_configs: tuple[str, ...]
    models: tuple[str, ...]


def find_expired(client: Any, endpoint: Endpoint, pipeline: str, keep: int, keep_days: int = 0) -> Expired:
    """Find what may be deleted.

    Kept are the newest, what was made in the last days, whatever any endpoint of the account serves or is being updated
    from or to, what the way back from there leads over and to, the models of all these endpoint configs, and the models
    of running transform jobs.

    Args:
        client: A boto3 SageMaker client.
        endpoint: The pipeline's endpoint.
        pipeline: The pipeline's name.
        keep: How many of the newest endpoint configs, and of the newest models, are kept.
        keep_days: For how many days after they were made they are kept besides.

    Raises:
        AirflowException: It is not known for certain what is in use.
        botocore.exceptions.ClientError: The same: AWS refused.
    """
    since = datetime.now(timezone.utc) - timedelta(days=keep_days)
    configs, newest_configs = _ours(client, pipeline, ENDPOINT_CONFIG, keep, since)
    models, newest_models = _ours(client, pipeline, MODEL, keep, since)
    if len(configs) == len(newest_configs) and len(models) == len(newest_models):
        return Expired((), ())
    try:
        in_use = set(_configs_in_use(client))
        kept_models = set(newest_models) | set(_models_of_transform_jobs(client))
    except ListTooLongError as error:
        raise AirflowException(f"Nothing was deleted, for it is not known what is in use: {error}") from error
    kept_configs = in_use | set(newest_configs)
    for name in in_use:
        if name.startswith(f"{pipeline}-"):  # Of what others have made, the tags need not be readable.
            kept_configs |= set(leading_back(endpoint, name, pipeline))
    for name in kept_configs:
        kept_models |= set(_models_of_config(client, name))
    return Expired(
        tuple(name for name in configs if name not in kept_configs),
        tuple(name for name in models if name not in kept_models),
    )


def delete_expired(
    client: Any, endpoint: Endpoint, pipeline: str, keep: int, keep_days: int = 0, *, dry_run: bool
) -> Expired:
    """Delete what is beyond the newest and not in use.

    Args:
        client: A boto3 SageMaker client.
        endpoint: The pipeline's endpoint.
        pipeline: The pipeline's name.
        keep: As in find_expired().
        keep_days: As in find_expired().
        dry_run: Only list.

    Returns:
        What was deleted, or would be.

    Raises:
        AirflowException: It is not known for certain what is in use; nothing was deleted.
        botocore.exceptions.ClientError: AWS refused; what was deleted until then stays so, the rest is for next time.
    """
    expired = find_expired(client, endpoint, pipeline, keep, keep_days)
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


def _ours(client: Any, pipeline: str, kind: Listable, keep: int, since: datetime) -> tuple[list[str], list[str]]:
    """List the names of what carries the pipeline's tag, newest first, and those of them that are kept for their age.

    Tags are read only of what is named like the pipeline's: nobody else's need be readable.
    """
    ours = [
        (kind.name_of(summary), summary["CreationTime"])
        for summary in newest(client, kind, most_pages=MOST_PAGES, name_prefix=f"{pipeline}-")
        if _tags_of(client, kind.arn_of(summary)).get(tags.PIPELINE) == pipeline
    ]
    names = [name for name, _ in ours]
    return names, [name for place, (name, created) in enumerate(ours) if place < keep or created >= since]


def _tags_of(client: Any, arn: str) -> dict[str, str]:
    try:
        return tags.read(client, arn)
    except ClientError as error:
        if is_not_found(error):
            return {}  # Deleted since it was listed.
        raise


def _configs_in_use(client: Any) -> Iterator[str]:
    for summary in newest(client, ENDPOINT, most_pages=MOST_PAGES_IN_USE, is_all_needed=True):
        try:
            endpoint = client.describe_endpoint(**ENDPOINT.named(ENDPOINT.name_of(summary)))
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
    since = datetime.now(timezone.utc) - LONGEST_JOB
    running = newest(
        client,
        TRANSFORM_JOB,
        created_after=since,
        most_pages=MOST_PAGES_IN_USE,
        statuses=TRANSFORM_JOB.waiting_statuses,
        is_all_needed=True,
    )
    for summary in running:
        yield client.describe_transform_job(**TRANSFORM_JOB.named(TRANSFORM_JOB.name_of(summary)))["ModelName"]


def _delete(operation: Any, **name: str) -> None:
    try:
        operation(**name)
    except ClientError as error:
        if not is_not_found(error):
            raise
