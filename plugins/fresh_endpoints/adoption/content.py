"""The content of a pipeline file, made of what runs; pure. Whatever is not known is said."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from fresh_endpoints.adoption.dates import find_day, with_data_date
from fresh_endpoints.adoption.reading import Running, artifact_of, channel_uri, containers_of
from fresh_endpoints.aws import requests, service_model

Section = dict[str, Any]
# Values of these stand in no file.
_SECRET = re.compile(r"secret|passw|token|credential|api_?key|access_?key|private_?key", re.IGNORECASE)
_TEMPLATE_SIGN = re.compile(r"\{\{|\{%|\{#")
# What a container gets of people, by name.
_NAMED_VALUES = ("Environment", "HyperParameters")


class Adopted:
    """A pipeline file's content.

    Args:
        running: What runs.
        name: The pipeline's name.

    Attributes:
        content: The file's keys and values.
        left: What is left to do, a sentence each.
    """

    def __init__(self, running: Running, name: str):
        self.left: list[str] = []
        self._running = running
        self._job = running.job
        self._day = self._find_day()
        channels, data = self._channels()
        training = self._training(channels)
        self.content: Section = {
            "name": name,
            "schedule": None,
            "region": running.region,
            "bucket": self._bucket,
            "data": data,
            **({"aws_tags": dict(running.tags)} if running.tags else {}),
            "training": training,
            "model": self._model(training),
            "endpoint_config": self._endpoint_config(),
            "endpoint": self._endpoint(),
        }
        self._say_what_aws_does_not_tell()

    def _find_day(self) -> dt.date | None:
        if not self._job:
            self.left.append(
                f"training: no training job was found that has made {self._running.artifact or 'the model'}. Write the "
                "CreateTrainingJob request, and the keys of data."
            )
            return None
        uris = [channel_uri(channel) for channel in self._job.get("InputDataConfig") or []]
        created = self._job["CreationTime"]
        day = find_day(filter(None, uris), created)
        if day is None:
            self.left.append(
                f"data: no URL of {', '.join(filter(None, uris)) or 'the channels'} has the day of the training in it, "
                f"or the day before ({created:%Y-%m-%d}). Write keys with {{{{ data_date }}}} for each day's files."
            )
        elif day == created.astimezone(dt.timezone.utc).date():
            self.left.append(
                f"data: the training of {day} has read the files of {day}, where {{{{ data_date }}}} stands now, the "
                "day before a run's DATE. Write {{ date }} if a run is to read the files of its own day."
            )
        return day

    @property
    def _bucket(self) -> str:
        uris = [channel_uri(channel) for channel in self._job.get("InputDataConfig") or []]
        dated = [uri for uri in uris if self._is_dated(uri)]
        for uri in [*dated, *uris, self._running.artifact]:
            if uri.startswith("s3://"):
                return uri.removeprefix("s3://").partition("/")[0]
        self.left.append("bucket: no S3 URL was found. Write the bucket of the data files.")
        return "bucket-of-the-data-files"

    def _is_dated(self, uri: str) -> bool:
        return with_data_date(uri, self._day) != uri

    def _channels(self) -> tuple[list[Section], dict[str, str]]:
        """Split the channels: those of the day's files are keys of data, and what more is said of them stays."""
        channels, data = [], {}
        for described in self._job.get("InputDataConfig") or []:
            channel = service_model.only_members("CreateTrainingJob", {"InputDataConfig": [described]})
            [channel] = channel["InputDataConfig"]
            uri, name = channel_uri(described), str(described["ChannelName"])
            if self._is_dated(uri) and uri.startswith(f"s3://{self._bucket}/"):
                data[name] = with_data_date(self._key(name, uri), self._day)
                channel["DataSource"]["S3DataSource"].pop("S3Uri")
                channels += [channel] if _says_more(channel) else []
            else:
                channels.append(channel)
                if uri and self._day:
                    self.left.append(f"training.InputDataConfig: channel {name} reads {uri} every day. Is that meant?")
        return channels, data

    def _key(self, name: str, uri: str) -> str:
        """Choose the file that a run waits for, of those in the channel's folder."""
        prefix = uri.removeprefix("s3://").partition("/")[2]
        keys = self._running.files.get(uri, ())
        folder = prefix if prefix.endswith("/") else f"{prefix}/"
        if prefix in keys:
            if [key for key in keys if key.rpartition("/")[0] == prefix.rpartition("/")[0]] != [prefix]:
                self.left.append(f"data.{name}: the training has read {uri} alone; a run reads the folder of the key.")
            return prefix
        inside = [key for key in keys if key.startswith(folder)]
        marked = [key for key in inside if key.endswith("/_SUCCESS")]
        chosen = [*marked, *inside, f"{folder}_SUCCESS"][0]
        if len(inside) != 1:
            why = f"there are {len(inside)} files" if inside else "no file is to be seen"
            self.left.append(f"data.{name}: a run waits for {chosen}; {why} in {uri}. Name the one that comes last.")
        return chosen

    def _training(self, channels: list[Section]) -> Section:
        request = service_model.only_members("CreateTrainingJob", self._job)
        for member in ("TrainingJobName", "InputDataConfig", "Tags", "ExperimentConfig"):
            request.pop(member, None)
        algorithm = request.get("AlgorithmSpecification", {})
        if "MetricDefinitions" in algorithm and self._is_of_aws(algorithm):
            # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AlgorithmSpecification.html
            del algorithm["MetricDefinitions"]
        return self._written({**request, **({"InputDataConfig": channels} if channels else {})})

    def _is_of_aws(self, algorithm: Section) -> bool:
        """Tell whether AWS's own algorithm trains, which has metrics of its own and takes no others."""
        account = str(self._job.get("RoleArn", "")).split(":")[4:5]
        image = str(algorithm.get("TrainingImage", ""))
        return not image or (".dkr." in image and image.split(".")[:1] != account)

    def _model(self, training: Section) -> Section:
        model = self._running.model
        section = service_model.only_members("CreateModel", model)
        section.pop("ModelName", None)
        if section.get("ExecutionRoleArn") == training.get("RoleArn"):
            section.pop("ExecutionRoleArn", None)
        self._take_over(section, training)
        image = requests.training_image(training)
        containers = section.pop("Containers", None)
        primary = section.pop("PrimaryContainer", None)
        trained = [artifact_of(container) == self._running.artifact for container in containers_of(model)]
        if containers:
            section["Containers"] = [
                {**_without_model(container), "ModelDataSource": {}} if is_trained else container
                for container, is_trained in zip(containers, trained, strict=True)
            ]
        elif primary := _without_model(primary or {}, image):
            section["PrimaryContainer"] = primary
        return self._written(section)

    def _take_over(self, section: Section, training: Section) -> None:
        """Say of VPC and isolation what the model has, where the training, whose it would be, has another."""
        for member in requests.TAKEN_OVER:
            has, would_have = section.pop(member, None), training.get(member)
            if bool(has or would_have) and has != would_have:
                section[member] = has if has or member == "VpcConfig" else False

    def _endpoint_config(self) -> Section:
        section = service_model.only_members("CreateEndpointConfig", self._running.config)
        section.pop("EndpointConfigName", None)
        for variants in requests.VARIANT_LISTS:
            for variant in section.get(variants, ()):
                if variant.get("ModelName") == self._running.model["ModelName"]:
                    del variant["ModelName"]
        return self._written(section)

    def _endpoint(self) -> Section:
        described = self._running.endpoint
        section: Section = {"EndpointName": described["EndpointName"]}
        variants = self._running.config.get("ProductionVariants", [])
        if any("InstanceType" in variant for variant in variants):
            # What autoscaling, or a person, has made of the variants stays.
            section["RetainAllVariantProperties"] = True
        if last := described.get("LastDeploymentConfig"):
            section |= service_model.only_members("UpdateEndpoint", {"DeploymentConfig": last})
        return self._written(section)

    def _say_what_aws_does_not_tell(self) -> None:
        self.left.append("schedule: AWS does not tell it. null runs only when triggered.")
        metrics = [metric["MetricName"] for metric in self._job.get("FinalMetricDataList") or []]
        known = f"The training has {', '.join(metrics)}." if metrics else "The training has told no metric."
        self.left.append(f"quality, smoke_test, retention and slack: AWS does not tell them. {known}")

    def _written(self, value: Any) -> Any:
        """Make a section of what is described: days become data_date, and what looks like a secret is left out."""
        return self._dated(self._without_secrets(value))

    def _dated(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self._dated(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._dated(item) for item in value]
        if not isinstance(value, str):
            return value
        # A sign that stands in a value is no template of this file's.
        text = f"{{% raw %}}{value}{{% endraw %}}" if _TEMPLATE_SIGN.search(value) else value
        return with_data_date(text, self._day) if text.startswith("s3://") else text

    def _without_secrets(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._without_secrets(item) for item in value]
        if not isinstance(value, Mapping):
            return value
        kept = {key: self._without_secrets(item) for key, item in value.items()}
        for member in _NAMED_VALUES:
            for name in [name for name in kept.get(member, ()) if _SECRET.search(name)]:
                del kept[member][name]
                self.left.append(
                    f"{member}.{name} was left out, as its name is that of a secret, which stands in no file. Let the "
                    "container read it from AWS Secrets Manager."
                )
        return kept


def _says_more(channel: Section) -> bool:
    """Tell whether a channel says more than its name, and that it is a folder of S3, as a pipeline's own are."""
    source = {"S3DataType": "S3Prefix", "S3DataDistributionType": "FullyReplicated"}
    plain = {"CompressionType": "None", "RecordWrapperType": "None", "DataSource": {"S3DataSource": source}}
    more = {key: value for key, value in channel.items() if key != "ChannelName" and value != plain.get(key)}
    return more not in ({}, {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix"}}})


def _without_model(container: Mapping[str, Any], image: Any = None) -> Section:
    own = {key: value for key, value in container.items() if key not in requests.MODEL_SOURCES}
    if own.get("Mode") == "SingleModel":  # As it is where nothing is said.
        del own["Mode"]
    if own.get("Image") == image:
        own.pop("Image", None)
    return own
