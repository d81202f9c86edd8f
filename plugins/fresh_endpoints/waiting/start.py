"""Waiting for a moment, without a worker slot; the triggerer imports this module, as it does triggers.py."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from fresh_endpoints.waiting import pace
from fresh_endpoints.waiting.event import WaitEnded


class StartTrigger(BaseTrigger):
    """Fires at a moment; its event is a WaitEnded that tells nothing.

    The provider's DateTimeTrigger looks at the clock every second, a thousand times where a thousand wait.

    Args:
        moment: When, as seconds since the epoch.
    """

    def __init__(self, moment: float):
        super().__init__()
        self.moment = moment

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that make an equal trigger."""
        return "fresh_endpoints.waiting.start.StartTrigger", {"moment": self.moment}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the moment, then fire once."""
        # The first event must not come while the scheduler still handles the deferral (apache/airflow race).
        await asyncio.sleep(max(self.moment - time.time(), pace.FIRST_LOOK_SECONDS))
        yield TriggerEvent(WaitEnded().to_json())
