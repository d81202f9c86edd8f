"""What the steps that are about a pipeline's endpoint have in common: its sections, and what works with them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.amazon.aws.operators.sagemaker import SageMakerEndpointOperator

from fresh_endpoints.aws.clients import SageMakerHook
from fresh_endpoints.aws.console import log_page, sagemaker_page
from fresh_endpoints.aws.endpoint import Endpoint
from fresh_endpoints.aws.errors import BOTOCORE_CONFIG
from fresh_endpoints.aws.kinds import ENDPOINT
from fresh_endpoints.steps.asking import Asking
from fresh_endpoints.steps.buttons import EndpointLink, LogStreamLink
from fresh_endpoints.steps.gate import Gate
from fresh_endpoints.steps.holding import Holding
from fresh_endpoints.steps.smoke_test import SmokeTester
from fresh_endpoints.steps.step import PipelineStep
from fresh_endpoints.telling.notes import Notes

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline


class EndpointStep(PipelineStep, SageMakerEndpointOperator):
    """A step that is about the pipeline's endpoint.

    Args:
        pipeline: The pipeline.
    """

    aws_hook_class = SageMakerHook
    operator_extra_links = (EndpointLink(), LogStreamLink())
    template_fields = (*SageMakerEndpointOperator.template_fields, "aws_tags", "bucket", "smoke_test_key")

    def __init__(self, *, pipeline: Pipeline, **kwargs: Any):
        super().__init__(
            config={"Model": pipeline.model, "EndpointConfig": pipeline.endpoint_config, "Endpoint": pipeline.endpoint},
            aws_conn_id=pipeline.aws_conn_id,
            region_name=pipeline.region,
            botocore_config=BOTOCORE_CONFIG,
            deferrable=True,
            **kwargs,
        )
        self.pipeline = pipeline
        self.aws_tags = dict(pipeline.aws_tags)
        self.bucket = "{{ bucket }}"
        self.smoke_test_key = pipeline.smoke_test.key if pipeline.smoke_test else None

    @property
    def our_hook(self) -> SageMakerHook:
        """The hook, which the provider declares as its own."""
        return cast(SageMakerHook, self.hook)

    @cached_property
    def endpoint(self) -> Endpoint:
        """The endpoint."""
        return Endpoint(self.our_hook, str(self.config["Endpoint"]["EndpointName"]))

    @cached_property
    def asking(self) -> Asking:
        """What is asked of SageMaker."""
        return Asking(self.endpoint, self.hook.conn, self.config, self.aws_tags)

    @cached_property
    def gate(self) -> Gate:
        """What a model must pass."""
        return Gate(self.pipeline, self.endpoint, self.hook.conn)

    @cached_property
    def holding(self) -> Holding:
        """What is held."""
        return Holding(self.hook.conn, self.notifier, self.notes)

    @cached_property
    def notes(self) -> Notes:
        """What has happened on the way, for the message with which the step ends."""
        return Notes(self.notifier, self.hook.conn, self.carried.get("notes", ()))

    @cached_property
    def smoke_tester(self) -> SmokeTester | None:
        """What proves a deployment; None where the pipeline has no smoke test."""
        if self.pipeline.smoke_test is None:
            return None
        return SmokeTester(self.our_hook, self.pipeline.smoke_test, bucket=self.bucket, key=self.smoke_test_key)

    @property
    def addresses(self) -> dict[str, str]:
        """What the task's buttons in the UI lead to; see buttons.py."""
        region, name = self.pipeline.region, str(self.config["Endpoint"]["EndpointName"])
        return {
            EndpointLink.name: sagemaker_page(region, f"{ENDPOINT.page}/{name}"),
            LogStreamLink.name: log_page(region, f"{ENDPOINT.log_group}/{name}"),
        }
