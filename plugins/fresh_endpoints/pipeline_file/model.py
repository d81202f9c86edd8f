"""Pipeline files: what one holds, how it is read, and what it says about itself when it is wrong.

One file in the pipelines folder is one pipeline. Its shape is the pydantic model ``Pipeline``; what the values mean to
SageMaker, S3, cron and Jinja is checked once per content by ``pipeline_check``. Importing this module costs pydantic
and PyYAML and no more, because the dag-processor does it for every parse.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Self

from fresh_endpoints.aws.service_model import Problem, format_path
from fresh_endpoints.pipeline_file import memory
from fresh_endpoints.pipeline_file.quality import parse_rule

_NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9])*"
# A training job's name is the pipeline's name, a date and a digest; SageMaker takes 63 characters in all.
_LONGEST_NAME = 32
_REGION = r"[a-z]{2,4}(-[a-z]+)+-\d+"
_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_"


class PipelineFileError(ValueError):
    """A pipeline file (or the folder of them) cannot be used. ``str()`` names the file and every problem in it.

    Attributes:
        path: the file or folder.
        problems: one sentence for each problem, beginning with the field's path where it belongs to one.
    """

    def __init__(self, path: Path, problems: Iterable[str]) -> None:
        self.path = path
        self.problems = tuple(problems)
        super().__init__("\n".join([f"{path}:", *(f"  {problem}" for problem in self.problems)]))


def _name(value: str) -> str:
    if not re.fullmatch(_NAME, value):
        raise ValueError("allowed letters, digits and hyphens between them, because SageMaker names begin with it")
    if len(value) > _LONGEST_NAME:
        raise ValueError(f"it has {len(value)} characters; allowed {_LONGEST_NAME}, to leave room in job names")
    return value


def _region(value: str) -> str:
    if not re.fullmatch(_REGION, value):
        raise ValueError("it must be the name of an AWS region, such as ap-northeast-1")
    return value


def _literal(value: str) -> str:
    if "{{" in value or "{%" in value:
        raise ValueError("templates are not rendered in this field; write the value itself")
    return value


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("it must not be empty")
    return _literal(value)


def _not_empty(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("it must hold at least one; leave the section out where there is none")
    return value


def _rule(value: str) -> str:
    parse_rule(value)
    return value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"it is no regular expression: {error}") from None
    return value


Text = Annotated[str, AfterValidator(_filled), Field(json_schema_extra={"minLength": 1})]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Data(_Part):
    """The S3 keys of one day's files, each a file below a folder. SageMaker reads the whole folder of a file."""

    training: str = Field(
        description="S3 key of the training file, with {{ data_date }} in it.",
        examples=["input-data-training/{{ data_date }}/multiclass/iris.csv"],
    )
    validation: str = Field(
        description="S3 key of the validation file, in a folder of its own.",
        examples=["input-data-validation/{{ data_date }}/multiclass/iris.csv"],
    )
    prediction: str | None = Field(
        default=None,
        description="S3 key of the file to predict on. Leave it out where there is none.",
        examples=["input-data-prediction/{{ data_date }}/multiclass/iris.csv"],
    )


class Slack(_Part):
    """Where the pipeline's messages go."""

    connection: Text = Field(default="slack_default", description="Airflow connection of type Slack Incoming Webhook.")
    channel: Text | None = Field(
        default=None, description="Channel to post to. Left out: the one that the webhook belongs to."
    )
    username: Text | None = Field(
        default=None, description="Name that the messages carry. Left out: the webhook's own name."
    )


class Quality(_Part):
    """What a model must be like to be deployed. One that is not is trained and kept, but neither deployed nor used."""

    rules: Annotated[
        tuple[Annotated[str, AfterValidator(_rule)], ...],
        AfterValidator(_not_empty),
        Field(strict=False, json_schema_extra={"minItems": 1}),
    ] = Field(
        description="Rules on the training job's final metrics; all must hold. METRIC, then >=, >, <= or <, then a "
        "number, or live, live - NUMBER or live + NUMBER for the live model's value of that metric.",
        examples=[["validation:accuracy >= 0.9", "validation:accuracy >= live - 0.02"]],
    )


class SmokeTest(_Part):
    """One request that the endpoint must answer well after a deployment; else the previous config is put back."""

    body: str | None = Field(default=None, description="The request's body, as it stands; no template.")
    key: str | None = Field(
        default=None,
        description="S3 key, in the pipeline's bucket, of a file that is the request's body; a template.",
        examples=["input-data-validation/{{ data_date }}/multiclass/smoke.csv"],
    )
    content_type: Text = Field(description="The body's content type.", examples=["text/csv"])
    accept: Text | None = Field(
        default=None,
        description="The content type asked for, and checked in the answer. Left out: any.",
        examples=["text/csv"],
    )
    expect: Annotated[str, AfterValidator(_pattern)] | None = Field(
        default=None,
        description="Regular expression (Python's) that the whole answer must match, without white space at its ends. "
        "Left out: any answer.",
        examples=["[0-2]"],
    )

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if (self.body is None) == (self.key is None):
            raise ValueError("it must have one of body and key")
        return self


class Retention(_Part):
    """How many old endpoint configs and models are kept. Artifacts in S3 are left to the bucket's lifecycle rules."""

    keep: int = Field(
        ge=1,
        description="How many of the pipeline's newest endpoint configs, and of its newest models, are kept after a "
        "deployment. What is in use is kept in any case.",
    )
    dry_run: bool = Field(default=False, description="true: only list, in the log of deploy, what would be deleted.")


class Pipeline(_Part):
    """One pipeline: a model that is trained anew on each day's data, and the endpoint that serves it.

    Strings in bucket, data, training, model, endpoint_config, endpoint and transform, and smoke_test.key, are Jinja
    templates. They know data_date and date (both YYYY-MM-DD), pipeline (the name), bucket, and Airflow's own names,
    such as var and params.
    """

    name: Annotated[str, AfterValidator(_name)] = Field(
        description="The pipeline's name, and the name of its file without .yaml. DAG ids end and SageMaker names "
        f"begin with it: letters, digits and hyphens between them, at most {_LONGEST_NAME} characters.",
        json_schema_extra={"pattern": f"^{_NAME}$", "maxLength": _LONGEST_NAME},
    )
    description: str = Field(default="", description="What the model is for. Shown on the DAG's page, as Markdown.")
    owner: Text = Field(default="ml", description="Owner of the DAG's tasks in Airflow's UI.")
    dag_tags: Annotated[tuple[Text, ...], Field(strict=False)] = Field(
        default=(), description="Tags of the DAG in Airflow's UI."
    )
    schedule: str | None = Field(
        default="@daily",
        description="When a run starts, on the clock of `timezone`: a cron expression of five fields, or @hourly, "
        "@daily, @weekly, @monthly, @quarterly, @yearly. null: only when triggered.",
        examples=["@daily", "30 5 * * *"],
    )
    timezone: Text = Field(
        default="UTC",
        description="IANA time zone of the schedule and of every date.",
        examples=["UTC", "Asia/Tokyo"],
    )
    start_date: dt.date = Field(
        default=dt.date(2019, 1, 1),
        description="First DATE that a run may have. Airflow runs nothing for an earlier one. With `catchup: true` it "
        "must be given.",
    )
    catchup: bool = Field(default=False, description="Whether the days that were missed are run, from start_date on.")
    max_active_runs: int = Field(
        default=1,
        ge=1,
        description="How many runs of the DAG are active at once. 1 keeps the days in order. Airflow's backfills have "
        "a limit of their own.",
    )
    retries: int = Field(
        default=3,
        ge=0,
        description="How often a step is tried again after a fault that may heal: no capacity at AWS, a lost worker.",
    )
    retry_delay_seconds: int = Field(
        default=300,
        ge=0,
        description="Seconds before the first retry; each later one waits about twice as long, an hour at most.",
    )
    region: Annotated[str, AfterValidator(_region)] = Field(
        description="AWS region of everything.",
        examples=["ap-northeast-1"],
        json_schema_extra={"pattern": f"^{_REGION}$"},
    )
    aws_conn_id: Text = Field(default="aws_default", description="Airflow connection to AWS.")
    bucket: str = Field(description="S3 bucket of the data files.", examples=["sample-bucket"])
    data: Data
    wait_minutes: int = Field(
        default=0,
        ge=0,
        description="Minutes that a run waits for the day's data before it is skipped. 0: it looks once.",
    )
    deadline_minutes: int | None = Field(
        default=None,
        ge=1,
        description="Minutes after a scheduled run was due by which its model should be live; Slack is told when it is "
        "not. Left out: no deadline.",
    )
    slack: Slack | None = Field(default=None, description="Slack messages. Left out: none are sent.")
    deploy: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="auto: deploy unless what is live was trained on a later data date; always: deploy over that, too; "
        "never: only train.",
    )
    aws_tags: dict[str, Annotated[str, AfterValidator(_literal)]] = Field(
        default_factory=dict,
        description="AWS tags of everything that the pipeline creates, beside the pipeline's own.",
        examples=[{"cost-center": "recommendation"}],
    )
    training: dict[str, Any] = Field(
        description=f"The CreateTrainingJob request ({_API}CreateTrainingJob.html), without TrainingJobName, Tags and "
        "the channels' S3 paths, which are added."
    )
    model: dict[str, Any] = Field(
        default_factory=dict,
        description=f"The CreateModel request ({_API}CreateModel.html), without ModelName, Tags and the artifact's "
        "path, which are added. The image and the role are the training's, unless given.",
    )
    endpoint_config: dict[str, Any] = Field(
        description=f"The CreateEndpointConfig request ({_API}CreateEndpointConfig.html), without EndpointConfigName, "
        "Tags and the variants' ModelName, which are added."
    )
    endpoint: dict[str, Any] = Field(
        default_factory=dict,
        description=f"What CreateEndpoint ({_API}CreateEndpoint.html) and UpdateEndpoint ({_API}UpdateEndpoint.html) "
        "take, without EndpointConfigName and Tags, which are added. EndpointName is the pipeline's name, unless "
        "given.",
    )

    quality: Quality | None = Field(default=None, description="The quality gate. Left out: every model is deployed.")
    smoke_test: SmokeTest | None = Field(default=None, description="The smoke test. Left out: none is made.")
    retention: Retention | None = Field(default=None, description="The clean-up. Left out: nothing is deleted.")
    transform: dict[str, Any] | None = Field(
        default=None,
        description=f"The CreateTransformJob request ({_API}CreateTransformJob.html), without TransformJobName, "
        "ModelName, Tags, TransformInput.DataSource (the folder of data.prediction) and TransformOutput.S3OutputPath "
        "(output-prediction/<data date>/<pipeline>/), which are added. With it there is a DAG "
        "batch_predict_<pipeline>. Left out: nothing is predicted.",
    )

    @model_validator(mode="after")
    def _name_the_endpoint(self) -> Self:
        self.endpoint.setdefault("EndpointName", self.name)
        return self


@dataclass(frozen=True)
class LoadedPipelines:
    """What a pipelines folder holds.

    Attributes:
        pipelines: the usable ones, sorted by name.
        errors: one for each file that cannot be used, sorted by path.
    """

    pipelines: list[Pipeline]
    errors: list[PipelineFileError]


def pipelines_dir() -> Path:
    """Finds the folder of the pipeline files.

    Returns:
        What the environment variable PIPELINES_DIR names; without it ``include/pipelines`` beside the plugins folder
        that holds this package, else beside (or in) Airflow's dags folder, else in the folder dags beside the plugins
        folder, as on MWAA. It need not exist.
    """
    if configured := os.environ.get("PIPELINES_DIR"):
        return Path(configured).expanduser()
    homes = [Path(__file__).resolve().parents[3]]
    if dags := os.environ.get("AIRFLOW__CORE__DAGS_FOLDER"):
        homes += [Path(dags).parent, Path(dags)]
    homes.append(homes[0] / "dags")
    candidates = [home / "include" / "pipelines" for home in homes]
    return next((candidate for candidate in candidates if candidate.is_dir()), candidates[0])


def load_pipelines(folder: Path | None = None) -> LoadedPipelines:
    """Reads every pipeline file of a folder. A file that cannot be used takes no other with it.

    Args:
        folder: the folder; None for pipelines_dir().

    Returns:
        The pipelines, and the errors of the files that are none.
    """
    folder = pipelines_dir() if folder is None else folder
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
    except OSError as error:
        problem = f"cannot be listed: {error.strerror}; make the folder, or set PIPELINES_DIR to the one that exists"
        return LoadedPipelines([], [PipelineFileError(folder, [problem])])
    pipelines, errors = [], []
    taken: dict[tuple[str, str, str], Path] = {}
    for path in paths:
        try:
            pipeline = load_pipeline(path)
            _refuse_shared_endpoint(path, pipeline, taken)
            pipelines.append(pipeline)
        except PipelineFileError as error:
            errors.append(error)
    return LoadedPipelines(sorted(pipelines, key=lambda pipeline: pipeline.name), errors)


class _Checked(BaseModel):
    """What is remembered of a file's content: the pipeline, or what is wrong with it."""

    pipeline: Pipeline | None
    problems: tuple[str, ...]


def load_pipelines_of_dags(dag_id_prefix: str) -> list[Pipeline]:
    """Reads the pipelines whose DAGs a DAG file is to build.

    The dag-processor wants all of them. Where Airflow wants one DAG, as in every task's process, only that one's file
    is read: https://airflow.apache.org/docs/apache-airflow/stable/howto/dynamic-dag-generation.html#optimizing-dag-parsing-delays-during-execution

    Args:
        dag_id_prefix: what precedes the pipeline's name in the DAG file's DAG ids.

    Returns:
        The pipelines, sorted by name.

    Raises:
        PipelineFileError: the one DAG that is wanted is that of a file which cannot be used.
    """
    from airflow.sdk import get_parsing_context

    wanted = get_parsing_context().dag_id
    if wanted is None:
        return load_pipelines().pipelines
    name = wanted.removeprefix(dag_id_prefix)
    return [] if name == wanted else [load_pipeline(pipelines_dir() / f"{name}.yaml")]


def load_pipeline(path: Path) -> Pipeline:
    """Reads and checks one pipeline file. A content that was checked before is not checked again.

    Args:
        path: the file.

    Returns:
        The pipeline, its templates not yet rendered.

    Raises:
        PipelineFileError: the file cannot be read, is not YAML, or says something that is not allowed. It holds all
            problems of its kind, not the first only.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PipelineFileError(path, [f"cannot be read: {error.strerror}"]) from error
    entry = memory.entry(path.name, content)
    if (checked := memory.recall(entry, _Checked)) is None:
        pipeline = _parse(path, content)
        from fresh_endpoints.pipeline_file.checks import find_problems

        checked = _Checked(pipeline=pipeline, problems=tuple(find_problems(pipeline)))
        memory.remember(entry, checked if not checked.problems else checked.model_copy(update={"pipeline": None}))
    if checked.problems:
        raise PipelineFileError(path, checked.problems)
    assert checked.pipeline
    return checked.pipeline


def _refuse_shared_endpoint(path: Path, pipeline: Pipeline, taken: dict[tuple[str, str, str], Path]) -> None:
    name = str(pipeline.endpoint["EndpointName"])
    if pipeline.deploy == "never" or "{" in name:
        return
    # CreateEndpoint does not tell upper case from lower case.
    other = taken.setdefault((pipeline.aws_conn_id, pipeline.region, name.lower()), path)
    if other != path:
        problem = f"endpoint.EndpointName: found {name!r}, which {other.name} deploys to; give one of them another"
        raise PipelineFileError(path, [problem])


def _parse(path: Path, content: bytes) -> Pipeline:
    if path.suffix != ".yaml":
        raise PipelineFileError(path, [f"found the suffix {path.suffix!r}; allowed .yaml; rename it {path.stem}.yaml"])
    try:
        values = yaml.load(content, Loader=_Loader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        problem = error.problem or error.context
        if mark and re.search(rb"[:-]\s+{{", b"".join(content.splitlines()[mark.line : mark.line + 1])):
            problem = f"{problem}; put a value that begins with {{{{ in quotes"
        raise PipelineFileError(path, [f"{where}: {problem}"]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise PipelineFileError(path, [f"not YAML: {' '.join(str(error).split())}"]) from error
    if not isinstance(values, dict):
        found = "nothing" if values is None else f"a {type(values).__name__}"
        raise PipelineFileError(path, [f"found {found}; it must be a mapping of keys such as name, region, bucket"])
    try:
        pipeline = Pipeline.model_validate(values)
    except ValidationError as error:
        raise PipelineFileError(path, [_explain(dict(problem)) for problem in error.errors()]) from None
    if pipeline.name != path.stem:
        problem = f"name: found {pipeline.name!r}; it must be {path.stem!r}, as the file is {path.name}; change either"
        raise PipelineFileError(path, [problem])
    return pipeline


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader, but a repeated key is an error instead of winning, and every error says where."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[tuple[str, str], int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if (key.tag, key.value) in seen:
                problem = f"found the key {key.value!r} again (first in line {seen[key.tag, key.value]}); remove one"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen[key.tag, key.value] = key.start_mark.line + 1
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # a date such as 2019-02-30
            raise yaml.constructor.ConstructorError(
                None, None, f"found {node.value!r}: {error}", node.start_mark
            ) from error


_TYPES = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "tuple_type": "a list",
    "date_type": "a date without quotes, such as 2019-03-01",
    "date_from_datetime_parsing": "a date without quotes, such as 2019-03-01",
    "date_from_datetime_inexact": "a date without quotes, such as 2019-03-01",
}


def _explain(error: dict[str, Any]) -> str:
    """Says one of pydantic's errors in this package's words."""
    path = tuple(part for part in error["loc"] if part != "[key]")
    kind, value = error["type"], error["input"]
    if kind == "invalid_key":
        return f"{format_path((*path[:-1], str(value)))}: found a key that is no text; put it in quotes"
    if kind == "missing":
        problem = Problem(path, "missing", None, "")
    elif kind == "extra_forbidden":
        problem = Problem(path, "unknown", None, "", _keys_beside(path))
    elif kind in _TYPES:
        problem = Problem(path, "type", value, f"Member must be {_TYPES[kind]}")
    elif kind == "literal_error":
        allowed = tuple(re.findall(r"'([^']*)'", error["ctx"]["expected"]))
        problem = Problem(path, "enum", value, "", allowed)
    elif kind == "greater_than_equal":
        problem = Problem(path, "range", value, f"Member must have value greater than or equal to {error['ctx']['ge']}")
    else:
        message = error["ctx"]["error"] if kind == "value_error" else error["msg"]
        return f"{format_path(path)}: found {value!r}; {message}"
    return str(problem)


def _keys_beside(path: tuple[str | int, ...]) -> tuple[str, ...]:
    parts: dict[Any, type[_Part]] = {
        "data": Data,
        "slack": Slack,
        "quality": Quality,
        "smoke_test": SmokeTest,
        "retention": Retention,
    }
    return tuple((parts[path[0]] if len(path) > 1 else Pipeline).model_fields)
