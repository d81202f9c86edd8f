"""Deletes a pipeline's old endpoint configs and models, and never what is in use or leads back from it.

What belongs to the pipeline is told by its tags. Artifacts in S3 and training jobs are not touched: an S3 lifecycle
rule is the means for the former, and the latter cost nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException
from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws import tags
from fresh_endpoints.aws.errors import is_credentials_refused, is_not_found, may_heal
from fresh_endpoints.aws.lists import ListTooLongError
from fresh_endpoints.steps.inventory import InFewQuestions, Inventory, Made, TheLongWay
from fresh_endpoints.steps.way_back import leading_back

if TYPE_CHECKING:
    from fresh_endpoints.aws.endpoint import Endpoint
    from fresh_endpoints.aws.own_names import OwnNames

log = logging.getLogger(__name__)

# How many a dry run looks at, the oldest: what it does not delete adds up day by day.
MOST_IN_DRY_RUN = 10


@dataclass(frozen=True)
class Expired:
    """What is beyond the newest and not in use.

    Attributes:
        endpoint_configs: Their names, newest first.
        models: Their names, newest first.
    """

    endpoint_configs: tuple[str, ...]
    models: tuple[str, ...]


def find_expired(
    client: Any, endpoint: Endpoint, names: OwnNames, keep: int, keep_days: int = 0, *, most: int | None = None
) -> Expired:
    """Find what may be deleted.

    Kept are the newest, what was made in the last days, what carries the tag ``fresh-endpoints:keep``, whatever an
    endpoint serves or the pipeline's endpoints are being updated from or to, what the way back from there leads over
    and to, the models of all these endpoint configs, and the models of running transform jobs.

    Args:
        client: A boto3 SageMaker client.
        endpoint: The pipeline's endpoint.
        names: The names under which the pipeline has made what there is.
        keep: How many of the newest endpoint configs, and of the newest models, are kept.
        keep_days: For how many days after they were made they are kept besides.
        most: How many of each are looked at, the oldest; None for all.

    Raises:
        AirflowException: It is not known for certain what is in use.
        botocore.exceptions.ClientError: The same: AWS refused.
        botocore.exceptions.BotoCoreError: The same: AWS could not be reached.
    """
    since = datetime.now(timezone.utc) - timedelta(days=keep_days)
    try:
        return _find(InFewQuestions(client, endpoint, names), endpoint, names, keep, since, most)
    except (ClientError, BotoCoreError) as error:
        if is_credentials_refused(error) or (isinstance(error, ClientError) and may_heal(error)):
            raise
        log.warning("What is the pipeline's, or in use, is found the long way, because AWS does not tell it: %s", error)
    try:
        return _find(TheLongWay(client, endpoint, names), endpoint, names, keep, since, most)
    except ListTooLongError as error:
        raise AirflowException(f"Nothing was deleted, for it is not known what is in use: {error}") from error


def delete_expired(
    client: Any, endpoint: Endpoint, names: OwnNames, keep: int, keep_days: int = 0, *, dry_run: bool
) -> Expired:
    """Delete what is beyond the newest and not in use.

    Args:
        client: A boto3 SageMaker client.
        endpoint: The pipeline's endpoint.
        names: The names under which the pipeline has made what there is.
        keep: As in find_expired().
        keep_days: As in find_expired().
        dry_run: Only list, the oldest.

    Returns:
        What was deleted, or would be.

    Raises:
        AirflowException: It is not known for certain what is in use; nothing was deleted.
        botocore.exceptions.ClientError: AWS refused; what was deleted until then stays so, the rest is for next time.
        botocore.exceptions.BotoCoreError: The same: AWS could not be reached.
    """
    expired = find_expired(client, endpoint, names, keep, keep_days, most=MOST_IN_DRY_RUN if dry_run else None)
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


def _find(
    ours: Inventory, endpoint: Endpoint, names: OwnNames, keep: int, since: datetime, most: int | None
) -> Expired:
    configs, models = _old(ours.configs, keep, since, most), _old(ours.models, keep, since, most)
    if not configs and not models:
        return Expired((), ())
    in_use = set(ours.configs_in_use(configs))
    kept_configs = in_use | ({made.name for made in ours.configs} - set(configs))
    for name in in_use:
        if names.may_have_named(name):  # Of what others have made, the tags need not be readable.
            kept_configs |= set(leading_back(ours, name, names))
    kept_models = set(ours.models_in_use(models))
    for name in kept_configs:
        kept_models |= set(_models_of(ours, endpoint, name))
    return Expired(
        tuple(name for name in configs if name not in kept_configs),
        tuple(name for name in models if name not in kept_models),
    )


def _old(made: Sequence[Made], keep: int, since: datetime, most: int | None) -> list[str]:
    """Name what is beyond the newest and nobody wants kept, newest first."""
    old = [one.name for one in made[keep:] if one.created < since and not one.tags.get(tags.KEEP)]
    if most is not None and len(old) > most:
        log.info("Of %s that are beyond the newest, the oldest %s are looked at.", len(old), most)
        return old[-most:]
    return old


def _models_of(ours: Inventory, endpoint: Endpoint, name: str) -> Iterator[str]:
    yield name  # A deployment gives both the same.
    known = next((made for made in ours.configs if made.name == name), None)
    if known and not known.has_others:
        return
    try:
        config: Any = endpoint.config(name)
    except ClientError as error:
        if is_not_found(error):
            return  # AWS lets a config be deleted while it serves.
        raise
    for variant in [*config["ProductionVariants"], *config.get("ShadowProductionVariants", [])]:
        if "ModelName" in variant:
            yield variant["ModelName"]


def _delete(operation: Any, **name: str) -> None:
    try:
        operation(**name)
    except ClientError as error:
        if not is_not_found(error):
            raise
