"""How a step waits for its endpoint's change, and for the quota and the capacity that it takes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fresh_endpoints.aws.endpoint import Seen
from fresh_endpoints.aws.kinds import ENDPOINT, Answer
from fresh_endpoints.aws.longest_change import longest_change
from fresh_endpoints.steps.endpoint_step import EndpointStep
from fresh_endpoints.steps.instances_wait import InstancesWait, Wanted
from fresh_endpoints.steps.own_use import never_in_words
from fresh_endpoints.telling import waits
from fresh_endpoints.telling.sending import run_links
from fresh_endpoints.waiting import pace
from fresh_endpoints.waiting.triggers import SageMakerTrigger

if TYPE_CHECKING:
    from fresh_endpoints.aws.errors import OutOfQuotaError
    from fresh_endpoints.deployment import Deployment
    from fresh_endpoints.steps.decision import SoFar
    from fresh_endpoints.telling.message import Message
    from fresh_endpoints.waiting.event import WaitEnded


class EndpointWait(InstancesWait, EndpointStep):
    """Mixed into a step that changes the pipeline's endpoint."""

    # How the wait before has ended.
    _ended: WaitEnded | None = None
    # What the endpoint config's tag of what was told is known to hold.
    _told: str | None = None
    # Whether it has been taken for granted that no earlier try has made the endpoint config.
    _is_unread = False
    # What the smoke test needs to know of the endpoint config; None where that has to be described.
    _asked: Mapping[str, Any] | None = None

    def _wait_on(self, deployment: Deployment, seen: Seen, so_far: SoFar, expected: float | None) -> None:
        """Wait for the endpoint's change to end; return if it has ended soon, else go on in another process."""
        if self._ended is None and pace.seconds_in_worker(expected):
            seen = self.look_for_a_while(self.endpoint.describe, lambda now: now.answer is not Answer.WAIT, expected)
            if seen.answer is not Answer.WAIT:
                return
        self.log.info("Endpoint %s is %s.", self.endpoint.name, seen.status)
        started = seen.changed.timestamp() if seen.changed else 0.0
        self._defer(deployment, so_far, started=started)

    def _defer(self, deployment: Deployment, so_far: SoFar, *, started: float) -> None:
        self.log.info("Waiting for endpoint %s without a worker slot.", self.endpoint.name)
        trigger = SageMakerTrigger(
            kind=ENDPOINT.operation,
            name=self.endpoint.name,
            started=started,
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            refusals=self._ended.refusals if self._ended else 0,
        )
        self.defer_with(trigger, longest_change(self.config), self._to_carry(so_far, deployment))

    def _wait_for_quota(self, context: Any, error: OutOfQuotaError, so_far: SoFar) -> str:
        """Wait until it is this task's turn to ask again; where it has waited as long as it may, or in vain, say so."""
        if never := never_in_words(self.endpoint, error.quota):
            return f"{error}{never}"
        wanted = Wanted.by_quota(error, ENDPOINT, self.endpoint.name, so_far.config_name)
        return self.wait_for_quota(context, wanted, error, self._ended, self._past(so_far))

    def _past(self, so_far: SoFar) -> dict[str, Any]:
        return {"back_over": so_far.back_over, "notes": self.notes.as_json, **self._shortage}

    def _wait_for_capacity(self, context: Any, deployment: Deployment, seen: Seen) -> Seen:
        """Wait to ask again for a change for which AWS had no instances; the tags must say by now that none is asked.

        Args:
            context: The task's context.
            deployment: What is to be live.
            seen: What the endpoint is like after the change has failed.

        Returns:
            Where it has waited as long as it may: the same, with that for a reason.

        Raises:
            AirflowDeferred: There is time left. What is to be done is decided anew then.
        """
        since = self._shortage.get("short_since") or self._since(context, self._ended)
        until = self.until(context, since)
        if time.time() >= until.timestamp():
            return replace(seen, reason=self.waited_in_vain(str(seen.reason), since, want="capacity"))
        if not self._shortage:
            links = {**deployment.links, **run_links(context)}
            self._tell_of_config(
                deployment,
                waits.deployment_waiting_for_capacity(deployment, str(seen.reason), until=until, links=links),
            )
        [variant, *_] = self.config["EndpointConfig"]["ProductionVariants"]
        of = str(variant.get("InstanceType", ENDPOINT.noun))
        wanted = Wanted(ENDPOINT, self.endpoint.name, deployment.config_name, of, is_capacity=True)
        self.log.info("%s Waiting without a worker slot until %s at most.", seen.reason, until)
        carried = {"short_since": since, "notes": self.notes.as_json}
        self.defer_to_its_turn(wanted, since, until, carried, is_told=True)
        raise AssertionError("unreachable")

    def after_waiting(self, message: Message, ended: WaitEnded | None) -> Message:
        """Let a message that something has started say how long it waited for quota; for capacity its end says."""
        return message if self._shortage else super().after_waiting(message, ended)

    def _after_capacity(self, message: Message) -> Message:
        """Let a message that a deployment is live say how long it waited for capacity, if it did."""
        since = self._shortage.get("short_since")
        return waits.after_waiting(message, time.time() - since, want="capacity") if since else message

    @property
    def _shortage(self) -> dict[str, float]:
        """Since when the task has waited for capacity, to be carried over every wait; empty where it has not."""
        return {"short_since": self.carried["short_since"]} if "short_since" in self.carried else {}

    def _tell_of_config(self, deployment: Deployment, message: Message) -> None:
        raise NotImplementedError

    def _to_carry(self, so_far: SoFar, deployment: Deployment) -> dict[str, Any]:
        """Return what the next process need not find out again, and what no tag holds."""
        carried = {"facts": dict(deployment.facts), "asked": self._asked, **self._past(so_far)}
        if so_far.failed_test is None:
            carried |= {"asked_over": so_far.asked_over, "previous": so_far.previous, "told": self._told}
        if so_far.asked_over:
            carried |= {"config_arn": self.endpoint.config_arn(so_far.config_name)}
        return carried
