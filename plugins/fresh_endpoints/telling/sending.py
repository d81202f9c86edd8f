"""Sends a message to Slack, once an event, and never decides anything.

Messages go through the provider's webhook hook. A message about a SageMaker resource is recorded as a tag on that
resource, so that neither a retry nor a second worker tells the same event twice. A double message takes a send without
a record: a process that dies between the two, or an answer of Slack's or of AWS's that is lost.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.notifier import BaseNotifier

from fresh_endpoints.aws import tags
from fresh_endpoints.run import Run

if TYPE_CHECKING:
    from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.telling.message import Message

log = logging.getLogger(__name__)

# Airflow gives all callbacks of a task 20 s together ([core] task_success_overtime): two tries of this fit.
TIMEOUT_SECONDS = 5


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
    def hook(self) -> SlackWebhookHook:
        """What sends: the provider's hook with the pipeline's connection."""
        # Imported here, and for that not by way of the provider's notifier: two HTTP clients come with it, which every
        # parse of a DAG file and every task would import.
        from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

        from fresh_endpoints.telling.slack_retries import retry_handlers

        assert self.pipeline.slack is not None  # Without it tell() sends nothing.
        return SlackWebhookHook(
            slack_webhook_conn_id=self.pipeline.slack.connection,
            timeout=TIMEOUT_SECONDS,
            retry_handlers=retry_handlers(),
        )

    def run_of(self, context: Any) -> Run:
        """Return the facts of the run, or of that part of it that the task is about (a mapped task's data date).

        Args:
            context: The task's or callback's context.
        """
        run_of = getattr(context.get("task"), "run_of", None)
        return run_of(context) if run_of else Run.of(self.pipeline, context)

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Do nothing: what is told comes from AWS and is no template."""

    def tell(self, run: Run, message: Message) -> bool:
        """Send a message; a fault of Slack's is logged, without the webhook's address, and changes nothing.

        Args:
            run: The run that the message is about.
            message: What to tell.

        Returns:
            Whether Slack took the message.
        """
        if self.pipeline.slack is None:
            return False
        try:
            with warnings.catch_warnings():
                # The hook warns that only a legacy webhook heeds channel and username, as the article's does.
                warnings.simplefilter("ignore", UserWarning)
                self.hook.send(
                    text=message.text(run),
                    blocks=message.blocks(run),
                    channel=self.pipeline.slack.channel,
                    username=self.pipeline.slack.username,
                )
        except Exception as error:
            # Not the error's text: it may hold the webhook's address, which is a secret.
            log.warning("Slack did not take the message %r (%s); the run goes on.", message.event, _kind(error))
            return False
        log.info("Told Slack: %s", message.text(run))
        return True


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
    if notifier.pipeline.slack is None:
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


def _kind(error: BaseException) -> str:
    return type(error).__name__
