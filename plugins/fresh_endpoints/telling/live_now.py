"""What is live now, in words, for whoever is told that something went wrong; and what a run has changed.

It is looked up when the message is sent, in a few seconds or not at all: telling never decides, and never delays.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from fresh_endpoints.live import LiveModel
    from fresh_endpoints.pipeline_file.model import Pipeline

T = TypeVar("T")

log = logging.getLogger(__name__)

# Airflow gives all callbacks of a task 20 s together ([core] task_success_overtime), of which a message to Slack may
# take 16; see slack_webhook.py.
LOOK_SECONDS = 3.0
_ASKING: dict[str, Any] = {"retries": {"total_max_attempts": 2}, "connect_timeout": 2, "read_timeout": 2}

NOT_KNOWN = "what is live could not be read"


def live_now(pipeline: Pipeline) -> str | None:
    """Say what a pipeline's endpoint serves, how old that is, and whether it is proven.

    Args:
        pipeline: The pipeline.

    Returns:
        The words; None for a pipeline that deploys nothing.
    """
    if pipeline.deploy == "never":
        return None
    try:
        return _look(pipeline)
    except Exception as error:
        log.warning("What is live could not be read for the message: %s", error)
        return NOT_KNOWN


def in_words(live: LiveModel, today: dt.date) -> str:
    """Say what an endpoint serves.

    Args:
        live: What that is.
        today: The day in the pipeline's time zone.
    """
    if live.data_date is None:
        is_served = live.config is not None and live.status not in ("Creating", "Failed")
        reason = live.problem or f"the endpoint is {live.status}"
        return f"{live.config if is_served else 'nothing'} ({reason})"
    return f"{live.config}, data date {live.data_date} ({days_ago(live, today)}), {live.proof}, {live.status}"


def days_ago(live: LiveModel, today: dt.date) -> str:
    """Say how long ago the data date of what is live was.

    Args:
        live: What is live, with a data date.
        today: The day in the pipeline's time zone.
    """
    days = live.age(today)
    return "1 day ago" if days == 1 else f"{days} days ago"


def within_seconds(look: Callable[[], T], seconds: float) -> T:
    """Return what a function returns, unless it takes too long.

    Args:
        look: Asks AWS; it must not ask Airflow, which one thread of a task at a time may.
        seconds: How long to wait for it.

    Raises:
        TimeoutError: It took longer; it is left to itself.
        Exception: What it raised.
    """
    results: list[T] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(look())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="what-is-live", daemon=True)
    thread.start()
    thread.join(max(seconds, 0))
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"it took longer than {seconds:.1f} s")
    return results[0]


def _look(pipeline: Pipeline) -> str:
    # Not at every parse of a DAG file: AWS's client comes with it.
    from fresh_endpoints.aws.clients import SageMakerHook, mask_token
    from fresh_endpoints.live import NO_ENDPOINT, today_of, what_is_live

    hook = SageMakerHook(aws_conn_id=pipeline.aws_conn_id, region_name=pipeline.region, config=_ASKING)
    _ = hook.conn
    # Both ask Airflow: for the connection, and to mask what the requests will hold. Airflow 3.1 mixes up its answers
    # to two threads of a task.
    began = time.monotonic()
    if token := within_seconds(lambda: _token_of(hook), LOOK_SECONDS):
        mask_token(token)
    live = within_seconds(lambda: what_is_live(pipeline, hook), LOOK_SECONDS - (time.monotonic() - began))
    if live.status is None and live.problem != NO_ENDPOINT:
        raise RuntimeError(live.problem)
    return in_words(live, today_of(pipeline, dt.datetime.now(dt.timezone.utc)))


def _token_of(hook: Any) -> str | None:
    credentials = hook.get_session().get_credentials()
    token: str | None = credentials.get_frozen_credentials().token if credentials else None
    return token
