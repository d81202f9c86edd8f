"""SageMaker's control plane: checks requests against AWS's model and hands them to what answers the operation."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from werkzeug.wrappers import Response

from local_aws.async_invocations import AsyncInvocations
from local_aws.backends import MotoBackends
from local_aws.container_host import ContainerHost
from local_aws.endpoints import Endpoints
from local_aws.faults import Faults
from local_aws.invocations import Invocations
from local_aws.list_rate import ListRate
from local_aws.models import EndpointConfigs, Models
from local_aws.permissions import PermissionRecord
from local_aws.quotas import Quotas
from local_aws.resources import Collection, Json, Region, Request
from local_aws.search import Search
from local_aws.settings import Settings
from local_aws.stale_reads import StaleReads
from local_aws.tags import Tags
from local_aws.training import TrainingJobs
from local_aws.transform import TransformJobs
from local_aws.wire import AwsError, Call, json_response, read_json, validation_error

Operation = Callable[[Request], Json]


class _RegionalSageMaker:
    """One region's SageMaker: its resources and its operations."""

    def __init__(self, region: Region) -> None:
        jobs = TrainingJobs(region)
        models = Models(region)
        configs = EndpointConfigs(models)
        self.endpoints = Endpoints(region, models, configs)
        invocations = Invocations(region, self.endpoints.items)
        self.invocations = {
            "InvokeEndpoint": invocations.answer,
            "InvokeEndpointAsync": AsyncInvocations(region, invocations).answer,
        }
        transforms = TransformJobs(region, models)
        tags = Tags(region)
        self._region = region
        self._collections: dict[str, Collection[Any]] = {
            "models": models,
            "endpoint_configs": configs,
            "endpoints": self.endpoints,
            "training_jobs": jobs,
            "transform_jobs": transforms,
        }
        self._reads = StaleReads(region, list(self._collections.values()), self.endpoints.describe)
        self._quotas = Quotas(region.faults, jobs, transforms, configs, self.endpoints)
        self.operations: dict[str, Operation] = {
            "CreateTrainingJob": jobs.create,
            "DescribeTrainingJob": jobs.describe,
            "StopTrainingJob": jobs.stop,
            "ListTrainingJobs": jobs.list_page,
            "CreateModel": models.create,
            "DescribeModel": models.describe,
            "DeleteModel": models.delete,
            "ListModels": models.list_page,
            "CreateEndpointConfig": configs.create,
            "DescribeEndpointConfig": configs.describe,
            "DeleteEndpointConfig": configs.delete,
            "ListEndpointConfigs": configs.list_page,
            "CreateEndpoint": self.endpoints.create,
            "UpdateEndpoint": self.endpoints.update,
            "UpdateEndpointWeightsAndCapacities": self.endpoints.scale,
            "DescribeEndpoint": self.endpoints.describe,
            "DeleteEndpoint": self.endpoints.delete,
            "ListEndpoints": self.endpoints.list_page,
            "CreateTransformJob": transforms.create,
            "DescribeTransformJob": transforms.describe,
            "StopTransformJob": transforms.stop,
            "ListTransformJobs": transforms.list_page,
            "AddTags": tags.add,
            "ListTags": tags.list_all,
            "DeleteTags": tags.delete,
            "Search": Search(self.endpoints).find,
        }
        # Of the Resource Groups Tagging API, which is a service of its own.
        self.tagging: dict[str, Operation] = {"GetResources": tags.get_resources}

    def perform(self, operation: str, request: Request) -> Json:
        """Answer one operation.

        Args:
            operation: One of ``operations``.
            request: Its checked input.

        Returns:
            Its output.

        Raises:
            AwsError: It is refused.
        """
        self._reads.refuse_unseen(operation, request)
        with self._quotas.kept(operation, request):
            return self._reads.answer(operation, request, self.operations[operation])

    def saved(self) -> Json:
        """Describe the region for the state folder.

        Returns:
            Its resources and tags.
        """
        with self._region.lock:
            resources = {name: collection.saved() for name, collection in self._collections.items()}
            return {**resources, "tags": {arn: dict(tags) for arn, tags in self._region.tags.items()}}

    def restore(self, saved: Json) -> None:
        """Take what :meth:`saved` described.

        Args:
            saved: Resources and tags.
        """
        self._region.tags.update(saved["tags"])
        for name, collection in self._collections.items():
            collection.restore(saved[name])


class SageMaker:
    """SageMaker of one account, region by region."""

    def __init__(
        self,
        settings: Settings,
        host: ContainerHost,
        backends: MotoBackends,
        faults: Faults,
        permissions: PermissionRecord,
        on_change: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._host = host
        self._backends = backends
        self._faults = faults
        self._permissions = permissions
        self._on_change = on_change
        self._list_rate = ListRate(settings.lists_per_second, settings.lists_burst)
        self._lock = threading.Lock()
        self._regions: dict[str, _RegionalSageMaker] = {}

    def answer(self, call: Call, body: bytes, headers: Mapping[str, str]) -> Response:
        """Answers one call.

        Args:
            call: What is asked.
            body: The request's body.
            headers: The request's headers, names in lower case.

        Returns:
            The answer.

        Raises:
            AwsError: The call is refused.
        """
        region = self._region(call.region)
        if call.service == "tagging":
            return _answer_tagging(region, call.operation, body)
        if asked := region.invocations.get(call.operation):
            return asked(call.parameters["EndpointName"], body, headers)
        if call.operation not in region.operations:
            known = ", ".join(sorted([*region.operations, *region.invocations]))
            raise AwsError(
                "UnknownOperationException", f"local AWS: SageMaker {call.operation} is not there; it answers {known}."
            )
        if call.operation.startswith("List") and call.operation != "ListTags":
            self._list_rate.take(call.region, call.operation)
        request = _parse(body)
        check(call.operation, request)
        return json_response(region.perform(call.operation, request))

    def saved(self) -> Json:
        """Describe all for the state folder.

        Returns:
            Region name to its resources and tags.
        """
        with self._lock:
            regions = list(self._regions.items())
        return {name: region.saved() for name, region in regions}

    def restore(self, saved: Json) -> None:
        """Take what :meth:`saved` described, before the first request.

        Args:
            saved: Region name to its resources and tags.
        """
        for name, region in saved.items():
            self._region(name).restore(region)

    def bring_back(self) -> None:
        """Start the programs of restored endpoints, in the background."""
        for region in list(self._regions.values()):
            region.endpoints.bring_back()

    def _region(self, name: str) -> _RegionalSageMaker:
        with self._lock:
            if name not in self._regions:
                region = Region(
                    name, self._settings, self._host, self._backends, self._faults, self._permissions, self._on_change
                )
                self._regions[name] = _RegionalSageMaker(region)
            return self._regions[name]


def _answer_tagging(region: _RegionalSageMaker, operation: str, body: bytes) -> Response:
    """Answer a call of the Resource Groups Tagging API, as far as it is about SageMaker's resources."""
    if operation not in region.tagging:
        known = ", ".join(region.tagging)
        raise AwsError("UnknownOperationException", f"local AWS: {operation} is not there; it answers {known}.")
    return json_response(region.tagging[operation](_parse(body)))


def check(operation: str, request: Request) -> None:
    """Check a request against botocore's model and refuse it in AWS's words.

    Args:
        operation: The operation's name.
        request: Its input.

    Raises:
        AwsError: AWS would refuse it. Members that AWS does not know are refused, too.
    """
    from fresh_endpoints.aws.service_model import check_request
    from fresh_endpoints.problems import format_path

    problems = check_request(operation, request)
    for problem in problems:
        if problem.kind == "type":
            raise AwsError("SerializationException", f"{format_path(problem.path)}: {problem.constraint}")
        if problem.kind == "unknown":
            raise validation_error(f"local AWS: {operation} has no such member: {problem}")
    if problems:
        said = "; ".join(
            f"Value {'null' if p.kind == 'missing' else repr(p.value)} at '{_wire_path(p.path)}' failed to satisfy "
            f"constraint: {p.constraint}"
            for p in problems
        )
        raise validation_error(f"{len(problems)} validation error{'s' * (len(problems) > 1)} detected: {said}")


def _wire_path(path: tuple[str | int, ...]) -> str:
    # AWS writes 'productionVariants.1.member.instanceType'.
    parts = []
    for part in path:
        parts.append(f"{part + 1}.member" if isinstance(part, int) else part[:1].lower() + part[1:])
    return ".".join(parts)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        request = read_json(body or b"{}")
    except ValueError as error:
        raise AwsError("SerializationException", f"The request is not JSON: {error}") from error
    if not isinstance(request, dict):
        raise AwsError("SerializationException", "The request is not a JSON object.")
    return request
