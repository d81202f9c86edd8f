"""Endpoints: CreateEndpoint and UpdateEndpoint really start the image's ``serve`` and shift traffic when it answers.

States as https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html has them. What
DescribeEndpoint names as EndpointConfigName is what answers: during an update and after a rollback it is the old one.
"""

from __future__ import annotations

import http.client
import random
import threading
import time
import traceback
from dataclasses import dataclass, field
from typing import Any

from werkzeug.wrappers import Response

from local_aws.models import EndpointConfigs, Models
from local_aws.resources import (
    NOT_SAVED,
    Collection,
    Json,
    Kind,
    Region,
    Request,
    Resource,
    refuse_unsupported,
)
from local_aws.serving import DeploymentError, ModelServer, invoke, start_model_server
from local_aws.wire import AwsError, validation_error

_ANY = None
_DEPLOYMENT: dict[str, Any] = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {"Type": {"ALL_AT_ONCE"}, "WaitIntervalInSeconds": _ANY},
        "TerminationWaitInSeconds": _ANY,
        "MaximumExecutionTimeoutInSeconds": _ANY,
    },
}
_CREATE = {"EndpointName": _ANY, "EndpointConfigName": _ANY, "Tags": _ANY, "DeploymentConfig": _DEPLOYMENT}
_UPDATE = {
    "EndpointName": _ANY,
    "EndpointConfigName": _ANY,
    "DeploymentConfig": _DEPLOYMENT,
    "RetainAllVariantProperties": {False},
    "RetainDeploymentConfig": _ANY,
}
_SERVING_GRACE = 30.0
_RESTORE_TRIES = 3  # a laptop that starts up may be too busy for the first
_RESTORE_TIMEOUT = 60.0  # seconds that an invocation waits for a restored endpoint: InvokeEndpoint's own limit
_RESTART_PAUSE = 1.0  # seconds between restarts of a program that keeps dying
_PASSED_ON: tuple[str, ...] = (
    "content-type",
    "accept",
    "x-amzn-sagemaker-custom-attributes",
    "x-amzn-sagemaker-inference-id",
)
_LARGEST_BODY = 6 * 1024 * 1024
_FAULT = "Request to service failed. If failure persists after retry, contact customer support."

# A ProductionVariant and its model: what a variant is made from.
Definition = tuple[Json, Resource]


@dataclass(eq=False)
class Variant:
    """One production variant in service.

    Attributes:
        config: its ProductionVariant.
        model: its model.
        server: the process that answers for it; one stands for all instances.
        deployed: when it was started, epoch seconds.
    """

    config: Json
    model: Resource
    server: ModelServer
    deployed: float = field(default_factory=time.time)

    @property
    def name(self) -> str:
        """VariantName."""
        return str(self.config["VariantName"])

    @property
    def weight(self) -> float:
        """Share of the traffic, relative to the other variants."""
        return float(self.config.get("InitialVariantWeight", 1.0))

    def as_json(self) -> Json:
        """Describes it as DescribeEndpoint does.

        Returns:
            Its ProductionVariantSummary.
        """
        told: Json = {
            "VariantName": self.name,
            "DeployedImages": [_deployed_image(self.model, self.deployed)],
            "CurrentWeight": self.weight,
            "DesiredWeight": self.weight,
        }
        if serverless := self.config.get("ServerlessConfig"):
            return told | {"CurrentServerlessConfig": serverless, "DesiredServerlessConfig": serverless}
        count = self.config["InitialInstanceCount"]
        return told | {"CurrentInstanceCount": count, "DesiredInstanceCount": count}


@dataclass
class Endpoint(Resource):
    """One endpoint.

    Attributes:
        config_name: EndpointConfigName: what answers, or what a creation is to bring up.
        endpoint_status: EndpointStatus.
        failure_reason: FailureReason of the last creation or update.
        live: what ``config_name`` stands for once it is in service; the config and the models may be deleted since.
        deployment: DeploymentConfig of the last update.
        variants: what answers now.
        pending: PendingDeploymentSummary while one is brought up.
        settled: not set while a restored endpoint is brought back.
    """

    config_name: str = ""
    endpoint_status: str = "Creating"
    failure_reason: str | None = None
    live: list[Definition] = field(default_factory=list, metadata=NOT_SAVED)  # as it is; see saved()
    deployment: Json | None = None
    variants: list[Variant] = field(default_factory=list, metadata=NOT_SAVED)
    pending: Json | None = field(default=None, metadata=NOT_SAVED)
    settled: threading.Event = field(default_factory=threading.Event, metadata=NOT_SAVED)

    @property
    def status(self) -> str:
        """EndpointStatus."""
        return self.endpoint_status

    def enter(self, status: str, failure_reason: str | None = None) -> None:
        """Changes the status. The caller holds the region's lock.

        Args:
            status: the new EndpointStatus.
            failure_reason: the new FailureReason.
        """
        self.endpoint_status = status
        self.failure_reason = failure_reason
        self.touch()

    def saved(self) -> Json:
        """Describes it for the state folder. The caller holds the region's lock.

        Returns:
            A copy of its fields as JSON, but for those that only the running server has.
        """
        live = [{"config": config, "model": model.saved()} for config, model in self.live]
        return {**super().saved(), "live": live}


class Endpoints(Collection[Endpoint]):
    """The endpoints of a region."""

    kind = Kind("endpoint", "EndpointName", "Endpoints", "endpoint", status_member="EndpointStatus")
    resource = Endpoint

    def __init__(self, region: Region, models: Models, configs: EndpointConfigs) -> None:
        super().__init__(region)
        self._models = models
        self._configs = configs

    def create(self, request: Request) -> Json:
        """Answers CreateEndpoint.

        Args:
            request: the checked input.

        Returns:
            The output.

        Raises:
            AwsError: AWS would refuse it, or local AWS cannot do it.
        """
        refuse_unsupported("CreateEndpoint", request, _CREATE)
        name = request["EndpointName"]
        with self.region.lock:
            if name.lower() in self.items:
                raise self.already_exists(name)
            config = self._configs.find(request["EndpointConfigName"])
            endpoint = Endpoint(name, self.region.arn(self.kind.arn, name), {}, config_name=config.name)
            endpoint.deployment = request.get("DeploymentConfig")
            endpoint.pending = self._pending(config)
            self.add(endpoint, request.get("Tags", []))
        self._in_background(endpoint, config)
        return {"EndpointArn": endpoint.arn}

    def update(self, request: Request) -> Json:
        """Answers UpdateEndpoint.

        Args:
            request: the checked input.

        Returns:
            The output.

        Raises:
            AwsError: AWS would refuse it, or local AWS cannot do it.
        """
        refuse_unsupported("UpdateEndpoint", request, _UPDATE)
        with self.region.lock:
            endpoint = self.find(request["EndpointName"])
            config = self._configs.find(request["EndpointConfigName"])
            if endpoint.status == "Failed":
                raise validation_error(
                    f'Cannot update failed endpoint "{endpoint.arn}". Delete it; that is all that can be done with it.'
                )
            self._refuse_while_changing(endpoint)
            endpoint.pending = self._pending(config)
            endpoint.enter("Updating")
            endpoint.deployment = request.get("DeploymentConfig", endpoint.deployment)
        self._in_background(endpoint, config)
        return {"EndpointArn": endpoint.arn}

    def describe(self, request: Request) -> Json:
        """Answers DescribeEndpoint.

        Args:
            request: the checked input.

        Returns:
            The output.

        Raises:
            AwsError: there is no such endpoint.
        """
        with self.region.lock:
            endpoint = self.find(request["EndpointName"])
            told = {
                "EndpointName": endpoint.name,
                "EndpointArn": endpoint.arn,
                "EndpointConfigName": endpoint.config_name,
                "EndpointStatus": endpoint.status,
                "FailureReason": endpoint.failure_reason,
                "CreationTime": endpoint.creation_time,
                "LastModifiedTime": endpoint.last_modified_time,
                "ProductionVariants": [variant.as_json() for variant in endpoint.variants] or None,
                "LastDeploymentConfig": endpoint.deployment,
                "PendingDeploymentSummary": endpoint.pending,
            }
            return {member: value for member, value in told.items() if value is not None}

    def delete(self, request: Request) -> Json:
        """Answers DeleteEndpoint.

        Args:
            request: the checked input.

        Returns:
            The output.

        Raises:
            AwsError: there is no such endpoint, or it is being changed.
        """
        with self.region.lock:
            endpoint = self.find(request["EndpointName"])
            self._refuse_while_changing(endpoint)
            endpoint.enter("Deleting")
            variants, endpoint.variants = endpoint.variants, []
        threading.Thread(target=self._delete, args=(endpoint, variants), daemon=True).start()
        return {}

    def invoke(self, name: str, body: bytes, headers: dict[str, str]) -> Response:
        """Answers InvokeEndpoint: passes the body to the model and its answer back.

        Args:
            name: endpoint name.
            body: the request's body.
            headers: the request's headers, names in lower case.

        Returns:
            The answer.

        Raises:
            AwsError: no such endpoint or variant, nothing in service, or the model answered with an error.
        """
        for header in ("target-model", "enable-explanations", "inference-component", "target-container-hostname"):
            if f"x-amzn-sagemaker-{header}" in headers:
                raise AwsError("ValidationError", f"local AWS: InvokeEndpoint cannot do x-amzn-sagemaker-{header}.")
        if len(body) > _LARGEST_BODY:
            raise AwsError(
                "ValidationError", f"Request {len(body)} bytes is too large; {_LARGEST_BODY} are allowed.", 413
            )
        self._wait_until_settled(name)
        variant, server = self._choose(name, headers.get("x-amzn-sagemaker-target-variant"))
        passed_on = {header: headers[header] for header in _PASSED_ON if header in headers}
        try:
            status, answer, answer_headers = invoke(server, body, passed_on)
        except (OSError, http.client.HTTPException) as error:
            raise self._model_error(name, server, 0, _TIMED_OUT) from error
        finally:
            server.end_request()
        if status >= 400:
            raise self._model_error(name, server, status, answer.decode("utf-8", "replace"))
        response = Response(answer, content_type=answer_headers.get("content-type", "application/octet-stream"))
        response.headers["x-Amzn-Invoked-Production-Variant"] = variant.name
        if attributes := answer_headers.get("x-amzn-sagemaker-custom-attributes"):
            response.headers["X-Amzn-SageMaker-Custom-Attributes"] = attributes
        return response

    def summary(self, item: Endpoint) -> Json:
        """Describes an endpoint in a list.

        Args:
            item: the endpoint.

        Returns:
            Its EndpointSummary.
        """
        return {
            **super().summary(item),
            "LastModifiedTime": item.last_modified_time,
            "EndpointStatus": item.status,
        }

    def restored(self, saved: Json) -> Endpoint:
        """Makes an endpoint again; :meth:`bring_back` starts its programs.

        Args:
            saved: what its ``saved`` described.

        Returns:
            It. What was in service is SystemUpdating: AWS's status while an endpoint undergoes maintenance. A creation
            that was under way has failed; an update is over, on the old config.
        """
        live: list[Definition] = [(entry["config"], Resource(**entry["model"])) for entry in saved["live"]]
        endpoint = super().restored({**saved, "live": live})
        if endpoint.status == "Creating":
            endpoint.enter("Failed", _FAULT)
        elif endpoint.status in ("Updating", "RollingBack"):
            endpoint.enter("SystemUpdating", endpoint.failure_reason or _FAULT)
        elif endpoint.status == "InService":
            endpoint.enter("SystemUpdating", endpoint.failure_reason)
        return endpoint

    def bring_back(self) -> None:
        """Starts, in the background, the programs of all restored endpoints; finishes deletions."""
        for endpoint in list(self.items.values()):
            if endpoint.status == "SystemUpdating":
                threading.Thread(target=self._bring_back, args=(endpoint,), daemon=True).start()
            elif endpoint.status == "Deleting":
                self.remove(endpoint.name)

    def _bring_back(self, endpoint: Endpoint) -> None:
        reason = None
        started: list[Variant] = []
        for _ in range(_RESTORE_TRIES):
            reason, started = None, []
            try:
                self._start_variants(endpoint, endpoint.live, started)
                break
            except Exception as error:  # whatever it was, the endpoint must not stay SystemUpdating for ever
                reason = self._reason(error)
                _stop(started)
        with self.region.lock:
            if reason is None:
                endpoint.variants = started
                endpoint.enter("InService", endpoint.failure_reason)
            else:
                endpoint.enter("Failed", reason)
        endpoint.settled.set()
        if reason is None:
            self._watch(endpoint, started)

    def _wait_until_settled(self, name: str) -> None:
        """Waits while a restored endpoint is brought back: AWS's answers during SystemUpdating, too."""
        with self.region.lock:
            endpoint = self.items.get(name.lower())
            if endpoint is None or endpoint.status != "SystemUpdating":
                return
        if not endpoint.settled.wait(_RESTORE_TIMEOUT):
            raise AwsError("ServiceUnavailable", f"Endpoint {name} is being brought back; try again.", 503)

    def _pending(self, config: Resource) -> Json:
        """Describes a deployment that begins. The caller holds the region's lock."""
        now = time.time()
        variants = []
        for variant in config.request["ProductionVariants"]:
            told: Json = {
                "VariantName": variant["VariantName"],
                "DesiredWeight": variant.get("InitialVariantWeight", 1.0),
                "VariantStatus": [{"Status": "Creating", "StartTime": now}],
            }
            if model := self._models.items.get(variant["ModelName"].lower()):
                told["DeployedImages"] = [_deployed_image(model, now)]
            if "ServerlessConfig" in variant:
                told["DesiredServerlessConfig"] = variant["ServerlessConfig"]
            else:
                told |= {
                    "InstanceType": variant["InstanceType"],
                    "DesiredInstanceCount": variant["InitialInstanceCount"],
                }
            variants.append(told)
        return {"EndpointConfigName": config.name, "ProductionVariants": variants, "StartTime": now}

    def _reason(self, error: Exception) -> str:
        if isinstance(error, DeploymentError):
            return str(error)
        self.region.host.report(traceback.format_exc())
        return _FAULT

    def _refuse_while_changing(self, endpoint: Endpoint) -> None:
        if endpoint.status not in ("InService", "Failed", "OutOfService"):
            raise validation_error(f'Cannot update in-progress endpoint "{endpoint.arn}".')

    def _choose(self, name: str, target: str | None) -> tuple[Variant, ModelServer]:
        """Picks who answers a request. The server is told in the same breath: an update must not stop it before."""
        with self.region.lock:
            variant = self._pick(name, target)
            variant.server.begin_request()
            return variant, variant.server

    def _pick(self, name: str, target: str | None) -> Variant:
        endpoint = self.items.get(name.lower())
        if endpoint is None or not endpoint.variants:
            account = self.region.settings.account_id
            raise AwsError("ValidationError", f"Endpoint {name} of account {account} not found.")
        if target is not None:
            for variant in endpoint.variants:
                if variant.name == target:
                    return variant
            raise AwsError("ValidationError", f"Variant {target} not found for endpoint {name}.")
        weights = [variant.weight for variant in endpoint.variants]
        if not any(weights):
            raise AwsError("ValidationError", f"All variants of endpoint {name} have weight 0; name a TargetVariant.")
        return random.choices(endpoint.variants, weights)[0]  # noqa: S311 - not secret

    def _model_error(self, name: str, server: ModelServer, status: int, message: str) -> AwsError:
        side = "client" if 400 <= status < 500 else "server"
        region, account = self.region.name, self.region.settings.account_id
        group = f"/aws/sagemaker/Endpoints/{name}"
        text = (
            f'Received {side} error ({status}) from primary with message "{message}". See https://{region}.console.aws'
            f".amazon.com/cloudwatch/home?region={region}#logEventViewer:group={group} in account {account} for more "
            "information."
        )
        stream = f"arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:{server.log_stream}"
        members = {"OriginalStatusCode": status, "OriginalMessage": message, "LogStreamArn": stream}
        return AwsError("ModelError", text, 424, members)

    def _in_background(self, endpoint: Endpoint, config: Resource) -> None:
        threading.Thread(
            target=self._deploy, args=(endpoint, config), name=f"deployment of {config.name}", daemon=True
        ).start()

    def _deploy(self, endpoint: Endpoint, config: Resource) -> None:
        started: list[Variant] = []
        with self.region.lock:
            status = endpoint.status
        try:
            self.region.faults.pause(self.kind.arn, status)
            operation = "CreateEndpoint" if status == "Creating" else "UpdateEndpoint"
            if reason := self.region.faults.forced_failure("fail_deployment", operation):
                raise DeploymentError(reason)
            self._start_variants(endpoint, self._definitions(config), started)
        except Exception as error:  # whatever it was, the endpoint must not stay Creating or Updating for ever
            self._roll_back(endpoint, started, self._reason(error))
            return
        with self.region.lock:
            replaced, endpoint.variants = endpoint.variants, started
            policy = (endpoint.deployment or {}).get("BlueGreenUpdatePolicy", {}) if replaced else {}
        self._bake(policy)
        with self.region.lock:
            endpoint.config_name = config.name
            endpoint.live = [(variant.config, variant.model) for variant in started]
            endpoint.pending = None
            endpoint.enter("InService")
        self._watch(endpoint, started)
        for variant in replaced:
            variant.server.drain()
        _stop(replaced)

    def _definitions(self, config: Resource) -> list[Definition]:
        found = []
        for variant in config.request["ProductionVariants"]:
            with self.region.lock:
                model = self._models.items.get(variant["ModelName"].lower())
            if model is None:
                raise DeploymentError(f'Could not find model "{self.region.arn("model", variant["ModelName"])}".')
            found.append((variant, model))
        return found

    def _start_variants(self, endpoint: Endpoint, definitions: list[Definition], started: list[Variant]) -> None:
        for config, model in definitions:
            started.append(Variant(config, model, self._start_server(endpoint, model, config["VariantName"])))
        for variant in started:
            timeout = variant.config.get(
                "ContainerStartupHealthCheckTimeoutInSeconds", self.region.settings.ping_timeout
            )
            if not variant.server.wait_until_healthy(timeout):
                raise DeploymentError(
                    f"The primary container for production variant {variant.name} did not pass the ping health check. "
                    "Please check CloudWatch logs for this endpoint."
                )

    def _bake(self, policy: Json) -> None:
        """Waits as a blue/green policy wants it, the new variants answering, before the old ones are ended."""
        seconds = policy.get("TrafficRoutingConfiguration", {}).get("WaitIntervalInSeconds", 0)
        time.sleep(seconds + policy.get("TerminationWaitInSeconds", 0))

    def _start_server(self, endpoint: Endpoint, model: Resource, variant: str) -> ModelServer:
        return start_model_server(self.region, model, f"/aws/sagemaker/Endpoints/{endpoint.name}", variant)

    def _watch(self, endpoint: Endpoint, variants: list[Variant]) -> None:
        for variant in variants:
            threading.Thread(target=self._keep_serving, args=(endpoint, variant), daemon=True).start()

    def _keep_serving(self, endpoint: Endpoint, variant: Variant) -> None:
        """Starts the program of a variant in service again when it dies, as SageMaker replaces a dead container."""
        while True:
            variant.server.wait_until_ended()
            with self.region.lock:
                if variant not in endpoint.variants or self.region.host.closed:
                    return
            try:
                server = self._start_server(endpoint, variant.model, variant.name)
            except DeploymentError as error:
                self.region.host.report(f"endpoint {endpoint.name}, variant {variant.name}: {error}\n")
                time.sleep(_RESTART_PAUSE)
                continue
            healthy = server.wait_until_healthy(self.region.settings.ping_timeout)
            with self.region.lock:
                in_service = variant in endpoint.variants
                if healthy and in_service:
                    variant.server = server
            if not healthy or not in_service:
                server.stop(_SERVING_GRACE)
                time.sleep(_RESTART_PAUSE)

    def _roll_back(self, endpoint: Endpoint, started: list[Variant], reason: str) -> None:
        with self.region.lock:
            first = endpoint.status == "Creating"
            endpoint.pending = None
            endpoint.enter("Failed" if first else "RollingBack", reason)
        _stop(started)
        if not first:
            self.region.faults.pause(self.kind.arn, "RollingBack")
            with self.region.lock:
                endpoint.enter("InService", reason)

    def _delete(self, endpoint: Endpoint, variants: list[Variant]) -> None:
        _stop(variants)
        with self.region.lock:
            self.remove(endpoint.name)


_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for "
    "each container in Amazon CloudWatch, resolve the issue, and try again."
)


def _deployed_image(model: Resource, moment: float) -> Json:
    image = model.request["PrimaryContainer"]["Image"]
    return {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": moment}


def _stop(variants: list[Variant]) -> None:
    for variant in variants:
        variant.server.stop(_SERVING_GRACE)
