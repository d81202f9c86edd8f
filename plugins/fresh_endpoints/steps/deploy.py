"""Step 3: create or update the endpoint, verify that it serves the new model, and never go backwards."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.operators.sagemaker import SageMakerEndpointOperator
from airflow.providers.common.compat.sdk import AirflowSkipException
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws import requests
from fresh_endpoints.aws import tags as aws_tags
from fresh_endpoints.aws.clients import SageMakerHook
from fresh_endpoints.aws.console import EndpointLink, LogStreamLink
from fresh_endpoints.aws.errors import (
    BOTOCORE_CONFIG,
    already_exists,
    explained,
    is_not_found,
    may_heal,
    message_of,
)
from fresh_endpoints.aws.kinds import ENDPOINT, Answer, is_healable
from fresh_endpoints.aws.model import create_model
from fresh_endpoints.model_facts import (
    deployed_facts,
    fact_tags,
    final_metrics,
    tagged_metrics,
)
from fresh_endpoints.pipeline_file.quality import broken_rules
from fresh_endpoints.steps.prove import ProvenDeployment
from fresh_endpoints.steps.publish import XCOM_REFUSED
from fresh_endpoints.steps.retention import delete_expired
from fresh_endpoints.steps.step import StepFailed, StepFailedForNow
from fresh_endpoints.telling.messages import Message, run_links, tell_once
from fresh_endpoints.waiting import pace
from fresh_endpoints.waiting.triggers import SageMakerTrigger

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.run import Run

# An endpoint's request bounds its downloads and start-ups; provisioning and draining come on top.
MARGIN_SECONDS = 3_600
DEFAULT_START_SECONDS = 3_600
# The most that a deployment policy can allow; one that names no bound may still wait for hours between its steps:
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_BlueGreenUpdatePolicy.html
LONGEST_POLICY_SECONDS = 28_800
# How many requests to change the endpoint one try may find unanswered or throttled.
MAX_UNANSWERED = 8


class DeployOperator(ProvenDeployment, SageMakerEndpointOperator):
    """Makes the endpoint serve the run's model, and says so only when it does.

    The endpoint is created or updated, whichever it needs. One that somebody else is changing is waited for, then
    looked at again; one left Failed by an earlier creation is recreated. With ``deploy: auto`` a model is not deployed
    over one trained on a later data date, which is read from the tags of the live endpoint config. A model that breaks
    a rule of ``quality`` is not deployed, one that fails the ``smoke_test`` is taken back, and after a deployment what
    is older than ``retention`` keeps is deleted.

    Args:
        pipeline: The pipeline.
        trained_by: The task whose return value holds the model facts.
    """

    aws_hook_class = SageMakerHook
    operator_extra_links = (EndpointLink(), LogStreamLink())
    template_fields = (*SageMakerEndpointOperator.template_fields, "aws_tags", "bucket", "smoke_test_key")

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
        self.bucket = "{{ bucket }}"
        self.smoke_test_key = pipeline.smoke_test.key if pipeline.smoke_test else None
        self._unanswered = 0

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
        if self._mode(context) == "never":
            if trained := context["ti"].xcom_pull(task_ids=self.trained_by):
                self._judge(context, run, trained)
            raise AirflowSkipException("deploy is 'never': the model was trained and is not deployed")
        model = self._trained_model(context)
        config_name = run.deployment_name(model["training_job"], model["generation"])
        if not self.has_failed_smoke_test(config_name):
            self._make_live(context, run, model, config_name, event)
            if self.passes_smoke_test(context, run, config_name):
                return self._deployed(context, run, model, config_name)
        raise self.put_back(context, run, config_name, event)

    def _make_live(
        self, context: Any, run: Run, model: Mapping[str, Any], config_name: str, event: dict[str, Any] | None
    ) -> None:
        """Return once the endpoint is InService with the run's config."""
        # Whether this run has asked for the change that is going on or has ended. A new try knows only by the config.
        asked = bool(event and event.get("asked"))
        expected: float | None = None
        is_too_late = bool(event and event.get("timeout"))
        while True:
            endpoint = self._describe()
            answer = self._answer(endpoint)
            if answer is Answer.WAIT:
                if is_too_late:
                    raise self._stuck(context, run, config_name, endpoint)
                asked = asked or self._has_asked(context, run, config_name, endpoint)
                then = "execute_complete" if asked else "execute_after_others"
                self._wait_on(endpoint, then=then, may_look_on=event is None, expected=expected)
                continue
            if answer is Answer.DONE and endpoint["EndpointConfigName"] == config_name:
                return
            if answer in (Answer.UNUSABLE, Answer.UNKNOWN):
                raise self._unusable(context, run, config_name, endpoint)
            if asked:
                raise self._not_deployed(context, run, model, config_name, endpoint)
            self._judge(context, run, model)
            if answer is Answer.DONE:
                self._refuse_to_go_back(context, run, model, endpoint)
                self._judge(context, run, model, live=endpoint)
            expected = self._seconds_of_last_change(endpoint)
            asked = self._ask(context, run, model, config_name, endpoint)
            is_too_late = False  # What has timed out was the wait for the change before.

    # What is asked of SageMaker.

    def _ask(
        self, context: Any, run: Run, model: Mapping[str, Any], config_name: str, endpoint: dict[str, Any]
    ) -> bool:
        """Ask for the endpoint to be created, recreated or updated; False if it has to be looked at again first."""
        if endpoint.get("EndpointStatus") == "Failed":
            self.log.warning("Endpoint %s was left Failed; recreating it.", self._endpoint_name)
            self._change("delete_endpoint", {"EndpointName": self._endpoint_name})
            return False
        if self.pipeline.smoke_test is not None:
            self.smoke_test_body()  # Without it nothing can be proven, so it is looked for before anything changes.
        facts = deployed_facts(model, config_name, self._endpoint_name)
        tags = run.tags(self.aws_tags)
        self._create_model(facts, config_name, tags)
        self._create_endpoint_config(config_name, {**tags, **fact_tags(facts)})
        self.remember_previous(config_name, endpoint)
        if self._describe().get("LastModifiedTime") != endpoint.get("LastModifiedTime"):
            return False  # Changed by somebody else in the meantime: what was checked no longer holds.
        section = self.config["Endpoint"]
        if endpoint:
            change, request = "update_endpoint", requests.update_endpoint(section, config_name=config_name)
        else:
            change = "create_endpoint"
            request = requests.create_endpoint(section, config_name=config_name, tags=tags)
        if not self._change(change, request):
            return False
        self.log.info("%s: endpoint %s, config %s", change, self._endpoint_name, config_name)
        self._tell_started(context, run, config_name)
        return True

    def _change(self, method: str, request: dict[str, Any]) -> bool:
        """Ask SageMaker once to change the endpoint; False if the endpoint has to be looked at again first.

        botocore must not repeat the request by itself: between two tries, or after an answer that was lost, somebody
        else may have deployed a later data date.
        """
        with explained(f"{method.replace('_', ' ')} {self._endpoint_name}"):
            try:
                getattr(self._client_without_retries, method)(**request)
            except (ClientError, BotoCoreError) as error:
                if isinstance(error, ClientError):
                    if already_exists(error) or _is_in_progress(error):
                        self.log.info("Endpoint %s is being changed by somebody else: %s", self._endpoint_name, error)
                        return False
                    if not (may_heal(error) or is_not_found(error)):
                        raise
                self._unanswered += 1
                if self._unanswered == MAX_UNANSWERED:
                    raise
                self.log.warning("%s of %s: %s; looking again.", method, self._endpoint_name, error)
                time.sleep(pace.after_fault(self._unanswered))
                return False
        return True

    def _create_model(self, facts: Mapping[str, Any], name: str, tags: dict[str, str]) -> None:
        request, is_new = create_model(self._client, self.config["Model"], name=name, facts=facts, tags=tags)
        if not is_new:
            with explained(f"describe model {name}"):
                self._check_same("Model", name, request, self._client.describe_model(ModelName=name))

    def _create_endpoint_config(self, name: str, tags: dict[str, str]) -> None:
        request = requests.create_endpoint_config(self.config["EndpointConfig"], name=name, model_name=name, tags=tags)
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
        differences = requests.differences(wanted, found)
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
        return ENDPOINT.answer_to(ENDPOINT.status_of(endpoint)) if endpoint else None

    def _has_asked(self, context: Any, run: Run, config_name: str, endpoint: Mapping[str, Any]) -> bool:
        """Tell whether the change that is going on was asked for by an earlier try, or by a request without answer."""
        if config_name not in _configs_in_work(endpoint):
            return False
        self._tell_started(context, run, config_name)  # The earlier try may have died before it did.
        return True

    def _seconds_of_last_change(self, endpoint: Mapping[str, Any]) -> float | None:
        """Tell how long it took until the endpoint served what is live, if no further call is needed for it.

        A deployment creates its config just before it changes the endpoint. Whatever changes the endpoint later, the
        scaling of a variant for example, makes this too long; then the wait is deferred at once.
        """
        config = self._seen_configs.get(endpoint.get("EndpointConfigName", ""))
        return (endpoint["LastModifiedTime"] - config["CreationTime"]).total_seconds() if config else None

    def _wait_on(
        self, endpoint: Mapping[str, Any], *, then: str, may_look_on: bool, expected: float | None = None
    ) -> None:
        """Wait for the endpoint's change to end; return if it has ended soon, else go on in the method ``then``."""
        if may_look_on and pace.seconds_in_worker(expected):
            seen = self.look_for_a_while(self._describe, lambda seen: self._answer(seen) is not Answer.WAIT, expected)
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
            method_name=then,
            timeout=timedelta(seconds=longest_wait(self.config)),
        )

    def execute_complete(self, context: Any, event: dict[str, Any] | None = None) -> Any:
        """Go on after the wait for the change that this run asked for."""
        return self.look_and_act(context, {**(event or {}), "asked": True})

    def execute_after_others(self, context: Any, event: dict[str, Any] | None = None) -> Any:
        """Go on after the wait for somebody else's change."""
        return self.look_and_act(context, event or {})

    def _trained_model(self, context: Any) -> dict[str, Any]:
        model = context["ti"].xcom_pull(task_ids=self.trained_by)
        if not model:
            raise StepFailed(
                Message(
                    event="deployment-failed",
                    emoji="❌",
                    title="Deployment failed",
                    sentence=f"Task {self.trained_by!r} has returned no model; was it marked success by hand? "
                    f"Clear {self.trained_by!r} to train one.",
                )
            )
        return dict(model)

    def _mode(self, context: Any) -> str:
        return (context.get("params") or {}).get("deploy") or self.pipeline.deploy

    def _live_tags(self, endpoint: Mapping[str, Any]) -> dict[str, str]:
        if not endpoint["EndpointConfigName"].startswith(f"{self.pipeline.name}-"):
            return {}  # Not made by this pipeline, so it may be one whose tags nobody here may read.
        with explained(f"read which data date endpoint {self._endpoint_name} serves"):
            try:
                return aws_tags.read(self._client, self._config_arn(endpoint["EndpointConfigName"]))
            except ClientError as error:
                if is_not_found(error):
                    return {}  # AWS lets a config be deleted while it serves.
                raise

    def _serves_later_date(self, run: Run, endpoint: Mapping[str, Any]) -> str | None:
        tags = self._live_tags(endpoint)
        live_date = tags.get(aws_tags.DATA_DATE, "")
        if tags.get(aws_tags.PIPELINE) == run.pipeline and live_date > run.data_date.isoformat():
            return live_date
        return None

    # What is judged.

    def _judge(self, context: Any, run: Run, model: Mapping[str, Any], live: Mapping[str, Any] | None = None) -> None:
        """Skip a model that breaks a rule: an absolute one or, given the endpoint, one against live."""
        if self.pipeline.quality is None:
            return
        live_metrics = None if live is None else self._live_metrics(live)
        broken = broken_rules(
            self.pipeline.quality.rules, model["metrics"], live=live_metrics, against_live=live is not None
        )
        if not broken:
            return
        sentence = f'Not deploying "{model["training_job"]}". {" ".join(broken)}'
        message = Message(
            event="quality-gate-failed",
            emoji="🚫",
            title="Quality gate failed",
            sentence=sentence,
            facts={"Training job": model["training_job"], "Endpoint": self._endpoint_name},
            links={**self._links, **run_links(context)},
        )
        tell_once(self.notifier, run, message, client=self._client, arn=model["training_job_arn"])
        context["ti"].xcom_push(key=XCOM_REFUSED, value=sentence)
        raise AirflowSkipException(sentence)

    def _live_metrics(self, endpoint: Mapping[str, Any]) -> dict[str, float] | None:
        """Read the live model's metrics from its training job, which the live endpoint config's tags name."""
        tags = self._live_tags(endpoint)
        job = tags.get(aws_tags.TRAINING_JOB)
        if job is None or tags.get(aws_tags.PIPELINE) != self.pipeline.name:
            self.log.warning("What is live was not deployed by this pipeline; there is nothing to compare with.")
            return None
        with explained(f"describe training job {job}"):
            try:
                return final_metrics(self._client.describe_training_job(TrainingJobName=job))
            except ClientError as error:
                if is_not_found(error):
                    return tagged_metrics(tags)
                raise

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
        self._tell_started(context, run, config_name)  # Unless told: an earlier try may have died before it did.
        message = Message(
            event="deployment-completed",
            emoji="🟢",
            title="Deployment completed",
            sentence=f'Deployment completed for endpoint "{self._endpoint_name}".',
            facts={"Endpoint": self._endpoint_name, "Live": config_name},
            links={**self._links, **run_links(context)},
        )
        self._tell_of_config(run, config_name, message)
        self._clean_up(run, config_name)
        return deployed_facts(model, config_name, self._endpoint_name)

    def _clean_up(self, run: Run, config_name: str) -> None:
        """Delete what retention does not keep; whatever goes wrong is told, and the next deployment tries again."""
        retention = self.pipeline.retention
        if retention is None:
            return
        try:
            delete_expired(self._client, run.pipeline, retention.keep, dry_run=retention.dry_run)
        except Exception as error:
            self.log.warning("The clean-up has failed; the next deployment tries again: %s", error)
            message = Message(
                event="clean-up-failed",
                emoji="⚠️",
                title="Clean-up failed",
                sentence=f"Old endpoint configs and models could not be deleted; the run goes on. {error}",
                links=self._links,
            )
            self._tell_of_config(run, config_name, message)

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
            arn = self._config_arn(config_name)
        except (ClientError, BotoCoreError) as error:
            self.log.warning("Could not find the record of Slack messages: %s", error)
            return
        tell_once(self.notifier, run, message, client=self._client, arn=arn)

    @cached_property
    def _client_without_retries(self) -> Any:
        return self.hook.get_client_type(config=Config(**{**BOTOCORE_CONFIG, "retries": {"total_max_attempts": 1}}))


def longest_wait(config: Mapping[str, Any]) -> int:
    """Return how long a deployment may take by its own requests, with a margin.

    Args:
        config: The pipeline's Model, EndpointConfig and Endpoint sections.

    Returns:
        Seconds: what DeploymentConfig bounds the whole by, or the most that its policy can, else the longest download
        plus start of a variant; and an hour on top.
    """
    deployment = config["Endpoint"].get("DeploymentConfig") or {}
    for policy in ("BlueGreenUpdatePolicy", "RollingUpdatePolicy"):
        if policy in deployment:
            bound = deployment[policy].get("MaximumExecutionTimeoutInSeconds") or LONGEST_POLICY_SECONDS
            return int(bound) + MARGIN_SECONDS
    starts = [
        int(variant.get("ModelDataDownloadTimeoutInSeconds") or DEFAULT_START_SECONDS)
        + int(variant.get("ContainerStartupHealthCheckTimeoutInSeconds") or DEFAULT_START_SECONDS)
        for variant in config["EndpointConfig"].get("ProductionVariants") or []
    ]
    return max(starts, default=2 * DEFAULT_START_SECONDS) + MARGIN_SECONDS


def _is_in_progress(error: ClientError) -> bool:
    return message_of(error).startswith("Cannot update in-progress endpoint")


def _configs_in_work(endpoint: Mapping[str, Any]) -> set[str]:
    """The configs that the endpoint is changing to: a Creating one's own, an Updating one's pending one."""
    pending = endpoint.get("PendingDeploymentSummary")
    configs = {pending["EndpointConfigName"]} if pending else set()
    return configs | {endpoint["EndpointConfigName"]} if endpoint["EndpointStatus"] == "Creating" else configs
