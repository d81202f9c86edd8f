"""Completes a pipeline file's sections into the requests that SageMaker takes.

The functions are pure: a section goes in as the file has it, with its templates rendered, and what this package owns is
added (names, the day's S3 paths, the artifact, tags). The operators call them in a run; the check of a pipeline file
calls them with sample facts, so what is checked is what is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fresh_endpoints.aws import service_model
from fresh_endpoints.aws import tags as aws_tags

Request = dict[str, Any]
# The channels of a pipeline file's ``data`` by name, rendered: each with ``key``, ``file`` and ``content_type``.
Channels = Mapping[str, Mapping[str, Any]]

# What a model takes over from its training, as it does image and role: https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html
TAKEN_OVER = ("VpcConfig", "EnableNetworkIsolation")
# What may give a container its model; where one of them is given, the artifact of the training has no place.
MODEL_SOURCES = ("ModelDataUrl", "ModelDataSource", "ModelPackageName")
_HOW_TO_DEPLOY = ("DeploymentConfig", "RetainDeploymentConfig")  # and on which alarms it goes back
VARIANT_LISTS = ("ProductionVariants", "ShadowProductionVariants")


def create_training_job(
    section: Mapping[str, Any], *, name: str, bucket: str, data: Channels, tags: Mapping[str, str]
) -> Request:
    """Complete the ``training`` section into a CreateTrainingJob request.

    Each entry of ``data`` is a channel of its name. A channel of that name in the section's InputDataConfig says more
    of it (how it is compressed, shuffled, shared out); it is not another one.

    Args:
        section: The rendered section.
        name: The training job's name.
        bucket: The bucket of the data files.
        data: The rendered channels of the pipeline file's ``data``.
        tags: Tag values by tag key.

    Returns:
        The request; without InputDataConfig where there is no channel.
    """
    given = section.get("InputDataConfig", [])
    if isinstance(given, list):
        named = [channel.get("ChannelName") for channel in given if isinstance(channel, Mapping)]
        ours = [{"ChannelName": name} for name in data if name not in named]
        given = [_channel(channel, bucket, data) for channel in [*given, *ours]]
    channels = {"InputDataConfig": given} if given or "InputDataConfig" in section else {}
    request = {"TrainingJobName": name, **section, **channels, "Tags": aws_tags.as_list(tags)}
    return service_model.coerce("CreateTrainingJob", request)


def channel_uri(bucket: str, channel: Mapping[str, Any]) -> str:
    """Name what SageMaker reads of a channel of ``data``: it takes each object whose key begins so.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html

    Args:
        bucket: The bucket.
        channel: The channel: ``key``, and ``file``.

    Returns:
        The S3 URL of the key's folder, or of the key.
    """
    return f"s3://{bucket}/{channel['key']}" if channel.get("file") else folder_uri(bucket, channel["key"])


def create_model(
    section: Mapping[str, Any], *, name: str, artifact: str, training: Mapping[str, Any], tags: Mapping[str, str]
) -> Request:
    """Complete the ``model`` section into a CreateModel request.

    The artifact goes to the primary container; where ``Containers`` are given (an inference pipeline), to the one that
    artifact_container() finds. The container that gets it runs the training image, unless it names another. Role, VPC
    and network isolation are the training's, unless the section gives them; a VPC that is null is none.

    Args:
        section: The rendered section.
        name: The model's name.
        artifact: S3 URL of the trained model.tar.gz, or of its folder where the training does not compress it.
        training: The rendered ``training`` section, or DescribeTrainingJob's answer, which names them alike.
        tags: Tag values by tag key.

    Returns:
        The request.

    Raises:
        ValueError: It is not clear which of the Containers gets the artifact.
    """
    ours = {"ExecutionRoleArn": training.get("RoleArn"), **{member: training.get(member) for member in TAKEN_OVER}}
    given = {member: value for member, value in section.items() if value is not None or member not in TAKEN_OVER}
    ours = {member: value for member, value in ours.items() if value and member not in section}
    request = {"ModelName": name, **ours, **given, "Tags": aws_tags.as_list(tags)}
    image = training_image(training)
    trained = {**({"Image": image} if image else {}), **_model_data(artifact, training)}
    containers = section.get("Containers")
    if isinstance(containers, list):
        position = artifact_container(containers, image)
        if position is None:
            raise ValueError("It is not clear which of model.Containers gets the trained model; mark it with {}.")
        own = {member: value for member, value in containers[position].items() if member != "ModelDataSource"}
        request["Containers"] = [*containers[:position], {**trained, **own}, *containers[position + 1 :]]
    else:
        primary = section.get("PrimaryContainer", {})
        request["PrimaryContainer"] = {**trained, **primary} if isinstance(primary, Mapping) else primary
    return service_model.coerce("CreateModel", request)


def training_image(training: Mapping[str, Any]) -> Any:
    """Return the image that a training runs; None where it names an algorithm.

    Args:
        training: The ``training`` section, or DescribeTrainingJob's answer.
    """
    algorithm = training.get("AlgorithmSpecification")
    return algorithm.get("TrainingImage") if isinstance(algorithm, Mapping) else None


def free_containers(containers: list[Any]) -> list[int]:
    """Find the containers of an inference pipeline that bring no model of their own.

    Args:
        containers: CreateModel's Containers.

    Returns:
        Their positions.
    """
    return [
        position
        for position, container in enumerate(containers)
        if isinstance(container, Mapping) and not any(container.get(source, {}) != {} for source in MODEL_SOURCES)
    ]


def artifact_container(containers: list[Any], image: Any) -> int | None:
    """Find the container of an inference pipeline that gets the trained model.

    An empty mapping says it outright: ``ModelDataSource: {}``, or a container that names neither image nor model, such
    as ``{}``. Else it is the one that runs the training's image, else the only one that brings no model of its own.

    Args:
        containers: CreateModel's Containers.
        image: The training's image, if it has one.

    Returns:
        Its position; None where it is not clear which it is.
    """
    free = free_containers(containers)
    for chosen in (
        [position for position in free if "ModelDataSource" in containers[position]],
        [position for position in free if not containers[position].get("Image")],
        [position for position in free if containers[position].get("Image") == image],
        free,
    ):
        if chosen:
            return chosen[0] if len(chosen) == 1 else None
    return None


def is_uncompressed(training: Mapping[str, Any]) -> bool:
    """Tell whether a training leaves its model as the objects of a folder instead of a model.tar.gz.

    Args:
        training: The ``training`` section, or DescribeTrainingJob's answer.
    """
    output = training.get("OutputDataConfig")
    return isinstance(output, Mapping) and output.get("CompressionType") == "NONE"


def create_endpoint_config(
    section: Mapping[str, Any], *, name: str, model_name: str, tags: Mapping[str, str]
) -> Request:
    """Complete the ``endpoint_config`` section into a CreateEndpointConfig request.

    Args:
        section: The rendered section.
        name: The endpoint config's name.
        model_name: The model's name, for each variant that names none.
        tags: Tag values by tag key.

    Returns:
        The request.
    """
    request = {"EndpointConfigName": name, **section, "Tags": aws_tags.as_list(tags)}
    for key in VARIANT_LISTS:
        if isinstance(section.get(key), list):
            request[key] = [
                {"ModelName": model_name, **variant} if isinstance(variant, Mapping) else variant
                for variant in section[key]
            ]
    return service_model.coerce("CreateEndpointConfig", request)


def create_endpoint(section: Mapping[str, Any], *, config_name: str, tags: Mapping[str, str]) -> Request:
    """Complete the ``endpoint`` section into a CreateEndpoint request; what only UpdateEndpoint takes is left out.

    Args:
        section: The rendered section.
        config_name: The endpoint config's name.
        tags: Tag values by tag key.

    Returns:
        The request.
    """
    request = {**section, "EndpointConfigName": config_name, "Tags": aws_tags.as_list(tags)}
    return service_model.coerce("CreateEndpoint", _only_members("CreateEndpoint", request))


def update_endpoint(section: Mapping[str, Any], *, config_name: str, at_once: bool = False) -> Request:
    """Complete the ``endpoint`` section into an UpdateEndpoint request; what only CreateEndpoint takes is left out.

    UpdateEndpoint takes no tags: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateEndpoint.html.

    Args:
        section: The rendered section.
        config_name: The endpoint config's name.
        at_once: Whether to shift all traffic at once and without alarms: what a bad model trips would end the way back.

    Returns:
        The request.
    """
    given = {key: value for key, value in section.items() if not (at_once and key in _HOW_TO_DEPLOY)}
    request = {**given, "EndpointConfigName": config_name}
    return service_model.coerce("UpdateEndpoint", _only_members("UpdateEndpoint", request))


def create_transform_job(
    section: Mapping[str, Any],
    *,
    name: str,
    model_name: str,
    input_uri: str,
    output_uri: str,
    tags: Mapping[str, str],
) -> Request:
    """Complete the ``transform`` section into a CreateTransformJob request.

    Args:
        section: The rendered section.
        name: The transform job's name.
        model_name: The model's name.
        input_uri: S3 URL of the folder that is predicted on.
        output_uri: S3 URL of the folder that gets a ``.out`` file for each input file.
        tags: Tag values by tag key.

    Returns:
        The request.
    """
    source = {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": input_uri}}}
    given, output = section.get("TransformInput", {}), section.get("TransformOutput", {})
    request = {
        "TransformJobName": name,
        "ModelName": model_name,
        **section,
        "TransformInput": {**source, **given} if isinstance(given, Mapping) else given,
        "TransformOutput": {"S3OutputPath": output_uri, **output} if isinstance(output, Mapping) else output,
        "Tags": aws_tags.as_list(tags),
    }
    return service_model.coerce("CreateTransformJob", request)


def prediction_uri(bucket: str, data_date: str, pipeline: str) -> str:
    """Name the folder in S3 that gets the predictions of a data date.

    Args:
        bucket: The bucket.
        data_date: The data date, YYYY-MM-DD.
        pipeline: The pipeline's name.

    Returns:
        The folder's S3 URL.
    """
    return f"s3://{bucket}/output-prediction/{data_date}/{pipeline}/"


def folder_uri(bucket: str, key: str) -> str:
    """Name the folder of a file in S3.

    Args:
        bucket: The bucket.
        key: The file's key.

    Returns:
        The folder's S3 URL, with a slash at its end so that no longer folder name begins with it.
    """
    return f"s3://{bucket}/{key.rpartition('/')[0]}/"


def _model_data(artifact: str, training: Mapping[str, Any]) -> dict[str, Any]:
    if not is_uncompressed(training):
        return {"ModelDataUrl": artifact}
    # CreateModel refuses a folder as ModelDataUrl:
    # https://docs.aws.amazon.com/sagemaker/latest/dg/large-model-inference-uncompressed.html
    folder = artifact.rstrip("/") + "/"
    return {"ModelDataSource": {"S3DataSource": {"S3Uri": folder, "S3DataType": "S3Prefix", "CompressionType": "None"}}}


def _channel(channel: Any, bucket: str, data: Channels) -> Any:
    if not isinstance(channel, Mapping) or not isinstance(channel.get("ChannelName"), str):
        return channel
    told = data.get(channel["ChannelName"])
    source = channel.get("DataSource", {"S3DataSource": {}})
    if told is None or not isinstance(source, Mapping) or not isinstance(source.get("S3DataSource"), Mapping):
        return channel
    content_type = {"ContentType": told["content_type"]} if told.get("content_type") else {}
    ours = {"S3DataType": "S3Prefix", "S3Uri": channel_uri(bucket, told)}
    return {**channel, **content_type, "DataSource": {**source, "S3DataSource": {**ours, **source["S3DataSource"]}}}


def _only_members(operation: str, request: Request) -> Request:
    members = service_model.members(operation)
    return {key: value for key, value in request.items() if key in members}


def without_tags(request: Mapping[str, Any]) -> Request:
    """Return a request without its tags, which no Describe operation tells.

    Args:
        request: A Create request.
    """
    return {key: value for key, value in request.items() if key != "Tags"}


def differences(wanted: Any, found: Any, path: str = "") -> list[str]:
    """Compare what a request asks for with what SageMaker describes.

    Args:
        wanted: The request, or a part of it.
        found: The description, or the same part of it; what it holds beyond the request is SageMaker's own.
        path: Where the part stands.

    Returns:
        One sentence for each difference.
    """
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return [
            difference
            for key, value in wanted.items()
            for difference in differences(value, found.get(key), f"{path}.{key}" if path else key)
        ]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [
            difference
            for index, (one, other) in enumerate(zip(wanted, found, strict=True))
            for difference in differences(one, other, f"{path}[{index}]")
        ]
    return [] if wanted == found else [f"{path}: found {found!r}, wanted {wanted!r}"]
