"""When a pipeline runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import available_timezones

from croniter import CroniterBadDateError, croniter

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
        elif not _ever_comes(schedule):
            yield f"schedule: found {schedule!r}; no calendar has such a day, so no run is ever due; choose another"
    zones = available_timezones()
    if pipeline.timezone not in zones:
        near = near_misses(pipeline.timezone, sorted(zones))
        hint = f"; did you mean {near}?" if near else ""
        yield f"timezone: found {pipeline.timezone!r}; it must be an IANA time zone, such as Asia/Tokyo{hint}"
    if pipeline.catchup and "start_date" not in pipeline.model_fields_set:
        yield "start_date: found nothing; with `catchup: true` every day since then is trained, so it must be given"


def warn_calendar(pipeline: Pipeline) -> Iterator[str]:
    """Find what is allowed of schedule and limits, but seldom meant.

    Args:
        pipeline: The pipeline, in which there are no problems.

    Yields:
        One sentence for each.
    """
    runs = _most_runs_a_day(pipeline.schedule) if pipeline.schedule else 0
    if runs > 1:
        yield (
            f"schedule: found {pipeline.schedule!r}, by which up to {runs} runs start in a day; DATE is a day, so each "
            "of them trains on the same data date; for one run a day write @daily, or one minute and one hour"
        )
    deadline, wait = pipeline.deadline_minutes, pipeline.wait_minutes
    if deadline is not None and deadline < wait:
        yield (
            f"deadline_minutes: found {deadline}, below wait_minutes, {wait}; Slack is told that no model is live "
            "while a run may still wait for its data; raise it, unless that is what it is for"
        )
    if deadline is not None and deadline <= pipeline.spread_minutes:
        yield (
            f"deadline_minutes: found {deadline}, not above spread_minutes, {pipeline.spread_minutes}; the deadline "
            "may be over before a run begins; raise it, or lower spread_minutes"
        )


def _ever_comes(schedule: str) -> bool:
    try:
        croniter(schedule, datetime(2019, 1, 1)).get_next(datetime)  # noqa: DTZ001 - of any day, in any time zone
    except CroniterBadDateError:
        return False
    return True


def _most_runs_a_day(schedule: str) -> int:
    minutes, hours, *_ = croniter.expand(schedule)[0]
    return (60 if minutes == ["*"] else len(minutes)) * (24 if hours == ["*"] else len(hours))
