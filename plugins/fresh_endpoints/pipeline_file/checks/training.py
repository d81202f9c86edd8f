"""What is trained: the ``training`` section, and the rules on its metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fresh_endpoints.aws import requests
from fresh_endpoints.pipeline_file.checks.sections import check_section
from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.pipeline_file.quality import parse_rule
from fresh_endpoints.pipeline_file.templates import is_unknown
from fresh_endpoints.problems import Problem, near_misses


def check_training(section: dict[str, Any], bucket: str, keys: Mapping[str, str]) -> Iterator[str]:
    """Check the ``training`` section, and that each channel has a folder of its own.

    Args:
        section: The section, rendered.
        bucket: The bucket, rendered.
        keys: The S3 keys of the data files, rendered, by channel.

    Yields:
        One sentence for each problem.
    """
    request = requests.create_training_job(section, name="sample", bucket=bucket, data=keys, tags={})
    yield from check_section("CreateTrainingJob", "training", section, request)
    if "ServerlessJobConfig" not in section:
        # Required as ever, but not in the model since jobs without instances exist.
        for member in ("AlgorithmSpecification", "ResourceConfig"):
            if member not in section:
                yield str(Problem(("training", member), "missing", None, ""))
    channels = request["InputDataConfig"]
    uris = [_s3_uri(channel) for channel in channels] if isinstance(channels, list) else []
    ours = [requests.folder_uri(bucket, keys[channel]) for channel in ("training", "validation")]
    short, long = sorted((keys[channel].rpartition("/")[0] + "/" for channel in ("training", "validation")), key=len)
    if long.startswith(short) and not is_unknown(long) and all(uri in uris for uri in ours):
        yield (
            f"data.validation: found {keys['validation']!r} beside or below data.training, {keys['training']!r}; "
            "SageMaker gives a channel its whole folder, so each needs a folder of its own"
        )


def check_quality(pipeline: Pipeline, training: Mapping[str, Any]) -> Iterator[str]:
    """Check that the rules of ``quality`` are about metrics that the training has.

    Args:
        pipeline: The pipeline.
        training: The ``training`` section, rendered.

    Yields:
        One sentence for each problem.
    """
    algorithm = training.get("AlgorithmSpecification")
    definitions = algorithm.get("MetricDefinitions") if isinstance(algorithm, Mapping) else None
    if pipeline.quality is None or not isinstance(definitions, list):
        return  # SageMaker's own algorithms bring metrics that no file names.
    names = [str(definition.get("Name")) for definition in definitions if isinstance(definition, Mapping)]
    if any(map(is_unknown, names)):
        return
    for position, text in enumerate(pipeline.quality.rules):
        metric = parse_rule(text).metric
        if metric not in names:
            near = near_misses(metric, names)
            hint = f"did you mean {near}?" if near else f"allowed {', '.join(names) or 'none'}"
            yield (
                f"quality.rules[{position}]: found {text!r}; training.AlgorithmSpecification.MetricDefinitions names "
                f"no metric {metric!r}; {hint}"
            )


def _s3_uri(channel: Any) -> Any:
    try:
        return channel["DataSource"]["S3DataSource"]["S3Uri"]
    except (KeyError, TypeError):
        return None
