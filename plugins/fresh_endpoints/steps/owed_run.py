"""Which run Airflow should have begun by now, going by the pipeline file alone."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from fresh_endpoints.pipeline_file.schedule import newest_due

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline


def owed_run(pipeline: Pipeline, now: dt.datetime, since: dt.datetime) -> dt.datetime | None:
    """Return when the newest run was due whose deadline is over.

    Args:
        pipeline: The pipeline.
        now: The moment, with a time zone.
        since: From when on the pipeline has been known as it is: Airflow begins no run that was due before.

    Returns:
        The moment in the pipeline's time zone; None where it has no deadline, or none was due.
    """
    if pipeline.deadline_minutes is None:
        return None
    due = newest_due(pipeline, now - dt.timedelta(minutes=pipeline.deadline_minutes))
    return due if due and due > since else None


def logical_dates(due: dt.datetime) -> list[dt.datetime]:
    """Return what Airflow may hold for a run's logical date: one, or two where the clock shows that time twice.

    Args:
        due: When the run was due, in its time zone.
    """
    return sorted({due.replace(fold=fold).astimezone(dt.timezone.utc) for fold in (0, 1)})
