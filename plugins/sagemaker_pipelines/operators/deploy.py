"""Step 3: create or update the endpoint, verify that it serves the new model, and never go backwards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.operators.sagemaker import SageMakerEndpointOperator
from airflow.providers.common.compat.sdk import AirflowSkipException
from botocore.exceptions import ClientError

from sagemaker_pipelines import api_requests
from sagemaker_pipelines.aws_errors import (
    BOTOCORE_CONFIG,
    already_exists,
    code_of,
    explained,
    is_not_found,
    message_of,
)
from sagemaker_pipelines.operators.step import PipelineStep, StepFailed, StepFailedForNow
from sagemaker_pipelines.run import DATA_DATE_TAG, PIPELINE_TAG
from sagemaker_pipelines.slack import Message, console_url, read_tags, run_links, tell_once
from sagemaker_pipelines.statuses import ENDPOINT, Answer, answer_to, is_healable
from sagemaker_pipelines.triggers import SageMakerTrigger

if TYPE_CHECKING:
    from sagemaker_pipelines.pipeline import Pipeline
    from sagemaker_pipelines.run import Run

# An endpoint's request bounds its downloads and start-ups; provisioning and draining come on top.
MARGIN_SECONDS = 3_600
DEFAULT_START_SECONDS = 3_600


class DeployOperator(PipelineStep, SageMakerEndpointOperator):
    """Makes the endpoint serve the run's model, and says so only when it does.

    The endpoint is created or updated, whichever it needs. One that somebody else is changing is waited for, then
    looked at again; one left Failed by an earlier creation is recreated. With ``deploy: auto`` a model is not deployed
    over one trained on a later data date, which is read from the tags of the live endpoint config.

    Args:
        pipeline: The pipeline.
        trained_by: The task whose return value holds the model facts.
    """

    template_fields = (*SageMakerEndpointOperator.template_fields, "aws_tags")

    def __init__(self, *, pipeline: Pipeline, trained_by: str = "train", **kwargs: Any):
        super().__init__(
            config={"Model": pipeline.model, "EndpointConfig": pipeline.endpoint_config, "Endpoint": pipeline.endpoint},
            aws_conn_id=pipeline.aws_conn_id,
            region_name=pipeline.region,
            botocore_config=BOTOCORE_CONFIG,
            deferrable=True,
            **kwargs,
        )
        self.pipeline = pipeline
        self.trained_by = trained_by
        self.aws_tags = dict(pipeline.aws_tags)

    def look_and_act(self, context: Any, event: dict[str, Any] | None) -> dict[str, Any]:
        """Bring the endpoint to the run's config, or say why not.

        Args:
            context: The task's context.
            event: What the trigger fired with; None on a new try.

        Returns:
            The model facts, with the endpoint and its config.

        Raises:
            StepFailed: The endpoint does not serve the run's config, or cannot.
            StepFailedForNow: The same, by a fault of AWS's own.
            AirflowSkipException: The model is not to be deployed.
            AirflowDeferred: The endpoint is being changed.
        """
        run = self.run_of(context)
        model = context["ti"].xcom_pull(task_ids=self.trained_by)
        if self._mode(context) == "never":
            raise AirflowSkipException("deploy is 'never': the model was trained and is not deployed")
        config_name = run.deployment_name(model["training_job"], model["generation"])
        # Whether this run has asked for the change that is going on or has ended. A new try knows only by the config.
        asked = bool(event and event.get("asked"))
        while True:
            endpoint = self._describe()
            answer = self._answer(endpoint)
            if answer is Answer.WAIT:
                if event and event.get("timeout"):
                    raise self._stuck(context, run, config_name, endpoint)
                if not asked and config_name in _configs_in_work(endpoint):
                    asked = True  # An earlier try has asked, and may have died before it told.
                    self._tell_started(context, run, config_name)
                self._wait_on(endpoint, asked=asked, may_look_on=event is None)
                continue
            if answer is Answer.DONE and endpoint["EndpointConfigName"] == config_name:
                return self._deployed(context, run, model, config_name)
            if answer in (Answer.UNUSABLE, Answer.UNKNOWN):
                raise self._unusable(context, run, config_name, endpoint)
            if asked:
                raise self._not_deployed(context, run, model, config_name, endpoint)
            if answer is Answer.DONE:
                self._refuse_to_go_back(context, run, model, endpoint)
            asked = self._ask(context, run, model, config_name, endpoint)

    # What is asked of SageMaker.

    def _ask(
        self, context: Any, run: Run, model: Mapping[str, Any], config_name: str, endpoint: dict[str, Any]
    ) -> bool:
        """Ask for the endpoint to be created, recreated or updated; False if somebody else was faster."""
        if endpoint.get("EndpointStatus") == "Failed":
            self.log.warning("Endpoint %s was left Failed; recreating it.", self._endpoint_name)
            with explained(f"delete the failed endpoint {self._endpoint_name}"):
                self._client.delete_endpoint(EndpointName=self._endpoint_name)
            return False
        tags = run.tags(self.aws_tags)
        self._create_model(model, config_name, tags)
        self._create_endpoint_config(config_name, tags)
        section = self.config["Endpoint"]
        with explained(f"deploy {config_name} to endpoint {self._endpoint_name}"):
            try:
                if endpoint:
                    self._client.update_endpoint(**api_requests.update_endpoint(section, config_name=config_name))
                else:
                    self._client.create_endpoint(
                        **api_requests.create_endpoint(section, config_name=config_name, tags=tags)
                    )
            except ClientError as error:
                if already_exists(error) or message_of(error).startswith("Cannot update in-progress endpoint"):
                    self.log.info("Endpoint %s is being changed by somebody else: %s", self._endpoint_name, error)
                    return False
                raise
        self.log.info("%s endpoint %s to %s", "Updating" if endpoint else "Creating", self._endpoint_name, config_name)
        self._tell_started(context, run, config_name)
        return True

    def _create_model(self, model: Mapping[str, Any], name: str, tags: dict[str, str]) -> None:
        with explained(f"describe training job {model['training_job']}"):
            training = self._client.describe_training_job(TrainingJobName=model["training_job"])
        request = api_requests.create_model(
            self.config["Model"], name=name, artifact=model["artifact"], training=training, tags=tags
        )
        with explained(f"create model {name}"):
            try:
                self._client.create_model(**request)
            except ClientError as error:
                if not already_exists(error):
                    raise
                self._check_same("Model", name, request, self._client.describe_model(ModelName=name))

    def _create_endpoint_config(self, name: str, tags: dict[str, str]) -> None:
        request = api_requests.create_endpoint_config(
            self.config["EndpointConfig"], name=name, model_name=name, tags=tags
        )
        with explained(f"create endpoint config {name}"):
            try:
                self._client.create_endpoint_config(**request)
            except ClientError as error:
                if not already_exists(error):
                    raise
                found = self._client.describe_endpoint_config(EndpointConfigName=name)
                self._check_same("Endpoint config", name, request, found)

    def _check_same(self, kind: str, name: str, request: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        """Reuse what an earlier try has created, if it is what this one would create."""
        wanted = {key: value for key, value in request.items() if key != "Tags"}
        differences = api_requests.differences(wanted, found)
        if differences:
            raise StepFailed(
                Message(
                    event="deployment-failed",
                    emoji="❌",
                    title="Deployment failed",
                    sentence=f"{kind} {name} exists and differs from what the pipeline file asks for: "
                    f"{'; '.join(differences)}. Clear the run to train and deploy under new names.",
                )
            )
        self.log.info("%s %s exists from an earlier try; using it.", kind, name)

    # What is seen.

    def _describe(self) -> dict[str, Any]:
        with explained(f"describe endpoint {self._endpoint_name}"):
            try:
                return self._client.describe_endpoint(EndpointName=self._endpoint_name)
            except ClientError as error:
                if is_not_found(error):
                    return {}
                raise

    @staticmethod
    def _answer(endpoint: Mapping[str, Any]) -> Answer | None:
        return answer_to(ENDPOINT, endpoint["EndpointStatus"]) if endpoint else None

    def _wait_on(self, endpoint: Mapping[str, Any], *, asked: bool, may_look_on: bool) -> None:
        """Wait for the endpoint's change to end; return if it has ended soon."""
        if may_look_on:
            seen = self.look_for_a_while(self._describe, lambda seen: self._answer(seen) is not Answer.WAIT)
            if self._answer(seen) is not Answer.WAIT:
                return
        self.log.info(
            "Endpoint %s is %s; waiting without a worker slot.", self._endpoint_name, endpoint["EndpointStatus"]
        )
        self.defer(
            trigger=SageMakerTrigger(
                kind="endpoint",
                name=self._endpoint_name,
                started=endpoint["LastModifiedTime"].timestamp(),
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
            ),
            method_name="execute_complete" if asked else "execute_after_others",
            timeout=timedelta(seconds=longest_wait(self.config)),
        )

    def execute_complete(self, context: Any, event: dict[str, Any] | None = None) -> Any:
        """Go on after the wait for the change that this run asked for."""
        return self.look_and_act(context, {**(event or {}), "asked": True})

    def execute_after_others(self, context: Any, event: dict[str, Any] | None = None) -> Any:
        """Go on after the wait for somebody else's change."""
        return self.look_and_act(context, event or {})

    def _mode(self, context: Any) -> str:
        return (context.get("params") or {}).get("deploy") or self.pipeline.deploy

    def _live_tags(self, endpoint: Mapping[str, Any]) -> dict[str, str]:
        with explained(f"read which data date endpoint {self._endpoint_name} serves"):
            try:
                config = self._client.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
            except ClientError as error:
                if is_not_found(error):
                    return {}  # AWS lets a config be deleted while it serves.
                raise
            return read_tags(self._client, config["EndpointConfigArn"])

    def _serves_later_date(self, run: Run, endpoint: Mapping[str, Any]) -> str | None:
        tags = self._live_tags(endpoint)
        live_date = tags.get(DATA_DATE_TAG, "")
        if tags.get(PIPELINE_TAG) == run.pipeline and live_date > run.data_date.isoformat():
            return live_date
        return None

    # How it ends.

    def _refuse_to_go_back(self, context: Any, run: Run, model: Mapping[str, Any], endpoint: Mapping[str, Any]) -> None:
        if self._mode(context) == "always":
            return
        live_date = self._serves_later_date(run, endpoint)
        if live_date:
            self._skip(context, run, model, endpoint, live_date)

    def _skip(
        self, context: Any, run: Run, model: Mapping[str, Any], endpoint: Mapping[str, Any], live_date: str
    ) -> None:
        sentence = (
            f'Not deploying "{model["training_job"]}": endpoint "{self._endpoint_name}" serves '
            f'"{endpoint["EndpointConfigName"]}", trained on the later data date {live_date}.'
        )
        message = Message(
            event="deployment-skipped",
            emoji="⏭️",
            title="Deployment skipped",
            sentence=sentence,
            facts={"Endpoint": self._endpoint_name, "Live": endpoint["EndpointConfigName"]},
            links={**self._links, **run_links(context)},
        )
        tell_once(self.notifier, run, message, client=self._client, arn=model["training_job_arn"])
        raise AirflowSkipException(sentence)

    def _tell_started(self, context: Any, run: Run, config_name: str) -> None:
        message = Message(
            event="deployment-started",
            emoji="📦",
            title="Deployment started",
            sentence=f'Started deploying model "{config_name}" to endpoint "{self._endpoint_name}".',
            facts={"Model": config_name, "Endpoint": self._endpoint_name},
            links={**self._links, **run_links(context)},
        )
        self._tell_of_config(run, config_name, message)

    def _deployed(self, context: Any, run: Run, model: dict[str, Any], config_name: str) -> dict[str, Any]:
        self.log.info("Endpoint %s is InService with %s.", self._endpoint_name, config_name)
        message = Message(
            event="deployment-completed",
            emoji="🟢",
            title="Deployment completed",
            sentence=f'Deployment completed for endpoint "{self._endpoint_name}".',
            facts={"Endpoint": self._endpoint_name, "Live": config_name},
            links={**self._links, **run_links(context)},
        )
        self._tell_of_config(run, config_name, message)
        return {**model, "model": config_name, "endpoint": self._endpoint_name, "endpoint_config": config_name}

    def _not_deployed(
        self,
        context: Any,
        run: Run,
        model: Mapping[str, Any],
        config_name: str,
        endpoint: Mapping[str, Any],
    ) -> StepFailed | StepFailedForNow:
        live, reason = endpoint.get("EndpointConfigName"), endpoint.get("FailureReason")
        status = endpoint.get("EndpointStatus", "gone")
        if status == "InService" and not reason:
            live_date = self._serves_later_date(run, endpoint)
            if live_date:
                self._skip(context, run, model, endpoint, live_date)
        if status == "InService":
            title = "Rolled back"
            sentence = (
                f'Deployment failed for endpoint "{self._endpoint_name}", rolled back to previously deployed version: '
                f'it serves "{live}", not "{config_name}". {reason or "SageMaker gives no reason."}'
            )
        else:
            title = "Deployment failed"
            sentence = (
                f'Deployment failed for endpoint "{self._endpoint_name}" with "{config_name}": it is {status}. '
                f"{reason or 'SageMaker gives no reason.'}"
            )
        return self._failure(context, run, config_name, endpoint, title, sentence)

    def _unusable(self, context: Any, run: Run, config_name: str, endpoint: Mapping[str, Any]) -> StepFailed:
        status, live = endpoint["EndpointStatus"], endpoint.get("EndpointConfigName")
        sentence = (
            f'Deployment failed for endpoint "{self._endpoint_name}": it is {status} with "{live}" and cannot take '
            f'"{config_name}". {endpoint.get("FailureReason") or ""} Bring it back InService or delete it, then '
            "clear the task."
        )
        return self._failure(context, run, config_name, {}, "Deployment failed", sentence)

    def _stuck(self, context: Any, run: Run, config_name: str, endpoint: Mapping[str, Any]) -> StepFailed:
        minutes = longest_wait(self.config) // 60
        sentence = (
            f'Deployment failed for endpoint "{self._endpoint_name}": it was still {endpoint["EndpointStatus"]} after '
            f'{minutes} minutes, with "{endpoint.get("EndpointConfigName")}" and not "{config_name}".'
        )
        return self._failure(context, run, config_name, {}, "Deployment failed", sentence)

    def _failure(
        self, context: Any, run: Run, config_name: str, endpoint: Mapping[str, Any], title: str, sentence: str
    ) -> Any:
        self.log.error(sentence)
        message = Message(
            event="rolled-back" if title == "Rolled back" else "deployment-failed",
            emoji="↩️" if title == "Rolled back" else "❌",
            title=title,
            sentence=sentence,
            facts={"Endpoint": self._endpoint_name, "Asked for": config_name},
            links=self._links,
        )
        return StepFailedForNow(message) if is_healable(endpoint) else StepFailed(message)

    def _tell_of_config(self, run: Run, config_name: str, message: Message) -> None:
        try:
            arn = self._client.describe_endpoint_config(EndpointConfigName=config_name)["EndpointConfigArn"]
        except ClientError as error:
            self.log.warning("Could not find the record of Slack messages (%s): %s", code_of(error), error)
            return
        tell_once(self.notifier, run, message, client=self._client, arn=arn)

    @property
    def _links(self) -> dict[str, str]:
        return {"Endpoint": console_url(self.pipeline.region, f"endpoints/{self._endpoint_name}")}

    @property
    def _endpoint_name(self) -> str:
        return self.config["Endpoint"]["EndpointName"]

    @property
    def _client(self) -> Any:
        return self.hook.conn


def longest_wait(config: Mapping[str, Any]) -> int:
    """Return how long a deployment may take by its own requests, with a margin.

    Args:
        config: The pipeline's Model, EndpointConfig and Endpoint sections.

    Returns:
        Seconds: what DeploymentConfig bounds the whole by, else the longest download plus start of a variant, and an
        hour on top.
    """
    deployment = config["Endpoint"].get("DeploymentConfig") or {}
    for policy in ("BlueGreenUpdatePolicy", "RollingUpdatePolicy"):
        bound = (deployment.get(policy) or {}).get("MaximumExecutionTimeoutInSeconds")
        if bound:
            return int(bound) + MARGIN_SECONDS
    starts = [
        int(variant.get("ModelDataDownloadTimeoutInSeconds") or DEFAULT_START_SECONDS)
        + int(variant.get("ContainerStartupHealthCheckTimeoutInSeconds") or DEFAULT_START_SECONDS)
        for variant in config["EndpointConfig"].get("ProductionVariants") or []
    ]
    return max(starts, default=2 * DEFAULT_START_SECONDS) + MARGIN_SECONDS


def _configs_in_work(endpoint: Mapping[str, Any]) -> set[str]:
    """The configs that the endpoint is changing to: a Creating one's own, an Updating one's pending one."""
    pending = endpoint.get("PendingDeploymentSummary")
    configs = {pending["EndpointConfigName"]} if pending else set()
    return configs | {endpoint["EndpointConfigName"]} if endpoint["EndpointStatus"] == "Creating" else configs
