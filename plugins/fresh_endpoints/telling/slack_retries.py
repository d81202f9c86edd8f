"""What a message to Slack is sent a second time for, within the 20 s that Airflow gives all callbacks of a task.

Imported when a message is sent, not before: two HTTP clients come with it.
"""

from __future__ import annotations

from slack_sdk.http_retry.builtin_handlers import (
    ConnectionErrorRetryHandler,
    RateLimitErrorRetryHandler,
    ServerErrorRetryHandler,
)
from slack_sdk.http_retry.handler import RetryHandler
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState

# A webhook takes a message a second, so pipelines that end together are soon let in:
# https://docs.slack.dev/apis/web-api/rate-limits
LONGEST_RETRY_AFTER_SECONDS = 5


class ShortRateLimitRetryHandler(RateLimitErrorRetryHandler):
    """Waits as long as Slack asks for, if that is not too long for a callback."""

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        if response is None or not super()._can_retry(state=state, request=request, response=response, error=error):
            return False
        [seconds] = [values[0] for name, values in response.headers.items() if name.lower() == "retry-after"] or ["1"]
        return int(seconds) <= LONGEST_RETRY_AFTER_SECONDS


def retry_handlers() -> list[RetryHandler]:
    """Return one retry for each: a lost connection, a fault of Slack's own, and too many messages at once."""
    return [
        ConnectionErrorRetryHandler(max_retry_count=1),
        ServerErrorRetryHandler(max_retry_count=1),
        ShortRateLimitRetryHandler(max_retry_count=1),
    ]
