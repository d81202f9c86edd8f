"""That Slack did not take a message: why, and whether another try may help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Those by which a server, or what stands before it, says that it cannot just now.
PASSING_STATUSES = frozenset({500, 502, 503, 504})
# What two tries may take together stays within Airflow's 20 s for the callbacks of a task: a second one is begun only
# where the first was over this soon.
MOST_SECONDS_BEFORE_ANOTHER = 3.0
# What an answer of "too many" asks for that says nothing of it, or a date, as a proxy may.
_USUAL_SECONDS, _LONG_SECONDS = 1.0, 30.0


@dataclass(frozen=True)
class Refusal:
    """Why Slack did not take a message.

    Attributes:
        words: What was said, and what to do; they hold no secret.
        may_pass: Whether the same message may be taken later.
        retry_after: For how many seconds Slack wants no other message; None where it says nothing of that.
    """

    words: str
    may_pass: bool = False
    retry_after: float | None = None


def seconds_of(headers: Mapping[str, Any]) -> float:
    """Return how long to wait after an answer of 429: https://docs.slack.dev/apis/web-api/rate-limits.

    Args:
        headers: The answer's headers.
    """
    values = [value for name, value in headers.items() if name.lower() == "retry-after"]
    if not values:
        return _USUAL_SECONDS
    # The client of the API gives lists.
    text = str(values[0][0] if isinstance(values[0], list) and values[0] else values[0])
    return float(text) if text.isdecimal() else _LONG_SECONDS
