"""How a step waits for its endpoint's change, and for the quota that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fresh_endpoints.aws.endpoint import Seen
from fresh_endpoints.aws.kinds import ENDPOINT, Answer
from fresh_endpoints.aws.longest_change import longest_change
from fresh_endpoints.steps.endpoint_step import EndpointStep
from fresh_endpoints.steps.instances_wait import InstancesWait, Wanted
from fresh_endpoints.steps.own_use import never_in_words
from fresh_endpoints.waiting import pace
from fresh_endpoints.waiting.triggers import SageMakerTrigger

if TYPE_CHECKING:
    from fresh_endpoints.aws.errors import OutOfQuotaError
    from fresh_endpoints.deployment import Deployment
    from fresh_endpoints.steps.decision import SoFar
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
        return {"back_over": so_far.back_over, "notes": self.notes.as_json}

    def _to_carry(self, so_far: SoFar, deployment: Deployment) -> dict[str, Any]:
        """Return what the next process need not find out again, and what no tag holds."""
        carried = {"facts": dict(deployment.facts), "asked": self._asked, **self._past(so_far)}
        if so_far.failed_test is None:
            carried |= {"asked_over": so_far.asked_over, "previous": so_far.previous, "told": self._told}
        if so_far.asked_over:
            carried |= {"config_arn": self.endpoint.config_arn(so_far.config_name)}
        return carried
