"""Steps 2 and 3 of a redeploy: hold the endpoint, then have it serve a model that exists. Nothing is trained."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, AirflowSkipException

from fresh_endpoints.aws import hold as holds
from fresh_endpoints.aws import tags
from fresh_endpoints.aws.errors import explained
from fresh_endpoints.aws.hold import Hold
from fresh_endpoints.deployment import Deployment
from fresh_endpoints.steps.buttons import EndpointLink
from fresh_endpoints.steps.choices import PROVEN
from fresh_endpoints.steps.choose_model import RedeployStep
from fresh_endpoints.steps.decision import Next, SoFar
from fresh_endpoints.steps.deploy import DeployOperator
from fresh_endpoints.steps.gate import note_refusal
from fresh_endpoints.steps.redeploy_progress import Progress
from fresh_endpoints.steps.way_back import way_back
from fresh_endpoints.telling import decisions
from fresh_endpoints.telling.decisions import Decision
from fresh_endpoints.telling.failures import StepFailed, StepFailedForNow
from fresh_endpoints.telling.sending import run_links, tell_once

if TYPE_CHECKING:
    from fresh_endpoints.aws.endpoint import Seen
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.run import Run
    from fresh_endpoints.telling.message import Message
    from fresh_endpoints.waiting.event import WaitEnded


class OfChosenModel(RedeployStep):
    """A step that is about the model that was chosen: its data date is the model's, whenever it runs.

    Args:
        pipeline: The pipeline.
        chosen: What ChooseModelOperator has returned.
    """

    template_fields = (*RedeployStep.template_fields, "chosen")

    def __init__(self, *, pipeline: Pipeline, chosen: Any, **kwargs: Any):
        super().__init__(pipeline=pipeline, **kwargs)
        self.chosen = chosen

    def run_of(self, context: Any) -> Run:
        """Return the run's facts, with the model's data date."""
        run = super().run_of(context)
        facts = self.chosen["facts"] if isinstance(self.chosen, Mapping) else {}
        return run.for_data_date(dt.date.fromisoformat(facts["data_date"])) if "data_date" in facts else run

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Find out which model it is, then render the rest."""
        self.chosen = self.render_template(self.chosen, context, jinja_env)
        super().render_template_fields(context, jinja_env)

    @property
    def decision(self) -> Decision:
        """What the person has decided."""
        found = self.chosen
        return Decision(found["who"], found["why"], found["over"], found["standing"], Hold.from_json(found["hold"]))

    def deployment_of(self, context: Any) -> Deployment:
        """Return what is to be live.

        Args:
            context: The task's context.
        """
        links = {EndpointLink.name: self.addresses[EndpointLink.name], **run_links(context)}
        name, facts = self.chosen["config_name"], self.chosen["facts"]
        return Deployment(self.run_of(context), facts, name, self.endpoint.name, links)


class HoldOperator(OfChosenModel):
    """Holds the endpoint, or releases it, before anything is asked of it, so that no automatic run slips in between.

    Before that, what is to be live is made again where it was deleted: what cannot be made again is said while nothing
    has changed yet.
    """

    def look_and_act(self, context: Any, ended: WaitEnded | None) -> None:
        """Write the hold to the endpoint's tags; an endpoint that is to be created gets it then.

        Args:
            context: The task's context.
            ended: Nothing: the step never waits.

        Raises:
            StepFailed: AWS refused for good.
            StepFailedForNow: AWS refused for now.
        """
        deployment, decision, client = self.deployment_of(context), self.decision, self.hook.conn
        with failing_in_words(deployment):
            if not self.chosen["is_live"]:
                self.asking.make_again_what_is_gone(deployment)
            seen = self.endpoint.describe()
            was = holds.read(client, seen.arn)
            if seen.arn:
                holds.write(client, seen.arn, decision.hold)
        if self.chosen["is_live"]:
            self.notifier.tell(deployment.run, self._in_words(deployment, decision, seen, was))

    def _in_words(self, deployment: Deployment, decision: Decision, seen: Seen, was: Hold | None) -> Message:
        if decision.hold is None:
            return decisions.hold_released(deployment, decision, was=was)
        becoming = seen.becoming if seen.becoming != deployment.config_name else None
        return decisions.hold_set(deployment, decision, becoming=becoming)


class RedeployOperator(OfChosenModel, DeployOperator):
    """Makes the endpoint serve the model that a person has chosen, and says so only when it does.

    It goes about it as a deployment does, and differs in this: a person's decision asks neither the quality gate nor
    the date order nor a hold; the endpoint config is the one that exists; a proven model comes at once, without the
    file's canary and alarms, which the model that it is to replace may trip; where the smoke test fails, it goes back
    to what the person has left, unless that has failed, too; nothing is cleaned up. If it fails, its hold stands: what
    the daily run would put live in the meantime is nothing that anybody has decided.
    """

    def look_and_act(self, context: Any, ended: WaitEnded | None) -> dict[str, Any]:
        """Bring the endpoint to the chosen config, or say why not.

        Args:
            context: The task's context.
            ended: How the wait has ended; None on a new try.

        Returns:
            The model facts, with the endpoint and its config.

        Raises:
            StepFailed: The endpoint does not serve the config, or cannot.
            StepFailedForNow: The same, by a fault of AWS's own.
            AirflowSkipException: It is live already.
            AirflowDeferred: The endpoint is being changed.
        """
        if self.chosen["is_live"]:
            raise AirflowSkipException(f"{self.chosen['config_name']} is live, and nothing but the hold was to change.")
        deployment = self.deployment_of(context)
        with failing_in_words(deployment, self.decision.hold):
            self._go_on(context, deployment, self._so_far(deployment, ended), ended)
        return self._complete(deployment)

    def _ask_permission(self, context: Any, deployment: Deployment, seen: Seen) -> None:
        """Do not: a person has decided."""

    def _request(self, deployment: Deployment, seen: Seen, step: Next) -> bool:
        decision, hold = self.decision, self.decision.hold
        with_tags, at_once = holds.new_tags(hold) if hold else {}, decision.standing == PROVEN
        return self.asking.to_redeploy(deployment, seen, step, with_tags=with_tags, at_once=at_once)

    def _note_asked(self, deployment: Deployment, so_far: SoFar, version: str) -> SoFar:
        noted = replace(so_far, asked_over=version)
        if so_far.asked_over is None:
            self._write_down(noted)
        self._tell_started(deployment)
        return noted

    def _prove(self, deployment: Deployment, so_far: SoFar) -> SoFar:
        so_far = super()._prove(deployment, so_far)
        if so_far.failed_test is not None:
            self._write_down(so_far)
        return so_far

    def _way_back(self, so_far: SoFar) -> str | None:
        left = so_far.previous or self.chosen["over"]
        if not left or left == so_far.config_name:
            return super()._way_back(so_far)
        is_ours = self.pipeline.own_names.may_have_named(left)
        if self.endpoint.has_config(left) and not (is_ours and tags.has_failed(self.endpoint.config_tags(left))):
            return str(left)
        return way_back(self.endpoint, left, self.pipeline.own_names)

    def _so_far(self, deployment: Deployment, ended: WaitEnded | None) -> SoFar:
        """Read what this or an earlier try of the redeploy has done.

        The endpoint's tag says it, for the endpoint config's tell of the deployment of old, and Airflow forgets what a
        task was waiting for when it dies, when the wait times out and when its trigger fails.
        """
        name, arn = deployment.config_name, self.endpoint.describe().arn
        with explained("read the tags of the endpoint"):
            progress = Progress.of(tags.read(self.hook.conn, arn) if arn else {}, name)
        so_far = SoFar(
            name,
            asked_over=progress.asked_over,
            # What was live when the person asked, unless another run has come between.
            previous=progress.previous or self.chosen["over"],
            back_over=self.carried.get("back_over"),
            is_too_late=ended is not None and ended.timed_out,
        )
        if not progress.has_failed:
            return so_far
        why = self.endpoint.config_tags(name).get(tags.SMOKE_TEST) or "failed"
        return replace(so_far, failed_test=why, back_to=self._way_back(so_far))

    def _write_down(self, so_far: SoFar) -> None:
        """Let the endpoint remember what this redeploy has done, until the next one writes its hold."""
        progress = Progress(so_far.asked_over, so_far.previous, has_failed=so_far.failed_test is not None)
        with explained("tag the endpoint"):
            if arn := self.endpoint.describe().arn:
                tags.write(self.hook.conn, arn, progress.as_tag(so_far.config_name))

    def _end(self, context: Any, deployment: Deployment, seen: Seen, so_far: SoFar, step: Next) -> Exception:
        error = super()._end(context, deployment, seen, so_far, step)
        if not isinstance(error, StepFailedForNow):
            # The way back was the end of it: who clears the task begins anew.
            self._write_down(replace(so_far, asked_over=None, failed_test=None))
        return error

    def _forget_asked(self, deployment: Deployment, so_far: SoFar) -> None:
        # What the next try takes up of a failed smoke test is the way back.
        self._write_down(replace(so_far, asked_over=None))

    def _note_refusal(self, deployment: Deployment, why: str) -> None:
        if "training_job_arn" in deployment.facts:
            note_refusal(self.hook.conn, deployment, why)

    def _complete(self, deployment: Deployment) -> dict[str, Any]:
        self.log.info("Endpoint %s is InService with %s.", self.endpoint.name, deployment.config_name)
        # Unless told: an earlier try may have died before it did.
        self._tell_started(deployment)
        redeployed = self.notes.added_to(decisions.redeployed(deployment, self.decision))
        self._tell(deployment, self._after_capacity(redeployed))
        return deployment.deployed_facts

    def _tell_started(self, deployment: Deployment) -> None:
        # Before a wait for capacity it was told; an endpoint that was made anew for it remembers nothing of it.
        if not self._shortage:
            started = decisions.redeploy_started(deployment, self.decision)
            self._tell(deployment, self.after_waiting(started, self._ended))

    def _overtaken(self, context: Any, deployment: Deployment, seen: Seen, so_far: SoFar) -> Exception | None:
        if seen.live == so_far.previous:
            return None
        return StepFailed(decisions.redeploy_overtaken(deployment, live=str(seen.live)))

    def _tell(self, deployment: Deployment, message: Message) -> None:
        """Tell an event once a redeploy: the endpoint remembers it until the next one writes its hold."""
        if arn := self.endpoint.describe().arn:
            tell_once(self.notifier, deployment.run, message, client=self.hook.conn, arn=arn)

    # The endpoint remembers: the training job and the endpoint config have been told of in their own deployment.
    _tell_of_training = _tell_of_config = _tell


@contextmanager
def failing_in_words(deployment: Deployment, hold: Hold | None = None) -> Iterator[None]:
    """Let every failure inside the block say what was to be redeployed, and that the hold stands.

    Args:
        deployment: What is to be live.
        hold: The hold that has been written; None where there is none.

    Raises:
        StepFailed: What the block raises for good.
        StepFailedForNow: What the block raises for now.
    """
    try:
        yield
    except AirflowSkipException:
        raise
    except (StepFailed, StepFailedForNow) as error:
        raise type(error)(_with_hold(error.message, hold)) from error
    except AirflowException as error:
        kind = StepFailed if isinstance(error, AirflowFailException) else StepFailedForNow
        raise kind(_with_hold(decisions.redeploy_failed(deployment, str(error)), hold)) from error


def _with_hold(message: Message, hold: Hold | None) -> Message:
    return replace(message, facts={**message.facts, "Hold": f"stands until {hold.end}"}) if hold else message
