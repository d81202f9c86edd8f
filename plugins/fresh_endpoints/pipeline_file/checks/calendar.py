"""When a pipeline runs."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import available_timezones

from croniter import croniter

from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.problems import Problem, near_misses

_SCHEDULES = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")


def check_calendar(pipeline: Pipeline) -> Iterator[str]:
    """Check schedule, time zone and first day.

    Args:
        pipeline: The pipeline.

    Yields:
        One sentence for each problem.
    """
    schedule = pipeline.schedule
    if schedule is not None and schedule not in _SCHEDULES:
        if schedule.startswith("@"):
            yield str(Problem(("schedule",), "enum", schedule, "", _SCHEDULES))
        elif len(schedule.split()) != 5 or not croniter.is_valid(schedule):
            yield (
                f"schedule: found {schedule!r}; allowed a cron expression of five fields (minute, hour, day of month, "
                f"month, day of week), {', '.join(_SCHEDULES)} or null"
            )
    zones = available_timezones()
    if pipeline.timezone not in zones:
        near = near_misses(pipeline.timezone, sorted(zones))
        hint = f"; did you mean {near}?" if near else ""
        yield f"timezone: found {pipeline.timezone!r}; it must be an IANA time zone, such as Asia/Tokyo{hint}"
    if pipeline.catchup and "start_date" not in pipeline.model_fields_set:
        yield "start_date: found nothing; with `catchup: true` every day since then is trained, so it must be given"
