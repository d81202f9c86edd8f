"""The smoke test of a deployment, and the way back to the previous endpoint config when it fails.

What has come out is written to the new endpoint config's tags before anything follows from it, so that a try that
dies in between is taken up by the next one where it was, and no failed config is ever deployed again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from fresh_endpoints.aws import requests
from fresh_endpoints.aws import tags as aws_tags
from fresh_endpoints.aws.clients import SageMakerHook
from fresh_endpoints.aws.console import EndpointLink, LogStreamLink, log_page, sagemaker_page
from fresh_endpoints.aws.errors import explained, is_not_found
from fresh_endpoints.aws.kinds import Answer
from fresh_endpoints.run import Run
from fresh_endpoints.steps.smoke_test import smoke_test_failure
from fresh_endpoints.steps.step import PipelineStep, StepFailed
from fresh_endpoints.telling.messages import Message, run_links


class ProvenDeployment(PipelineStep):
    """Mixed into the deployment: its smoke test, and the way back."""

    config: dict[str, Any]
    bucket: str
    smoke_test_key: str | None
    _describe: Callable[[], dict[str, Any]]
    _answer: Callable[[Mapping[str, Any]], Answer | None]
    _wait_on: Callable[..., None]
    _change: Callable[[str, dict[str, Any]], bool]
    _stuck: Callable[..., StepFailed]
    _failure: Callable[..., Any]
    _tell_of_config: Callable[[Run, str, Message], None]

    def remember_previous(self, config_name: str, endpoint: Mapping[str, Any]) -> None:
        """Write down what the endpoint serves, before it is asked to serve another config.

        Args:
            config_name: The config that it will be asked to serve.
            endpoint: What DescribeEndpoint returned; empty where there is none yet.
        """
        if self.pipeline.smoke_test is not None:
            self._tag(config_name, aws_tags.PREVIOUS_CONFIG, str(endpoint.get("EndpointConfigName", "")))

    def smoke_test_body(self) -> bytes:
        """Read what the smoke test sends.

        Raises:
            AirflowException: S3 refused.
        """
        test = self.pipeline.smoke_test
        assert test is not None
        if self.smoke_test_key is None:
            return (test.body or "").encode()
        with explained(f"read the smoke test's body s3://{self.bucket}/{self.smoke_test_key}"):
            s3 = self._hook.client_of("s3")
            return bytes(s3.get_object(Bucket=self.bucket, Key=self.smoke_test_key)["Body"].read())

    def has_failed_smoke_test(self, config_name: str) -> bool:
        """Tell whether an earlier look at the config has failed, so that it must go.

        Args:
            config_name: The config.
        """
        if self.pipeline.smoke_test is None:
            return False
        return self._config_tags(config_name).get(aws_tags.SMOKE_TEST, aws_tags.PASSED) != aws_tags.PASSED

    def passes_smoke_test(self, context: Any, run: Run, config_name: str) -> bool:
        """Ask the endpoint, which serves the config, and write down what has come out.

        Args:
            context: The task's context.
            run: The run.
            config_name: The config.
        """
        test = self.pipeline.smoke_test
        if test is None:
            return True
        runtime = self._hook.client_of("sagemaker-runtime")
        failure = smoke_test_failure(runtime, self._endpoint_name, test, self.smoke_test_body())
        if failure is None:
            self.log.info("Endpoint %s has passed the smoke test.", self._endpoint_name)
            self._tag(config_name, aws_tags.SMOKE_TEST, aws_tags.PASSED)
            return True
        self.log.error("Endpoint %s has failed the smoke test: %s", self._endpoint_name, failure)
        self._tag(config_name, aws_tags.SMOKE_TEST, aws_tags.fitting(f"failed: {failure}"))
        message = Message(
            event="smoke-test-failed",
            emoji="🚨",
            title="Smoke test failed",
            sentence=f'Endpoint "{self._endpoint_name}" with "{config_name}" has failed the smoke test. {failure}',
            facts={"Endpoint": self._endpoint_name, "Endpoint config": config_name},
            links={**self._links, **run_links(context)},
        )
        self._tell_of_config(run, config_name, message)
        return False

    def put_back(self, context: Any, run: Run, config_name: str, event: dict[str, Any] | None) -> StepFailed:
        """Bring the endpoint back to what it served before.

        Args:
            context: The task's context.
            run: The run.
            config_name: The config that has failed the smoke test.
            event: What the trigger fired with; None on a new try.

        Returns:
            How it has ended, as the error that the run fails with.

        Raises:
            AirflowDeferred: The endpoint is being changed.
        """
        tags = self._config_tags(config_name)
        previous, why = tags.get(aws_tags.PREVIOUS_CONFIG), tags.get(aws_tags.SMOKE_TEST, "failed")
        asked = bool(event and event.get("put_back"))
        is_too_late = bool(event and event.get("timeout"))
        while True:
            endpoint = self._describe()
            answer = self._answer(endpoint)
            if answer is Answer.WAIT:
                if is_too_late:
                    return self._stuck(context, run, config_name, endpoint)
                then = "execute_after_put_back" if asked else "execute_complete"
                self._wait_on(endpoint, then=then, may_look_on=event is None)
                continue
            live = endpoint.get("EndpointConfigName")
            if answer is Answer.DONE and live != config_name:
                sentence = (
                    f'Deployment of "{config_name}" to endpoint "{self._endpoint_name}" taken back: the smoke test has '
                    f'{why} The endpoint is InService with "{live}" again.'
                )
                return self._failure(context, run, config_name, {}, "Rolled back", sentence)
            refused = endpoint.get("FailureReason") if asked else None
            if previous and answer is Answer.DONE and not asked:
                if self._exists(previous):
                    asked = self._ask_for(previous)
                    is_too_late = False  # What has timed out was the wait for the change before.
                    continue
                refused = "it has been deleted."
            return self._unproven(context, run, config_name, endpoint, why, previous, refused)

    def execute_after_put_back(self, context: Any, event: dict[str, Any] | None = None) -> Any:
        """Go on after the wait for the way back."""
        return self.look_and_act(context, {**(event or {}), "put_back": True})

    def _ask_for(self, config_name: str) -> bool:
        self.log.info("Putting endpoint config %s back.", config_name)
        section = self.config["Endpoint"]
        return self._change("update_endpoint", requests.update_endpoint(section, config_name=config_name))

    def _exists(self, config_name: str) -> bool:
        with explained(f"describe endpoint config {config_name}"):
            try:
                self._client.describe_endpoint_config(EndpointConfigName=config_name)
            except ClientError as error:
                if is_not_found(error):
                    return False
                raise
        return True

    def _unproven(
        self,
        context: Any,
        run: Run,
        config_name: str,
        endpoint: Mapping[str, Any],
        why: str,
        previous: str | None,
        refused: str | None,
    ) -> StepFailed:
        if previous:
            back = f'"{previous}" could not be put back: {refused or "SageMaker gives no reason."}'
        else:
            back = "There is no previous endpoint config to go back to."
        sentence = (
            f'The smoke test of endpoint "{self._endpoint_name}" has {why} {back} The endpoint is '
            f'{endpoint.get("EndpointStatus", "gone")} and serves the unproven model "{config_name}".'
        )
        error: StepFailed = self._failure(context, run, config_name, {}, "Deployment failed", sentence)
        return error

    @property
    def _hook(self) -> SageMakerHook:
        hook: SageMakerHook = self.hook  # type: ignore[attr-defined]
        return hook

    @property
    def _client(self) -> Any:
        return self._hook.conn

    @property
    def _endpoint_name(self) -> str:
        return str(self.config["Endpoint"]["EndpointName"])

    @property
    def _links(self) -> dict[str, str]:
        return {EndpointLink.name: self.addresses[EndpointLink.name]}

    @property
    def addresses(self) -> dict[str, str]:
        """What the task's buttons in the UI lead to; see links.py."""
        region = self.pipeline.region
        return {
            EndpointLink.name: sagemaker_page(region, f"endpoints/{self._endpoint_name}"),
            LogStreamLink.name: log_page(region, f"/aws/sagemaker/Endpoints/{self._endpoint_name}"),
        }

    def _config_tags(self, config_name: str) -> dict[str, str]:
        with explained(f"read the tags of endpoint config {config_name}"):
            try:
                return aws_tags.read(self._client, self._config_arn(config_name))
            except ClientError as error:
                if is_not_found(error):
                    return {}
                raise

    def _tag(self, config_name: str, key: str, value: str) -> None:
        with explained(f"tag endpoint config {config_name}"):
            arn = self._config_arn(config_name)
            aws_tags.write(self._client, arn, {key: value})

    def _config_arn(self, config_name: str) -> str:
        if config_name not in self._seen_configs:
            config = self._client.describe_endpoint_config(EndpointConfigName=config_name)
            self._seen_configs[config_name] = config
        return str(self._seen_configs[config_name]["EndpointConfigArn"])

    @cached_property
    def _seen_configs(self) -> dict[str, dict[str, Any]]:
        return {}
