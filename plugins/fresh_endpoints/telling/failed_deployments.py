"""All that people are told of deployments that fail, one function an event. Words only, as in messages.py.

What recurs among the parameters: ``deployment`` is what the run wants to be live; ``live`` is the endpoint config that
the endpoint serves; ``reason`` is AWS's own; ``why`` says how the smoke test has failed. What is live now, and whether
it is proven, is added to every message that is no success; see live_now.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fresh_endpoints.telling.message import Message
from fresh_endpoints.telling.messages import NO_REASON

if TYPE_CHECKING:
    from fresh_endpoints.deployment import Deployment

FAILED = "❌ Deployment failed"


# Before the endpoint is changed.


def no_model(trained_by: str) -> Message:
    """Say that the training task has left nothing to deploy."""
    return Message(
        FAILED,
        f"Task {trained_by!r} has returned no model; was it marked success by hand?",
        remedy=f"Clear {trained_by!r} to train one.",
    )


def endpoint_of_another(deployment: Deployment, *, live: str, other: str) -> Message:
    """Say that the endpoint serves another pipeline's model."""
    pipeline = deployment.run.aws_name
    return Message(
        FAILED,
        f'Endpoint "{deployment.endpoint_name}" serves "{live}", a model of pipeline "{other}", not of "{pipeline}".',
        {"Endpoint": deployment.endpoint_name},
        deployment.links,
        remedy="Give one of the pipelines another EndpointName; to take the endpoint over, trigger a run of "
        f'"{pipeline}" with deploy: always.',
    )


def live_config_gone(deployment: Deployment, *, live: str) -> Message:
    """Say that AWS refuses to change the endpoint, because what it serves has been deleted."""
    return Message(
        FAILED,
        f'Endpoint "{deployment.endpoint_name}" serves on, but its endpoint config "{live}" has been deleted, '
        f"and SageMaker refuses to update it without.",
        {"Endpoint": deployment.endpoint_name},
        deployment.links,
        remedy="Create an endpoint config of that name (any model will do), or delete the endpoint; then clear deploy.",
    )


def name_taken(kind: str, name: str, differences: Sequence[str]) -> Message:
    """Say that a model or endpoint config of the wanted name is another one."""
    return Message(
        FAILED,
        f"{kind} {name} exists and differs from what the pipeline file asks for: {'; '.join(differences)}.",
        remedy="Clear the run to train and deploy under new names.",
    )


# After that.


def rolled_back(deployment: Deployment, *, live: str | None, reason: str | None) -> Message:
    """Say that SageMaker has gone back to what the endpoint served before."""
    sentence = (
        f'Deployment failed for endpoint "{deployment.endpoint_name}", rolled back to previously deployed version: it '
        f'serves "{live}", not "{deployment.config_name}". {reason or NO_REASON}'
    )
    return _not_deployed(deployment, sentence, heading="↩️ Rolled back")


def not_deployed(deployment: Deployment, *, status: str, reason: str | None) -> Message:
    """Say that the endpoint does not serve at all after the change."""
    return _not_deployed(
        deployment,
        f'Deployment failed for endpoint "{deployment.endpoint_name}" with "{deployment.config_name}": it is {status}. '
        f"{reason or NO_REASON}",
    )


def endpoint_unusable(deployment: Deployment, *, status: str, live: str | None, reason: str | None) -> Message:
    """Say that the endpoint is in a status in which it cannot be changed."""
    return _not_deployed(
        deployment,
        f'Deployment failed for endpoint "{deployment.endpoint_name}": it is {status} with "{live}" and cannot take '
        f'"{deployment.config_name}".' + (f" {reason}" if reason else ""),
        remedy="Bring it back InService or delete it; then clear the task.",
    )


def endpoint_stuck(
    deployment: Deployment, *, status: str, live: str | None, minutes: int, why: str | None = None
) -> Message:
    """Say that the endpoint's change has outlasted its limit; where it is the way back, also from what."""
    return _not_deployed(
        deployment,
        f'Deployment failed for endpoint "{deployment.endpoint_name}": it was still {status} after {minutes} minutes, '
        f'with "{live}" and not "{deployment.config_name}".' + (f" The smoke test has {why}" if why else ""),
        remedy="Look at the endpoint in the AWS console; once it is InService, clear deploy.",
    )


def taken_back(deployment: Deployment, *, live: str | None, why: str) -> Message:
    """Say that a model which failed the smoke test has been taken back."""
    sentence = (
        f'Deployment of "{deployment.config_name}" to endpoint "{deployment.endpoint_name}" taken back: the smoke test '
        f'has {why} The endpoint is InService with "{live}" again.'
    )
    return _not_deployed(deployment, sentence, heading="↩️ Rolled back")


def left_unproven(
    deployment: Deployment, *, status: str, why: str, previous: str | None, refused: str | None
) -> Message:
    """Say that a model which failed the smoke test is live, because nothing could be put back."""
    if previous:
        back = f'"{previous}" could not be put back: {refused or NO_REASON}'
    else:
        back = "There is no previous endpoint config to go back to."
    return _not_deployed(
        deployment,
        f'The smoke test of endpoint "{deployment.endpoint_name}" has {why} {back} The endpoint is {status} and serves '
        f'the unproven model "{deployment.config_name}".',
        remedy=f"Trigger redeploy_{deployment.run.pipeline} with a data date that you trust; if there is none, mend "
        "the model, then clear train.",
    )


def _not_deployed(
    deployment: Deployment, sentence: str, *, heading: str = FAILED, remedy: str | None = None
) -> Message:
    facts = {"Endpoint": deployment.endpoint_name, "Asked for": deployment.config_name}
    return Message(heading, sentence, facts, deployment.links, remedy=remedy)
