"""When a pipeline may run."""

import pytest

from fresh_endpoints.pipeline_file.checks.calendar import warn_calendar
from fresh_endpoints.pipeline_file.loading import load_pipeline
from pipeline_files import changed

WRONG = {
    "no such schedule": (
        [("name: iris\n", "name: iris\nschedule: '@dayly'\n")],
        [
            (
                "schedule: found '@dayly'; allowed @hourly, @daily, @weekly, @monthly, @quarterly, @yearly; "
                "did you mean '@daily'?"
            )
        ],
    ),
    "cron expression out of range": (
        [("name: iris\n", "name: iris\nschedule: 61 * * * *\n")],
        [
            (
                "schedule: found '61 * * * *'; allowed a cron expression of five fields (minute, hour, day of month, "
                "month, day of week), @hourly, @daily, @weekly, @monthly, @quarterly, @yearly or null"
            )
        ],
    ),
    "a day that never comes": (
        [("name: iris\n", "name: iris\nschedule: 0 0 31 2,4 *\n")],
        ["schedule: found '0 0 31 2,4 *'; no calendar has such a day, so no run is ever due; choose another"],
    ),
    "no such time zone": (
        [("name: iris\n", "name: iris\ntimezone: Asia/Tokio\n")],
        ["timezone: found 'Asia/Tokio'; it must be an IANA time zone, such as Asia/Tokyo; did you mean 'Asia/Tokyo'?"],
    ),
    "catchup from no day": (
        [("name: iris\n", "name: iris\ncatchup: true\n")],
        ["start_date: found nothing; with `catchup: true` every day since then is trained, so it must be given"],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_files_say_what_is_wrong(problems, changes, expected):
    assert sorted(problems(changed(*changes))) == sorted(expected)


@pytest.fixture
def warnings(folder):
    def find(*more):
        (folder / "iris.yaml").write_text(changed(("name: iris\n", "\n".join(["name: iris", *more, ""]))))
        return list(warn_calendar(load_pipeline(folder / "iris.yaml")))

    return find


@pytest.mark.parametrize(
    ("schedule", "runs"), [("'@hourly'", 24), ("0 */6 * * *", 4), ("0,30 9 * * 1-5", 2), ("'* * * * *'", 1440)]
)
def test_more_than_one_run_a_day_is_warned_of(warnings, schedule, runs):
    [warning] = warnings(f"schedule: {schedule}")
    assert f"by which up to {runs} runs start in a day; DATE is a day, so each of them trains on the same" in warning


@pytest.mark.parametrize("schedule", ["null", "'@daily'", "'@yearly'", "30 5 * * *", "0 0 29 2 *", "0 0 1,15 * 1"])
def test_one_run_a_day_is_not(warnings, schedule):
    assert warnings(f"schedule: {schedule}") == []


def test_a_deadline_within_the_wait_for_data_is_warned_of(warnings):
    assert warnings("wait_minutes: 120", "deadline_minutes: 120") == []
    [warning] = warnings("wait_minutes: 120", "deadline_minutes: 119")
    assert warning == (
        "deadline_minutes: found 119, below wait_minutes, 120; Slack is told that no model is live while a run may "
        "still wait for its data; raise it, unless that is what it is for"
    )


def test_a_deadline_that_may_be_over_before_a_run_begins_is_warned_of(warnings):
    assert warnings("spread_minutes: 120", "deadline_minutes: 121") == []
    [warning] = warnings("spread_minutes: 120", "deadline_minutes: 120")
    assert warning == (
        "deadline_minutes: found 120, not above spread_minutes, 120; the deadline may be over before a run begins; "
        "raise it, or lower spread_minutes"
    )
