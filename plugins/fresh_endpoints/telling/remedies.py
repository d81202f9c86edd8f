"""What to do about each event that is no success, and where the runbook, docs/operations.md, has more of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from fresh_endpoints.telling.live_now import live_now

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.run import Run
    from fresh_endpoints.telling.message import Message

RUNBOOK = "docs/operations.md"
# The runbook's headings, and the titles of what is told there.
HEADINGS: Mapping[str, tuple[str, ...]] = {
    "Waiting for data": ("No new data", "Waiting for data failed"),
    "Training": ("Waiting for quota", "Waiting for capacity", "Training failed"),
    "Deployment": (
        "Quality gate failed",
        "Deployment skipped",
        "Deployment overtaken",
        "Deployment on hold",
        "Hold overridden",
        "Hold ended",
        "Endpoint recreated",
        "Smoke test failed",
        "Rolled back",
        "Clean-up failed",
    ),
    "Deployment failed": ("Deployment failed",),
    "Prediction": ("Prediction failed", "find_models failed"),
    "Redeploy and hold": (
        "Redeploy failed",
        "Redeploy overtaken",
        "choose_model failed",
        "hold failed",
        "redeploy failed",
    ),
    "The run": ("Deadline missed", "publish failed"),
    "The daily watch": (
        "Pipeline file unusable",
        "Endpoint without pipeline file",
        "Model too old",
        "Run never began",
    ),
}
_HEADING_OF = {title: heading for heading, titles in HEADINGS.items() for title in titles}
_ANY_HEADING = "What Slack says"
# By title; a message that knows better brings its own.
REMEDIES: Mapping[str, str] = {
    "No new data": "Nothing on a day off. Else have the files delivered; then trigger {dag} with data_date {day}.",
    "Waiting for data failed": "Mend what AWS names; then clear wait_for_data.",
    "Waiting for quota": "Nothing: it starts by itself. If it comes every day, ask AWS for a higher quota.",
    "Waiting for capacity": "Nothing: it is tried again. If it lasts, choose another instance type.",
    "Training failed": "Read the job's log; mend data, image, role or quota; then clear train.",
    "Quality gate failed": "Look at the data of that day. If the model is good all the same, correct the rule and "
    "clear deploy.",
    "Deployment skipped": "Nothing. To go to the older model all the same, trigger redeploy_{pipeline} "
    "with data date {day}.",
    "Deployment overtaken": "Nothing if that was meant. Else clear deploy, or hold what is right.",
    "Hold ended": "Nothing, or go back and hold longer: trigger redeploy_{pipeline}.",
    "Endpoint recreated": "Wait for the message that the deployment is completed.",
    "Smoke test failed": "Wait for the next message: it says what was put back.",
    "Rolled back": "Read the reason and the container's log; mend it; then clear deploy, or train where the model "
    "itself is bad.",
    "Clean-up failed": "Nothing at once: the next deployment cleans up. If it says denied, give the worker "
    "sagemaker:DeleteModel and sagemaker:DeleteEndpointConfig.",
    "Deployment failed": "Mend what AWS names; then clear deploy.",
    "Prediction failed": "Read the job's log; mend data, image, role or quota; then clear predict.",
    "find_models failed": "Mend what AWS names; then clear find_models.",
    "Redeploy failed": "Choose a model that exists, or mend what AWS names; then trigger redeploy_{pipeline} again.",
    "choose_model failed": "Mend what AWS names; then clear choose_model.",
    "hold failed": "Mend what the message names; then clear hold.",
    "redeploy failed": "Mend what the message names; then clear redeploy.",
    "Deadline missed": "If the run has failed, do as its own message says. If it goes on, see which task waits, and "
    "for what.",
    "publish failed": "Clear publish: the model is live, and nobody has been told of it.",
}
_ANY_REMEDY = "Read the task's log; mend what it names; then clear the task."


def helpful(message: Message, run: Run, pipeline: Pipeline) -> Message:
    """Add to a problem what is live now, what to do, where the runbook has more, and whom to call.

    Args:
        message: What to tell; what it says itself is left as it is.
        run: The run that it is about.
        pipeline: The pipeline that tells it.
    """
    if not message.is_problem:
        return message
    live = message.facts.get("Live now") or live_now(pipeline)
    slack, heading = pipeline.slack, heading_of(message.title)
    facts = {**message.facts, **({"Live now": live} if live else {}), "What to do": remedy_of(message, run)}
    links = dict(message.links)
    if slack and slack.runbook:
        links["Runbook"] = f"{slack.runbook}#{anchor_of(heading)}"
    else:
        facts["Runbook"] = f'{RUNBOOK}, "{heading}"'
    mention = slack.mention if slack and message.is_failure else ()
    return replace(message, facts=facts, links=links, mention=mention)


def remedy_of(message: Message, run: Run) -> str:
    """Say what to do about a problem.

    Args:
        message: The problem.
        run: The run that it is about.
    """
    if message.remedy is not None:
        return message.remedy
    template = REMEDIES.get(message.title, _ANY_REMEDY)
    return template.format(pipeline=run.pipeline, dag=run.dag_id, day=run.data_date)


def heading_of(title: str) -> str:
    """Return the runbook's heading under which a problem is.

    Args:
        title: The message's title.
    """
    return _HEADING_OF.get(title, _ANY_HEADING)


def anchor_of(heading: str) -> str:
    """Return a heading's anchor, as GitHub makes it.

    Args:
        heading: One of the runbook's headings, which are words and spaces.
    """
    return heading.lower().replace(" ", "-")
