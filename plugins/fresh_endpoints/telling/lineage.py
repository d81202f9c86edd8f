"""What OpenLineage is told of a job: what it has read and written, and the model.

Imported only where apache-airflow-providers-openlineage asks for it. That logs whatever goes wrong here; the job's step
has ended by then. The names of datasets: https://openlineage.io/docs/spec/naming.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attr
from airflow.providers.common.compat.openlineage.facet import Dataset, RunFacet
from airflow.providers.openlineage.extractors import OperatorLineage

Job = Mapping[str, Any]
Facts = Mapping[str, Any]

# How the facet is named; a name of one's own begins with whose it is.
FACET = "freshEndpoints_model"


@attr.define(kw_only=True)
class ModelRunFacet(RunFacet):
    """The model that a run has trained, or has predicted with.

    Attributes:
        pipeline: The pipeline's name.
        dataDate: The day whose files it was trained on.
        trainingJob: The training job's name.
        artifact: S3 URL of the model.
        metrics: The final metrics by name.
    """

    pipeline: str
    dataDate: str  # noqa: N815 - as facets are written
    trainingJob: str  # noqa: N815
    artifact: str
    metrics: dict[str, float | str]


def of_training(job: Job | None, facts: Facts | None) -> OperatorLineage:
    """Tell of a training: from its channels' data to its artifact.

    Args:
        job: What DescribeTrainingJob returned; None where there is no job.
        facts: The model's facts; None where the job has made none.
    """
    channels = (job or {}).get("InputDataConfig") or []
    sources = [((channel.get("DataSource") or {}).get("S3DataSource") or {}).get("S3Uri") for channel in channels]
    return _lineage(sources, [facts["artifact"]] if facts else [], facts)


def of_prediction(job: Job | None, facts: Facts) -> OperatorLineage:
    """Tell of a prediction: from the file and the artifact to the predictions.

    Args:
        job: What DescribeTransformJob returned; None where there is no job.
        facts: The model's facts.
    """
    described = job or {}
    source = ((described.get("TransformInput") or {}).get("DataSource") or {}).get("S3DataSource") or {}
    output = (described.get("TransformOutput") or {}).get("S3OutputPath")
    return _lineage([source.get("S3Uri"), facts["artifact"]], [output], facts)


def _lineage(inputs: Iterable[str | None], outputs: Iterable[str | None], facts: Facts | None) -> OperatorLineage:
    return OperatorLineage(
        inputs=[_dataset(url) for url in inputs if url],
        outputs=[_dataset(url) for url in outputs if url],
        run_facets={FACET: _facet(facts)} if facts else {},
    )


def _dataset(url: str) -> Dataset:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return Dataset(namespace=f"s3://{bucket}", name=key.rstrip("/") or "/")


def _facet(facts: Facts) -> ModelRunFacet:
    return ModelRunFacet(
        pipeline=facts.get("pipeline", ""),
        dataDate=facts["data_date"],
        trainingJob=facts["training_job"],
        artifact=facts["artifact"],
        metrics=dict(facts["metrics"]),
    )
