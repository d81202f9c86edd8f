"""An event loop whose clock jumps: an hour of waiting passes in as long as its computations take."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar
from unittest.mock import patch

T = TypeVar("T")
START = 1_700_000_000.0


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting for the loop's next timer, moves the clock to it."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if not events and timeout is None:
            raise RuntimeError("simulated time: everything waits, and nothing is going to happen")
        if not events and timeout:
            self.now += timeout
        return events


def simulate(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in simulated time; ``time.time`` tells it, too.

    Args:
        coroutine: May wait only for what happens in the event loop: no threads, no sockets.

    Returns:
        Its result.
    """
    selector = _JumpingSelector()
    loop = asyncio.SelectorEventLoop(selector)
    with patch.object(loop, "time", lambda: selector.now), patch("time.time", lambda: START + selector.now):
        try:
            return loop.run_until_complete(coroutine)
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()
