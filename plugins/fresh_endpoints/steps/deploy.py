"""Step 3: create or update the endpoint, verify that it serves the new model, and never go backwards."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException
from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws import tags
from fresh_endpoints.aws.endpoint import Seen
from fresh_endpoints.aws.errors import OutOfQuotaError
from fresh_endpoints.aws.kinds import Answer, lacks_capacity
from fresh_endpoints.aws.longest_change import longest_change
from fresh_endpoints.deployment import Deployment
from fresh_endpoints.model_facts import XCOM_REFUSED, model_facts
from fresh_endpoints.steps.buttons import EndpointLink
from fresh_endpoints.steps.decision import Next, SoFar, end_in_words, may_heal, next_step
from fresh_endpoints.steps.endpoint_wait import EndpointWait
from fresh_endpoints.steps.gate import Objection, note_refusal
from fresh_endpoints.steps.retention import delete_expired
from fresh_endpoints.steps.smoke_test import asked_by_smoke_test
from fresh_endpoints.steps.told_models import runs_own
from fresh_endpoints.steps.way_back import way_back
from fresh_endpoints.steps.what_changed import change_of
from fresh_endpoints.telling import failed_deployments, messages
from fresh_endpoints.telling.changes import took
from fresh_endpoints.telling.failures import StepFailed, StepFailedForNow
from fresh_endpoints.telling.live_now import live_now
from fresh_endpoints.telling.sending import run_links, tell_once
from fresh_endpoints.waiting import pace
from fresh_endpoints.waiting.event import WaitEnded

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.telling.message import Message

# How long to look again for a change that was asked for and is not seen yet, and how often, in seconds.
UNSEEN_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 2.0


class DeployOperator(EndpointWait):
    """Makes the endpoint serve the run's model, and says so only when it does.

    The endpoint is created or updated, whichever it needs. One that somebody else is changing is waited for, then
    looked at again; one left Failed by an earlier creation is recreated. With ``deploy: auto`` a model is not deployed
    over one trained on a later data date, which is read from the tags of the live endpoint config, nor over one that a
    person holds, which is read from the endpoint's. A model that breaks a rule of ``quality`` is not deployed, one that
    fails the ``smoke_test`` is taken back, and after a deployment what is older than ``retention`` keeps is deleted.

    Args:
        pipeline: The pipeline.
        trained_by: The task whose return value holds the model facts.
    """

    def __init__(self, *, pipeline: Pipeline, trained_by: str = "train", **kwargs: Any):
        super().__init__(pipeline=pipeline, **kwargs)
        self.trained_by = trained_by

    def look_and_act(self, context: Any, ended: WaitEnded | None) -> dict[str, Any]:
        """Bring the endpoint to the run's config, or say why not.

        Args:
            context: The task's context.
            ended: How the wait has ended; None on a new try.

        Returns:
            The model facts, with the endpoint and its config.

        Raises:
            StepFailed: The endpoint does not serve the run's config, or cannot.
            StepFailedForNow: The same, by a fault of AWS's own.
            AirflowSkipException: The model is not to be deployed.
            AirflowDeferred: The endpoint is being changed, or AWS lacks quota or capacity for it.
        """
        deployment = self._deployment(context)
        if self._mode(context) == "never":
            if deployment:
                self._stop_at(context, deployment, self.gate.by_itself(deployment))
                self._tell_only_trained(deployment)
            raise AirflowSkipException("deploy is 'never': the model was trained and is not deployed")
        if deployment is None:
            raise StepFailed(failed_deployments.no_model(self.trained_by))
        self._is_unread = ended is None and self._is_first_try(context)
        so_far = SoFar(deployment.config_name) if self._is_unread else self._so_far(deployment, ended)
        self._go_on(context, deployment, so_far, ended)
        return self._complete(deployment)

    def _go_on(self, context: Any, deployment: Deployment, so_far: SoFar, ended: WaitEnded | None) -> None:
        """Do what comes next until the endpoint serves the run's config, proven."""
        self._ended = ended
        expected: float | None = None
        # After a wait the change may still be unseen; a new try asks again.
        unseen_until = time.monotonic() + UNSEEN_SECONDS if ended else 0.0
        while True:
            seen, so_far = self._look(deployment, so_far)
            so_far = replace(so_far, may_be_unseen=time.monotonic() < unseen_until)
            step = next_step(seen, so_far)
            if step in (Next.WAIT_FOR_OWN, Next.WAIT_FOR_OTHERS):
                if step is Next.WAIT_FOR_OWN and so_far.failed_test is None:
                    so_far = self._note_asked(deployment, so_far, so_far.asked_over or seen.version)
                self._wait_on(deployment, seen, so_far, expected)
            elif step is Next.LOOK_AGAIN:
                time.sleep(LOOK_AGAIN_SECONDS)
            elif step in (Next.CREATE, Next.RECREATE, Next.UPDATE):
                self._ask_permission(context, deployment, seen)
                expected, started = self.endpoint.seconds_of_last_change(seen), time.time()
                so_far = self._ask(context, deployment, seen, so_far, step)
                unseen_until = time.monotonic() + UNSEEN_SECONDS
                if so_far.asked_over and not pace.seconds_in_worker(expected):
                    self._defer(deployment, so_far, started=started)
            elif step is Next.PROVE:
                so_far = self._prove(deployment, so_far)
                if so_far.failed_test is None:
                    return
            elif step is Next.PUT_BACK:
                so_far = self.asking.to_go_back(
                    seen, so_far, out_of_quota=lambda error, now: self._wait_for_quota(context, error, now)
                )
                unseen_until = time.monotonic() + UNSEEN_SECONDS
            else:
                raise self._end(context, deployment, seen, so_far, step)

    def _look(self, deployment: Deployment, so_far: SoFar) -> tuple[Seen, SoFar]:
        seen = self.endpoint.describe()
        if self._is_unread and so_far.config_name in (seen.live, seen.becoming):
            so_far = self._read_after_all(deployment)
        return seen, so_far

    # What is done.

    def _ask_permission(self, context: Any, deployment: Deployment, seen: Seen) -> None:
        self._stop_at(context, deployment, self.gate.by_itself(deployment))
        if seen.answer is Answer.DONE and seen.live:
            mode = self._mode(context)
            self._stop_at(context, deployment, self.gate.against(deployment, seen.live, mode))
            self._stop_at(context, deployment, self.holding.objection(deployment, seen, mode))

    def _stop_at(self, context: Any, deployment: Deployment, objection: Objection | None) -> None:
        """Skip the deployment that there is an objection to, and tell it."""
        if objection is None:
            return
        if objection.is_refusal:
            note_refusal(self.hook.conn, deployment, objection.message.sentence)
            context["ti"].xcom_push(key=XCOM_REFUSED, value=objection.message.sentence)
        raise self._skipped(deployment, objection.message)

    def _ask(self, context: Any, deployment: Deployment, seen: Seen, so_far: SoFar, step: Next) -> SoFar:
        """Ask for the endpoint to be created, recreated or updated."""
        if self.smoke_tester:
            _ = self.smoke_tester.body  # Without it nothing can be proven, so it is read before anything changes.
        try:
            is_accepted = self._request(deployment, seen, step)
        except OutOfQuotaError as error:
            raise AirflowFailException(self._wait_for_quota(context, error, so_far)) from error
        # What has timed out was the wait for the change before.
        so_far = replace(so_far, previous=seen.live or "", is_too_late=False)
        if self._is_unread and not self.asking.has_created and step is not Next.RECREATE:
            return self._read_after_all(deployment)
        if self.asking.has_created:
            self._is_unread = False
            self._told, self._asked = "", asked_by_smoke_test(self.asking.config_request(deployment))
        if not is_accepted:
            return so_far
        self.log.info("%s endpoint %s with config %s.", step.name, self.endpoint.name, deployment.config_name)
        if step is Next.RECREATE:
            message = messages.endpoint_recreated(deployment, reason=seen.reason)
            self.notes.take(message, deployment.facts.get("training_job_arn", ""))
            self._tell_of_training(deployment, message)
            return so_far
        return self._note_asked(deployment, replace(so_far, asks=so_far.asks + 1, asked_over=None), seen.version)

    def _request(self, deployment: Deployment, seen: Seen, step: Next) -> bool:
        """Make the requests; False if the endpoint has to be looked at again first."""

        def is_overtaken() -> bool:  # A person may have decided otherwise since it was permitted.
            return seen.answer is Answer.DONE and self.holding.is_changed(seen)

        is_first = self._is_unread
        return self.asking.to_deploy(deployment, seen, step, is_first=is_first, is_overtaken=is_overtaken)

    def _note_asked(self, deployment: Deployment, so_far: SoFar, version: str) -> SoFar:
        """Write down, for a try that knows no more than AWS does, that the change has been asked for; and tell it."""
        if so_far.asked_over is None:
            self.endpoint.tag_config(deployment.config_name, tags.ASKED_OVER, version)
        self._tell_of_config(deployment, self.after_waiting(messages.deployment_started(deployment), self._ended))
        return replace(so_far, asked_over=version)

    def _prove(self, deployment: Deployment, so_far: SoFar) -> SoFar:
        """Ask the endpoint, and write down what has come out before anything follows from it."""
        if self.smoke_tester is None:
            self.endpoint.tag_config(deployment.config_name, tags.SMOKE_TEST, tags.VERIFIED)
            return so_far
        name, config = deployment.config_name, self._asked or self.endpoint.config(deployment.config_name)
        found = self.smoke_tester.failure(self.endpoint.name, config, model=name)
        if found is None:
            self.log.info("Endpoint %s has passed the smoke test.", self.endpoint.name)
            self.endpoint.tag_config(name, tags.SMOKE_TEST, tags.PASSED)
            return so_far
        self.log.error("Endpoint %s has failed the smoke test: %s", self.endpoint.name, found)
        written = tags.fitting(f"failed: {found}")
        self.endpoint.tag_config(name, tags.SMOKE_TEST, written)
        self._note_refusal(deployment, found)
        self._tell_of_config(deployment, messages.smoke_test_failed(deployment, found))
        return replace(so_far, failed_test=written, back_to=self._way_back(so_far))

    def _note_refusal(self, deployment: Deployment, why: str) -> None:
        note_refusal(self.hook.conn, deployment, why)

    def _way_back(self, so_far: SoFar) -> str | None:
        return way_back(self.endpoint, so_far.config_name, self.pipeline.own_names)

    # What the run knows.

    def _deployment(self, context: Any) -> Deployment | None:
        named = context["ti"].xcom_pull(task_ids=self.trained_by)
        if not named:
            return None
        run = self.run_of(context)
        # Who may edit an XCom need not be who may touch AWS, so that no more than the job's name is taken from it.
        training = None if "facts" in self.carried else runs_own(self.hook.conn, run, named.get("training_job"))
        facts = self.carried["facts"] if training is None else model_facts(run, training)
        name = run.deployment_name(facts["training_job"])
        links = {EndpointLink.name: self.addresses[EndpointLink.name], **run_links(context)}
        return Deployment(run, facts, name, self.endpoint.name, links, training)

    def _so_far(self, deployment: Deployment, ended: WaitEnded | None) -> SoFar:
        """Read what this or an earlier try has done: from the endpoint config's tags, which outlive any wait."""
        name, is_too_late = deployment.config_name, ended is not None and ended.timed_out
        if self.carried.get("asked_over"):
            self._told, self._asked = self.carried["told"], self.carried["asked"]
            self.endpoint.know_config(name, self.carried["config_arn"])
            return SoFar(name, asked_over=self.carried["asked_over"], previous=self.carried["previous"])
        found = self.endpoint.config_tags(name)
        self._told = found.get(tags.TOLD, "") if found else None
        has_failed = tags.has_failed(found)
        return SoFar(
            name,
            asked_over=found.get(tags.ASKED_OVER) or None,
            failed_test=found[tags.SMOKE_TEST] if has_failed else None,
            previous=found.get(tags.PREVIOUS_CONFIG),
            back_to=way_back(self.endpoint, name, self.pipeline.own_names) if has_failed else None,
            back_over=self.carried.get("back_over"),
            is_too_late=is_too_late,
        )

    def _read_after_all(self, deployment: Deployment) -> SoFar:
        """Read what an earlier try has done, of which a first one did not think that there was any."""
        self._is_unread = False
        return self._so_far(deployment, None)

    def _mode(self, context: Any) -> str:
        return (context.get("params") or {}).get("deploy") or self.pipeline.deploy

    # How it ends.

    def _complete(self, deployment: Deployment) -> dict[str, Any]:
        self.log.info("Endpoint %s is InService with %s.", self.endpoint.name, deployment.config_name)
        # Unless told: an earlier try may have died before it did.
        self._tell_of_config(deployment, messages.deployment_started(deployment))
        change = change_of(self.endpoint, deployment) if self.notifier.tells_changes else None
        completed = self.notes.added_to(messages.deployment_completed(deployment, change))
        self._tell_of_config(deployment, self._after_capacity(completed))
        if completed.event in (self._told or "").split():
            self.notes.remember()
        if deployment.run.generation:  # What was cleared may have been refused before.
            note_refusal(self.hook.conn, deployment, "")
        self._clean_up(deployment)
        return deployment.deployed_facts

    def _tell_only_trained(self, deployment: Deployment) -> None:
        if self.notifier.tells_changes:
            live, time = live_now(self.pipeline), took(deployment.run)
            message = messages.only_trained(deployment.facts, time, live=live, links=deployment.links)
            self._tell_of_training(deployment, message)

    def _clean_up(self, deployment: Deployment) -> None:
        """Delete what retention does not keep; whatever goes wrong is told, and the next deployment tries again."""
        retention = self.pipeline.retention
        if retention is None:
            return
        try:
            names, keep, days = self.pipeline.own_names, retention.keep, retention.keep_days
            delete_expired(self.hook.conn, self.endpoint, names, keep, days, dry_run=retention.dry_run)
        except Exception as error:
            self.log.warning("The clean-up has failed; the next deployment tries again: %s", error)
            self._tell_of_config(deployment, messages.clean_up_failed(deployment, error))

    def _end(self, context: Any, deployment: Deployment, seen: Seen, so_far: SoFar, step: Next) -> Exception:
        """Make the failure, or the skip, that a deployment ends with which is not live."""
        is_another_live = step is Next.NOT_DEPLOYED and seen.answer is Answer.DONE
        if is_another_live and (overtaken := self._overtaken(context, deployment, seen, so_far)):
            return overtaken
        is_for_now = so_far.may_try_later or may_heal(seen, step)
        if is_for_now:
            self._forget_asked(deployment, so_far)
        if step is Next.NOT_DEPLOYED and lacks_capacity({"FailureReason": seen.reason}):
            seen, is_for_now = self._wait_for_capacity(context, deployment, seen), False
        message = end_in_words(deployment, seen, so_far, step, minutes=longest_change(self.config) // 60)
        self.log.error(message.words)
        return StepFailedForNow(message) if is_for_now else StepFailed(message)

    def _forget_asked(self, deployment: Deployment, so_far: SoFar) -> None:
        """Have whoever comes next ask anew."""
        self.endpoint.tag_config(deployment.config_name, tags.ASKED_OVER, "")

    def _overtaken(self, context: Any, deployment: Deployment, seen: Seen, so_far: SoFar) -> Exception | None:
        """Make the skip of a deployment after which somebody else has put another config live; None where nobody has.

        What a person has put back has no reason; a rollback of SageMaker's has one.
        """
        live = str(seen.live)
        objection = None if seen.reason else self.holding.objection(deployment, seen, self._mode(context))
        if objection is None:
            if live == so_far.previous:
                return None
            objection = self.gate.later_date(deployment, live)
        message = objection.message if objection else messages.deployment_overtaken(deployment, live=live)
        return self._skipped(deployment, message)

    def _skipped(self, deployment: Deployment, message: Message) -> AirflowSkipException:
        self._tell_of_training(deployment, message)
        return AirflowSkipException(message.sentence)

    def _tell_of_training(self, deployment: Deployment, message: Message) -> None:
        """Tell an event once; the training job remembers it."""
        arn = deployment.facts["training_job_arn"]
        tell_once(self.notifier, deployment.run, message, client=self.hook.conn, arn=arn)

    def _tell_of_config(self, deployment: Deployment, message: Message) -> None:
        """Tell an event once; the endpoint config remembers it."""
        try:
            arn = self.endpoint.config_arn(deployment.config_name)
        except (ClientError, BotoCoreError) as error:
            self.log.warning("Could not find the record of Slack messages: %s", error)
            return
        run, client = deployment.run, self.hook.conn
        self._told = tell_once(self.notifier, run, message, client=client, arn=arn, told=self._told)
