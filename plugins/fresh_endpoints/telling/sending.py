"""Sends a message to Slack, once an event, and never decides anything.

Messages go through the provider's webhook hook. A message about a SageMaker resource is recorded as a tag on that
resource, so that neither a retry nor a second worker tells the same event twice. A double message takes a send without
a record: a process that dies between the two, or an answer of Slack's or of AWS's that is lost.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.notifier import BaseNotifier

from fresh_endpoints.aws import tags
from fresh_endpoints.run import Run
from fresh_endpoints.telling.remedies import helpful

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.telling.message import Message
    from fresh_endpoints.telling.slack_webhook import QuietWebhookHook

log = logging.getLogger(__name__)


class PipelineNotifier(BaseNotifier):
    """Sends one message to a pipeline's channel under its user name.

    Args:
        pipeline: The pipeline; without a ``slack`` section nothing is sent.
    """

    template_fields: Sequence[str] = ()

    def __init__(self, pipeline: Pipeline):
        super().__init__()
        self.pipeline = pipeline

    @cached_property
    def hook(self) -> QuietWebhookHook:
        """What sends: the provider's hook with the pipeline's connection."""
        # Imported here, and for that not by way of the provider's notifier: two HTTP clients come with it, which every
        # parse of a DAG file and every task would import.
        from fresh_endpoints.telling.slack_webhook import QuietWebhookHook

        assert self.pipeline.slack is not None  # Without it tell() sends nothing.
        return QuietWebhookHook(self.pipeline.slack.connection)

    def run_of(self, context: Any) -> Run:
        """Return the facts of the run, or of that part of it that the task is about (a mapped task's data date).

        Args:
            context: The task's or callback's context.
        """
        run_of = getattr(context.get("task"), "run_of", None)
        return run_of(context) if run_of else Run.of(self.pipeline, context)

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Do nothing: what is told comes from AWS and is no template."""

    def wants(self, message: Message) -> bool:
        """Tell whether the pipeline file wants a message told: the one place where ``slack.tell`` is heeded.

        Args:
            message: What there is to tell.
        """
        return self.pipeline.slack is not None and message.is_told_under(self.pipeline.slack.tell)

    @property
    def tells_changes(self) -> bool:
        """Whether people are told once a run, at its end, so that this message has to say all."""
        return self.pipeline.slack is not None and self.pipeline.slack.tell == "changes"

    def tell(self, run: Run, message: Message) -> bool:
        """Send a message; a fault of Slack's is logged, without the webhook's address, and changes nothing.

        Args:
            run: The run that the message is about.
            message: What to tell; a problem gets what is live now, what to do, and where the runbook has more.

        Returns:
            Whether Slack took the message.
        """
        if not self.wants(message):
            return False
        message = _masked(helpful(message, run, self.pipeline))
        if problem := self._post(run, message):
            log.warning("Slack did not take the message %r: %s; the run goes on.", message.event, problem.rstrip("."))
            return False
        log.info("Told Slack: %s", message.text(run))
        return True

    def _post(self, run: Run, message: Message) -> str | None:
        """Send a message, and return what has kept Slack from taking it, in words that hold no secret."""
        try:
            return self.hook.post(self._body_of(run, message))
        except Exception as error:
            # Not the error's text: it may hold the webhook's address, which is a secret.
            from fresh_endpoints.telling.slack_webhook import what_failed

            return what_failed(error)

    def _body_of(self, run: Run, message: Message) -> dict[str, Any]:
        slack = self.pipeline.slack
        assert slack is not None
        # Only a legacy webhook heeds channel and username, as the article's does. The text stands for the blocks in
        # notifications; nothing in it is to be read as markup, as a link or as a name either:
        # https://docs.slack.dev/messaging/formatting-message-text
        as_it_is = {"mrkdwn": False, "parse": "none", "link_names": False}
        content = {"text": message.text(run), "blocks": message.blocks(run), **as_it_is}
        return {**content, "channel": slack.channel, "username": slack.username}


def tell_once(
    notifier: PipelineNotifier, run: Run, message: Message, *, client: Any, arn: str, is_new: bool = False
) -> None:
    """Send a message about a SageMaker resource unless the resource's tags say that it has been sent.

    Args:
        notifier: Sends the message.
        run: The run that the message is about.
        message: What to tell.
        client: A boto3 SageMaker client.
        arn: The resource that remembers the message.
        is_new: The resource was created in this very call, so it can hold no such tag yet.
    """
    if not notifier.wants(message):
        return
    try:
        told = [] if is_new else tags.read(client, arn).get(tags.TOLD, "").split()
        if message.event in told:
            log.info("Slack has been told %r before.", message.event)
            return
        if notifier.tell(run, message):
            tags.write(client, arn, {tags.TOLD: " ".join([*told, message.event])})
    except Exception as error:
        log.warning("Could not read or write the record of Slack messages at %s: %s", arn, error)


def run_links(context: Any) -> dict[str, str]:
    """Return the address of the task's log in the Airflow UI.

    Args:
        context: The task's context.
    """
    url = getattr(context.get("ti"), "log_url", None)
    return {"Airflow log": url} if url else {}


def _masked(message: Message) -> Message:
    """Mask in a message what Airflow masks in logs: an error's text may hold a secret that a connection has brought."""
    from airflow.sdk.log import redact  # Not at every parse of a DAG file.

    facts = {label: str(redact(value)) for label, value in message.facts.items()}
    return dataclasses.replace(message, sentence=str(redact(message.sentence)), facts=facts)
