"""What people are told of a step that waits for instances: words only, as messages.py has them for all else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from fresh_endpoints.telling.message import Kind, Message

if TYPE_CHECKING:
    from fresh_endpoints.aws.errors import Quota
    from fresh_endpoints.deployment import Deployment


def waiting_for_quota(what: str, quota: Quota | None, *, until: dt.datetime, links: Mapping[str, str]) -> Message:
    """Say that a step waits, for its account's quota is in use.

    Args:
        what: What it is to start.
        quota: AWS's figures; None where AWS gave none.
        until: Until when it waits at most, in the pipeline's time zone.
        links: Addresses by label.
    """
    figures = (
        f'AWS allows {quota.limit} of "{quota.name}": {quota.utilization} are in use, and this asks for {quota.delta}. '
        if quota
        else "AWS names no figures. "
    )
    return Message(
        "⏳ Waiting for quota",
        f"{what} waits for quota. {figures}It starts by itself once there is room, and waits until {_shown(until)} at "
        "most.",
        {"Quota": quota.name} if quota else {},
        links,
        Kind.PROBLEM,
    )


def waiting_for_capacity(what: str, reason: str, *, until: dt.datetime, links: Mapping[str, str]) -> Message:
    """Say that a step waits, for AWS has no such instance now.

    Args:
        what: What has failed for want of it.
        reason: AWS's own.
        until: Until when it is tried again at most, in the pipeline's time zone.
        links: Addresses by label.
    """
    return Message(
        "⏳ Waiting for capacity",
        f"{what} could not start, and nothing is billed for it. {reason} It is tried again from time to time under "
        f"another name, until {_shown(until)} at most.",
        links=links,
        kind=Kind.PROBLEM,
    )


def deployment_waiting_for_capacity(
    deployment: Deployment, reason: str, *, until: dt.datetime, links: Mapping[str, str]
) -> Message:
    """Say that a deployment waits, for AWS has no instances for it now.

    Args:
        deployment: What is to be live.
        reason: AWS's own.
        until: Until when it is tried again at most, in the pipeline's time zone.
        links: Addresses by label.
    """
    return Message(
        "⏳ Waiting for capacity",
        f'Endpoint "{deployment.endpoint_name}" could not take "{deployment.config_name}". {reason} It is tried '
        f"again from time to time, until {_shown(until)} at most.",
        links=links,
        kind=Kind.PROBLEM,
    )


def after_waiting(message: Message, seconds: float, *, want: str = "quota") -> Message:
    """Let a message say how long what it tells of has waited.

    Args:
        message: That something has started.
        seconds: How long.
        want: For what.
    """
    return replace(message, sentence=f"{message.sentence} It waited {_minutes(seconds)} for {want}.")


def waited_in_vain(reason: str, seconds: float, *, is_chosen: bool, want: str = "quota") -> str:
    """Say that a step has waited as long as it may, and what to do.

    Args:
        reason: How AWS has refused.
        seconds: How long it has waited.
        is_chosen: Whether the pipeline file says how long it may wait.
        want: For what.
    """
    bound = "as long as quota_wait_minutes lets it" if is_chosen else "as long as it may without quota_wait_minutes"
    remedy = (
        "Ask AWS for a higher quota, end what uses it up, or let fewer pipelines run at once"
        if want == "quota"
        else "Choose another instance type, or another availability zone"
    )
    return f"{reason} It has waited {_minutes(seconds)} for {want}, {bound}. {remedy}; then clear the task."


def _minutes(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def _shown(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} ({moment.tzinfo})"
