"""The shape of a pipeline file: its keys, their types, their defaults, and what editors say of them.

One file in the pipelines folder is one pipeline. What the values mean to SageMaker, S3, cron and Jinja is checked
elsewhere: see ``checks``.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from fresh_endpoints.aws.own_names import OwnNames
from fresh_endpoints.pipeline_file import limits, patterns
from fresh_endpoints.pipeline_file.data import Data
from fresh_endpoints.pipeline_file.environment import InEnvironment, aws_name
from fresh_endpoints.pipeline_file.fleet import Fleet
from fresh_endpoints.pipeline_file.names import LONGEST_NAME, NAME, FormerNames, Name
from fresh_endpoints.pipeline_file.notify import Notifiers
from fresh_endpoints.pipeline_file.quality import parse_rule
from fresh_endpoints.pipeline_file.slack_choices import Mention, Runbook, Tell

_REGION = r"[a-z]{2,4}(-[a-z]+)+-\d+"
_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_"


def _region(value: str) -> str:
    if not re.fullmatch(_REGION, value):
        raise ValueError("it must be the name of an AWS region, such as ap-northeast-1")
    return value


def _literal(value: str) -> str:
    if any(sign in value for sign in ("{{", "{%", "{#")):
        raise ValueError("templates are not rendered in this field; write the value itself")
    return value


def _connection(value: str) -> str:
    if "://" in value or value.startswith("xox"):
        raise ValueError(
            "it must be the name of an Airflow connection; the webhook's address, or the token, is a secret, which "
            "belongs in that connection"
        )
    return value


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("it must not be empty")
    if not value.isprintable():
        raise ValueError("allowed characters that can be seen, and spaces; it has others")
    return _literal(value)


def _not_empty(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("it must hold at least one; leave the section out where there is none")
    return value


def _rule(value: str) -> str:
    parse_rule(value)
    return value


def _pattern(value: str) -> str:
    if problem := patterns.problem_of(value):
        raise ValueError(problem)
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"it is no regular expression: {error}") from None
    return value


def _zone(value: str) -> str:
    # The name of a file, which a search on the disk is made for.
    if not re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", value) or value.lower() in ("localtime", "factory"):
        raise ValueError("it must be an IANA time zone, such as Asia/Tokyo, which means the same on every machine")
    return value


Text = Annotated[
    str,
    Field(max_length=limits.LONGEST_CONNECTION),
    AfterValidator(_filled),
    Field(json_schema_extra={"minLength": 1}),
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Slack(_Part):
    """Where the pipeline's messages go."""

    connection: Annotated[Text, AfterValidator(_connection)] = Field(
        default="slack_default", description="Airflow connection of type Slack Incoming Webhook or Slack API."
    )
    channel: Text | None = Field(
        default=None, description="Channel to post to. Type Slack API needs it; an app's webhook has its own."
    )
    username: Text | None = Field(
        default=None, description="Name that the messages carry; an app's webhook has its own. Left out: that."
    )
    tell: Tell = "all"
    mention: Mention = ()
    runbook: Runbook = None


class Quality(_Part):
    """What a model must be like to be deployed. One that is not is trained and kept, but neither deployed nor used."""

    rules: Annotated[
        tuple[Annotated[str, Field(max_length=limits.LONGEST_RULE), AfterValidator(_rule)], ...],
        Field(max_length=limits.MOST_LISTED),
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
        examples=["input-data-validation/{{ data_date }}/{{ pipeline }}/smoke.csv"],
    )
    content_type: Text = Field(description="The body's content type.", examples=["text/csv"])
    accept: Text | None = Field(
        default=None,
        description="The content type asked for, and checked in the answer. Left out: any.",
        examples=["text/csv"],
    )
    expect: Annotated[str, Field(max_length=limits.LONGEST_PATTERN), AfterValidator(_pattern)] | None = Field(
        default=None,
        description="Regular expression (Python's) that the whole answer must match, without white space at its ends. "
        "Left out: any answer.",
        examples=["[0-2]"],
    )
    patience_seconds: int = Field(
        default=120,
        ge=0,
        le=limits.LONGEST_PATIENCE_SECONDS,
        description="Seconds for which an endpoint that is not ready yet, or throttles, is asked again: a model may "
        "still be loading when the endpoint is InService. 0: it is asked once.",
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
        le=limits.MOST_KEPT,
        description="How many of the pipeline's newest endpoint configs, and of its newest models, are kept after a "
        "deployment. What is in use is kept in any case.",
    )
    keep_days: int = Field(
        default=0,
        ge=0,
        le=3650,
        description="For how many days after they were made endpoint configs and models are kept besides, so that "
        "there is something to redeploy. 0: only the newest are.",
    )
    dry_run: bool = Field(default=False, description="true: only list, in the log of deploy, what would be deleted.")


class Pipeline(_Part, Fleet, InEnvironment):
    """One pipeline: a model that is trained anew on each day's data, and the endpoint that serves it.

    Strings in bucket, data, training, model, endpoint_config, endpoint and transform, and smoke_test.key, are Jinja
    templates. They know data_date and date (both YYYY-MM-DD), pipeline (the name), env (the environment), bucket, and
    of Airflow's names those of the run's facts, such as var, params and run_id.
    """

    name: Name = Field(
        description="The pipeline's name, and the name of its file without .yaml. DAG ids end and SageMaker names "
        f"begin with it: letters, digits and hyphens between them, at most {LONGEST_NAME} characters.",
        json_schema_extra={"pattern": f"^{NAME}$", "maxLength": LONGEST_NAME},
    )
    renamed_from: FormerNames = Field(
        default=(),
        description="The name that the pipeline had before, or several: what runs have made under it is this "
        "pipeline's own. With it, endpoint.EndpointName must be given. See docs/operations.md.",
        examples=["iris", ["iris", "flowers"]],
    )
    description: str = Field(
        default="",
        max_length=limits.LONGEST_DESCRIPTION,
        description="What the model is for. Shown on the DAG's page, as Markdown.",
    )
    owner: Annotated[str, Field(max_length=limits.LONGEST_OWNER), AfterValidator(_filled)] = Field(
        default="ml", description="Owner of the DAG's tasks in Airflow's UI.", json_schema_extra={"minLength": 1}
    )
    dag_tags: Annotated[
        tuple[Annotated[Text, Field(max_length=limits.LONGEST_TAG)], ...],
        Field(strict=False, max_length=limits.MOST_LISTED),
    ] = Field(default=(), description="Tags of the DAG in Airflow's UI.")
    schedule: str | None = Field(
        default="@daily",
        max_length=limits.LONGEST_SCHEDULE,
        description="When a run starts, on the clock of `timezone`: a cron expression of five fields, or @hourly, "
        "@daily, @weekly, @monthly, @quarterly, @yearly. null: only when triggered.",
        examples=["@daily", "30 5 * * *"],
    )
    timezone: Annotated[str, Field(max_length=limits.LONGEST_TIMEZONE), AfterValidator(_zone)] = Field(
        default="UTC",
        description="IANA time zone of the schedule and of every date.",
        examples=["UTC", "Asia/Tokyo"],
    )
    start_date: dt.date = Field(
        default=dt.date(2019, 1, 1),
        ge=limits.FIRST_DAY,
        le=limits.LAST_DAY,
        description="First DATE that a run may have. Airflow runs nothing for an earlier one. With `catchup: true` it "
        "must be given.",
    )
    catchup: bool = Field(default=False, description="Whether the days that were missed are run, from start_date on.")
    max_active_runs: int = Field(
        default=1,
        ge=1,
        le=limits.MOST_RUNS,
        description="How many runs of the DAG are active at once. 1 keeps the days in order. Airflow's backfills have "
        "a limit of their own.",
    )
    retries: int = Field(
        default=3,
        ge=0,
        le=limits.MOST_RETRIES,
        description="How often a step is tried again after a fault that may heal: throttling at AWS, a lost worker.",
    )
    retry_delay_seconds: int = Field(
        default=300,
        ge=0,
        le=limits.LONGEST_RETRY_DELAY_SECONDS,
        description="Seconds before the first retry; each later one waits about twice as long, an hour at most.",
    )
    region: Annotated[str, AfterValidator(_region)] = Field(
        description="AWS region of everything.",
        examples=["ap-northeast-1"],
        json_schema_extra={"pattern": f"^{_REGION}$"},
    )
    aws_conn_id: Text = Field(default="aws_default", description="Airflow connection to AWS.")
    bucket: str = Field(description="S3 bucket of the data files.", examples=["sample-bucket"])
    data: Data = Field(
        default_factory=Data,
        description="The S3 keys of a run's files. Each key but `prediction` is a channel of the training of that "
        "name: a key that is waited for, or a mapping. Left out: the channels are those of training.InputDataConfig.",
    )
    wait_minutes: int = Field(
        default=0,
        ge=0,
        le=limits.LONGEST_WAIT_MINUTES,
        description="Minutes that a run waits for the day's data before it is skipped. 0: it looks once.",
    )
    deadline_minutes: int | None = Field(
        default=None,
        ge=1,
        le=limits.LONGEST_WAIT_MINUTES,
        description="Minutes after a scheduled run was due by which its model should be live; Slack is told when it is "
        "not. Left out: no deadline.",
    )
    max_age_days: int | None = Field(
        default=None,
        ge=1,
        description="Days from the data date of the model that is live to today, in the pipeline's time zone. When "
        "there are more, the DAG watch_models tells Slack, once. Left out: no limit.",
    )
    slack: Slack | None = Field(default=None, description="Slack messages. Left out: none are sent.")
    notify: Notifiers = Field(default=(), description="Further ways to tell people, beside Slack or without it.")
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
        "the channels of `data`, which are added. InputDataConfig may hold other channels, and say more of those."
    )
    model: dict[str, Any] = Field(
        default_factory=dict,
        description=f"The CreateModel request ({_API}CreateModel.html), without ModelName, Tags and the artifact's "
        "path, which are added. Image, role, VpcConfig and EnableNetworkIsolation are the training's, unless given; "
        "VpcConfig: null is no VPC.",
    )
    endpoint_config: dict[str, Any] = Field(
        default_factory=dict,
        description=f"The CreateEndpointConfig request ({_API}CreateEndpointConfig.html), without EndpointConfigName, "
        "Tags and the variants' ModelName, which are added. It must be given, unless `deploy` is never.",
    )
    endpoint: dict[str, Any] = Field(
        default_factory=dict,
        description=f"What CreateEndpoint ({_API}CreateEndpoint.html) and UpdateEndpoint ({_API}UpdateEndpoint.html) "
        "take, without EndpointConfigName and Tags, which are added. EndpointName is the pipeline's name, unless "
        "given; in an environment `<environment>-<name>`.",
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
        # Of a renamed one it must be said: another endpoint would be made, and the old one go on costing.
        if self.deploy == "never" or not self.renamed_from:
            self.endpoint.setdefault("EndpointName", self.aws_name)
        return self

    @property
    def own_names(self) -> OwnNames:
        """The names under which it has made what is in AWS."""
        return OwnNames(self.aws_name, tuple(aws_name(self.environment, name) for name in self.renamed_from))


# What no file says, and the keys that files have.
ENVIRONMENT = "environment"
KEYS = tuple(key for key in Pipeline.model_fields if key != ENVIRONMENT)
