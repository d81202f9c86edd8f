"""When the runs of a pipeline are due, going by its file alone."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from croniter import croniter

    from fresh_endpoints.pipeline_file.model import Pipeline

# Airflow's own name for it; croniter knows the others.
_QUARTERLY = "0 0 1 */3 *"


def newest_due(pipeline: Pipeline, latest: dt.datetime) -> dt.datetime | None:
    """Return when the newest run was due.

    Args:
        pipeline: The pipeline.
        latest: Up to when, and then included; with a time zone.

    Returns:
        The moment in the pipeline's time zone; None without a schedule, or where none was due since its first day.
    """
    # croniter looks for the one before, and a run that was due at that very moment is one.
    moments = _moments(pipeline, latest + dt.timedelta(seconds=1))
    if moments is None:
        return None
    due: dt.datetime = moments.get_prev(dt.datetime)
    return due.replace(tzinfo=ZoneInfo(pipeline.timezone)) if due.date() >= pipeline.start_date else None


def next_due(pipeline: Pipeline, after: dt.datetime) -> dt.datetime | None:
    """Return when the next run is due.

    Args:
        pipeline: The pipeline.
        after: After when; with a time zone.

    Returns:
        The moment in the pipeline's time zone; None without a schedule.
    """
    moments = _moments(pipeline, after)
    if moments is None:
        return None
    due: dt.datetime = moments.get_next(dt.datetime)
    return due.replace(tzinfo=ZoneInfo(pipeline.timezone))


def _moments(pipeline: Pipeline, moment: dt.datetime) -> croniter | None:
    if pipeline.schedule is None:
        return None
    from croniter import croniter  # Not at every parse of a DAG file.

    schedule = _QUARTERLY if pipeline.schedule == "@quarterly" else pipeline.schedule
    return croniter(schedule, moment.astimezone(ZoneInfo(pipeline.timezone)).replace(tzinfo=None))
