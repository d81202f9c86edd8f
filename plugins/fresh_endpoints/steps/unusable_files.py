"""What can still be read of a pipeline file that cannot be used."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from fresh_endpoints.pipeline_file import limits
from fresh_endpoints.pipeline_file.environment import aws_name
from fresh_endpoints.pipeline_file.loading import values_of
from fresh_endpoints.pipeline_file.model import Pipeline, Slack
from fresh_endpoints.pipeline_file.notify import Notify
from fresh_endpoints.steps.watch_memory import partial_pipeline

if TYPE_CHECKING:
    from fresh_endpoints.steps.watch_memory import Memory


def _zone(name: str) -> str:
    return name if name in available_timezones() else "UTC"


class _Readable(BaseModel):
    """The part of a file that says where the pipeline is; whatever else it says may be wrong."""

    model_config = ConfigDict(extra="ignore", strict=True)

    name: str
    region: str
    aws_conn_id: str = "aws_default"
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    endpoint: dict[str, Any] = {}


def pipeline_of(path: Path, memory: Memory, environment: str | None) -> Pipeline | None:
    """Return which pipeline a file stands for that cannot be used, as far as that is known.

    What was known while the file could be used goes first: the mistake may be in the very region.

    Args:
        path: The file.
        memory: What is remembered.
        environment: The current environment; empty for none, None where none can be called so.

    Returns:
        The pipeline; None where the file does not say where it is, and never has, or where it is no pipeline's own.
    """
    if environment is None or "." in path.stem or path.stem.startswith("_"):
        return None
    values = values_of(path)
    for name in (path.stem, str(values.get("name"))):
        if recalled := memory.recall(name, environment):
            return recalled
    try:
        read = _Readable.model_validate({"name": path.stem, **values})
    except ValidationError:
        return None
    name = str(read.endpoint.get("EndpointName") or aws_name(environment, read.name))
    facts = {**read.model_dump(include={"aws_conn_id", "region", "timezone"}), "environment": environment}
    return partial_pipeline(read.name, endpoint=name, slack=_slack(values), notify=_notify(values), **facts)


def _slack(values: dict[str, Any]) -> Slack | None:
    try:
        return Slack.model_validate(values["slack"]) if values.get("slack") else None
    except ValidationError:
        return None


def _notify(values: dict[str, Any]) -> tuple[Notify, ...]:
    """Read the notifiers that can be; their arguments are held against the rules when they are used."""
    entries = values.get("notify")
    found = []
    for entry in entries if isinstance(entries, list) else []:
        with contextlib.suppress(ValidationError):
            found.append(Notify.model_validate(entry))
    return tuple(found[: limits.MOST_NOTIFIERS])
