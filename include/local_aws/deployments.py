"""Deployments: an endpoint's new variants start, get the traffic and replace the old ones, or it is rolled back."""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import dataclass, field

from local_aws.endpoint import Endpoint
from local_aws.fleets import Fleets
from local_aws.models import Models
from local_aws.resources import Json, Region
from local_aws.serving import DeploymentError
from local_aws.traffic import refuse_alarms, shift
from local_aws.variants import Definition, Variant, deployed_image

SERVICE_FAULT = "Request to service failed. If failure persists after retry, contact customer support."
_RESTORE_TRIES = 3  # a laptop that starts up may be too busy for the first


@dataclass(frozen=True)
class Plan:
    """What a deployment is to bring up.

    Attributes:
        config_name: EndpointConfigName.
        variants: The ProductionVariants, with the counts and weights that they are to have.
        async_inference: AsyncInferenceConfig.
        deployment: DeploymentConfig.
    """

    config_name: str
    variants: list[Json]
    async_inference: Json | None = None
    deployment: Json = field(default_factory=dict)


class Deployments:
    """Brings up what endpoints are to serve."""

    def __init__(self, region: Region, models: Models) -> None:
        self._region = region
        self._models = models
        self.fleets = Fleets(region)

    def begin(self, endpoint: Endpoint, plan: Plan) -> None:
        """Begin a deployment, which goes on in the background. The caller holds the region's lock.

        Args:
            endpoint: The endpoint, which is Creating or Updating.
            plan: What it is to serve.
        """
        endpoint.pending = self._pending(plan)
        threading.Thread(
            target=self._deploy, args=(endpoint, plan), name=f"deployment of {plan.config_name}", daemon=True
        ).start()

    def bring_back(self, endpoint: Endpoint) -> None:
        """Start a restored endpoint's programs again, and tell when it answers.

        Args:
            endpoint: The endpoint, which is SystemUpdating.
        """
        reason = None
        started: list[Variant] = []
        for _ in range(_RESTORE_TRIES):
            reason, started = None, []
            try:
                self.fleets.start(endpoint, endpoint.live, started)
                break
            except Exception as error:  # whatever it was, the endpoint must not stay SystemUpdating for ever
                reason = self._reason(error)
                self.fleets.stop(started)
        with self._region.lock:
            if reason is None:
                endpoint.put_in_service(started, endpoint.failure_reason)
            else:
                endpoint.enter("Failed", reason)
        endpoint.settled.set()
        if reason is None:
            self.fleets.watch(endpoint, started)

    def outlast(self, begun: float) -> None:
        """Wait until a status has lasted long enough to be seen.

        Args:
            begun: When it began, on the monotonic clock.
        """
        time.sleep(max(0.0, begun + self._region.settings.status_seconds - time.monotonic()))

    def _deploy(self, endpoint: Endpoint, plan: Plan) -> None:
        begun = time.monotonic()
        with self._region.lock:
            is_new = endpoint.status == "Creating"
        operation = "CreateEndpoint" if is_new else "UpdateEndpoint"
        started: list[Variant] = []
        try:
            self._region.faults.pause("endpoint", "Creating" if is_new else "Updating")
            self._bring_up(endpoint, plan, operation, started)
            self.outlast(begun)
        except Exception as error:  # whatever it was, the endpoint must not stay Creating or Updating for ever
            self.outlast(begun)
            self._roll_back(endpoint, started, self._region.faults.reworded(self._reason(error), operation))
            return
        with self._region.lock:
            replaced = endpoint.variants
            endpoint.config_name = plan.config_name
            endpoint.async_inference = plan.async_inference
            reason = self._region.faults.forced_failure("fail_maintenance", operation)
            endpoint.put_in_service(started, reason)
        self.fleets.watch(endpoint, started)
        self.fleets.stop(replaced)

    def _bring_up(self, endpoint: Endpoint, plan: Plan, operation: str, started: list[Variant]) -> None:
        reason = self._region.faults.forced_failure("fail_deployment", operation)
        if reason is not None:
            raise DeploymentError(reason)
        self.fleets.start(endpoint, self._definitions(plan), started)
        if operation == "UpdateEndpoint":
            shift(self._region, endpoint, started, plan.deployment)
            refuse_alarms(self._region, started, plan.deployment)

    def _roll_back(self, endpoint: Endpoint, started: list[Variant], reason: str | None) -> None:
        begun = time.monotonic()
        with self._region.lock:
            is_new = endpoint.status == "Creating"
            endpoint.pending, endpoint.incoming, endpoint.share = None, [], 0.0
            endpoint.enter("Failed" if is_new else "RollingBack", reason)
        self.fleets.stop(started)
        if not is_new:
            self._region.faults.pause("endpoint", "RollingBack")
            self.outlast(begun)
            with self._region.lock:
                endpoint.enter("InService", reason)

    def _definitions(self, plan: Plan) -> list[Definition]:
        found = []
        for variant in plan.variants:
            with self._region.lock:
                model = self._models.items.get(variant["ModelName"].lower())
            if model is None:
                raise DeploymentError(f'Could not find model "{self._region.arn("model", variant["ModelName"])}".')
            found.append((variant, model))
        return found

    def _pending(self, plan: Plan) -> Json:
        now = time.time()
        variants = []
        for variant in plan.variants:
            told: Json = {
                "VariantName": variant["VariantName"],
                "DesiredWeight": variant.get("InitialVariantWeight", 1.0),
                "VariantStatus": [{"Status": "Creating", "StartTime": now}],
            }
            if model := self._models.items.get(variant["ModelName"].lower()):
                told["DeployedImages"] = [deployed_image(model, now)]
            if "ServerlessConfig" in variant:
                told["DesiredServerlessConfig"] = variant["ServerlessConfig"]
            else:
                told |= {
                    "InstanceType": variant["InstanceType"],
                    "DesiredInstanceCount": variant["InitialInstanceCount"],
                }
            variants.append(told)
        return {"EndpointConfigName": plan.config_name, "ProductionVariants": variants, "StartTime": now}

    def _reason(self, error: Exception) -> str:
        if isinstance(error, DeploymentError):
            return str(error)
        self._region.host.report("".join(traceback.format_exception(error)))
        return SERVICE_FAULT
