"""Where a run's thread is remembered: read from whatever task has it, and written by none but a task that runs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fresh_endpoints.telling.sending import PipelineNotifier
from fresh_endpoints.telling.slack_thread import XCOM_THREAD, RunThread


class TaskInstance:
    """A task instance that has XComs and refuses to write one."""

    map_index = -1

    def __init__(self, *found):
        self.found = list(found)

    def xcom_pull(self, *, task_ids, key):
        assert (task_ids, key) == (["train", "deploy"], XCOM_THREAD)
        return self.found


def context(*found):
    return {"ti": TaskInstance(*found), "dag": SimpleNamespace(task_dict={"train": None, "deploy": None})}


@pytest.mark.parametrize(
    ("found", "first"),
    [
        ((), None),
        ((None, None), None),
        ((None, {"slack c": "12.5", "slack d": "11.5"}), "12.5"),
        (({"slack c": "13.5"}, {"slack c": "12.5"}), "12.5"),
        (("12.5", ["12.5"], {"slack c": 12.5}, {"slack c": "<@here>"}, {"other c": "12.5"}), None),
    ],
)
def test_the_first_message_is_that_of_the_channel_whatever_else_is_there(found, first):
    assert RunThread(context(*found), "slack c", can_write=False).read() == first


def test_a_callback_goes_on_in_the_thread_and_writes_nothing():
    RunThread(context(), "slack c", can_write=False).remember("12.5", is_new=True)
    RunThread({}, "slack c", can_write=True).remember("12.5", is_new=True)
    assert RunThread({}, "slack c", can_write=True).read() is None


def test_what_is_called_back_knows_its_context_only_for_that_time():
    seen = []

    class Notifier(PipelineNotifier):
        def notify(self, given):
            seen.append(self._where())

    notifier = Notifier(SimpleNamespace(name="iris", slack=None, notify=()))
    given = {"run_id": "r"}
    notifier(given)
    assert seen == [(given, False)]
    assert notifier._where() == ({}, False)
