"""When a pipeline may run."""

import pytest

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
