"""The watcher, in simulated time, and with a boto3 client on local AWS's protocol."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time

import pytest
from benchmarks.fake_sagemaker import FakeSageMaker, most_per_second, past_jobs
from benchmarks.simulated_time import START, simulate
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError

from fresh_endpoints.aws.errors import LONGEST_PAUSE_SECONDS
from fresh_endpoints.aws.kinds import ENDPOINT
from fresh_endpoints.waiting import pace, watcher
from fresh_endpoints.waiting.event import NOT_FOUND
from fresh_endpoints.waiting.waits import DESCRIBE_AFTER_SECONDS, SCAN_SECONDS
from fresh_endpoints.waiting.watcher import Watcher


def refused(code, message=""):
    return ClientError({"Error": {"Code": code, "Message": message}}, "DescribeTrainingJob")


class Faulty(FakeSageMaker):
    """Raises what `faults` says of a method, given the time since the start."""

    def __init__(self, jobs, faults):
        super().__init__(jobs)
        self.faults = faults

    def answer(self, operation, request, now):
        self.calls.append((now, operation))
        error = self.faults(operation, now - START)
        if error:
            raise error
        self.calls.pop()
        return super().answer(operation, request, now)


class OnePage(FakeSageMaker):
    """Throttles all pages but the first."""

    def answer(self, operation, request, now):
        if request.get("NextToken"):
            self.calls.append((now, operation))
            raise refused("ThrottlingException")
        return super().answer(operation, request, now)


def jobs_ending_at(*seconds):
    return {f"job-{number}": (START, START + end) for number, end in enumerate(seconds)}


def wait_for_all(sagemaker, started=START):
    """The time from the start to each notice, and each status or error."""

    async def wait(watching, name):
        try:
            status = await watching.wait("training_job", name, started)
        except (ClientError, BotoCoreError) as error:
            status = error
        return time.time() - START, status

    async def wait_all():
        watching = Watcher(sagemaker)
        ours = (name for name in sagemaker.jobs if not name.startswith("past-"))
        return await asyncio.gather(*(wait(watching, name) for name in ours))

    return simulate(wait_all())


def operations(sagemaker):
    return {operation for _, operation in sagemaker.calls}


# Facts about lists: https://github.com/aws/aws-cli/issues/7596 (a page is cut before it is filtered) and
# https://github.com/aws-solutions/deepracer-on-aws/issues/87 (two ListTrainingJobs a second an account).


@pytest.mark.parametrize("past", [0, 3000])
@pytest.mark.parametrize(("count", "seconds"), [(12, 15), (30, 15), (100, 15), (1000, 60)])
def test_however_many_wait_and_have_trained_before_every_end_is_noticed_soon(count, seconds, past):
    numbers = random.Random(count)
    ends = [numbers.uniform(30, 600) for _ in range(count)]
    sagemaker = FakeSageMaker(jobs_ending_at(*ends) | past_jobs(past, START))
    noticed = wait_for_all(sagemaker)
    assert {status for _, status in noticed} == {"Completed"}
    assert max(at - end for (at, _), end in zip(noticed, ends, strict=True)) <= seconds
    assert most_per_second(sagemaker.calls, 1, "List") <= 2
    assert most_per_second(sagemaker.calls, 10) <= 5


def test_a_hundred_thousand_past_jobs_cost_no_more_calls_than_ten():
    costs = []
    for past in (10, 100_000):
        random.seed(5)
        sagemaker = FakeSageMaker(jobs_ending_at(*range(60, 360, 10)) | past_jobs(past, START))
        wait_for_all(sagemaker)
        costs.append(len(sagemaker.calls))
    assert costs[0] == costs[1]


def test_one_that_has_waited_for_days_does_not_make_the_lists_of_the_others_long():
    past = past_jobs(3000, START)
    old = {"job-old": (START - 2_000_000, START + 600)}
    sagemaker = FakeSageMaker(jobs_ending_at(*[300] * 20) | old | past)

    async def wait_all():
        watching = Watcher(sagemaker)
        waits = (watching.wait("training_job", f"job-{n}", START) for n in range(20))
        await asyncio.gather(watching.wait("training_job", "job-old", START - 2_000_000), *waits)
        return time.time() - START

    assert simulate(wait_all()) <= 600 + 15
    assert sum(operation.startswith("List") for _, operation in sagemaker.calls) <= 600 / pace.SHORTEST_SECONDS + 20


@pytest.mark.parametrize("count", [12, 100, 1000])
def test_no_wait_is_lost_while_lists_are_throttled_for_ten_minutes(count):
    sagemaker = FakeSageMaker(jobs_ending_at(*[120] * count), lists_throttled_until=START + 600)
    noticed = wait_for_all(sagemaker)
    assert {status for _, status in noticed} == {"Completed"}
    assert max(at for at, _ in noticed) <= 120 + 15 + 0.3 * count
    assert most_per_second(sagemaker.calls, 10) <= 5


def test_what_a_page_has_told_holds_though_all_later_pages_are_throttled():
    sagemaker = OnePage({f"job-{number}": (START - 60, START - 5) for number in range(400)})
    late = sorted(at for at, _ in wait_for_all(sagemaker, started=START - 60))
    assert late[99] <= pace.FIRST_LOOK_SECONDS + 1
    assert late[-1] <= 0.3 * 400 + 15


def test_where_only_the_first_page_is_ever_told_it_is_read_again():
    sagemaker = OnePage(jobs_ending_at(*[600] * 1000))
    late = sorted(at - 600 for at, _ in wait_for_all(sagemaker))
    assert late[99] <= SCAN_SECONDS + LONGEST_PAUSE_SECONDS + 15


def test_a_list_that_never_tells_of_an_end_ends_no_wait_later_than_a_describe_would():
    class Frozen(FakeSageMaker):
        def answer(self, operation, request, now):
            return super().answer(operation, request, START if operation.startswith("List") else now)

    noticed = wait_for_all(Frozen(jobs_ending_at(*[700] * 20)))
    assert max(at for at, _ in noticed) <= 700 + DESCRIBE_AFTER_SECONDS + 15


def test_lists_may_leave_out_what_is_optional():
    class Terse(FakeSageMaker):
        def answer(self, operation, request, now):
            answer = super().answer(operation, request, now)
            for item in answer.get("TrainingJobSummaries", []):
                del item["LastModifiedTime"]
            return answer

    noticed = wait_for_all(Terse(jobs_ending_at(*[200] * 20)))
    assert max(at for at, _ in noticed) <= 215


@pytest.mark.parametrize("others", [0, 3000])
def test_endpoints_that_were_created_long_ago_are_waited_for_too(others):
    ours = {f"endpoint-{number}": (START - 1e6, START + 200) for number in range(12)}
    newer = {f"other-{number}": (START - 1e5, START - 1e4) for number in range(others)}
    sagemaker = FakeSageMaker(ours | newer, kind=ENDPOINT)

    async def wait_all():
        watching = Watcher(sagemaker)
        await asyncio.gather(*(watching.wait("endpoint", name, START) for name in ours))
        return time.time() - START

    assert 200 <= simulate(wait_all()) <= 215
    assert most_per_second(sagemaker.calls, 10) <= 5


def test_after_a_restart_a_thousand_long_waits_are_looked_at_in_few_calls():
    sagemaker = FakeSageMaker({f"job-{number}": (START - 3000, START - 5) for number in range(1000)})
    noticed = wait_for_all(sagemaker, started=START - 3000)
    assert max(at for at, _ in noticed) <= 60
    assert len(sagemaker.calls) <= 60


def test_nothing_fires_soon_after_the_deferral():
    for count in (1, 30):
        noticed = wait_for_all(FakeSageMaker(jobs_ending_at(*[1.0] * count)))
        assert min(at for at, _ in noticed) >= pace.FIRST_LOOK_SECONDS


def test_few_waits_are_described_and_never_listed():
    sagemaker = FakeSageMaker(jobs_ending_at(50, 70, 90))
    wait_for_all(sagemaker)
    assert operations(sagemaker) == {"DescribeTrainingJob"}


def test_throttling_is_waited_out_together():
    sagemaker = FakeSageMaker(jobs_ending_at(*[60] * 50), throttled_until=START + 300)
    noticed = wait_for_all(sagemaker)
    assert {status for _, status in noticed} == {"Completed"}
    assert max(at for at, _ in noticed) <= 300 + 60
    assert sum(moment < START + 300 for moment, _ in sagemaker.calls) <= 100


def test_throttling_is_told_when_it_begins_and_when_it_ends(caplog, monkeypatch):
    monkeypatch.setattr(watcher.log, "propagate", True)
    monkeypatch.setattr(logging.getLogger("fresh_endpoints"), "propagate", True)
    caplog.set_level(logging.DEBUG, watcher.log.name)
    wait_for_all(FakeSageMaker(jobs_ending_at(*[700] * 12), lists_throttled_until=START + 600))
    of_lists = [record for record in caplog.records if "SageMaker" in record.message and record.levelno == logging.INFO]
    assert ["answers again" in record.message for record in of_lists] == [False, True]
    assert sum(record.levelno == logging.DEBUG for record in caplog.records if record.name == watcher.log.name) > 5


def test_a_single_wait_gives_up_after_long_silence_only():
    unreachable = EndpointConnectionError(endpoint_url="https://sagemaker")
    short = Faulty(jobs_ending_at(60), lambda _, now: unreachable if 50 < now < 600 else None)
    assert wait_for_all(short)[0][1] == "Completed"
    [(at, status)] = wait_for_all(Faulty(jobs_ending_at(60), lambda _, now: unreachable))
    assert status is unreachable
    assert at >= watcher.GIVE_UP_SECONDS


def test_silence_is_told_to_all_at_once():
    unreachable = EndpointConnectionError(endpoint_url="https://sagemaker")
    noticed = wait_for_all(Faulty(jobs_ending_at(*[60] * 300), lambda *_: unreachable))
    assert {status for _, status in noticed} == {unreachable}
    assert max(at for at, _ in noticed) <= watcher.GIVE_UP_SECONDS + 60


@pytest.mark.parametrize(
    "refusal",
    [
        refused("AccessDeniedException", "User: arn:... is not authorized to perform: sagemaker:DescribeTrainingJob"),
        refused("ExpiredTokenException", "The security token included in the request is expired"),
        refused("UnrecognizedClientException", "The security token included in the request is invalid."),
        NoCredentialsError(),
    ],
    ids=lambda refusal: getattr(refusal, "response", {}).get("Error", {}).get("Code", type(refusal).__name__),
)
@pytest.mark.parametrize("count", [1, 100])
def test_a_refusal_that_holds_for_the_connection_is_told_to_all_at_once(count, refusal):
    noticed = wait_for_all(Faulty(jobs_ending_at(*[600] * count), lambda *_: refusal))
    assert {status for _, status in noticed} == {refusal}
    assert min(at for at, _ in noticed) >= pace.FIRST_LOOK_SECONDS
    assert max(at for at, _ in noticed) <= pace.FIRST_LOOK_SECONDS + 5


def test_a_refusal_of_one_job_is_told_to_its_wait_only():
    class OneDenied(FakeSageMaker):
        def answer(self, operation, request, now):
            if request.get("TrainingJobName") == "job-3":
                raise refused("AccessDeniedException")
            return super().answer(operation, request, now)

    statuses = [str(status) for _, status in wait_for_all(OneDenied(jobs_ending_at(*[100] * 5)))]
    assert [status == "Completed" for status in statuses] == [True, True, True, False, True]


def test_who_was_refused_before_is_woken_ever_more_seldom():
    assert pace.first_look() == pace.FIRST_LOOK_SECONDS
    denied = refused("AccessDeniedException")

    async def wait(refusals):
        with contextlib.suppress(ClientError):
            await Watcher(Faulty({}, lambda *_: denied)).wait("training_job", "job", START, refusals=refusals)
        return time.time() - START

    woken = [simulate(wait(refusals)) for refusals in (0, 1, 3, 100)]
    assert woken == sorted(woken)
    assert woken[0] <= 15
    assert woken[-1] >= pace.LONGEST_SECONDS_AFTER_REFUSALS


def test_what_does_not_exist_is_not_waited_for():
    missing = refused("ValidationException", "Requested resource not found.")
    assert wait_for_all(Faulty(jobs_ending_at(600), lambda *_: missing))[0][1] == NOT_FOUND


def test_where_lists_are_refused_each_is_described():
    denied = refused("AccessDeniedException")
    sagemaker = Faulty(
        jobs_ending_at(*[60] * 40), lambda operation, _: denied if operation.startswith("List") else None
    )
    noticed = wait_for_all(sagemaker)
    assert {status for _, status in noticed} == {"Completed"}
    assert max(at for at, _ in noticed) <= 60 + 60
    assert most_per_second(sagemaker.calls, 10) <= 5


def test_where_an_account_changes_more_than_lists_can_tell_each_is_described():
    ours = jobs_ending_at(*[120] * 12)
    sagemaker = FakeSageMaker(ours | {f"other-{number}": (START, START + 5) for number in range(3000)})

    async def wait_all():
        watching = Watcher(sagemaker)
        await asyncio.gather(*(watching.wait("training_job", name, START) for name in ours))
        return time.time() - START

    assert simulate(wait_all()) <= 120 + 60
    assert "DescribeTrainingJob" in operations(sagemaker)


def test_a_list_that_lags_behind_ends_no_wait():
    """A second wait for an endpoint must not be ended by what a list still tells of the first change."""

    class Lagging(FakeSageMaker):
        def answer(self, operation, request, now):
            answer = super().answer(operation, request, now)
            for item in answer.get("TrainingJobSummaries", []):
                if now < START + 100:
                    item.update(TrainingJobStatus="Completed", LastModifiedTime=START - 50)
            return answer

    noticed = wait_for_all(Lagging(jobs_ending_at(*[200] * 20)))
    assert min(at for at, _ in noticed) >= 200


def test_changes_that_ended_before_their_waits_began_are_noticed_by_turns():
    """They took no time, or the clock by which the waits began is ahead of AWS's."""
    sagemaker = FakeSageMaker({f"endpoint-{n}": (START - 1e6, START - 1) for n in range(100)}, kind=ENDPOINT)

    async def wait_all():
        watching = Watcher(sagemaker)
        await asyncio.gather(*(watching.wait("endpoint", name, START) for name in sagemaker.jobs))
        return time.time() - START

    assert simulate(wait_all()) <= 0.3 * 100 + 15


def test_two_may_wait_for_the_same():
    async def wait_twice():
        watching = Watcher(FakeSageMaker(jobs_ending_at(60)))
        return await asyncio.gather(*(watching.wait("training_job", "job-0", START) for _ in range(12)))

    assert simulate(wait_twice()) == ["Completed"] * 12


def test_a_wait_that_is_cancelled_leaves_the_others_alone():
    async def cancel_one():
        watching = Watcher(FakeSageMaker(jobs_ending_at(60, 60)))
        first, second = (asyncio.create_task(watching.wait("training_job", f"job-{i}", START)) for i in (0, 1))
        await asyncio.sleep(5)
        first.cancel()
        status = await second
        return status, first.cancelled()

    assert simulate(cancel_one()) == ("Completed", True)


def test_a_watcher_ends_when_nobody_waits_and_starts_again():
    async def wait_twice():
        ended = []
        watching = Watcher(FakeSageMaker(jobs_ending_at(30, 400)), on_end=lambda: ended.append(time.time() - START))
        await watching.wait("training_job", "job-0", START)
        await asyncio.sleep(2 * watcher.LINGER_SECONDS)
        [first] = ended
        await watching.wait("training_job", "job-1", START)
        await asyncio.sleep(2 * watcher.LINGER_SECONDS)
        return first, len(ended)

    first, count = simulate(wait_twice())
    assert first <= 40 + 1.5 * watcher.LINGER_SECONDS
    assert count == 2


@pytest.mark.parametrize("pause", [*range(45, 75), 59.99, 60.01])
def test_a_wait_that_begins_while_the_watcher_lingers_is_waited_for(pause):
    async def wait_twice():
        watching = Watcher(FakeSageMaker(jobs_ending_at(30, 400)))
        await watching.wait("training_job", "job-0", START)
        await asyncio.sleep(pause)
        return await watching.wait("training_job", "job-1", START)

    assert simulate(wait_twice()) == "Completed"


def test_what_goes_wrong_in_the_watcher_itself_is_told_to_all():
    bug = Faulty(jobs_ending_at(60, 60), lambda *_: ZeroDivisionError())

    async def wait_all():
        watching = Watcher(bug)
        waits = (watching.wait("training_job", name, START) for name in bug.jobs)
        return await asyncio.gather(*waits, return_exceptions=True)

    assert [type(error) for error in simulate(wait_all())] == [ZeroDivisionError] * 2
