"""What a message to Slack is sent a second time for, within the 20 s that Airflow gives all callbacks of a task.

Imported when a message is sent, not before: two HTTP clients come with it.
"""

from __future__ import annotations

import ssl

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


# Those by which a server, or what stands before it, says that it cannot just now.
PASSING_STATUSES = frozenset({500, 502, 503, 504})


class PassingConnectionErrorRetryHandler(ConnectionErrorRetryHandler):
    """Asks again when the connection is lost or not made, but not where TLS refuses it: it would again."""

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
            return False
        return bool(super()._can_retry(state=state, request=request, response=response, error=error))


class PassingFaultRetryHandler(ServerErrorRetryHandler):
    """Asks again after a fault of Slack's own, or of a proxy's."""

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        return response is not None and response.status_code in PASSING_STATUSES


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
        # The client of the API gives it under two names.
        waits = [values[0] for name, values in response.headers.items() if name.lower() == "retry-after"]
        seconds = next(iter(waits), "1")
        # It is a date where a proxy says so.
        return seconds.isdecimal() and int(seconds) <= LONGEST_RETRY_AFTER_SECONDS


def retry_handlers() -> list[RetryHandler]:
    """Return one retry for each: a lost connection, a fault of Slack's own, and too many messages at once."""
    return [
        PassingConnectionErrorRetryHandler(max_retry_count=1),
        PassingFaultRetryHandler(max_retry_count=1),
        ShortRateLimitRetryHandler(max_retry_count=1),
    ]
