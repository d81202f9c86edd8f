"""The schedule of looks: how many there are and how late they come, by simulation."""

from __future__ import annotations

import math
import random

import pytest
from benchmarks.noticing import CALLS_OF_THE_STEP, ours, p90

from fresh_endpoints.waiting import pace
from local_aws.connections import FAST


@pytest.fixture(scope="module")
def durations():
    numbers = random.Random(5)
    return [math.exp(numbers.uniform(math.log(30), math.log(3600))) for _ in range(100)]


def test_the_first_time_nine_in_ten_ends_are_noticed_within_five_percent_or_five_seconds(durations):
    assert p90([ours(duration, None)[0] / max(5, 0.05 * duration) for duration in durations]) <= 1


@pytest.mark.parametrize("spread", [0.0, 0.05])
def test_then_nine_in_ten_ends_are_noticed_within_five_seconds(durations, spread):
    numbers = random.Random(6)
    assert p90([ours(d * math.exp(numbers.gauss(0, spread)), d)[0] for d in durations]) <= 5


@pytest.mark.parametrize("expected", [None, 3600.0, 3500.0, 3700.0])
def test_a_training_of_an_hour_costs_no_more_calls_than_a_look_every_30_seconds(expected):
    assert ours(3600.0, expected)[1] + CALLS_OF_THE_STEP <= 120


def test_a_job_that_fails_long_before_its_time_is_noticed_within_two_minutes():
    for seconds in (40, 130, 700, 2000):
        assert ours(seconds, 3600.0)[0] <= pace.LONGEST_SECONDS_BEFORE_WINDOW


@pytest.mark.parametrize("expected", [None, 1.0, 30.0, 600.0, 36_000.0])
def test_looks_are_neither_too_frequent_nor_too_rare(expected):
    for elapsed in range(0, 100_000, 7):
        wait = pace.next_look(elapsed, expected)
        assert pace.SHORTEST_SECONDS <= wait <= pace.LONGEST_SECONDS_BEFORE_WINDOW


def test_on_a_laptop_a_job_of_five_seconds_ends_in_the_worker(monkeypatch):
    monkeypatch.setattr(pace, "FIRST_TIME_WORKER_SECONDS", float(FAST["FRESH_ENDPOINTS_FIRST_TIME_WORKER_SECONDS"]))
    late, looks = ours(5.0, None)
    assert late <= 0.5
    assert looks <= 20


def test_only_what_is_known_to_end_within_seconds_is_looked_at_in_the_worker():
    assert pace.seconds_in_worker() == 0
    assert pace.seconds_in_worker(5.0) == pace.WORKER_SECONDS
    assert pace.seconds_in_worker(60.0) == 0


@pytest.mark.parametrize("seconds", [0.5, 5.0, 9.0])
def test_a_short_job_that_has_run_before_is_noticed_at_once(seconds):
    numbers = random.Random(7)
    seen = [ours(seconds * math.exp(numbers.gauss(0, 0.02)), seconds) for _ in range(100)]
    assert p90([late for late, _ in seen]) <= 0.2
    assert max(looks for _, looks in seen) <= 25


@pytest.mark.parametrize("expected", [None, 0.2, 5.0, 10.0])
def test_a_wait_in_the_worker_takes_tens_of_looks_not_hundreds(expected):
    late, looks = ours(60.0, expected)
    assert late <= 5
    assert looks <= 50
