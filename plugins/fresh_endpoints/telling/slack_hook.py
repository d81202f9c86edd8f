"""Which of the provider's hooks sends to Slack, and what has kept it from that."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fresh_endpoints.telling.refusal import Refusal

if TYPE_CHECKING:
    from fresh_endpoints.telling.slack_api import QuietApiHook
    from fresh_endpoints.telling.slack_thread import Thread
    from fresh_endpoints.telling.slack_webhook import QuietWebhookHook


def slack_hook(connection: str, thread: Callable[[], Thread]) -> QuietWebhookHook | QuietApiHook:
    """Make the hook for the kind of connection that is named.

    Args:
        connection: The id of the Airflow connection.
        thread: Makes the run's thread, which a webhook has none of.
    """
    # Imported here, and for that not by way of the provider's notifier: two HTTP clients come with it, which every
    # parse of a DAG file and every task would import.
    from airflow.providers.common.compat.sdk import BaseHook

    from fresh_endpoints.telling.slack_api import QuietApiHook
    from fresh_endpoints.telling.slack_webhook import QuietWebhookHook

    if BaseHook.get_connection(connection).conn_type != QuietApiHook.conn_type:
        return QuietWebhookHook(connection)
    return QuietApiHook(connection, thread())


def posted(post: Callable[[], Refusal | None]) -> Refusal | None:
    """Send, and return what has kept Slack from taking the message, in words that hold no secret.

    Args:
        post: Sends, or raises what it has met.
    """
    try:
        return post()
    except Exception as error:
        # Not the error's text: it may hold the webhook's address, which is a secret.
        from fresh_endpoints.telling.faults import may_pass, what_failed

        return Refusal(what_failed(error), may_pass(error))
