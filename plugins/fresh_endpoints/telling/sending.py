"""Tells people a message, by Slack and by notifiers, once an event, and never decides anything.

Messages go through the provider's hooks, by a webhook or by an app's token. A message about a SageMaker resource is
recorded as a tag on that resource, so that neither a retry nor a second worker tells the same event twice. What Slack
does not take for now is left to Airflow (see later.py), and counts as told from then on. A double message takes a send
without a record: a process that dies between the two, or an answer of Slack's or of AWS's that is lost.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.notifier import BaseNotifier

from fresh_endpoints.aws import tags
from fresh_endpoints.run import Run
from fresh_endpoints.telling.remedies import helpful

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.pipeline_file.notify import Notify
    from fresh_endpoints.telling.delivery import Delivery
    from fresh_endpoints.telling.later import Later
    from fresh_endpoints.telling.message import Message
    from fresh_endpoints.telling.slack_api import QuietApiHook
    from fresh_endpoints.telling.slack_webhook import QuietWebhookHook

log = logging.getLogger(__name__)


class PipelineNotifier(BaseNotifier):
    """Sends one message to a pipeline's channel under its user name, and to its notifiers.

    Args:
        pipeline: The pipeline; without ``slack`` and ``notify`` nothing is sent.
        keep: Keeps what Slack does not take now, and returns who tells it later; by default the DAG ``tell_later``.
    """

    template_fields: Sequence[str] = ()

    def __init__(self, pipeline: Pipeline, keep: Callable[[Later], str | None] | None = None):
        super().__init__()
        self.pipeline = pipeline
        self._kept_by = keep

    @cached_property
    def hook(self) -> QuietWebhookHook | QuietApiHook:
        """What sends: the provider's hook for the kind of connection that the pipeline names."""
        from fresh_endpoints.telling.slack_hook import slack_hook
        from fresh_endpoints.telling.slack_thread import RunThread

        slack = self.pipeline.slack
        assert slack is not None  # Without it tell() sends nothing.

        def thread() -> RunThread:
            context, is_executing = self._where()
            return RunThread(context, f"{slack.connection} {slack.channel}", can_write=is_executing)

        return slack_hook(slack.connection, thread)

    def __call__(self, *args: Any) -> None:
        """Be called back by Airflow.

        Args:
            args: The context.
        """
        self.context = args[0]
        try:
            super().__call__(*args)
        finally:
            # It is the DAG's, and may be called back for another run.
            self.context = {}
            self.__dict__.pop("hook", None)

    def _where(self) -> tuple[Mapping[str, Any], bool]:
        """Return the context of the callback or the task that tells, and whether that is a task being executed."""
        if self.context:
            return self.context, False
        from airflow.sdk import get_current_context

        try:
            return get_current_context(), True
        except RuntimeError:
            return {}, False

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
        """Tell whether anybody is to be told a message.

        Args:
            message: What there is to tell.
        """
        return self._slack_wants(message) or bool(self._wanting(message))

    def _slack_wants(self, message: Message) -> bool:
        """Tell whether Slack is told it: the one place where ``slack.tell`` is heeded."""
        return self.pipeline.slack is not None and message.is_told_under(self.pipeline.slack.tell)

    @property
    def tells_changes(self) -> bool:
        """Whether people are told once a run, at its end, so that this message has to say all."""
        return self.pipeline.slack is not None and self.pipeline.slack.tell == "changes"

    def tell(self, run: Run, message: Message) -> bool:
        """Send a message; what fails is logged, without addresses and tokens, and changes nothing.

        One that somebody took is told: it is sent to nobody again, though another one may not have taken it.

        Args:
            run: The run that the message is about.
            message: What to tell; a problem gets what is live now, what to do, and where the runbook has more.

        Returns:
            Whether Slack or a notifier took the message, or Airflow keeps it for Slack.
        """
        if not self.wants(message):
            return False
        begun = time.monotonic()
        message = _masked(helpful(message, run, self.pipeline))
        is_told = self._slack_wants(message) and self._tell_slack(run, message)
        return self._tell_notifiers(run, message, begun) or is_told

    def _wanting(self, message: Message) -> list[Notify]:
        return [entry for entry in self.pipeline.notify if entry.on == "all" or message.is_problem]

    def _tell_notifiers(self, run: Run, message: Message, begun: float) -> bool:
        if not (wanting := self._wanting(message)):
            return False
        from fresh_endpoints.telling.notifiers import tell_notifiers

        context, _ = self._where()
        return tell_notifiers(wanting, run, message, context, since=begun)

    def _tell_slack(self, run: Run, message: Message) -> bool:
        from fresh_endpoints.telling.later import can_hand_over

        body = self._body_of(run, message)
        is_kept_long = self._kept_by is None and not can_hand_over()
        ended = self._deliver(message, body, is_kept_long=is_kept_long)
        if ended.refusal is None:
            log.info("Told Slack: %s", message.text(run))
            return True
        words = ended.refusal.words.rstrip(".")
        if ended.left_to:
            log.info("Slack takes no message now (%s). It is told later by %s: %s", words, ended.left_to, body["text"])
            return True
        log.warning("Slack did not take the message %r: %s; the run goes on.", message.event, words)
        return False

    def _deliver(self, message: Message, body: dict[str, Any], *, is_kept_long: bool) -> Delivery:
        from fresh_endpoints.telling.delivery import deliver
        from fresh_endpoints.telling.slack_hook import posted
        from fresh_endpoints.telling.slack_pause import SlackPause

        began, line = time.time(), self._line_of(body)
        return deliver(
            lambda: posted(lambda: self.hook.post(body)),
            SlackPause(line),
            lambda not_before: self._keep(self._later(message, body, line, began, not_before)),
            is_kept_long=is_kept_long,
        )

    def _keep(self, later: Later) -> str | None:
        from fresh_endpoints.telling.later import can_hand_over, hand_over
        from fresh_endpoints.telling.untold import put_by

        if self._kept_by:
            return self._kept_by(later)
        if can_hand_over():
            return hand_over(later)
        return put_by(later, str(later.thread["dag_id"])) if later.thread else None

    def _line_of(self, body: Mapping[str, Any]) -> str:
        try:
            return self.hook.line_of(body)
        except Exception:  # No such connection, which is said when it is sent.
            return ""

    def _later(self, message: Message, body: Mapping[str, Any], line: str, since: float, not_before: float) -> Later:
        from fresh_endpoints.telling.later import Later
        from fresh_endpoints.telling.slack_thread import ThreadOfAnother

        slack = self.pipeline.slack
        assert slack is not None
        thread = ThreadOfAnother.facts_of(self._where()[0])
        return Later(
            self.pipeline.name,
            message.event,
            slack.connection,
            line,
            body,
            since,
            not_before,
            message.is_failure,
            thread,
        )

    def _body_of(self, run: Run, message: Message) -> dict[str, Any]:
        slack = self.pipeline.slack
        assert slack is not None
        # An app's webhook heeds neither channel nor username; a legacy one, as the article's, does. The text stands for
        # the blocks in notifications; nothing in it is to be read as markup, as a link or as a name either:
        # https://docs.slack.dev/messaging/formatting-message-text
        as_it_is = {"mrkdwn": False, "parse": "none", "link_names": False}
        content = {"text": message.text(run), "blocks": message.blocks(run), **as_it_is}
        shown = {"reply_broadcast": True} if message.is_problem else {}
        return {**content, **shown, "channel": slack.channel, "username": slack.username}


def tell_once(
    notifier: PipelineNotifier, run: Run, message: Message, *, client: Any, arn: str, told: str | None = None
) -> str | None:
    """Send a message about a SageMaker resource unless the resource's tags say that it has been sent.

    Args:
        notifier: Sends the message.
        run: The run that the message is about.
        message: What to tell.
        client: A boto3 SageMaker client.
        arn: The resource that remembers the message.
        told: What that tag is known to hold, as of a resource that was created in this very call; None where it has to
            be read.

    Returns:
        What it holds now; None where that is not known.
    """
    if not notifier.wants(message):
        return told
    try:
        events = (tags.read(client, arn).get(tags.TOLD, "") if told is None else told).split()
        if message.event in events:
            log.info("%r has been told before.", message.event)
        elif notifier.tell(run, message):
            events.append(message.event)
            tags.write(client, arn, {tags.TOLD: " ".join(events)})
        return " ".join(events)
    except Exception as error:
        log.warning("Could not read or write the record of what was told at %s: %s", arn, error)
        return None


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
