"""Until when Slack wants no message of a webhook or channel, for all processes of an Airflow to know.

It is an Airflow Variable, the one thing that tasks, triggers and callbacks of every supported version can both read and
write. Who has been asked to wait writes it; who has a message reads it first. Two may write at once, and one may send
between another's answer and its note: then Slack refuses once more, and nothing is lost by it.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from typing import Any

log = logging.getLogger(__name__)

# What is written there is believed for so long at most: a clock may be wrong.
LONGEST_SECONDS = 300.0
_PREFIX = "fresh_endpoints_slack_waits_"
_DESCRIPTION = "Until when Slack is sent no message there (seconds since 1970); see docs/telling.md. It may be deleted."


def supervisor() -> Any:
    """Return the way to Airflow's API that this process has; None outside of Airflow's own processes."""
    return getattr(sys.modules.get("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS", None)


class SlackPause:
    """A webhook's or channel's pause. Whatever goes wrong with its Variable, there is none.

    Args:
        line: The name of what shares one rate.
    """

    def __init__(self, line: str):
        self._key = _PREFIX + re.sub(r"[^\w.-]", "_", line)[:200]

    def until(self) -> float:
        """Return until when it lasts, as seconds since the epoch; what is over may be 0."""
        if supervisor() is None:
            return 0.0
        from airflow.sdk import Variable

        try:
            found = float(json.loads(Variable.get(self._key, default=None) or "0"))
        except Exception as error:
            log.debug("Could not read %s: %s", self._key, error)
            return 0.0
        return found if time.time() < found <= time.time() + LONGEST_SECONDS else 0.0

    def note(self, until: float) -> None:
        """Write down that it lasts longer.

        Args:
            until: As seconds since the epoch.
        """
        if supervisor() is None or self.until() >= until:
            return
        from airflow.sdk import Variable

        try:
            Variable.set(self._key, json.dumps(round(until, 3)), description=_DESCRIPTION)
        except Exception as error:
            log.debug("Could not write %s: %s", self._key, error)
