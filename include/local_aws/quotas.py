"""Quotas of instances in use, where a ``quota`` fault sets one: AWS refuses what would exceed it, in AWS's words.

Instances are counted by type and usage, as in
https://docs.aws.amazon.com/general/latest/gr/sagemaker.html#limits_sagemaker: training, spot training, transform and
endpoints. A job has its instances until it has ended, an endpoint until it has been deleted; while it is updated it has
both fleets.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterable, Iterator

from local_aws.endpoint import Endpoint
from local_aws.endpoints import Endpoints
from local_aws.faults import Faults
from local_aws.models import EndpointConfigs
from local_aws.resources import Json, Request
from local_aws.scaling import retained
from local_aws.training import TrainingJobs
from local_aws.transform import TransformJobs
from local_aws.wire import AwsError

_RUNNING = ("InProgress", "Stopping")


class Quotas:
    """The quotas of a region.

    One creation is let in at a time, under a lock of its own, so that two cannot both take the last instance. It is
    taken before every other lock.
    """

    def __init__(
        self,
        faults: Faults,
        jobs: TrainingJobs,
        transforms: TransformJobs,
        configs: EndpointConfigs,
        endpoints: Endpoints,
    ) -> None:
        self._faults = faults
        self._jobs = jobs
        self._transforms = transforms
        self._configs = configs
        self._endpoints = endpoints
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def kept(self, operation: str, request: Request) -> Iterator[None]:
        """Let an operation in that stays within the quotas.

        Args:
            operation: The operation.
            request: Its checked input.

        Yields:
            Once, for the operation to be done.

        Raises:
            AwsError: It would exceed one.
        """
        usage, wanted = self._wanted(operation, request)
        if not wanted:
            yield
            return
        with self._lock:
            self._refuse_beyond(operation, usage, wanted)
            yield

    def _refuse_beyond(self, operation: str, usage: str, wanted: Counter[str]) -> None:
        in_use = self._in_use(usage)
        for instance_type, delta in wanted.items():
            limit = self._faults.exceeded_quota(operation, instance_type, in_use[instance_type] + delta)
            if limit is not None:
                raise AwsError(
                    "ResourceLimitExceeded",
                    f"The account-level service limit '{instance_type} for {usage} usage' is {limit} Instances, with "
                    f"current utilization of {in_use[instance_type]} Instances and a request delta of {delta} "
                    "Instances. Please contact AWS support to request an increase for this limit.",
                )

    def _wanted(self, operation: str, request: Request) -> tuple[str, Counter[str]]:
        """Count the instances that an operation would start. What it would be refused for anyway starts none."""
        if operation == "CreateTrainingJob" and request["TrainingJobName"].lower() not in self._jobs.items:
            return _training_usage(request), _count([request.get("ResourceConfig", {})], "InstanceCount")
        if operation == "CreateTransformJob" and request["TransformJobName"].lower() not in self._transforms.items:
            return "transform job", _count([request["TransformResources"]], "InstanceCount")
        if operation in ("CreateEndpoint", "UpdateEndpoint", "UpdateEndpointWeightsAndCapacities"):
            with self._jobs.region.lock:
                return "endpoint", self._wanted_by_endpoint(operation, request)
        return "", Counter()

    def _wanted_by_endpoint(self, operation: str, request: Request) -> Counter[str]:
        endpoint = self._endpoints.items.get(request["EndpointName"].lower())
        if (endpoint is None) is (operation != "CreateEndpoint"):
            return Counter()
        if operation == "UpdateEndpointWeightsAndCapacities":
            return _count(_added(endpoint, request), "InitialInstanceCount") if endpoint else Counter()
        config = self._configs.items.get(request["EndpointConfigName"].lower())
        variants = config.request["ProductionVariants"] if config else []
        return _count(retained(variants, endpoint, request) if endpoint else variants, "InitialInstanceCount")

    def _in_use(self, usage: str) -> Counter[str]:
        with self._jobs.region.lock:
            if usage == "endpoint":
                return self._endpoint_instances()
            if usage == "transform job":
                running = [job.request for job in self._transforms.items.values() if job.status in _RUNNING]
                return _count((request["TransformResources"] for request in running), "InstanceCount")
            running = [job.request for job in self._jobs.items.values() if job.status in _RUNNING]
            return _count(
                (request["ResourceConfig"] for request in running if _training_usage(request) == usage), "InstanceCount"
            )

    def _endpoint_instances(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for endpoint in self._endpoints.items.values():
            found += _count((config for config, _ in endpoint.live), "InitialInstanceCount")
            found += _count((endpoint.pending or {}).get("ProductionVariants", []), "DesiredInstanceCount")
        return found


def _added(endpoint: Endpoint, request: Request) -> Iterator[Json]:
    """Tell which instances a scaling adds, as variants of that many."""
    desired = {entry["VariantName"]: entry for entry in request["DesiredWeightsAndCapacities"]}
    for config, _ in endpoint.live:
        now = config.get("InitialInstanceCount", 0)
        added = desired.get(config["VariantName"], {}).get("DesiredInstanceCount", now) - now
        if added > 0:
            yield {**config, "InitialInstanceCount": added}


def _training_usage(request: Request) -> str:
    return "spot training job" if request.get("EnableManagedSpotTraining") else "training job"


def _count(groups: Iterable[Json], member: str) -> Counter[str]:
    """Add up the instances of what has instances: a serverless variant has none."""
    found: Counter[str] = Counter()
    for group in groups:
        if "InstanceType" in group:
            found[group["InstanceType"]] += group.get(member, 0)
    return found
