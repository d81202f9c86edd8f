"""Reads that miss what was written a moment ago: by the setting ``read_lag_seconds``, or by a ``stale_read`` fault.

CreateEndpoint and CreateEndpointConfig read with eventual consistency, so what has just been created may not be found
(https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html, "Note"). Here each operation that
reads may miss a new resource, and DescribeEndpoint may describe an endpoint as it was before UpdateEndpoint.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from local_aws.resources import Collection, Json, Region, Request
from local_aws.wire import AwsError

Operation = Callable[[Request], Json]
# Operation to the request's member that names what it reads.
_READS = {
    "DescribeTrainingJob": "TrainingJobName",
    "DescribeTransformJob": "TransformJobName",
    "DescribeModel": "ModelName",
    "DescribeEndpointConfig": "EndpointConfigName",
    "DescribeEndpoint": "EndpointName",
    "CreateEndpointConfig": "ModelName",
    "CreateTransformJob": "ModelName",
    "CreateEndpoint": "EndpointConfigName",
    "UpdateEndpoint": "EndpointConfigName",
}


class StaleReads:
    """What the operations of a region do not see yet.

    The region's lock guards the resources that are looked at; what endpoints were before is replaced in one step.
    """

    def __init__(self, region: Region, collections: Iterable[Collection[Any]], describe_endpoint: Operation) -> None:
        """See everything, as long as neither setting nor fault is in force.

        Args:
            region: The region.
            collections: Its resources, kind by kind.
            describe_endpoint: Answers DescribeEndpoint.
        """
        self._region = region
        self._collections = {collection.kind.member: collection for collection in collections}
        self._describe_endpoint = describe_endpoint
        self._before: dict[str, tuple[float, Json]] = {}  # ARN to when the endpoint was updated, and what it was

    def refuse_unseen(self, operation: str, request: Request) -> None:
        """Refuse an operation that does not see what it needs.

        Args:
            operation: The operation.
            request: Its checked input.

        Raises:
            AwsError: In AWS's words for what does not exist.
        """
        member = _READS.get(operation, "")
        with self._region.lock:
            for name in _named(member, request):
                found = self._collections[member].items.get(name.lower())
                if not found or self._was_updated(found.arn, found.creation_time):
                    continue
                if self._is_stale(operation, found.name, found.creation_time):
                    raise self._collections[member].not_found(name)

    def answer(self, operation: str, request: Request, effect: Operation) -> Json:
        """Do an operation, and answer what it sees.

        Args:
            operation: The operation.
            request: Its checked input.
            effect: Does it.

        Returns:
            The operation's output.

        Raises:
            AwsError: The effect refused.
        """
        if operation in ("UpdateEndpoint", "UpdateEndpointWeightsAndCapacities"):
            return self._update(request, effect)
        answer = effect(request)
        return self._as_before(answer) if operation == "DescribeEndpoint" else answer

    def _update(self, request: Request, effect: Operation) -> Json:
        before: Json | None = None
        with contextlib.suppress(AwsError):  # the effect says what is wrong
            before = self._describe_endpoint({"EndpointName": request["EndpointName"]})
        answer = effect(request)
        if before:
            self._before[before["EndpointArn"]] = time.time(), before
        return answer

    def _as_before(self, now: Json) -> Json:
        arn = now["EndpointArn"]
        if not self._was_updated(arn, now["CreationTime"]):
            return now
        updated, before = self._before[arn]
        return before if self._is_stale("DescribeEndpoint", now["EndpointName"], updated) else now

    def _was_updated(self, arn: str, created: float) -> bool:
        """Tell whether the last write was an update. An endpoint may have been made anew under its name since."""
        return arn in self._before and self._before[arn][1]["CreationTime"] == created

    def _is_stale(self, operation: str, name: str, written: float) -> bool:
        age = time.time() - written
        return age < self._region.settings.read_lag_seconds or self._region.faults.is_stale(operation, name, age)


def _named(member: str, request: Request) -> Iterator[str]:
    for part in (request, *request.get("ProductionVariants", ()), *request.get("ShadowProductionVariants", ())):
        if member in part:
            yield part[member]
