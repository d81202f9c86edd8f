"""What is known of a trained model, built once and told alike: as XCom, as asset event and as AWS tags."""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Mapping
from datetime import timezone
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import Asset

from fresh_endpoints.aws import tags

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.pipeline_file.quality import Metrics
    from fresh_endpoints.run import Run

log = logging.getLogger(__name__)

# One metric in the tag that holds them all; a name may hold spaces, a value none.
_PAIR = re.compile(r"(?P<name>\S.*?)=(?P<value>[^\s=]+)(?:\s+|$)")

# The group of the models' assets.
MODEL_GROUP = "sagemaker-model"
# XCom key under which the deployment leaves why the quality gate has refused the model.
XCOM_REFUSED = "quality_gate_refused"

# Which of the facts become tags.
_TAGGED = {
    tags.TRAINING_JOB: "training_job",
    tags.ARTIFACT: "artifact",
    tags.MODEL: "model",
    tags.ENDPOINT: "endpoint",
    tags.ENDPOINT_CONFIG: "endpoint_config",
}


def model_asset(pipeline: Pipeline) -> Asset:
    """Name the asset that stands for a pipeline's model: each event is one training that may be used.

    Args:
        pipeline: The pipeline.
    """
    return Asset(name=f"{pipeline.name}-model", group=MODEL_GROUP)


def model_facts(run: Run, job: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the run's later steps, and people, need to know of a trained model.

    Args:
        run: The run.
        job: What DescribeTrainingJob returned for the completed job.

    Returns:
        pipeline, data_date (YYYY-MM-DD), training_job, training_job_arn, created (when the job was created, UTC, as
        ISO 8601 has it), artifact (S3 URL), metrics by name. All of it is JSON.

    Raises:
        AirflowFailException: The job has made no model.
    """
    artifact = (job.get("ModelArtifacts") or {}).get("S3ModelArtifacts")
    if not artifact:
        raise AirflowFailException(
            f"Training job {job['TrainingJobName']} is Completed, but SageMaker names no model that it has made "
            "(ModelArtifacts.S3ModelArtifacts). Does the container write to /opt/ml/model? Clear train to train again."
        )
    return {
        "pipeline": run.pipeline,
        "data_date": run.data_date.isoformat(),
        "training_job": job["TrainingJobName"],
        "training_job_arn": job["TrainingJobArn"],
        "created": job["CreationTime"].astimezone(timezone.utc).isoformat(),
        "artifact": artifact,
        "metrics": final_metrics(job),
    }


def fact_tags(facts: Mapping[str, Any]) -> dict[str, str]:
    """Write a model's facts as AWS tags, beside the run's own; what does not fit a tag is left out.

    Args:
        facts: From model_facts(), or with where it is deployed, as a Deployment has them.

    Returns:
        Tag values by tag key; the metrics are one tag, ``name=value`` separated by spaces.
    """
    found = {key: str(facts[fact]) for key, fact in _TAGGED.items() if fact in facts}
    metrics = ""
    for name, value in facts["metrics"].items():
        written = f"{name}={value!r}" if isinstance(value, float) else f"{name}={value}"
        longer = f"{metrics} {written}".strip()
        # A name that could not be read back is left out, such as one that itself looks like a metric with its value.
        if tags.fits(longer) and list(tagged_metrics({tags.METRICS: written})) == [name]:
            metrics = longer
    found[tags.METRICS] = metrics
    return {key: value for key, value in found.items() if tags.fits(value)}


def final_metrics(job: Mapping[str, Any]) -> Metrics:
    """Return a training job's final metrics by name; one without a name or a value is left out.

    A value that is no finite number is told as text, ``NaN``, ``Infinity`` or whatever AWS says: JSON has no number for
    it, so that neither XCom nor an asset event takes it. Of such a metric no rule of ``quality`` holds.

    Args:
        job: What DescribeTrainingJob returned.
    """
    metrics: dict[str, float | str] = {}
    for metric in job.get("FinalMetricDataList") or []:
        name, value = metric.get("MetricName"), metric.get("Value")
        if name is None or value is None:
            log.warning("Left out of the metrics of %s: %s", job.get("TrainingJobName"), metric)
            continue
        metrics[name] = _number_or_text(value)
        if isinstance(metrics[name], str):
            log.warning("Metric %r of %s is %s, which is no number.", name, job.get("TrainingJobName"), metrics[name])
    return metrics


def tagged_metrics(found: Mapping[str, str]) -> Metrics:
    """Read the metrics back from the tags that fact_tags() has made; whatever a person has made of them, it reads on.

    Args:
        found: Tag values by tag key.
    """
    return {pair["name"]: _number_or_text(pair["value"]) for pair in _PAIR.finditer(found.get(tags.METRICS, ""))}


def shown(value: float | str, digits: int) -> str:
    """Write a metric's value for people.

    Args:
        value: The value.
        digits: How many digits of a number count.
    """
    return value if isinstance(value, str) else f"{value:.{digits}g}"


def _number_or_text(value: Any) -> float | str:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return number if math.isfinite(number) else json.dumps(number)
