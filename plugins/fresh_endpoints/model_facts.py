"""What is known of a trained model, built once and told alike: as XCom, as asset event and as AWS tags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from fresh_endpoints.aws.requests import TAG_PREFIX

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.run import Run

TRAINING_JOB_TAG = TAG_PREFIX + "training-job"
METRICS_TAG = TAG_PREFIX + "metrics"
_TAGGED = ("training_job", "artifact", "model", "endpoint", "endpoint_config")
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Tag.html
_TAG_VALUE = re.compile(r"[\w\s.:/=+\-@]{0,256}")
_LONGEST_TAG_VALUE = 256


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
        pipeline, data_date (YYYY-MM-DD), training_job, training_job_arn, artifact (S3 URL), metrics by name,
        generation. All of it is JSON.
    """
    return {
        "pipeline": run.pipeline,
        "data_date": run.data_date.isoformat(),
        "training_job": job["TrainingJobName"],
        "training_job_arn": job["TrainingJobArn"],
        "artifact": job["ModelArtifacts"]["S3ModelArtifacts"],
        "metrics": final_metrics(job),
        "generation": run.generation,
    }


def deployed_facts(facts: Mapping[str, Any], name: str, endpoint: str) -> dict[str, Any]:
    """Add to a model's facts where it is deployed.

    Args:
        facts: From model_facts().
        name: The name of model and endpoint config.
        endpoint: The endpoint's name.
    """
    return {**facts, "model": name, "endpoint": endpoint, "endpoint_config": name}


def fact_tags(facts: Mapping[str, Any]) -> dict[str, str]:
    """Write a model's facts as AWS tags, beside the run's own; what does not fit a tag is left out.

    Args:
        facts: From model_facts() or deployed_facts().

    Returns:
        Tag values by tag key; the metrics are one tag, ``name=value`` separated by spaces.
    """
    tags = {TAG_PREFIX + key.replace("_", "-"): str(facts[key]) for key in _TAGGED if key in facts}
    metrics = ""
    for name, value in facts["metrics"].items():
        longer = f"{metrics} {name}={value:.6g}".strip()
        if len(longer) <= _LONGEST_TAG_VALUE:
            metrics = longer
    tags[METRICS_TAG] = metrics
    return {key: value for key, value in tags.items() if _TAG_VALUE.fullmatch(value)}


def final_metrics(job: Mapping[str, Any]) -> dict[str, float]:
    """Return a training job's final metrics by name.

    Args:
        job: What DescribeTrainingJob returned.
    """
    return {metric["MetricName"]: metric["Value"] for metric in job.get("FinalMetricDataList", [])}


def tagged_metrics(tags: Mapping[str, str]) -> dict[str, float]:
    """Read the metrics back from the tags that fact_tags() has made.

    Args:
        tags: Tag values by tag key.
    """
    pairs = (item.rpartition("=") for item in tags.get(METRICS_TAG, "").split())
    return {name: float(value) for name, _, value in pairs}
