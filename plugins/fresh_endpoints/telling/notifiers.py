"""Further ways to tell people: the notifiers that a pipeline file names, beside Slack or without it.

Their arguments are rendered here, and Airflow's rendering of a notifier is left out. It would render the fields' own
names, such as ``message``, from the fields themselves; and it would take what AWS or the data has brought into an
argument for a template, from which connections and programs are a step away.

A notifier is somebody's code, and may hang. It runs in a thread that is not waited for any longer than there is time.
"""

from __future__ import annotations

import html
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fresh_endpoints.telling.faults import what_failed

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.notify import Notify
    from fresh_endpoints.run import Run
    from fresh_endpoints.telling.message import Message

# For all notifiers of a pipeline together.
MOST_SECONDS = 10.0
# Airflow gives all callbacks of a task 20 s together ([core] task_success_overtime), and Slack comes first.
MOST_SECONDS_WITH_SLACK = 18.0
LEAST_SECONDS = 2.0

log = logging.getLogger(__name__)


def tell_notifiers(
    wanting: Sequence[Notify], run: Run, message: Message, context: Mapping[str, Any], *, since: float
) -> bool:
    """Give a message to notifiers; what fails is logged, and changes nothing.

    Args:
        wanting: The notifiers.
        run: The run that the message is about.
        message: What to tell, masked.
        context: The context of the task or callback that tells; maybe empty.
        since: When the telling began, by time.monotonic().

    Returns:
        Whether one of them took it.
    """
    spent = time.monotonic() - since
    end = time.monotonic() + max(LEAST_SECONDS, min(MOST_SECONDS, MOST_SECONDS_WITH_SLACK - spent))
    names = _names(run, message)
    told = False
    for number, entry in enumerate(wanting):
        # One that hangs leaves the others their share.
        seconds = (end - time.monotonic()) / (len(wanting) - number)
        problem = _send_in_time(entry, names, context, seconds)
        told = told or problem is None
        if problem is None:
            log.info("Told %s: %r", entry.notifier, message.event)
        else:
            log.warning("%s did not take the message %r: %s; the run goes on.", entry.notifier, message.event, problem)
    return told


def _names(run: Run, message: Message) -> dict[str, str]:
    """Return what an argument's template knows."""
    # Slack's escapes are no part of the text.
    text = html.unescape(message.text(run))
    links = "".join(f"\n{label}: {url}" for label, url in message.links.items())
    whole = f"{text}\n{links}" if links else text
    markup = html.escape(whole).replace("\n", "<br>\n")
    run_names = {"dag_id": run.dag_id, "run_id": run.run_id}
    return {**run.template_names, **run_names, "title": message.title, "message": whole, "message_html": markup}


def _send_in_time(entry: Notify, names: dict[str, str], context: Mapping[str, Any], seconds: float) -> str | None:
    """Send in a thread, and return what has kept the notifier from it; None where it took the message."""
    ended: list[str | None] = []
    thread = threading.Thread(target=lambda: ended.append(_send(entry, names, context)), daemon=True)
    thread.start()
    thread.join(max(seconds, 0))
    return ended[0] if ended else f"it has not ended within {seconds:.0f} s"


def _send(entry: Notify, names: dict[str, str], context: Mapping[str, Any]) -> str | None:
    from fresh_endpoints.pipeline_file.notifier_class import NoNotifierError, notifier_class, problem_of_arguments

    try:
        found = notifier_class(entry.notifier)
        if problem := problem_of_arguments(found, entry.arguments):
            return problem
        found(**_rendered(entry.arguments, names)).notify(dict(context))  # type: ignore[arg-type]
    except NoNotifierError as error:
        return str(error)
    except Exception as error:
        return what_failed(error)
    return None


def _rendered(arguments: Mapping[str, Any], names: dict[str, str]) -> dict[str, Any]:
    from fresh_endpoints.pipeline_file.notifier_class import NoNotifierError
    from fresh_endpoints.pipeline_file.templates import Templates

    templates = Templates(names, airflow_names=frozenset())
    rendered: dict[str, Any] = templates.render(arguments, ("arguments",))
    if templates.problems:
        raise NoNotifierError(templates.problems[0])
    return rendered
