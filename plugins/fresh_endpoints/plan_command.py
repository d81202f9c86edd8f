"""The command ``plan``: the requests that a run will send, without sending them."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from typing import TYPE_CHECKING, Any, TextIO
from zoneinfo import ZoneInfo

from fresh_endpoints.pipeline_file.schedule import newest_due

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline


def add_parser(commands: Any) -> None:
    """Add the command to the command line.

    Args:
        commands: argparse's sub-commands.
    """
    parser = commands.add_parser("plan", help="show the requests that a run will send, quotas and instance hours")
    parser.add_argument("pipeline")
    when = "the run's DATE, YYYY-MM-DD; the data date is the day before; default: that of the newest run that was due"
    parser.add_argument("--date", type=_date, metavar="DATE", help=when)
    live = (
        "ask AWS, too, for what is live, and show in what the plan differs; take Variables from Airflow, as a run does"
    )
    parser.add_argument("--live", action="store_true", help=live)
    parser.add_argument("--json", action="store_true", help="print JSON")


def _date(text: str) -> dt.date:
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no time zone
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}; allowed is a day, such as 2019-03-05") from None


def print_plan(pipeline: Pipeline, date: dt.date | None, *, live: bool, as_json: bool, out: TextIO) -> bool:
    """Print what a run will ask of AWS.

    Args:
        pipeline: The pipeline.
        date: The run's DATE; None for that of the newest run that was due.
        live: Whether to compare it with what is live.
        as_json: As JSON, else as YAML.
        out: Where to.

    Returns:
        Whether it could be told.
    """
    # They load Airflow and botocore, which the other commands need not wait for.
    from airflow.providers.common.compat.sdk import AirflowException
    from botocore.exceptions import BotoCoreError, ClientError
    from jinja2 import TemplateError

    from fresh_endpoints.planning import names, requests, text
    from fresh_endpoints.planning.live import difference

    try:
        plan = requests.plan_of(pipeline, moment_of(pipeline, date), names.in_airflow if live else names.in_environment)
        differs = difference(plan) if live and pipeline.deploy != "never" else None
    except (AirflowException, BotoCoreError, ClientError, TemplateError, ValueError) as error:
        sys.stderr.write(f"The plan of {pipeline.name} cannot be told: {error}\n")
        return False
    if differs:
        plan = plan.only(update=differs.exists)
    out.write((text.as_json if as_json else text.as_yaml)(plan, differs))
    return True


def moment_of(pipeline: Pipeline, date: dt.date | None, now: dt.datetime | None = None) -> dt.datetime:
    """Find the logical date of the run that is planned.

    Args:
        pipeline: The pipeline.
        date: The run's DATE; None for that of the newest run that was due.
        now: The moment now, with a time zone; None for the clock's.

    Returns:
        When the last run of that DATE is due; where the schedule has none, the midnight with which it begins, and
        without a DATE now.
    """
    zone = ZoneInfo(pipeline.timezone)
    now = (now or dt.datetime.now(dt.timezone.utc)).astimezone(zone)
    if date is None:
        return newest_due(pipeline, now) or now
    due = newest_due(pipeline, dt.datetime.combine(date, dt.time(23, 59, 59), tzinfo=zone))
    return due if due and due.date() == date else dt.datetime.combine(date, dt.time(), tzinfo=zone)
