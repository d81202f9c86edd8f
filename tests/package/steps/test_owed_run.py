"""Which run Airflow should have begun by now."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from fresh_endpoints.steps.owed_run import logical_dates, owed_run
from fresh_endpoints.steps.watch_memory import partial_pipeline

LONG_AGO = datetime(2019, 1, 1, tzinfo=timezone.utc)


def owed(schedule, now, *, zone="UTC", minutes=60, since=LONG_AGO, start=date(2019, 1, 1)):
    """The owed run's moment in the pipeline's time zone; ``now`` is on that clock."""
    pipeline = partial_pipeline(
        "p", endpoint="p", schedule=schedule, timezone=zone, deadline_minutes=minutes, start_date=start
    )
    due = owed_run(pipeline, datetime.fromisoformat(now).replace(tzinfo=ZoneInfo(zone)), since)
    return due and due.replace(tzinfo=None).isoformat(" ", "minutes")


@pytest.mark.parametrize(
    ("schedule", "now", "due"),
    [
        ("@daily", "2026-11-25T01:00", "2026-11-25 00:00"),
        ("@daily", "2026-11-25T00:59", "2026-11-24 00:00"),
        ("30 5 * * 1-5", "2026-11-22T12:00", "2026-11-20 05:30"),
        ("@hourly", "2026-11-25T07:30", "2026-11-25 06:00"),
        ("@quarterly", "2026-11-25T07:30", "2026-10-01 00:00"),
        ("@yearly", "2026-11-25T07:30", "2026-01-01 00:00"),
        (None, "2026-11-25T07:30", None),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_it_is_the_newest_whose_deadline_is_over(schedule, now, due, zone):
    assert owed(schedule, now, zone=zone) == due


def test_a_pipeline_without_a_deadline_owes_none():
    assert owed("@daily", "2026-11-25T12:00", minutes=None) is None


def test_what_was_due_before_the_pipeline_was_known_as_it_is_or_before_its_first_day_is_not_owed():
    known = datetime(2026, 11, 25, 0, 0, tzinfo=timezone.utc)
    assert owed("@daily", "2026-11-25T12:00", since=known) is None
    assert owed("@daily", "2026-11-25T12:00", since=known - timedelta(seconds=1)) == "2026-11-25 00:00"
    assert owed("@daily", "2026-11-25T12:00", start=date(2026, 11, 26)) is None


def test_a_time_that_the_clock_shows_twice_or_never_may_be_either_of_two_moments():
    berlin = ZoneInfo("Europe/Berlin")
    assert logical_dates(datetime(2026, 10, 25, 2, 30, tzinfo=berlin)) == [
        datetime(2026, 10, 25, 0, 30, tzinfo=timezone.utc),
        datetime(2026, 10, 25, 1, 30, tzinfo=timezone.utc),
    ]
    assert len(logical_dates(datetime(2026, 3, 29, 2, 30, tzinfo=berlin))) == 2
    assert logical_dates(datetime(2026, 11, 25, tzinfo=berlin)) == [datetime(2026, 11, 24, 23, tzinfo=timezone.utc)]
