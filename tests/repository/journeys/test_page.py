"""docs/journeys.md: five journeys, each of them taken by a test, and how what is shown is held against what is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from journeys import READERS, first_unseen, steps_of

TESTS = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))


def test_there_are_five():
    assert len(READERS) == 5


@pytest.mark.parametrize("reader", READERS)
def test_each_is_taken_by_a_test_and_has_something_to_type_and_to_see(reader):
    assert f'"{reader}"' in TESTS
    steps = steps_of(reader)
    assert any(step.command for step in steps)
    assert any(step.shows for step in steps)


@pytest.mark.parametrize(
    ("shown", "unseen"),
    [
        (["one", "two  three"], None),
        (["one", "… three", "f…r"], None),
        (["two three", "one"], "one"),
        (["two"], "two"),
        (["one", "one"], "one"),
    ],
)
def test_lines_are_seen_whole_and_in_their_order(shown, unseen):
    assert first_unseen(shown, "one\ntwo    three\nfour\n") == unseen
