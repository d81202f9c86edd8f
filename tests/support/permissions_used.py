"""What local AWS has recorded of the permissions that the tests' Airflow workers and containers used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORKER = "worker"  # the access key id of local_aws.connections
_CREATES = {"sagemaker:CreateTrainingJob", "sagemaker:CreateTransformJob", "sagemaker:CreateModel"}


@dataclass(frozen=True)
class Use:
    """One permission used, of a line of local_aws.permissions.PermissionRecord."""

    principal: str | None
    action: str
    resource: str
    context: tuple[tuple[str, str | tuple[str, ...]], ...]
    used_by: str | None


def read(folder: Path) -> tuple[set[Use], set[Use]]:
    """Read the record of a test run.

    Args:
        folder: what LOCAL_AWS_RECORD_PERMISSIONS named.

    Returns:
        What workers used, and what the containers of the workers' jobs and models used. What tests did themselves
        (access key id "local"), and the containers of jobs that they created, is left out.
    """
    workers: set[Use] = set()
    containers: set[Use] = set()
    for path in sorted(folder.glob("*.jsonl")):
        uses = list(_lines(path))
        own = {use for use in uses if use.principal == WORKER}
        created = {use.resource for use in own if use.action in _CREATES}
        workers |= own
        containers |= {use for use in uses if use.used_by in created}
    return workers, containers


def _lines(path: Path) -> Iterator[Use]:
    for line in path.read_text(encoding="utf-8").splitlines():
        entry: dict[str, Any] = json.loads(line)
        context = {key: tuple(value) if isinstance(value, list) else value for key, value in entry["context"].items()}
        yield Use(**{**entry, "context": tuple(sorted(context.items()))})
