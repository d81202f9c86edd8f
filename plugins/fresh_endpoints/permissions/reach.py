"""What a pipeline reaches in AWS: names, S3 keys, images, roles and tags, read from its file.

A template is rendered for several days, and what differs between them becomes a star of the policy.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from fresh_endpoints.aws import requests
from fresh_endpoints.permissions.patterns import ANY, DAYS, common, is_all, literal
from fresh_endpoints.pipeline_file.checks.rendered import SECTIONS, render
from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.pipeline_file.templates import Templates, is_unknown
from fresh_endpoints.problems import Where, format_path

VARIABLE = "AIRFLOW_VAR_"
_ROLE = re.compile(r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>\d{12}):role/[\w+=,.@/-]+")
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html
_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+?/(?P<repository>[^:@]+)([:@].*)?"
)
# Where SageMaker writes: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Operations.html
_WRITTEN = ("S3OutputPath", "S3FailurePath", "DestinationS3Uri")
_EXPRESSION = re.compile(r"(\{\{.*?\}\})", re.DOTALL)
_GIVE = "give the Airflow Variables in it with --variable NAME=VALUE"
# What needs more than this: keys' own policies, a VPC's network interfaces.
_ELSEWHERE = {
    "VpcConfig": "the execution role needs the actions of EC2 for network interfaces, too",
    "KmsKeyId": "the key's policy must let the execution role use it, and the workers grant it",
    "VolumeKmsKeyId": "the key's policy must let the execution role use it, and the workers grant it",
    "OutputKmsKeyId": "the key's policy must let the execution role use it, and the workers grant it",
}


class NotKnownError(ValueError):
    """A policy cannot be made without this. ``str()`` says what it is, and how to give it."""


@dataclass(frozen=True)
class Reach:
    """What one pipeline reaches. Keys and ARNs are patterns of policies.

    Attributes:
        name: What the names of its jobs, models and endpoint configs begin with, before a hyphen.
        former: The same of what was made under the names that it had before.
        endpoint: Its endpoint's name.
        region: The region.
        account: The account, 12 digits.
        partition: Such as ``aws``.
        buckets: The buckets in which workers look for files.
        waited: What workers read in S3, as ``bucket/key``: data files, and the smoke test's.
        answers: Where an asynchronous endpoint answers, as ``bucket/key``.
        read: What containers read in S3, as ``bucket/key``.
        written: What containers write in S3, as ``bucket/key``.
        repositories: ARNs of ECR repositories.
        roles: ARNs of the execution roles.
        tag_keys: The keys of its ``aws_tags``.
        alarms: The alarms that may roll a deployment back.
        predicts: Whether it has batch predictions.
        asks: How the smoke test asks: ``InvokeEndpoint`` or ``InvokeEndpointAsync``; None where there is none.
        cleans_up: Whether it deletes old models and endpoint configs.
        notes: What a reader of the policies must know, a sentence each.
    """

    name: str
    endpoint: str
    region: str
    account: str
    partition: str
    buckets: tuple[str, ...] = ()
    waited: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    tag_keys: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    predicts: bool = False
    asks: str | None = None
    cleans_up: bool = False
    notes: tuple[str, ...] = ()
    former: tuple[str, ...] = ()


class Variables(dict[str, str]):
    """Airflow Variables by name, as templates ask for them; it remembers which were not there.

    Attributes:
        missed: The names that were asked for in vain.
    """

    def __init__(self, given: Mapping[str, str]):
        super().__init__(given)
        self.missed: set[str] = set()

    @classmethod
    def of_environment(cls, given: Mapping[str, str]) -> Variables:
        """Take them from the environment, as Airflow does.

        Args:
            given: More of them, which come first.
        """
        found = {name.removeprefix(VARIABLE).lower(): value for name, value in os.environ.items() if VARIABLE in name}
        return cls({**found, **given})

    def get(self, name: str, default: Any = None) -> Any:
        """Return a Variable, or the default."""
        if name not in self:
            self.missed.add(name)
        return super().get(name, default)


def reach_of(pipeline: Pipeline, variables: Variables) -> Reach:
    """Read what a pipeline reaches.

    Args:
        pipeline: The pipeline, in whose file there are no problems.
        variables: The Airflow Variables.

    Raises:
        NotKnownError: Only a run knows the bucket, a role or an image.
    """
    return _Reading(pipeline, variables).reach()


class _Reading:
    def __init__(self, pipeline: Pipeline, variables: Variables):
        self.pipeline = pipeline
        self._variables = variables
        self._wide: dict[Where, str] = {}
        known = render(pipeline).templates.known
        asked = {"value": variables, "json": _Json(variables)}
        self._days = [Templates(cast("dict[str, str]", {**known, **day, "var": asked})) for day in DAYS]
        self.bucket = self._same(pipeline.bucket, ("bucket",))
        for day in self._days:
            day.known["bucket"] = self.bucket
            day.allowed |= {"bucket", "var"}
        sections = {name: getattr(pipeline, name) or {} for name in SECTIONS}
        self.strings = [found for name, section in sections.items() for found in _strings(section, (name,))]

    def reach(self) -> Reach:
        roles = [self._role(text, path) for text, path in self._members("RoleArn", "ExecutionRoleArn")]
        arn = _ROLE.fullmatch(roles[0])
        assert arn
        data = list(self._data())
        test = self.pipeline.smoke_test
        sent = [self._object(test.key, ("smoke_test", "key"))] if test and test.key else []
        answers = list(map(_below, self._uris(lambda path: "AsyncInferenceConfig" in path)))
        is_async = bool(self._members("AsyncInferenceConfig", anywhere=True))
        written = map(_below, self._uris(lambda path: path[-1] in _WRITTEN or "CheckpointConfig" in path))
        read_again = self._uris(lambda path: "CheckpointConfig" in path or path[:2] == ("training", "OutputDataConfig"))
        given = self._uris(lambda path: path[-1] not in _WRITTEN)
        predictions = [requests.prediction_uri(self.bucket, ANY, literal(self._name))[len("s3://") :] + ANY]
        transform = self.pipeline.transform is not None
        return Reach(
            name=self._name,
            endpoint=self._same(str(self.pipeline.endpoint["EndpointName"]), ("endpoint", "EndpointName")),
            region=self.pipeline.region,
            account=arn["account"],
            partition=arn["partition"],
            buckets=(self.bucket,),
            waited=(*(key for key, _ in data if key), *sent),
            answers=tuple(answers),
            read=(
                *(folder for _, folder in data),
                *map(_below, read_again),
                *(pattern for key in given for pattern in _itself_and_below(key)),
                *(sent if is_async else ()),
                *self._former_artifacts(),
            ),
            written=(*written, *(predictions if transform else ())),
            repositories=tuple(self._repositories(arn["partition"])),
            roles=tuple(dict.fromkeys(roles)),
            tag_keys=tuple(self.pipeline.aws_tags),
            alarms=tuple(self._same(text, path) for text, path in self._members("AlarmName")),
            predicts=transform,
            asks=("InvokeEndpointAsync" if is_async else "InvokeEndpoint") if test else None,
            cleans_up=self.pipeline.retention is not None,
            notes=tuple(self._notes()),
            former=self.pipeline.renamed_from,
        )

    def _former_artifacts(self) -> Iterator[str]:
        """Yield where the models lie that were trained under former names: they may be live, or gone back to."""
        for name in self.pipeline.renamed_from:
            before = self.pipeline.model_copy(update={"name": name, "renamed_from": ()})
            artifacts = _Reading(before, self._variables)._uris(
                lambda path: path[:2] == ("training", "OutputDataConfig")
            )
            yield from map(_below, artifacts)

    @property
    def _name(self) -> str:
        return self.pipeline.aws_name

    def _data(self) -> Iterator[tuple[str | None, str]]:
        """Yield what is waited for, if anything is, and what SageMaker reads of it: the folder."""
        for name, given in self.pipeline.data.model_dump(exclude_none=True).items():
            if name == "prediction" and self.pipeline.transform is None:
                continue
            channel = given if isinstance(given, Mapping) else {"key": given}
            key = self._object(channel["key"], ("data", name))
            other = channel.get("wait", True)
            folder = key[: key.rindex("/") + 1]
            # Files that lie in no folder are read one by one.
            is_file = channel.get("file") or folder == f"{self.bucket}/"
            waited = self._object(other, ("data", name, "wait")) if isinstance(other, str) else key
            yield waited if other else None, key if is_file else folder + ANY

    def _object(self, key: str, path: Where) -> str:
        return f"{self.bucket}/{self._key(self._pattern(key, path), path)}"

    def _key(self, pattern: str, path: Where) -> str:
        if is_all(pattern):
            self._wide[path] = (
                f"{self._at(path)}: all of the key differs by day, or only a run knows it, so the policy "
            )
            self._wide[path] += "allows the whole bucket"
        return pattern

    def _uris(self, wanted: Callable[[Where], bool]) -> Iterator[str]:
        """Yield the S3 URLs in the sections, as ``bucket/key``."""
        for text, path in self.strings:
            if wanted(path) and (uri := self._pattern(text, path)).startswith("s3://"):
                bucket, _, key = uri.removeprefix("s3://").partition("/")
                if is_all(bucket):
                    raise NotKnownError(f"{self._at(path)}: only a run knows the bucket of {text!r}; {_GIVE}")
                yield f"{bucket}/{self._key(key, path) if key else ''}"

    def _repositories(self, partition: str) -> Iterator[str]:
        for text, path in self._members("TrainingImage", "Image"):
            if found := _ECR.fullmatch(self._same(text, path)):
                yield f"arn:{partition}:ecr:{found['region']}:{found['account']}:repository/{found['repository']}"

    def _role(self, text: str, path: Where) -> str:
        role = self._same(text, path)
        if not _ROLE.fullmatch(role):
            raise NotKnownError(f"{self._at(path)}: found {role!r}, which is no role's ARN")
        return role

    def _notes(self) -> Iterator[str]:
        yield from self._wide.values()
        found = {(str(part), path[0]) for _, path in self.strings for part in path if part in _ELSEWHERE}
        for member, section in sorted(found):
            yield f"{self._at((str(section),))}: with {member}, {_ELSEWHERE[member]}; that is not in the policy"

    def _members(self, *names: str, anywhere: bool = False) -> list[tuple[str, Where]]:
        return [(text, path) for text, path in self.strings if (set(path) if anywhere else {path[-1]}) & set(names)]

    def _pattern(self, text: str, path: Where) -> str:
        return common([_rendered(day, text, path) for day in self._days])

    def _same(self, text: str, path: Where) -> str:
        """Render what is the same every day, and not only a run knows."""
        rendered = {str(day.render(text, path)) for day in self._days}
        value = rendered.pop()
        if rendered or is_unknown(value):
            raise NotKnownError(f"{self._at(path)}: only a run knows {text!r}; {_GIVE}")
        return value

    def _at(self, path: Where) -> str:
        return f"{self.pipeline.name}.yaml: {format_path(path)}"


@dataclass(frozen=True)
class _Json:
    """Airflow Variables that are JSON."""

    variables: Variables = field(repr=False)

    def __getitem__(self, name: str) -> Any:
        return json.loads(self.variables[name])

    def get(self, name: str, default: Any = None) -> Any:
        found = self.variables.get(name)
        return default if found is None else json.loads(found)


def _rendered(templates: Templates, text: str, path: Where) -> str:
    """Render a text as far as it is known: what stands beside a template that only a run can render, too."""
    whole = str(templates.render(text, path))
    if not is_unknown(whole) or "{%" in text:
        return whole
    return "".join(str(templates.render(part, path)) for part in _EXPRESSION.split(text))


def _below(key: str) -> str:
    return f"{key.rstrip('/')}/{ANY}"


def _itself_and_below(key: str) -> Iterator[str]:
    """Yield what SageMaker may read of an S3 URL, which is an object, or a folder with or without its slash."""
    if not key.endswith("/"):
        yield key
    yield _below(key)


def _strings(value: Any, path: Where) -> Iterator[tuple[str, Where]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _strings(item, (*path, str(key)))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _strings(item, (*path, position))
    elif isinstance(value, str):
        yield value, path
