"""The watcher, in simulated time, and with a boto3 client on local AWS's protocol."""

from __future__ import annotations

import asyncio
import random
import time

from benchmarks.fake_sagemaker import FakeSageMaker
from benchmarks.simulated_time import START, simulate
from botocore.exceptions import ClientError, EndpointConnectionError

from fresh_endpoints.waiting import pace, watcher
from fresh_endpoints.waiting.watcher import NOT_FOUND, Watcher


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


def jobs_ending_at(*seconds):
    return {f"job-{number}": (START, START + end) for number, end in enumerate(seconds)}


def wait_for_all(sagemaker, started=START):
    """The time from the start to each notice, and each status or error."""

    async def wait(watching, name):
        try:
            status = await watching.wait("training_job", name, started)
        except (ClientError, EndpointConnectionError) as error:
            status = error
        return time.time() - START, status

    async def wait_all():
        watching = Watcher(sagemaker)
        return await asyncio.gather(*(wait(watching, name) for name in sagemaker.jobs))

    return simulate(wait_all())


def operations(sagemaker):
    return {operation for _, operation in sagemaker.calls}


def rate(sagemaker):
    times = [moment for moment, _ in sagemaker.calls]
    return max(sum(start <= moment < start + 10 for moment in times) / 10 for start in times)


def test_a_thousand_waits_cost_few_calls_and_every_end_is_noticed_soon():
    numbers = random.Random(1)
    ends = [numbers.uniform(30, 600) for _ in range(1000)]
    sagemaker = FakeSageMaker(jobs_ending_at(*ends))
    noticed = wait_for_all(sagemaker)
    assert {status for _, status in noticed} == {"Completed"}
    assert max(at - end for (at, _), end in zip(noticed, ends, strict=True)) <= 60
    assert rate(sagemaker) <= 10


def test_after_a_restart_a_thousand_long_waits_are_looked_at_in_few_calls():
    sagemaker = FakeSageMaker({f"job-{number}": (START - 3000, START - 5) for number in range(1000)})
    noticed = wait_for_all(sagemaker, started=START - 3000)
    assert max(at for at, _ in noticed) <= 60
    assert len(sagemaker.calls) <= 20


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
    assert sum(moment < START + 300 for moment, _ in sagemaker.calls) <= 60


def test_a_single_wait_gives_up_after_long_silence_only():
    unreachable = EndpointConnectionError(endpoint_url="https://sagemaker")
    short = Faulty(jobs_ending_at(60), lambda _, now: unreachable if 50 < now < 600 else None)
    assert wait_for_all(short)[0][1] == "Completed"
    [(at, status)] = wait_for_all(Faulty(jobs_ending_at(60), lambda _, now: unreachable))
    assert status is unreachable
    assert at >= watcher.GIVE_UP_SECONDS


def test_a_refusal_is_passed_on_at_once():
    denied = refused("AccessDeniedException")
    [(at, status)] = wait_for_all(Faulty(jobs_ending_at(600), lambda *_: denied))
    assert status is denied
    assert at < 30


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
    assert rate(sagemaker) <= 5


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


def test_what_goes_wrong_in_the_watcher_itself_is_told_to_all():
    bug = Faulty(jobs_ending_at(60, 60), lambda *_: ZeroDivisionError())

    async def wait_all():
        watching = Watcher(bug)
        waits = (watching.wait("training_job", name, START) for name in bug.jobs)
        return await asyncio.gather(*waits, return_exceptions=True)

    assert [type(error) for error in simulate(wait_all())] == [ZeroDivisionError] * 2
