"""All that people are told of what the daily watch finds, one function a finding. Words only, as in messages.py.

What recurs among the parameters: ``live`` is what the endpoint serves; ``today`` is the day in the pipeline's time
zone. Every message says what is live, how old it is, whether it is proven, and what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fresh_endpoints.telling.live_now import days_ago, in_words
from fresh_endpoints.telling.message import Kind, Message

if TYPE_CHECKING:
    import datetime as dt

    from fresh_endpoints.aws.hold import Hold
    from fresh_endpoints.live import LiveModel

HOURS_A_DAY = 24


def pipeline_file_unusable(live: LiveModel, today: dt.date, *, file: str, problems: Sequence[str]) -> Message:
    """Say that a pipeline trains and deploys nothing more, because its file cannot be used."""
    first, *others = problems
    more = f" (and {len(others)} more)" if others else ""
    return Message(
        "🚨 Pipeline file unusable",
        f"{file} cannot be used: {first}{more}. Until it can, nothing is trained or deployed; endpoint "
        f'"{live.endpoint}" serves on.',
        {"Endpoint": live.endpoint, "Live now": in_words(live, today)},
        remedy="Correct the file; `fresh-endpoints check` says what is wrong with it.",
    )


def model_too_old(live: LiveModel, today: dt.date, *, most_days: int) -> Message:
    """Say that the model which is live is older than the pipeline file allows."""
    return Message(
        "⌛ Model too old",
        f'Endpoint "{live.endpoint}" serves a model of {live.data_date}, {days_ago(live, today)}, and max_age_days '
        f"is {most_days}.",
        {"Endpoint": live.endpoint, "Live now": in_words(live, today)},
        remedy=f"Look at the newest runs of train_and_deploy_{live.pipeline}: they have failed, found no data, were "
        "refused by the quality gate, are held back, or never began.",
    )


def endpoint_without_file(live: LiveModel, today: dt.date, *, instances: Mapping[str, int]) -> Message:
    """Say that an endpoint costs, and that no pipeline file deploys to it."""
    return Message(
        "👻 Endpoint without pipeline file",
        f'No pipeline file deploys to endpoint "{live.endpoint}", which serves on with the last model of pipeline '
        f'"{live.pipeline}". {_cost(instances)}',
        {"Endpoint": live.endpoint, "Live now": in_words(live, today), "A day": _instance_hours(instances)},
        remedy="Put the file back, or delete the endpoint; where another Airflow keeps it fresh: nothing.",
        kind=Kind.PROBLEM,
    )


def run_never_began(
    pipeline: str, due: dt.datetime, live: LiveModel | None, today: dt.date, *, minutes: int
) -> Message:
    """Say that a deadline is missed by a run that Airflow has never begun."""
    return Message(
        "⏰ Run never began",
        f"The run of train_and_deploy_{pipeline} that was due at {due:%Y-%m-%d %H:%M %Z} has never begun, and its "
        f"deadline, {minutes} minutes later, is over.",
        {"Live now": in_words(live, today)} if live else {},
        remedy="See whether the DAG is paused, a run before it is still going on, or the scheduler is down; then "
        "trigger it.",
    )


def hold_ended(live: LiveModel, hold: Hold, today: dt.date) -> Message:
    """Say, once, that a hold's time is over, and what comes of it."""
    return Message(
        "▶️ Hold ended",
        f'The hold of {hold.who} on endpoint "{live.endpoint}" has ended at {hold.end}. The next run of '
        f"train_and_deploy_{live.pipeline} deploys again.",
        {"Endpoint": live.endpoint, "Live now": in_words(live, today), **({"Why": hold.why} if hold.why else {})},
        kind=Kind.PROBLEM,
        remedy=f'Nothing, or, to hold on to what is live, trigger redeploy_{live.pipeline} with {{"model": "live"}}.',
    )


def _cost(instances: Mapping[str, int]) -> str:
    if not instances:
        return "It has no instances of its own, so it costs by the request at most."
    listed = ", ".join(f"{count} of {kind}" for kind, count in instances.items())
    return f"It costs {_instance_hours(instances)} a day ({listed})."


def _instance_hours(instances: Mapping[str, int]) -> str:
    return f"{HOURS_A_DAY * sum(instances.values())} instance hours"
