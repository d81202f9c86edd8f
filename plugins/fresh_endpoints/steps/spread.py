"""The pipelines of one schedule are spread over some minutes, each by its name always at the same one."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline


def seconds_after_due(pipeline: Pipeline) -> int:
    """Return how long after it is due a scheduled run begins, in seconds.

    Args:
        pipeline: The pipeline.
    """
    digest = int.from_bytes(hashlib.sha256(pipeline.name.encode()).digest()[:8], "big")
    return digest % (pipeline.spread_minutes * 60) if pipeline.spread_minutes else 0


def begins_at(pipeline: Pipeline, dag_run: Any, due: dt.datetime) -> float:
    """Return when a run is to begin, as seconds since the epoch: one by hand, or a backfill's, when it was due.

    Args:
        pipeline: The pipeline.
        dag_run: Airflow's DAG run.
        due: The moment that the run stands for.
    """
    is_scheduled = getattr(dag_run, "run_type", None) == "scheduled"
    return due.timestamp() + (seconds_after_due(pipeline) if is_scheduled else 0)
