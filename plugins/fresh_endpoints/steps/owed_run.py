"""Which run Airflow should have begun by now, going by the pipeline file alone."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from croniter import croniter

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline

# Airflow's own name for it; croniter knows the others.
_QUARTERLY = "0 0 1 */3 *"


def owed_run(pipeline: Pipeline, now: dt.datetime, since: dt.datetime) -> dt.datetime | None:
    """Return when the newest run was due whose deadline is over.

    Args:
        pipeline: The pipeline.
        now: The moment, with a time zone.
        since: From when on the pipeline has been known as it is: Airflow begins no run that was due before.

    Returns:
        The moment in the pipeline's time zone; None where it has no deadline, or none was due.
    """
    if pipeline.deadline_minutes is None or pipeline.schedule is None:
        return None
    zone = ZoneInfo(pipeline.timezone)
    latest = (now - dt.timedelta(minutes=pipeline.deadline_minutes)).astimezone(zone).replace(tzinfo=None)
    schedule = _QUARTERLY if pipeline.schedule == "@quarterly" else pipeline.schedule
    # The one before, and a run that was due at that very moment is one.
    due: dt.datetime = croniter(schedule, latest + dt.timedelta(seconds=1)).get_prev(dt.datetime)
    due = due.replace(tzinfo=zone)
    return due if due > since and due.date() >= pipeline.start_date else None


def logical_dates(due: dt.datetime) -> list[dt.datetime]:
    """Return what Airflow may hold for a run's logical date: one, or two where the clock shows that time twice.

    Args:
        due: When the run was due, in its time zone.
    """
    return sorted({due.replace(fold=fold).astimezone(dt.timezone.utc) for fold in (0, 1)})
