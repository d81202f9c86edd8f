"""Many pipelines begin at one moment under one quota: the real queue and watcher, in simulated time."""

from __future__ import annotations

import logging

import pytest
from benchmarks import midnight

from fresh_endpoints.waiting import turns


@pytest.fixture(scope="module")
def night():
    return midnight.measure(120, 20)


def test_all_are_trained_and_deployed_in_about_the_time_that_the_quota_allows(night):
    assert night["succeeded"] == 120
    assert night["wall"] <= 1.1 * night["bound"]


def test_they_ask_little(night):
    assert night["most"] <= 10
    assert night["most_lists"] <= 2
    # Each once when it begins, and once more when it is its turn; beside those, few in vain.
    assert 100 <= night["refused"] <= 2 * 120


def test_who_was_refused_first_goes_first(night):
    assert night["overtaken"] < turns.MOST_AT_ONCE


def test_a_backfill_of_30_days_under_a_quota_of_one_ends_whole():
    backfill = midnight.measure(30, 1, is_backfill=True)
    assert backfill["succeeded"] == 30
    assert backfill["wall"] <= 1.1 * backfill["bound"]
    assert backfill["overtaken"] == 0


def test_afterwards_the_packages_log_tells_as_much_as_before():
    log = logging.getLogger("fresh_endpoints")
    before = log.level
    midnight.measure(1, 1)
    assert log.level == before


def test_of_what_waits_for_no_quota_most_fails_retries_or_not():
    few = midnight.measure(30, 20)
    assert (few["stock_failed"], few["stock_failed_retrying"]) == (10, 0)
    assert 100 - midnight._stock(100, 20, midnight.RETRIES) == 60
