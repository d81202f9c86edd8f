"""What all tasks of a pipeline have in common: owner, retries, and who tells of a failure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fresh_endpoints.telling.callbacks import FailureNotifier

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline

LONGEST_RETRY_DELAY_SECONDS = 3600


def default_args(pipeline: Pipeline) -> dict[str, Any]:
    """Return a DAG's default_args.

    Args:
        pipeline: The pipeline.
    """
    return {
        "owner": pipeline.owner,
        "priority_weight": pipeline.priority,
        "retries": pipeline.retries,
        "retry_delay": timedelta(seconds=pipeline.retry_delay_seconds),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(seconds=max(pipeline.retry_delay_seconds, LONGEST_RETRY_DELAY_SECONDS)),
        "on_failure_callback": FailureNotifier(pipeline),
    }


def pool_of(pipeline: Pipeline) -> dict[str, Any]:
    """Return the pool of a task that asks AWS for instances, as its argument; none where the file names none.

    Args:
        pipeline: The pipeline.
    """
    return {"pool": pipeline.pool} if pipeline.pool else {}
