"""All that people are told of people's decisions, one function an event: what was redeployed, and what is held.

As in messages.py: words only. What recurs among the parameters: ``deployment`` is what the run wants to be live;
``live`` is the endpoint config that the endpoint serves; ``hold`` says until when, who and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fresh_endpoints.telling.message import Message

if TYPE_CHECKING:
    from fresh_endpoints.aws.hold import Hold
    from fresh_endpoints.deployment import Deployment


# A hold, as an automatic deployment meets it.


def deployment_held(deployment: Deployment, hold: Hold, *, live: str) -> Message:
    """Say that what is live stays, because a person holds it."""
    return Message(
        "⏸️ Deployment on hold",
        f'Not deploying "{deployment.training_job}": endpoint "{deployment.endpoint_name}" serves "{live}", which '
        f"{hold.who} holds until {hold.end}{_because(hold)}. {_how_to_release(deployment.run.pipeline)}",
        {"Endpoint": deployment.endpoint_name, "Live": live, **_facts(hold)},
        deployment.links,
    )


def hold_overridden(deployment: Deployment, hold: Hold, *, live: str) -> Message:
    """Say that a run with deploy: always deploys over what a person holds."""
    return Message(
        "⚠️ Hold overridden",
        f'Deploying "{deployment.training_job}" with deploy: always over "{live}", which {hold.who} holds until '
        f"{hold.end}{_because(hold)}. The hold stands: runs with deploy: auto leave alone what is live then. "
        f"{_how_to_release(deployment.run.pipeline)}",
        {"Endpoint": deployment.endpoint_name, "Live": live, **_facts(hold)},
        deployment.links,
    )


def hold_ended(deployment: Deployment, hold: Hold, *, live: str) -> Message:
    """Say, once, that a hold's time is over, and that deployments go on."""
    return Message(
        "▶️ Hold ended",
        f'The hold of {hold.who} on endpoint "{deployment.endpoint_name}" has ended at {hold.end}; it served "{live}" '
        f'until now{_because(hold)}. Deployments go on with "{deployment.training_job}".',
        {"Endpoint": deployment.endpoint_name, "Live": live, **_facts(hold)},
        deployment.links,
    )


def _facts(hold: Hold) -> dict[str, str]:
    return {"Held by": hold.who, "Until": hold.end, **({"Why": hold.why} if hold.why else {})}


def _because(hold: Hold) -> str:
    return f" ({hold.why})" if hold.why else ""


def _how_to_release(pipeline: str) -> str:
    return f'To release it, trigger redeploy_{pipeline} with {{"model": "live", "hold_days": 0}}.'
