"""Who waits for quota asks by turns, in simulated time: an account with a quota, and tasks that need seconds."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter

import pytest
from benchmarks.simulated_time import START, simulate

from fresh_endpoints.waiting import pace, turns
from fresh_endpoints.waiting.turns import CAPACITY, Claim, Queue

HALF_AN_HOUR = 1800.0
# A task needs some seconds in a worker to ask, and a watcher to notice an end.
ASKING_SECONDS = 4.0
NOTICING_SECONDS = 10.0


class Account:
    """An account with a quota of trainings, and those who train in it."""

    def __init__(self, quota, seconds=HALF_AN_HOUR):
        self.quota = quota
        self.seconds = seconds
        self.asked = []
        self.looks = []
        self.running = set()
        self.started = {}
        self.queue = Queue(self.is_let_in)

    async def is_let_in(self, name):
        self.looks.append(time.time() - START)
        return name in self.started

    def ask(self, name):
        self.asked.append((time.time() - START, name))
        if len(self.running) >= self.quota:
            return False
        self.running.add(name)
        self.started[name] = time.time() - START
        return True

    async def train(self, name, *, is_noticed=True):
        """One pipeline's training: it asks until it is let in, and tells the queue of its end."""
        since = time.time()
        while not self.ask(name):
            await self.queue.wait(Claim(name, name, since))
            await asyncio.sleep(ASKING_SECONDS)
        await asyncio.sleep(self.seconds)
        self.running.discard(name)
        await asyncio.sleep(NOTICING_SECONDS)
        if is_noticed:
            self.queue.note_end()

    async def train_all(self, count, **options):
        async def later(number):
            await asyncio.sleep(number * 0.1)
            await self.train(f"job-{number:04}", **options)

        await asyncio.gather(*(later(number) for number in range(count)))
        return time.time() - START


def most_per_minute(moments):
    return max(Counter(int(moment // 60) for moment in moments).values())


def test_a_thousand_who_wait_are_trained_in_about_the_time_that_the_quota_allows_and_ask_little():
    account = Account(20)
    assert simulate(account.train_all(1000)) <= 1.05 * (1000 / 20 * HALF_AN_HOUR)
    assert len(account.started) == 1000
    again = [at for at, _ in account.asked if at > 120]
    # Each asks once when it begins; after that, for each that is let in, there is hardly one in vain.
    assert len(account.asked) <= 1000 + 2 * 1000
    assert most_per_minute(again) <= 2 * 20
    assert most_per_minute(account.looks) <= 60 * turns.MOST_AT_ONCE / turns.QUOTA.look_seconds


def test_a_whole_quota_that_ends_at_once_is_taken_at_once():
    account = Account(30, seconds=120)
    took = simulate(account.train_all(90))
    # Between two trainings in the same place an end is noticed and a task started.
    assert took <= 90 / 30 * 120 + 3 * (NOTICING_SECONDS + 2 * ASKING_SECONDS)
    assert len(account.asked) <= 90 + 60 + turns.MOST_AT_ONCE


def test_who_was_refused_first_is_let_in_first():
    account = Account(3)
    simulate(account.train_all(30))
    names = sorted(account.started, key=account.started.get)
    # Those that ask at once, for as many have ended at once, may change places.
    assert all(abs(int(name[-4:]) - place) < 3 for place, name in enumerate(names))


def test_with_a_quota_of_one_the_order_is_kept():
    account = Account(1, seconds=120)
    simulate(account.train_all(30))
    assert sorted(account.started, key=account.started.get) == sorted(account.started)


def test_where_only_others_end_it_is_asked_ever_less_often():
    account = Account(0)

    async def wait_a_day():
        tasks = [asyncio.create_task(account.train(f"job-{number}")) for number in range(50)]
        await asyncio.wait(tasks, timeout=86_400)

    simulate(wait_a_day())
    in_vain = len(account.asked) - 50
    assert 86_400 / 310 - 20 <= in_vain <= 86_400 / turns.QUOTA.longest_pause + 10
    # And it is the same one that asks, for its place is the first.
    assert {name for _, name in account.asked[50:]} == {"job-0"}


def test_what_others_free_is_found_in_time_and_taken_at_a_stretch():
    account = Account(0)

    async def freed_after_an_hour():
        waiting = asyncio.gather(*(account.train(f"job-{number}") for number in range(10)))
        await asyncio.sleep(3600)
        account.quota = 10
        await waiting

    simulate(freed_after_an_hour())
    starts = sorted(at - 3600 for at in account.started.values())
    assert starts[0] <= turns.QUOTA.longest_pause + 10
    assert starts[-1] - starts[0] <= 10 * (pace.FIRST_LOOK_SECONDS + ASKING_SECONDS)


def test_a_task_whose_worker_dies_while_it_asks_keeps_its_place_and_no_one_waits_for_it():
    account = Account(0)

    async def dies():
        first = Claim("first", "first", time.time(), is_told=True)
        await account.queue.wait(first)  # And then its worker is killed.
        second = asyncio.create_task(account.queue.wait(Claim("second", "second", time.time())))
        await second
        after = time.time() - START
        # The retry knows neither since when it waits nor whether that was told.
        return after, await account.queue.wait(Claim("first", "first", time.time()))

    after, claim = simulate(dies())
    assert after <= pace.REFUSED_SECONDS + turns.QUOTA.turn_seconds + 2 * pace.REFUSED_SECONDS
    assert claim == Claim("first", "first", START, is_told=True)


def test_who_gives_up_is_passed_over():
    account = Account(0)

    async def gives_up():
        first, second = (
            asyncio.create_task(account.queue.wait(Claim(name, name, START + at))) for at, name in enumerate("ab")
        )
        await asyncio.sleep(5)
        first.cancel()
        return await second

    assert simulate(gives_up()).key == "b"


def test_a_first_turn_comes_no_sooner_than_a_deferral_is_done_with():
    account = Account(1)

    async def turn():
        waiting = asyncio.create_task(account.queue.wait(Claim("a", "a", time.time())))
        await asyncio.sleep(0)
        account.queue.note_end()
        await waiting
        return time.time() - START

    assert simulate(turn()) == pytest.approx(pace.FIRST_LOOK_SECONDS)


def test_a_want_of_capacity_is_not_over_when_some_job_ends():
    queue = Queue(Account(1).is_let_in, CAPACITY)

    async def turn():
        waiting = asyncio.create_task(queue.wait(Claim("a", "a", time.time())))
        await asyncio.sleep(1)
        queue.note_end()
        await waiting
        return time.time() - START

    assert simulate(turn()) == pytest.approx(pace.REFUSED_SECONDS)


def test_a_queue_that_fails_wakes_all_who_wait():
    async def fail(name):
        raise ZeroDivisionError(name)

    async def wait_all():
        queue = Queue(fail)
        claims = (Claim(name, name, time.time()) for name in "abc")
        return await asyncio.gather(*(queue.wait(claim) for claim in claims), return_exceptions=True)

    ended = simulate(wait_all())
    assert sorted(type(end).__name__ for end in ended) == ["Claim", "ZeroDivisionError", "ZeroDivisionError"]


def test_hours_later_a_queue_begins_anew():
    account = Account(0)

    async def twice():
        await account.queue.wait(Claim("a", "a", time.time()))
        await asyncio.sleep(turns.REMEMBER_SECONDS + random.uniform(1, 5))
        began = time.time()
        claim = await account.queue.wait(Claim("a", "a", began))
        return claim.since - began, time.time() - began

    assert simulate(twice()) == (0, pytest.approx(pace.REFUSED_SECONDS))
