"""One endpoint: its status, what answers for it, and how it is described.

States as https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html has them. What
DescribeEndpoint names as EndpointConfigName is what the endpoint runs on: during an update and after a rollback it is
the old one.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field

from local_aws.resources import NOT_SAVED, Json, Resource
from local_aws.variants import Definition, Variant
from local_aws.wire import AwsError, validation_error

_CHANGEABLE = ("InService", "Failed", "OutOfService")


@dataclass
class Endpoint(Resource):
    """One endpoint.

    Attributes:
        config_name: EndpointConfigName: what answers, or what a creation is to bring up.
        endpoint_status: EndpointStatus.
        failure_reason: FailureReason of the last creation or update.
        live: What ``config_name`` stands for once it is in service, with the counts and weights of now; the config and
            the models may be deleted since.
        deployment: DeploymentConfig of the last update.
        async_inference: AsyncInferenceConfig of what is in service.
        variants: What is in service. It stays while the endpoint is deleted.
        incoming: What an update shifts the traffic to.
        share: Share of the requests, 0 to 1, that ``incoming`` answers.
        pending: PendingDeploymentSummary while one is brought up.
        settled: Not set while a restored endpoint is brought back.
    """

    config_name: str = ""
    endpoint_status: str = "Creating"
    failure_reason: str | None = None
    live: list[Definition] = field(default_factory=list, metadata=NOT_SAVED)  # as it is; see saved()
    deployment: Json | None = None
    async_inference: Json | None = None
    variants: list[Variant] = field(default_factory=list, metadata=NOT_SAVED)
    incoming: list[Variant] = field(default_factory=list, metadata=NOT_SAVED)
    share: float = field(default=0.0, metadata=NOT_SAVED)
    pending: Json | None = field(default=None, metadata=NOT_SAVED)
    settled: threading.Event = field(default_factory=threading.Event, metadata=NOT_SAVED)

    @property
    def status(self) -> str:
        """EndpointStatus."""
        return self.endpoint_status

    @property
    def serves(self) -> bool:
        """Whether it can be asked."""
        return bool(self.variants) and self.status != "Deleting"

    def enter(self, status: str, failure_reason: str | None = None) -> None:
        """Change the status. The caller holds the region's lock.

        Args:
            status: The new EndpointStatus.
            failure_reason: The new FailureReason.
        """
        self.endpoint_status = status
        self.failure_reason = failure_reason
        self.touch()

    def put_in_service(self, variants: list[Variant], failure_reason: str | None) -> None:
        """Let variants answer alone. The caller holds the region's lock.

        Args:
            variants: The variants.
            failure_reason: FailureReason of an endpoint in service.
        """
        self.variants, self.incoming, self.share, self.pending = variants, [], 0.0, None
        self.enter("InService", failure_reason)
        for variant in variants:
            variant.in_service = self.last_modified_time
        self.live = [(variant.config, variant.model) for variant in variants]

    def refuse_while_changing(self) -> None:
        """Refuse another change while one is under way. The caller holds the region's lock.

        Raises:
            AwsError: One is.
        """
        if self.status not in _CHANGEABLE:
            raise validation_error(f'Cannot update in-progress endpoint "{self.arn}".')

    def pick(self, target: str | None) -> Variant:
        """Pick who answers a request, by weight. The caller holds the region's lock; the endpoint serves.

        Args:
            target: TargetVariant.

        Returns:
            The variant.

        Raises:
            AwsError: There is none of that name, or no weight to go by.
        """
        is_shifted = bool(self.incoming) and random.random() < self.share  # noqa: S311 - not secret
        fleets = (self.incoming, self.variants) if is_shifted else (self.variants, self.incoming if self.share else [])
        if target is not None:
            for variant in (*fleets[0], *fleets[1]):
                if variant.name == target:
                    return variant
            raise AwsError("ValidationError", f"Variant {target} not found for endpoint {self.name}.")
        weights = [variant.weight for variant in fleets[0]]
        if not any(weights):
            raise AwsError(
                "ValidationError", f"All variants of endpoint {self.name} have weight 0; name a TargetVariant."
            )
        return random.choices(fleets[0], weights)[0]  # noqa: S311 - not secret

    def as_json(self) -> Json:
        """Describe it as DescribeEndpoint does. The caller holds the region's lock.

        Returns:
            The operation's output.
        """
        told = {
            "EndpointName": self.name,
            "EndpointArn": self.arn,
            "EndpointConfigName": self.config_name,
            "EndpointStatus": self.status,
            "FailureReason": self.failure_reason,
            "CreationTime": self.creation_time,
            "LastModifiedTime": self.last_modified_time,
            "ProductionVariants": [variant.as_json() for variant in self.variants] or None,
            "LastDeploymentConfig": self.deployment,
            "AsyncInferenceConfig": self.async_inference,
            "PendingDeploymentSummary": self.pending,
        }
        return {member: value for member, value in told.items() if value is not None}

    def saved(self) -> Json:
        """Describe it for the state folder. The caller holds the region's lock.

        Returns:
            A copy of its fields as JSON, but for those that only the running server has.
        """
        live = [{"config": config, "model": model.saved()} for config, model in self.live]
        return {**super().saved(), "live": live}
