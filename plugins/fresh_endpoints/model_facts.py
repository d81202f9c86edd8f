"""What is known of a trained model, built once and told alike: as XCom, as asset event and as AWS tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import Asset

from fresh_endpoints.aws import tags

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.run import Run

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
    return Asset(name=f"{pipeline.name}-model", group="sagemaker-model")


def model_facts(run: Run, job: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the run's later steps, and people, need to know of a trained model.

    Args:
        run: The run.
        job: What DescribeTrainingJob returned for the completed job.

    Returns:
        pipeline, data_date (YYYY-MM-DD), training_job, training_job_arn, artifact (S3 URL), metrics by name. All of
        it is JSON.

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
        longer = f"{metrics} {name}={value:.6g}".strip()
        if tags.fits(longer):
            metrics = longer
    found[tags.METRICS] = metrics
    return {key: value for key, value in found.items() if tags.fits(value)}


def final_metrics(job: Mapping[str, Any]) -> dict[str, float]:
    """Return a training job's final metrics by name.

    Args:
        job: What DescribeTrainingJob returned.
    """
    return {metric["MetricName"]: metric["Value"] for metric in job.get("FinalMetricDataList", [])}


def tagged_metrics(found: Mapping[str, str]) -> dict[str, float]:
    """Read the metrics back from the tags that fact_tags() has made.

    Args:
        found: Tag values by tag key.
    """
    pairs = (item.rpartition("=") for item in found.get(tags.METRICS, "").split())
    return {name: float(value) for name, _, value in pairs}
