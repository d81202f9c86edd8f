"""All that people are told of people's decisions, one function an event: what was redeployed, and what is held.

As in messages.py: words only. What recurs among the parameters: ``deployment`` is what the run wants to be live;
``live`` is the endpoint config that the endpoint serves; ``hold`` says until when, who and why; ``decision`` is what a
person has asked a redeploy for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fresh_endpoints.telling.message import Kind, Message

if TYPE_CHECKING:
    from fresh_endpoints.aws.hold import Hold
    from fresh_endpoints.deployment import Deployment


@dataclass(frozen=True)
class Decision:
    """What a person has decided.

    Attributes:
        who: The person.
        why: The reason; maybe empty.
        over: The endpoint config that was live then; None where nothing was.
        standing: Whether what is to be live was seen to work before, such as ``proven``.
        hold: How long it is to stay; None where it is not held.
    """

    who: str
    why: str
    over: str | None
    standing: str
    hold: Hold | None


# A redeploy.


def redeploy_started(deployment: Deployment, decision: Decision) -> Message:
    """Say what a person puts back, and why."""
    place = f' in the place of "{decision.over}"' if decision.over else ""
    return Message(
        "⏪ Redeploy started",
        f'{decision.who} redeploys "{deployment.config_name}" to endpoint "{deployment.endpoint_name}"{place}'
        f"{_in_brackets(decision.why)}. {_until(decision.hold)}",
        {"Endpoint": deployment.endpoint_name, **_facts_of(decision)},
        deployment.links,
        kind=Kind.DECISION,
    )


def redeployed(deployment: Deployment, decision: Decision) -> Message:
    """Say that what a person wanted is live, verified."""
    return Message(
        "🟢 Redeployed",
        f'Endpoint "{deployment.endpoint_name}" serves "{deployment.config_name}", as {decision.who} wanted'
        f"{_in_brackets(decision.why)}. {_until(decision.hold)}",
        {"Endpoint": deployment.endpoint_name, "Live": deployment.config_name, **_facts_of(decision)},
        deployment.links,
        kind=Kind.DECISION,
    )


def hold_set(deployment: Deployment, decision: Decision, *, becoming: str | None) -> Message:
    """Say that a person holds what is live."""
    change = (
        f' At this moment the endpoint is changed to "{becoming}", which the hold does not stop.' if becoming else ""
    )
    return Message(
        "⏸️ Hold set",
        f'{decision.who} holds "{deployment.config_name}" on endpoint "{deployment.endpoint_name}"'
        f"{_in_brackets(decision.why)}. {_until(decision.hold)}{change} "
        f"{_how_to_release(deployment.run.pipeline)}",
        {"Endpoint": deployment.endpoint_name, "Live": deployment.config_name, **_facts_of(decision)},
        deployment.links,
        kind=Kind.DECISION,
    )


def hold_released(deployment: Deployment, decision: Decision, *, was: Hold | None) -> Message:
    """Say that a person has released what is live, and whose hold it was."""
    before = f"{was.who} held it until {was.end}{_because(was)}" if was else "Nobody held it"
    return Message(
        "▶️ Hold released",
        f'{decision.who} has released endpoint "{deployment.endpoint_name}"{_in_brackets(decision.why)}. It serves '
        f'"{deployment.config_name}" until the next deployment. {before}.',
        {"Endpoint": deployment.endpoint_name, "Live": deployment.config_name},
        deployment.links,
        kind=Kind.DECISION,
    )


def redeploy_refused(pipeline: str, reason: str, *, choices: Sequence[str]) -> Message:
    """Say why nothing was changed, and what can be gone back to."""
    listed = "\n".join(f"• {choice}" for choice in choices)
    return Message(
        "❌ Redeploy failed",
        f"{reason} Nothing was changed. "
        + (f"Of pipeline {pipeline} there can be redeployed, by data date or name:\n{listed}" if choices else "")
        + ("" if choices else f"Of pipeline {pipeline} there is no completed training job that could be redeployed."),
    )


def redeploy_failed(deployment: Deployment, reason: str) -> Message:
    """Say why a redeploy has failed which has no words of its own for it."""
    return Message(
        "❌ Redeploy failed",
        f'"{deployment.config_name}" was not redeployed to endpoint "{deployment.endpoint_name}". {reason}',
        {"Endpoint": deployment.endpoint_name, "Asked for": deployment.config_name},
        deployment.links,
    )


def redeploy_overtaken(deployment: Deployment, *, live: str) -> Message:
    """Say that somebody else has put another config live while the redeploy was on its way."""
    return Message(
        "❌ Redeploy overtaken",
        f'"{deployment.config_name}" is not live: somebody else has changed endpoint "{deployment.endpoint_name}" '
        f'meanwhile, and it serves "{live}".',
        {"Endpoint": deployment.endpoint_name, "Asked for": deployment.config_name},
        deployment.links,
        remedy=f"Trigger redeploy_{deployment.run.pipeline} again: its hold keeps the daily runs out.",
    )


# A hold, as an automatic deployment meets it.


def deployment_held(deployment: Deployment, hold: Hold, *, live: str) -> Message:
    """Say that what is live stays, because a person holds it."""
    return Message(
        "⏸️ Deployment on hold",
        f'Not deploying "{deployment.training_job}": endpoint "{deployment.endpoint_name}" serves "{live}", which '
        f"{hold.who} holds until {hold.end}{_because(hold)}.",
        {"Endpoint": deployment.endpoint_name, **_facts(hold)},
        deployment.links,
        kind=Kind.PROBLEM,
        remedy=f"Nothing, or release it and clear deploy. {_how_to_release(deployment.run.pipeline)}",
    )


def hold_overridden(deployment: Deployment, hold: Hold, *, live: str) -> Message:
    """Say that a run with deploy: always deploys over what a person holds."""
    return Message(
        "⚠️ Hold overridden",
        f'Deploying "{deployment.training_job}" with deploy: always over "{live}", which {hold.who} holds until '
        f"{hold.end}{_because(hold)}. The hold stands: runs with deploy: auto leave alone what is live then.",
        {"Endpoint": deployment.endpoint_name, **_facts(hold)},
        deployment.links,
        kind=Kind.INTERIM,
        remedy=f"Ask who triggered it. {_how_to_release(deployment.run.pipeline)}",
    )


def hold_ended(deployment: Deployment, hold: Hold, *, live: str) -> Message:
    """Say, once, that a hold's time is over, and that deployments go on."""
    return Message(
        "▶️ Hold ended",
        f'The hold of {hold.who} on endpoint "{deployment.endpoint_name}" has ended at {hold.end}; it served "{live}" '
        f'until now{_because(hold)}. Deployments go on with "{deployment.training_job}".',
        {"Endpoint": deployment.endpoint_name, **_facts(hold)},
        deployment.links,
        kind=Kind.INTERIM,
    )


def _facts(hold: Hold) -> dict[str, str]:
    return {"Held by": hold.who, "Until": hold.end, **({"Why": hold.why} if hold.why else {})}


def _facts_of(decision: Decision) -> dict[str, str]:
    return {
        "Model": decision.standing,
        "Asked for by": decision.who,
        "Held until": decision.hold.end if decision.hold else "not held",
        **({"Why": decision.why} if decision.why else {}),
    }


def _until(hold: Hold | None) -> str:
    if hold is None:
        return "It is not held: the next run may deploy over it."
    return f"It stays until {hold.end}."


def _because(hold: Hold) -> str:
    return _in_brackets(hold.why)


def _in_brackets(why: str) -> str:
    return f" ({why})" if why else ""


def _how_to_release(pipeline: str) -> str:
    return f'To release it, trigger redeploy_{pipeline} with {{"model": "live", "hold_days": 0}}.'
