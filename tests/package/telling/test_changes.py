"""What a run has changed, as people read it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from fresh_endpoints.live import LiveModel
from fresh_endpoints.telling.changes import Change, differences, duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (65, "1 min 5 s"), (3600, "1 h 0 min"), (90061, "25 h 1 min")],
)
def test_how_long_a_run_took_is_told_in_two_units(seconds, words):
    assert duration(timedelta(seconds=seconds)) == words


def test_a_clock_that_was_set_back_makes_no_negative_time():
    assert duration(timedelta(seconds=-5)) == "0 s"


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [
        (0.95, 0.92, "auc 0.95 (+0.03)"),
        (0.92, 0.95, "auc 0.92 (-0.03)"),
        # Tags hold six digits.
        (0.9666666666, 0.966667, "auc 0.9667 (as before)"),
        (0.95, None, "auc 0.95"),
        (0.95, "NaN", "auc 0.95"),
        ("NaN", 0.95, "auc NaN"),
    ],
)
def test_a_metric_is_told_with_its_difference_to_what_was_live(now, before, words):
    assert differences({"auc": now}, {} if before is None else {"auc": before}) == words


def test_what_was_live_and_is_not_ours_or_not_known_is_said_to_be_so():
    stranger = LiveModel("iris", "ep", config="churn-x", problem="it serves a model that is not of pipeline iris")
    unknown = LiveModel("iris", "ep", problem="what it was could not be read")
    said = [Change(was, None).facts("iris-new", date(2019, 3, 4), {})["Live before"] for was in (stranger, unknown)]
    assert said == ["churn-x (it serves a model that is not of pipeline iris)", "what it was could not be read"]
