"""What hangs by one connection keeps nobody else's looks from theirs."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref

import pytest
from botocore.exceptions import ClientError

from fresh_endpoints.waiting import connections
from fresh_endpoints.waiting.connections import Connection, S3Connection, SageMakerConnection, connection_of


def refusal(code):
    return ClientError({"Error": {"Code": code, "Message": "words"}}, "DescribeTrainingJob")


def test_thirty_looks_that_hang_keep_no_other_connections_waits_from_theirs():
    async def look_beside_hanging_ones():
        released = threading.Event()
        hanging, other = Connection(object, "s3"), Connection(object, "sagemaker")
        looks = [asyncio.create_task(hanging.call(lambda hook: released.wait(60))) for _ in range(30)]
        await asyncio.sleep(0.1)
        began = time.monotonic()
        for _ in range(5):
            await other.call(lambda hook: None)
        took = time.monotonic() - began
        # What anybody else does in the loop's own threads goes on, too.
        await asyncio.wait_for(asyncio.to_thread(lambda: None), 5)
        released.set()
        await asyncio.gather(*looks)
        return took

    assert asyncio.run(look_beside_hanging_ones()) < 5


def test_a_connection_has_few_threads_and_makes_one_hook():
    made, seen = [], set()

    def look(hook):
        seen.add(threading.current_thread().name)
        time.sleep(0.01)

    async def look_often():
        connection = Connection(lambda: made.append(1) or "hook", "s3")
        await asyncio.gather(*(connection.call(look) for _ in range(40)))

    asyncio.run(look_often())
    assert len(made) == 1
    assert len(seen) <= connections.THREADS


@pytest.mark.parametrize(
    ("code", "anew"),
    [("AccessDenied", True), ("ExpiredToken", True), ("403", True), ("ThrottlingException", False), ("404", False)],
)
def test_after_a_refusal_the_connection_is_read_again_for_it_may_have_been_changed(code, anew):
    made = []

    def refuse(hook):
        raise refusal(code)

    async def look_twice():
        connection = Connection(lambda: made.append(1) or "hook", "s3")
        for _ in range(2):
            with pytest.raises(ClientError):
                await connection.call(refuse)

    asyncio.run(look_twice())
    assert len(made) == (2 if anew else 1)


def test_all_of_an_event_loop_share_a_connection_which_ends_with_the_last():
    async def share():
        first = connection_of(S3Connection, "aws_default", None)
        assert connection_of(S3Connection, "aws_default", None) is first
        assert connection_of(S3Connection, "other", None) is not first
        assert connection_of(SageMakerConnection, "aws_default", None) is not first
        return weakref.ref(first)

    shared = asyncio.run(share())
    gc.collect()
    assert shared() is None
