"""What a deployment asks of SageMaker: model, endpoint config, the endpoint's change, and the way back."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from botocore.exceptions import ClientError

from fresh_endpoints.aws import requests, tags
from fresh_endpoints.aws.endpoint import Endpoint, LiveConfigGoneError, Seen
from fresh_endpoints.aws.errors import OutOfQuotaError, explained, is_not_found
from fresh_endpoints.aws.model import create_model, model_request
from fresh_endpoints.model_facts import fact_tags
from fresh_endpoints.run import named_parts
from fresh_endpoints.steps.decision import Next, SoFar
from fresh_endpoints.telling import failed_deployments
from fresh_endpoints.telling.failures import StepFailed

if TYPE_CHECKING:
    from fresh_endpoints.deployment import Deployment

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Gone:
    """What was deleted of a deployment, or was never made.

    Attributes:
        models: The names of the models.
        is_config_gone: Whether the endpoint config is.
    """

    models: tuple[str, ...]
    is_config_gone: bool


class Asking:
    """The requests of one deployment.

    Args:
        endpoint: The endpoint.
        client: A boto3 SageMaker client.
        sections: The rendered sections ``Model``, ``EndpointConfig`` and ``Endpoint``.
        aws_tags: The pipeline's own tags, rendered.
    """

    def __init__(self, endpoint: Endpoint, client: Any, sections: Mapping[str, Any], aws_tags: Mapping[str, str]):
        self._endpoint = endpoint
        self._client = client
        self._sections = sections
        self._aws_tags = aws_tags
        # Whether the last deployment asked for has made its endpoint config.
        self.has_created = False

    def model_request(self, deployment: Deployment, training: Mapping[str, Any]) -> requests.Request:
        """Make the CreateModel request of a deployment.

        Args:
            deployment: What is to be live.
            training: What DescribeTrainingJob returned, or what it will: the CreateTrainingJob request.
        """
        section, name = self._sections["Model"], deployment.config_name
        given = {**self._tags_of(deployment), **tags.made(_now())}
        return model_request(section, name=name, facts=deployment.facts, training=training, tags=given)

    def config_request(
        self, deployment: Deployment, with_tags: Mapping[str, str] = MappingProxyType({})
    ) -> requests.Request:
        """Make the CreateEndpointConfig request of a deployment.

        Args:
            deployment: What is to be live.
            with_tags: Further tags.
        """
        return self._dated_config_request(deployment.config_name, {**self._tags_of(deployment), **with_tags})

    def create_endpoint_request(
        self, deployment: Deployment, with_tags: Mapping[str, str] = MappingProxyType({})
    ) -> requests.Request:
        """Make the CreateEndpoint request of a deployment.

        Args:
            deployment: What is to be live.
            with_tags: Further tags.
        """
        given = {**deployment.run.tags(self._aws_tags), **with_tags}
        return requests.create_endpoint(self._sections["Endpoint"], config_name=deployment.config_name, tags=given)

    def update_endpoint_request(self, config_name: str, *, at_once: bool = False) -> requests.Request:
        """Make the UpdateEndpoint request for an endpoint config.

        Args:
            config_name: The endpoint config that is to be live.
            at_once: Whether all traffic is to be shifted at once; see requests.update_endpoint().
        """
        return requests.update_endpoint(self._sections["Endpoint"], config_name=config_name, at_once=at_once)

    def _tags_of(self, deployment: Deployment) -> dict[str, str]:
        return {**deployment.run.tags(self._aws_tags), **fact_tags(deployment.deployed_facts)}

    def _config_request(self, name: str, given: Mapping[str, str]) -> requests.Request:
        section = self._sections["EndpointConfig"]
        return requests.create_endpoint_config(section, name=name, model_name=name, tags=given)

    def to_deploy(
        self,
        deployment: Deployment,
        seen: Seen,
        step: Next,
        *,
        is_first: bool = False,
        is_overtaken: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Ask for the endpoint to be created, recreated or updated.

        Args:
            deployment: What is to be live.
            seen: What the endpoint is like.
            step: CREATE, RECREATE or UPDATE.
            is_first: Whether nobody is thought to have asked before; an endpoint config that exists says otherwise.
            is_overtaken: Tells, right before the change, whether what was checked no longer holds.

        Returns:
            Whether SageMaker has taken it; else the endpoint has to be looked at again first.

        Raises:
            StepFailed: Model or config exist and are others; what is live was deleted and cannot be made again.
            AirflowException: AWS refused.
        """
        if step is Next.RECREATE:
            return self._endpoint.delete()
        # The way back is written before the change, so that whoever finds it done knows it.
        self.has_created = self._create_model_and_config(deployment, {tags.PREVIOUS_CONFIG: seen.live or ""})
        if not self.has_created:
            if is_first:
                return False
            self._endpoint.tag_config(deployment.config_name, tags.PREVIOUS_CONFIG, seen.live or "")
        if self._endpoint.describe().version != seen.version or is_overtaken():
            return False  # Changed by somebody else in the meantime: what was checked no longer holds.
        return self._change(deployment, seen, step)

    def to_redeploy(
        self, deployment: Deployment, seen: Seen, step: Next, *, with_tags: Mapping[str, str], at_once: bool
    ) -> bool:
        """Ask for the endpoint to serve a model that it has served before, or that was only trained.

        What each config was put in the place of stays written in it: the way back from here is the one that led here,
        and not to what a person has left.

        Args:
            deployment: What is to be live.
            seen: What the endpoint is like.
            step: CREATE, RECREATE or UPDATE.
            with_tags: Further tags of an endpoint that is created.
            at_once: Whether all traffic is to be shifted at once; see requests.update_endpoint().

        Returns:
            Whether SageMaker has taken it; else the endpoint has to be looked at again first.

        Raises:
            StepFailed: What is live was deleted and cannot be made again.
            AirflowException: AWS refused.
        """
        if step is Next.RECREATE:
            return self._endpoint.delete()
        self.make_again_what_is_gone(deployment)
        return self._change(deployment, seen, step, with_tags=with_tags, at_once=at_once)

    def make_again_what_is_gone(self, deployment: Deployment) -> None:
        """Make endpoint config and model again where they were deleted, as the pipeline file has them now.

        Args:
            deployment: What is to be live.

        Raises:
            StepFailed: Somebody has made another model of the name meanwhile.
            AirflowException: AWS refused.
        """
        name = deployment.config_name
        given = self._tags_of(deployment)
        gone = self.what_is_gone(deployment)
        for model in gone.models:
            log.info("Model %s has been deleted; making it again.", model)
            self._create_model(deployment, model, given)
        if gone.is_config_gone:
            log.info("Endpoint config %s has been deleted, or was never made; making it.", name)
            self._create_config(name, given)

    def what_is_gone(self, deployment: Deployment) -> Gone:
        """Find what has to be made again before the endpoint can serve a model.

        Args:
            deployment: What is to be live.

        Raises:
            AirflowException: AWS refused.
        """
        name = deployment.config_name
        has_config = self._endpoint.has_config(name)
        models = [
            model
            for model in (self._models_of(name) if has_config else [name])
            if named_parts(model).get("training_job") == deployment.training_job and not self._has_model(model)
        ]
        return Gone(tuple(models), is_config_gone=not has_config)

    def _models_of(self, name: str) -> list[str]:
        config = self._endpoint.config(name)
        return [str(variant["ModelName"]) for variant in config["ProductionVariants"] if "ModelName" in variant]

    def _change(
        self,
        deployment: Deployment,
        seen: Seen,
        step: Next,
        *,
        with_tags: Mapping[str, str] = MappingProxyType({}),
        at_once: bool = False,
    ) -> bool:
        if step is Next.CREATE:
            return self._endpoint.create(self.create_endpoint_request(deployment, with_tags))
        try:
            request = self.update_endpoint_request(deployment.config_name, at_once=at_once)
            return self._endpoint.update(request, live=seen.live)
        except LiveConfigGoneError as gone:
            self._make_again(deployment, gone.name)
            return False

    def to_go_back(self, seen: Seen, so_far: SoFar, *, out_of_quota: Callable[[OutOfQuotaError, SoFar], str]) -> SoFar:
        """Ask for the endpoint to serve again what it goes back to.

        Args:
            seen: What the endpoint is like.
            so_far: What the run has done.
            out_of_quota: Waits for quota; where it has waited as long as it may, it says so.

        Returns:
            The same with what has become of it: a refusal must not hide that an unproven model is live.
        """
        back_to = str(so_far.back_to)
        log.info("Putting endpoint config %s back.", back_to)
        so_far = replace(so_far, asks=so_far.asks + 1, is_too_late=False)
        try:
            if self._endpoint.update(self.update_endpoint_request(back_to, at_once=True), live=seen.live):
                return replace(so_far, back_over=seen.version)
            return so_far
        except OutOfQuotaError as error:
            return replace(so_far, refused=out_of_quota(error, so_far), may_try_later=False)
        except (AirflowException, LiveConfigGoneError) as error:
            may_try_later = not isinstance(error, (AirflowFailException, LiveConfigGoneError))
            return replace(so_far, refused=str(error), may_try_later=may_try_later)

    def _create_model_and_config(self, deployment: Deployment, with_tags: Mapping[str, str]) -> bool:
        """Create both, or reuse what an earlier try has created, if it is what this one would create.

        Returns:
            Whether the endpoint config was created, with these further tags.
        """
        given = self._tags_of(deployment)
        self._create_model(deployment, deployment.config_name, given)
        return self._create_config(deployment.config_name, {**given, **with_tags})

    def _create_model(self, deployment: Deployment, name: str, given: Mapping[str, str]) -> None:
        section = self._sections["Model"]
        given, training = {**given, **tags.made(_now())}, deployment.training
        found = create_model(self._client, section, name=name, facts=deployment.facts, tags=given, training=training)
        if found:
            raise StepFailed(failed_deployments.name_taken("Model", name, found))

    def _create_config(self, name: str, given: Mapping[str, str]) -> bool:
        """Create the endpoint config; False where it is there already."""
        found = self._endpoint.create_config(self._dated_config_request(name, given))
        if found:
            raise StepFailed(failed_deployments.name_taken("Endpoint config", name, found))
        return found is None

    def _dated_config_request(self, name: str, given: Mapping[str, str]) -> requests.Request:
        request = self._config_request(name, given)
        variants = [*request["ProductionVariants"], *request.get("ShadowProductionVariants", [])]
        of_others = any(variant.get("ModelName") != name for variant in variants)
        return self._config_request(name, {**given, **tags.made(_now(), of_others=of_others)})

    def _make_again(self, deployment: Deployment, live: str) -> None:
        """Make the endpoint config again that is live and was deleted: without it AWS refuses every update.

        Its model has its name, and the name says the data date. AWS wants it to exist and asks no more of it.
        """
        parts = named_parts(live)
        if parts.get("pipeline") not in deployment.run.own_names or not self._has_model(live):
            raise StepFailed(failed_deployments.live_config_gone(deployment, live=live))
        log.warning("Endpoint config %s, which is live, has been deleted; making it again.", live)
        run = deployment.run.for_data_date(dt.date.fromisoformat(parts["data_date"]))
        given = {**run.tags(self._aws_tags), tags.TRAINING_JOB: parts["training_job"]}
        self._endpoint.create_config(self._dated_config_request(live, given))

    def _has_model(self, name: str) -> bool:
        with explained(f"describe model {name}"):
            try:
                self._client.describe_model(ModelName=name)
            except ClientError as error:
                if is_not_found(error):
                    return False
                raise
        return True


def _now() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc)
