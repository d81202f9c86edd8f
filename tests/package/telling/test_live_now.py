"""What is live, in words, is read in a few seconds or not at all."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import pytest

from fresh_endpoints.live import NO_ENDPOINT, LiveModel
from fresh_endpoints.telling import live_now
from fresh_endpoints.telling.live_now import NOT_KNOWN, in_words, within_seconds

TODAY = date(2019, 3, 6)
LIVE = LiveModel("iris", "ep", "InService", "iris-1", data_date=date(2019, 3, 5), proof="proven")


@pytest.mark.parametrize(
    ("live", "words"),
    [
        (LIVE, "iris-1, data date 2019-03-05 (1 day ago), proven, InService"),
        (
            replace(LIVE, data_date=TODAY, proof="not proven", status="Updating"),
            "iris-1, data date 2019-03-06 (0 days ago), not proven, Updating",
        ),
        (LiveModel("iris", "ep", problem=NO_ENDPOINT), "nothing (there is no endpoint of this name)"),
        (LiveModel("iris", "ep", "Creating", "iris-1"), "nothing (the endpoint is Creating)"),
        (LiveModel("iris", "ep", "Failed", "iris-1", problem="No ping."), "nothing (No ping.)"),
        (LiveModel("iris", "ep", "InService", "churn-1", problem="not ours"), "churn-1 (not ours)"),
    ],
)
def test_what_is_live_is_told_with_its_age_and_proof(live, words):
    assert in_words(live, TODAY) == words


def test_a_look_that_takes_too_long_is_left_to_itself():
    over = threading.Event()
    with pytest.raises(TimeoutError, match=r"longer than 0\.1 s"):
        within_seconds(lambda: over.wait(60), 0.1)
    over.set()


def test_what_a_look_raises_is_raised():
    with pytest.raises(KeyError):
        within_seconds(lambda: {}["x"], 60)


def test_a_pipeline_that_deploys_nothing_says_nothing_of_it():
    assert live_now.live_now(SimpleNamespace(deploy="never")) is None


def test_whatever_goes_wrong_is_no_more_than_a_message_without_it(caplog):
    """Here the pipeline has not even a connection."""
    assert live_now.live_now(SimpleNamespace(deploy="auto")) == NOT_KNOWN
    assert "What is live could not be read for the message" in caplog.text
