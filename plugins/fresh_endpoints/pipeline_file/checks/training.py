"""What is trained: the ``training`` section."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fresh_endpoints.aws import requests
from fresh_endpoints.pipeline_file.checks.rendered import Rendered
from fresh_endpoints.pipeline_file.checks.sections import check_section
from fresh_endpoints.problems import Problem, Where, format_path

# What SageMaker takes where StoppingCondition names no MaxRuntimeInSeconds: a day.
_DEFAULT_RUNTIME = 86_400


def check_training(rendered: Rendered) -> Iterator[str]:
    """Check the ``training`` section.

    Args:
        rendered: The pipeline.

    Yields:
        One sentence for each problem.
    """
    section, bucket, data = rendered.sections["training"], rendered.bucket, rendered.channels
    request = requests.create_training_job(section, name="sample", bucket=bucket, data=data, tags={})
    yield from check_section("CreateTrainingJob", "training", section, request)
    yield from _check_channels(rendered)
    if "ServerlessJobConfig" not in section:
        # Required as ever, but not in the model since jobs without instances exist.
        for member in ("AlgorithmSpecification", "ResourceConfig"):
            if member not in section:
                yield str(Problem(("training", member), "missing", None, ""))
    yield from _check_algorithm(section)
    yield from _check_spot(request)
    yield from _check_checkpoints(rendered)


def _check_algorithm(section: dict[str, Any]) -> Iterator[str]:
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AlgorithmSpecification.html, AlgorithmName
    algorithm = section.get("AlgorithmSpecification")
    if not isinstance(algorithm, dict):
        return
    if "AlgorithmName" in algorithm and "TrainingImage" in algorithm:
        found = f"found {algorithm['AlgorithmName']!r} beside TrainingImage"
        yield f"training.AlgorithmSpecification.AlgorithmName: {found}; SageMaker takes one of them; remove the other"
    if "AlgorithmName" not in algorithm and "TrainingImage" not in algorithm:
        yield (
            "training.AlgorithmSpecification.TrainingImage: found nothing; it must be given, or AlgorithmName in its "
            "place"
        )


def warn_training(rendered: Rendered) -> Iterator[str]:
    """Find what is allowed of the ``training`` section, but seldom meant.

    Args:
        rendered: The pipeline, in which there are no problems.

    Yields:
        One sentence for each.
    """
    if not rendered.channels and not rendered.sections["training"].get("InputDataConfig"):
        yield (
            "training: found no channel, neither under data nor in InputDataConfig, so the container is given no data; "
            "write one, unless it needs none"
        )


def _check_channels(rendered: Rendered) -> Iterator[str]:
    given = rendered.sections["training"].get("InputDataConfig")
    first: dict[Any, Where] = {}
    for position, channel in enumerate(given if isinstance(given, list) else []):
        name = channel.get("ChannelName") if isinstance(channel, dict) else None
        path: Where = ("training", "InputDataConfig", position)
        if isinstance(name, str) and first.setdefault(name, path) != path:
            yield (
                f"{format_path((*path, 'ChannelName'))}: found {name!r}, the name of {format_path(first[name])}; each "
                "channel needs a name of its own; change one"
            )
        elif isinstance(name, str) and name in rendered.channels:
            yield from _check_twice(name, channel, path, rendered.channels[name])


def _check_twice(name: str, channel: dict[str, Any], path: Where, told: dict[str, Any]) -> Iterator[str]:
    source = channel.get("DataSource")
    other = [kind for kind in source if kind != "S3DataSource"] if isinstance(source, dict) else []
    inner = source.get("S3DataSource") if isinstance(source, dict) else None
    if other or (isinstance(inner, dict) and "S3Uri" in inner):
        where = format_path((*path, "DataSource", *(other[:1] or ["S3DataSource", "S3Uri"])))
        yield f"{where}: found for the channel {name!r}, whose data data.{name} names; remove one of them"
    if told["content_type"] is not None and "ContentType" in channel:
        where = format_path((*path, "ContentType"))
        yield f"{where}: found {channel['ContentType']!r} beside data.{name}.content_type; remove one of them"


def _check_spot(request: dict[str, Any]) -> Iterator[str]:
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StoppingCondition.html
    stopping = request.get("StoppingCondition", {})
    if not isinstance(stopping, dict):
        return
    spot, most = request.get("EnableManagedSpotTraining", False), stopping.get("MaxWaitTimeInSeconds")
    running = stopping.get("MaxRuntimeInSeconds", _DEFAULT_RUNTIME)
    where = "training.StoppingCondition.MaxWaitTimeInSeconds"
    rule = f"it is for the waiting and the training together, so it must be at least MaxRuntimeInSeconds, {running}"
    if spot is True and most is None:
        yield f"{where}: found nothing; with EnableManagedSpotTraining it must be given; {rule}"
    elif spot is True and isinstance(most, int) and isinstance(running, int) and most < running:
        yield f"{where}: found {most}; {rule}"
    elif spot is False and most is not None:
        yield (
            f"{where}: found {most}; SageMaker takes it with EnableManagedSpotTraining: true only; add that, or remove "
            "this"
        )


def _check_checkpoints(rendered: Rendered) -> Iterator[str]:
    # https://docs.aws.amazon.com/sagemaker/latest/dg/model-checkpoints.html
    config = rendered.pipeline.training.get("CheckpointConfig")
    template = config.get("S3Uri") if isinstance(config, dict) else None
    if isinstance(template, str) and not rendered.templates.differs_by_day(template):
        yield (
            f"training.CheckpointConfig.S3Uri: found {template!r}; a training goes on from the checkpoints that it "
            "finds there, which would be those of the day before; put {{ data_date }} into it"
        )
