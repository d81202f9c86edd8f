"""What a DAG's callback could not tell: kept in an Airflow Variable until the daily watch hands it over.

The dag-processor runs these callbacks. It can start no DAG run, as a task does (see later.py), and writes no XCom, but
it can write a Variable. There is one a DAG, whose callbacks come one after the other.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator

from fresh_endpoints.telling.later import Later
from fresh_endpoints.telling.slack_pause import supervisor

log = logging.getLogger(__name__)

_PREFIX = "fresh_endpoints_untold_"
_DESCRIPTION = "Slack did not take these; the DAG watch_models has them told. Deleted, they are not told."
# Of one DAG; of more the oldest are dropped, and are in the callback's log.
MOST_MESSAGES = 50


def put_by(later: Later, dag_id: str) -> str | None:
    """Keep a message for the daily watch.

    Args:
        later: The message.
        dag_id: The DAG whose callback has it.

    Returns:
        Who tells it later; None where Airflow keeps nothing.
    """
    if supervisor() is None:
        return None
    from airflow.sdk import Variable

    key = _PREFIX + dag_id
    try:
        kept = [*_read(key), later.to_json()]
        for text in kept[:-MOST_MESSAGES]:
            log.error("The Variable %s holds %d messages; its oldest is dropped: %s", key, MOST_MESSAGES, text)
        Variable.set(key, json.dumps(kept[-MOST_MESSAGES:]), description=_DESCRIPTION)
    except Exception as error:
        log.warning("Airflow does not keep the message in the Variable %s: %s", key, type(error).__name__)
        return None
    return f"the DAG watch_models, from the Variable {key}"


def take_up(dag_id: str) -> list[Later]:
    """Return what was kept for a DAG, the oldest first.

    Args:
        dag_id: The DAG.
    """
    return [later for _, later in _messages(_PREFIX + dag_id)]


def forget(dag_id: str, handed_over: Collection[Later]) -> None:
    """Forget what has been handed over. What a callback has kept meanwhile is read anew, and stays.

    A Variable cannot be changed in one step: what is kept between this reading and this writing would be lost.

    Args:
        dag_id: The DAG.
        handed_over: The messages.
    """
    from airflow.sdk import Variable

    key = _PREFIX + dag_id
    if left := [text for text, later in _messages(key) if later not in handed_over]:
        Variable.set(key, json.dumps(left), description=_DESCRIPTION)
    else:
        Variable.delete(key)


def _messages(key: str) -> Iterator[tuple[str, Later]]:
    for text in _read(key):
        try:
            yield text, Later.from_json(text)
        except (TypeError, ValueError) as error:  # Of another version, or somebody else's.
            log.warning("The Variable %s holds what is no message: %s", key, error)


def _read(key: str) -> list[str]:
    from airflow.sdk import Variable

    try:
        found = json.loads(Variable.get(key, default=None) or "[]")
    except ValueError:
        found = None
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []
