"""Whether a model may be put over what is live: the quality gate and the date order."""

from __future__ import annotations

import logging
from collections.abc import Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from fresh_endpoints.aws import tags
from fresh_endpoints.aws.errors import explained, is_not_found
from fresh_endpoints.model_facts import final_metrics, tagged_metrics
from fresh_endpoints.pipeline_file.quality import broken_rules
from fresh_endpoints.run import named_parts
from fresh_endpoints.telling import failed_deployments, messages
from fresh_endpoints.telling.failures import StepFailed

if TYPE_CHECKING:
    from fresh_endpoints.aws.endpoint import Endpoint
    from fresh_endpoints.deployment import Deployment
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.pipeline_file.quality import Metrics
    from fresh_endpoints.telling.message import Message

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Objection:
    """Why a model is not to be deployed.

    Attributes:
        message: What people are told.
        is_refusal: Whether the model is no good, so that nothing else may use it either.
    """

    message: Message
    is_refusal: bool


class Gate:
    """What a model must pass before anything is asked of its endpoint.

    Args:
        pipeline: The pipeline.
        endpoint: The endpoint.
        client: A boto3 SageMaker client.
    """

    def __init__(self, pipeline: Pipeline, endpoint: Endpoint, client: Any):
        self._pipeline = pipeline
        self._names = pipeline.own_names
        self._endpoint = endpoint
        self._client = client
        self._tags: dict[str, dict[str, str]] = {}

    def by_itself(self, deployment: Deployment) -> Objection | None:
        """Judge a model by the absolute rules of the pipeline file's ``quality``.

        Args:
            deployment: What is to be live.
        """
        return self._judge(deployment, live=None, against_live=False)

    def against(self, deployment: Deployment, live: str, mode: str) -> Objection | None:
        """Judge a model by what is live: whose it is, its data date, then the rules against it.

        Args:
            deployment: What is to be live.
            live: The endpoint config that is live.
            mode: The run's ``deploy``; ``always`` takes over another pipeline's endpoint, and goes back to an older
                data date, too.

        Raises:
            StepFailed: The endpoint serves another pipeline's model.
            AirflowException: AWS refused to tell what is live.
        """
        if mode != "always":
            other = self.owner(live)
            if other and other not in self._names:
                raise StepFailed(failed_deployments.endpoint_of_another(deployment, live=live, other=other))
            if objection := self.later_date(deployment, live):
                return objection
        if self._pipeline.quality is None:
            return None
        return self._judge(
            deployment, live=self._live_metrics(live, deployment.facts["metrics"].keys()), against_live=True
        )

    def later_date(self, deployment: Deployment, live: str) -> Objection | None:
        """Object where what is live was trained by this pipeline on a later data date.

        Args:
            deployment: What is to be live.
            live: The endpoint config that is live.

        Raises:
            AirflowException: AWS refused to tell what is live.
        """
        live_date = self._live_tags(live).get(tags.DATA_DATE) or _named(live, "data_date")
        if self.owner(live) not in self._names or live_date <= deployment.run.data_date.isoformat():
            return None
        return Objection(messages.deployment_skipped(deployment, live=live, live_date=live_date), is_refusal=False)

    def owner(self, live: str) -> str:
        """Return whose model is live: the tags say it, and for a config that was deleted, or is another's, its name.

        Args:
            live: The endpoint config that is live.

        Returns:
            What the pipeline is called in AWS; empty where no pipeline has made it.

        Raises:
            AirflowException: AWS refused to tell.
        """
        found = self._live_tags(live)
        return found.get(tags.PIPELINE, "") if found else _named(live, "pipeline")

    def _judge(self, deployment: Deployment, *, live: Metrics | None, against_live: bool) -> Objection | None:
        if self._pipeline.quality is None:
            return None
        rules, metrics = self._pipeline.quality.rules, deployment.facts["metrics"]
        broken = broken_rules(rules, metrics, live=live, against_live=against_live)
        return Objection(messages.quality_gate_failed(deployment, broken), is_refusal=True) if broken else None

    def _live_metrics(self, live: str, wanted: Set[str]) -> Metrics | None:
        """Read the live model's metrics from its endpoint config's tags.

        Where those lack one, or were written when metrics were rounded there, its training job is asked.
        """
        found = self._live_tags(live)
        job = found.get(tags.TRAINING_JOB)
        if job is None or self.owner(live) not in self._names:
            log.warning("What is live was not deployed by this pipeline; there is nothing to compare with.")
            return None
        written = tagged_metrics(found)
        if tags.when_made(found)[0] and written.keys() >= wanted:
            return written
        with explained(f"describe training job {job}"):
            try:
                return final_metrics(self._client.describe_training_job(TrainingJobName=job))
            except ClientError as error:
                if is_not_found(error):
                    return written
                raise

    def _live_tags(self, live: str) -> dict[str, str]:
        if not self._names.may_have_named(live):
            return {}  # Not made by this pipeline, so it may be one whose tags nobody here may read.
        if live not in self._tags:  # What is asked of them never changes.
            self._tags[live] = self._endpoint.config_tags(live)
        return self._tags[live]


def note_refusal(client: Any, deployment: Deployment, why: str) -> None:
    """Write to the training job why nothing may use its model, where a prediction by hand looks.

    Args:
        client: A boto3 SageMaker client.
        deployment: What was to be live.
        why: The reason; empty where an earlier one no longer holds.

    Raises:
        AirflowException: AWS refused.
    """
    with explained(f"tag training job {deployment.training_job}"):
        tags.write(client, deployment.facts["training_job_arn"], {tags.REFUSED: tags.fitting(why)})


def _named(config_name: str, part: str) -> str:
    return named_parts(config_name).get(part, "")
