"""What ``notify`` says: its templates, its secrets, and (in the command ``check`` only) its classes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.pipeline_file.templates import SAMPLE_DATES, Templates
from fresh_endpoints.problems import Where, format_path

# What an argument's template knows, with the facts of a sample message. No name of Airflow's: a message is told from
# tasks, from callbacks and from the triggerer, which do not have the same.
SAMPLE_NAMES = {
    **SAMPLE_DATES,
    "message": "Training failed: iris, data date 2019-03-04. Training job failed.",
    "message_html": "Training failed: iris, data date 2019-03-04. Training job failed.",
    "title": "Training failed",
    "pipeline": "iris",
    "dag_id": "train_and_deploy_iris",
    "run_id": "scheduled__2019-03-04T15:00:00+00:00",
}
# Names of arguments that take secrets. That of a connection (…_conn_id) is none, nor is a key that tells events apart.
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:token|password|passwd|secret|webhook|webhook_url|api_?key|integration_key|routing_key|private_key|"
    r"access_key|credentials?|authorization|auth)$",
    re.IGNORECASE,
)
_SECRET_VALUES = re.compile(
    r"""
    https?://[^/\s@]+:[^/\s@]+@                                  # a user and a password
    | https?://hooks\.|https?://[\w.-]*/(?:api/)?webhooks?/|https?://[\w.-]*\.webhook\.office\.com/
    | https?://\S*[?&](?:sig|key|token|code|secret|api_?key)=    # an address with its key
    | \bxox[a-z]-\w | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b | \b(?:Bearer|Basic)\s+\S{8}
    """,
    re.VERBOSE | re.IGNORECASE,
)
_HIDDEN_BECAUSE = (
    "it looks like a secret, which would be in the repository and in Airflow's database; put it into an Airflow "
    "connection, and name that in the notifier's parameter for one, such as http_conn_id"
)


def check_notify(pipeline: Pipeline) -> Iterator[str]:
    """Check the arguments of notifiers, as far as no class is needed for it.

    Args:
        pipeline: The pipeline as its file has it.

    Yields:
        One sentence for each problem.
    """
    for number, entry in enumerate(pipeline.notify):
        where: Where = ("notify", number, "arguments")
        secrets = list(_secrets(entry.arguments, where))
        for path in secrets:
            yield f"{format_path(path)}: found (hidden); {_HIDDEN_BECAUSE}"
        if not secrets:  # Else what is said of a template might quote one.
            templates = Templates(dict(SAMPLE_NAMES), airflow_names=frozenset())
            templates.render(entry.arguments, where)
            yield from templates.problems


def find_notifier_problems(pipeline: Pipeline) -> list[str]:
    """Load the classes of notifiers, and hold their arguments against them.

    Args:
        pipeline: The pipeline as its file has it, in which there are no problems.

    Returns:
        One sentence for each problem.
    """
    return list(_class_problems(pipeline))


def _class_problems(pipeline: Pipeline) -> Iterator[str]:
    # It loads Airflow, which only a file with notifiers is to pay for.
    from fresh_endpoints.pipeline_file.notifier_class import NoNotifierError, notifier_class, problem_of_arguments

    for number, entry in enumerate(pipeline.notify):
        try:
            found = notifier_class(entry.notifier)
        except NoNotifierError as error:
            yield f"{format_path(('notify', number, 'notifier'))}: found {entry.notifier!r}; {error}"
        else:
            if problem := problem_of_arguments(found, entry.arguments):
                yield f"{format_path(('notify', number, 'arguments'))}: {problem}"


def _secrets(value: Any, path: Where) -> Iterator[Where]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            is_named = isinstance(item, str) and item and _SECRET_NAME.search(str(key))
            yield from [(*path, str(key))] if is_named else _secrets(item, (*path, str(key)))
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            yield from _secrets(item, (*path, position))
    elif isinstance(value, str) and _SECRET_VALUES.search(value):
        yield path
