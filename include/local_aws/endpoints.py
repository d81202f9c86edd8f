"""The endpoints of a region: CreateEndpoint and UpdateEndpoint really start the image's ``serve``."""

from __future__ import annotations

import threading
import time
from typing import Any

from local_aws.deployments import SERVICE_FAULT, Deployments, Plan
from local_aws.endpoint import Endpoint
from local_aws.models import EndpointConfigs, Models
from local_aws.resources import Collection, Json, Kind, Region, Request, Resource
from local_aws.scaling import changed_types, refuse_scaled, retained, scale
from local_aws.traffic import refuse_unsound
from local_aws.unsupported import refuse_unsupported
from local_aws.variants import Definition
from local_aws.wire import validation_error

_CREATE: dict[str, Any] = dict.fromkeys(["EndpointName", "EndpointConfigName", "Tags", "DeploymentConfig"])
_UPDATE: dict[str, Any] = dict.fromkeys(
    [
        "EndpointName",
        "EndpointConfigName",
        "DeploymentConfig",
        "RetainAllVariantProperties",
        "ExcludeRetainedVariantProperties",
        "RetainDeploymentConfig",
    ]
)


class Endpoints(Collection[Endpoint]):
    """The endpoints of a region."""

    kind = Kind("endpoint", "EndpointName", "Endpoints", "endpoint", status_member="EndpointStatus")
    resource = Endpoint

    def __init__(self, region: Region, models: Models, configs: EndpointConfigs) -> None:
        super().__init__(region)
        self._configs = configs
        self._deployments = Deployments(region, models)

    def create(self, request: Request) -> Json:
        """Answer CreateEndpoint.

        Args:
            request: The checked input.

        Returns:
            The output.

        Raises:
            AwsError: AWS would refuse it, or local AWS cannot do it.
        """
        refuse_unsupported("CreateEndpoint", request, _CREATE)
        deployment = request.get("DeploymentConfig")
        refuse_unsound(self.region, deployment or {})
        name = request["EndpointName"]
        with self.region.lock:
            if name.lower() in self.items:
                raise self.already_exists(name)
            config = self._configs.find(request["EndpointConfigName"])
            now = time.time()
            endpoint = Endpoint(name, self.region.arn(self.kind.arn, name), {}, now, now, config_name=config.name)
            endpoint.deployment = deployment
            self.add(endpoint, request.get("Tags", []))
            self._deployments.begin(endpoint, _plan(config, config.request["ProductionVariants"], {}))
        return {"EndpointArn": endpoint.arn}

    def update(self, request: Request) -> Json:
        """Answer UpdateEndpoint.

        Args:
            request: The checked input.

        Returns:
            The output.

        Raises:
            AwsError: AWS would refuse it, or local AWS cannot do it.
        """
        refuse_unsupported("UpdateEndpoint", request, _UPDATE)
        refuse_unsound(self.region, request.get("DeploymentConfig", {}))
        with self.region.lock:
            endpoint, plan = self._planned(request)
            changed = changed_types(plan.variants, endpoint)
        refuse_scaled(self.region, endpoint.name, changed)
        with self.region.lock:
            endpoint, plan = self._planned(request)  # anew: another update may have come first
            endpoint.deployment = plan.deployment or None
            endpoint.enter("Updating")
            self._deployments.begin(endpoint, plan)
        return {"EndpointArn": endpoint.arn}

    def scale(self, request: Request) -> Json:
        """Answer UpdateEndpointWeightsAndCapacities.

        Args:
            request: The checked input.

        Returns:
            The output.

        Raises:
            AwsError: There is no such endpoint or variant, or it is being changed.
        """
        with self.region.lock:
            endpoint = self.find(request["EndpointName"])
            endpoint.refuse_while_changing()
            self._refuse_failed(endpoint)
            scale(self.region, self._deployments, endpoint, request)
        return {"EndpointArn": endpoint.arn}

    def describe(self, request: Request) -> Json:
        """Answer DescribeEndpoint.

        Args:
            request: The checked input.

        Returns:
            The output.

        Raises:
            AwsError: There is no such endpoint.
        """
        with self.region.lock:
            return self.find(request["EndpointName"]).as_json()

    def delete(self, request: Request) -> Json:
        """Answer DeleteEndpoint.

        Args:
            request: The checked input.

        Returns:
            The output.

        Raises:
            AwsError: There is no such endpoint, or it is being changed.
        """
        with self.region.lock:
            endpoint = self.find(request["EndpointName"])
            endpoint.refuse_while_changing()
            endpoint.enter("Deleting")
        threading.Thread(target=self._delete, args=(endpoint,), daemon=True).start()
        return {}

    def summary(self, item: Endpoint) -> Json:
        """Describe an endpoint in a list.

        Args:
            item: The endpoint.

        Returns:
            Its EndpointSummary.
        """
        return {
            **super().summary(item),
            "LastModifiedTime": item.last_modified_time,
            "EndpointStatus": item.status,
        }

    def restored(self, saved: Json) -> Endpoint:
        """Make an endpoint again; :meth:`bring_back` starts its programs.

        Args:
            saved: What its ``saved`` described.

        Returns:
            It. What was in service is SystemUpdating: AWS's status while an endpoint undergoes maintenance. A creation
            that was under way has failed; an update is over, on the old config.
        """
        live: list[Definition] = [(entry["config"], Resource(**entry["model"])) for entry in saved["live"]]
        endpoint = super().restored({**saved, "live": live})
        if endpoint.status == "Creating":
            endpoint.enter("Failed", SERVICE_FAULT)
        elif endpoint.status in ("Updating", "RollingBack"):
            endpoint.enter("SystemUpdating", endpoint.failure_reason or SERVICE_FAULT)
        elif endpoint.status == "InService":
            endpoint.enter("SystemUpdating", endpoint.failure_reason)
        return endpoint

    def bring_back(self) -> None:
        """Start, in the background, the programs of all restored endpoints; finish deletions."""
        for endpoint in list(self.items.values()):
            if endpoint.status == "SystemUpdating":
                threading.Thread(target=self._deployments.bring_back, args=(endpoint,), daemon=True).start()
            elif endpoint.status == "Deleting":
                self.remove(endpoint.name)

    def _planned(self, request: Request) -> tuple[Endpoint, Plan]:
        """Find out what an update is to do. The caller holds the region's lock."""
        endpoint = self.find(request["EndpointName"])
        config = self._configs.find(request["EndpointConfigName"])
        self._refuse_failed(endpoint)
        endpoint.refuse_while_changing()
        self._configs.find(endpoint.config_name)  # AWS needs the one that the endpoint runs on, too
        variants = retained(config.request["ProductionVariants"], endpoint, request)
        last = endpoint.deployment if request.get("RetainDeploymentConfig") else None
        return endpoint, _plan(config, variants, request.get("DeploymentConfig", last or {}))

    def _refuse_failed(self, endpoint: Endpoint) -> None:
        if endpoint.status == "Failed":
            raise validation_error(
                f'Cannot update failed endpoint "{endpoint.arn}". Delete it; that is all that can be done with it.'
            )

    def _delete(self, endpoint: Endpoint) -> None:
        begun = time.monotonic()
        self.region.faults.pause(self.kind.arn, "Deleting")
        self.region.backends.deregister_scaling_targets(self.region.name, endpoint.name)
        self._deployments.fleets.stop(endpoint.variants)
        self._deployments.outlast(begun)
        with self.region.lock:
            self.remove(endpoint.name)


def _plan(config: Resource, variants: list[Json], deployment: Json) -> Plan:
    return Plan(config.name, variants, config.request.get("AsyncInferenceConfig"), deployment)
