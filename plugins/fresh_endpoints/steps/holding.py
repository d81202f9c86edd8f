"""A person's hold, as an automatic deployment meets it: it is heeded, overridden, or over."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from fresh_endpoints.aws import hold
from fresh_endpoints.steps.gate import Objection
from fresh_endpoints.telling import decisions
from fresh_endpoints.telling.sending import PipelineNotifier, tell_once

if TYPE_CHECKING:
    from fresh_endpoints.aws.endpoint import Seen
    from fresh_endpoints.aws.hold import Hold
    from fresh_endpoints.deployment import Deployment
    from fresh_endpoints.telling.message import Message
    from fresh_endpoints.telling.notes import Notes

log = logging.getLogger(__name__)


class Holding:
    """Looks whether what an endpoint serves is to stay.

    A hold guards what is served: an endpoint whose creation has failed is made anew whoever holds it.

    Args:
        client: A boto3 SageMaker client.
        notifier: Tells Slack.
        notes: Keeps what is told with the deployment's end.
    """

    def __init__(self, client: Any, notifier: PipelineNotifier, notes: Notes):
        self._client = client
        self._notifier = notifier
        self._notes = notes
        self._met: Hold | None = None

    def objection(self, deployment: Deployment, seen: Seen, mode: str) -> Objection | None:
        """Object where what is live is held; tell where the hold is overridden, or has ended.

        Args:
            deployment: What is to be live.
            seen: What the endpoint is like.
            mode: The run's ``deploy``; ``always`` overrides a hold this once, and leaves it for the next run.

        Raises:
            AirflowException: AWS refused to tell of a hold; so there may be one.
        """
        found = self._met = hold.read(self._client, seen.arn)
        if found is None or seen.live is None:
            return None
        if found.is_over():
            # The endpoint remembers it until the next hold: this is the one event that is about no model.
            self._tell(deployment, decisions.hold_ended(deployment, found, live=seen.live), str(seen.arn))
            return None
        if mode == "always":
            log.warning("The endpoint is held until %s by %s; deploying over it.", found.end, found.who)
            message = decisions.hold_overridden(deployment, found, live=seen.live)
            self._tell(deployment, message, deployment.facts["training_job_arn"])
            return None
        return Objection(decisions.deployment_held(deployment, found, live=seen.live), is_refusal=False)

    def is_changed(self, seen: Seen) -> bool:
        """Tell whether somebody has held or released the endpoint since it was looked for an objection.

        Args:
            seen: What the endpoint is like.

        Raises:
            AirflowException: AWS refused to tell.
        """
        return hold.read(self._client, seen.arn) != self._met

    def _tell(self, deployment: Deployment, message: Message, arn: str) -> None:
        self._notes.take(message, arn)
        tell_once(self._notifier, deployment.run, message, client=self._client, arn=arn)
