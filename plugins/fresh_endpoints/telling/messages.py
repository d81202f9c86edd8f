"""Slack tells what happened to a run, and never decides anything.

The messages are the article's, with its facts, as Block Kit with a plain `text` of the same facts beside it. They go
through the provider's webhook hook. A message about a SageMaker resource is recorded as a tag on that resource, so
that neither a retry nor a second worker tells the same event twice. A double message takes a send without a record: a
process that dies between the two, or an answer of Slack's or of AWS's that is lost.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.notifier import BaseNotifier

from fresh_endpoints.aws import tags
from fresh_endpoints.run import Run

if TYPE_CHECKING:
    from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

    from fresh_endpoints.pipeline_file.model import Pipeline

log = logging.getLogger(__name__)

# Airflow gives all callbacks of a task 20 s together ([core] task_success_overtime): two tries of this fit.
TIMEOUT_SECONDS = 5
# XCom key under which a task's own failure message is remembered for the DAG's backstop.
XCOM_FAILURE_TOLD = "slack_failure_told"
# https://docs.slack.dev/reference/block-kit/composition-objects/text-object
MAX_FIELD_CHARACTERS = 1900
MAX_TEXT_CHARACTERS = 2900


@dataclass(frozen=True)
class Message:
    """One event, in words.

    Attributes:
        event: The event's name, such as ``training-started``; part of the tag that remembers it.
        emoji: What the message starts with, for reading at a glance.
        title: What happened, in two or three words.
        sentence: The article's sentence with its facts.
        facts: Further facts by label, shown as two columns.
        links: Addresses by label.
    """

    event: str
    emoji: str
    title: str
    sentence: str
    facts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)

    def text(self, run: Run) -> str:
        """Return the message as one plain line, for notifications and screen readers."""
        facts = "".join(f" {label}: {value}." for label, value in self.facts.items() if value not in self.sentence)
        head = f"{self.title}: {run.pipeline}, data date {run.data_date}. {self.sentence}"
        return _escape(_shorten(head + facts, MAX_TEXT_CHARACTERS))

    def blocks(self, run: Run) -> list[dict[str, Any]]:
        """Return the message as Block Kit: https://docs.slack.dev/block-kit."""
        facts = {"Pipeline": run.pipeline, "Data date": run.data_date.isoformat(), **self.facts}
        fields = [
            {"type": "mrkdwn", "text": f"*{label}*\n{_escape(_shorten(value, MAX_FIELD_CHARACTERS))}"}
            for label, value in list(facts.items())[:10]
        ]
        blocks: list[dict[str, Any]] = [
            {"type": "header", "text": {"type": "plain_text", "text": f"{self.emoji} {self.title}", "emoji": True}},
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": _escape(_shorten(self.sentence, MAX_TEXT_CHARACTERS))},
            },
            {"type": "section", "fields": fields},
        ]
        if self.links:
            links = " · ".join(f"<{url}|{_escape(label)}>" for label, url in self.links.items())
            blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": links}]})
        return blocks


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
    key = tags.TOLD + message.event
    try:
        if not is_new and key in tags.read(client, arn):
            log.info("Slack has been told %r before.", message.event)
            return
        if notifier.tell(run, message):
            tags.write(client, arn, {key: _now()})
    except Exception as error:
        log.warning("Could not read or write the record of Slack messages at %s: %s", arn, error)


class NoNewDataNotifier(PipelineNotifier):
    """Tells, when the wait for data is skipped, that there is no new data (the article's NoNewData).

    Args:
        pipeline: The pipeline.
        skipping: What is not done without the data.
    """

    def __init__(self, pipeline: Pipeline, skipping: str = "training until the next run"):
        super().__init__(pipeline)
        self.skipping = skipping

    def notify(self, context: Any) -> None:
        """Send the message.

        Args:
            context: The skipped task's context.
        """
        run = self.run_of(context)
        self.tell(
            run,
            Message(
                event="no-new-data",
                emoji="⏭️",
                title="No new data",
                sentence=f"The data of {run.data_date} was not there in time. Skipping {self.skipping}.",
                links=run_links(context),
            ),
        )


class FailureNotifier(PipelineNotifier):
    """Tells that a task has failed for good, with the reason; used as a task's ``on_failure_callback``."""

    def notify(self, context: Any) -> None:
        """Send the message and, if Slack has taken it, remember that for the DAG's backstop.

        Args:
            context: The failed task's context.
        """
        if getattr(context.get("task"), "given_up", False):
            log.info("A user has ended the task; should its run fail, the DAG's callback tells.")
            return
        error = context.get("exception")
        message = getattr(error, "message", None)
        if not isinstance(message, Message):
            message = _step_failed(context["ti"].task_id, str(error or "The reason is in the task's log."))
        if self.tell(self.run_of(context), _with_links(message, context)):
            context["ti"].xcom_push(key=XCOM_FAILURE_TOLD, value=message.event)


class BackstopNotifier(PipelineNotifier):
    """Tells that a run has failed when no task has; used as the DAG's ``on_failure_callback``.

    A task whose process was killed, or which a user marked failed, runs no callback of its own; and Slack may not have
    taken the message of one that did.
    """

    def notify(self, context: Any) -> None:
        """Send the message unless the failed task has sent its own.

        Args:
            context: The DAG run's context.
        """
        task_instance = context.get("ti")
        if task_instance is None or "dag_run" not in context:
            log.warning("Airflow names no task for the failed run %s; Slack is not told.", context.get("run_id"))
            return
        failed = [task_id for task_id in self._task_ids(context) if self._has_told(task_instance, task_id)]
        if failed:
            return
        reason = context.get("reason") or "no reason given"
        sentence = f"The task was killed, marked failed, or could not tell by itself ({reason})."
        self.tell(Run.of(self.pipeline, context), _with_links(_step_failed(task_instance.task_id, sentence), context))

    @staticmethod
    def _task_ids(context: Any) -> list[str]:
        return list(context["dag"].task_ids)

    @staticmethod
    def _has_told(task_instance: Any, task_id: str) -> bool:
        # A mapped task has one for each index, or an empty list.
        return bool(task_instance.xcom_pull(task_ids=task_id, key=XCOM_FAILURE_TOLD))


def run_links(context: Any) -> dict[str, str]:
    """Return the address of the task's log in the Airflow UI.

    Args:
        context: The task's context.
    """
    url = getattr(context.get("ti"), "log_url", None)
    return {"Airflow log": url} if url else {}


def _step_failed(task_id: str, reason: str) -> Message:
    titles = {
        "train": "Training failed",
        "deploy": "Deployment failed",
        "predict": "Prediction failed",
        "wait_for_data": "Waiting for data failed",
    }
    return Message(
        event="failed",
        emoji="❌",
        title=titles.get(task_id, f"{task_id} failed"),
        sentence=reason,
        facts={"Task": task_id},
    )


def _with_links(message: Message, context: Any) -> Message:
    return Message(**{**message.__dict__, "links": {**message.links, **run_links(context)}})


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _kind(error: BaseException) -> str:
    return type(error).__name__


def _escape(text: str) -> str:
    # https://docs.slack.dev/messaging/formatting-message-text#escaping
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _shorten(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
