"""What a pipeline file may say: the rules of SageMaker, S3, cron and Jinja, each checked before any run.

These checks need botocore's service model, Jinja and croniter, so they are kept apart from ``pipeline``, which imports
this module only for a file whose content it has not seen before.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import available_timezones

import jinja2
import jinja2.meta
import jinja2.nodes
import jinja2.sandbox

from fresh_endpoints.aws import requests, service_model
from fresh_endpoints.aws import tags as aws_tags
from fresh_endpoints.aws.service_model import Problem, format_path, near_misses
from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.pipeline_file.quality import parse_rule

# The names that the operators add to Airflow's context, with the facts of a sample run.
SAMPLE_DATES = {"data_date": "2019-03-04", "date": "2019-03-05"}
OUR_NAMES = frozenset({*SAMPLE_DATES, "pipeline", "bucket"})
# https://airflow.apache.org/docs/apache-airflow/stable/templates-ref.html
AIRFLOW_NAMES = frozenset({
    "asset_state_store", "dag", "dag_run", "exception", "expanded_ti_count", "inlet_events", "inlets", "macros",
    "map_index_template", "outlet_events", "outlets", "params", "partition_date", "partition_key",
    "prev_end_date_success", "prev_start_date_success", "reason", "run_id", "task", "task_instance",
    "task_instance_key_str", "task_reschedule_count", "task_state_store", "templates_dict", "test_mode", "ti",
    "triggering_asset_events", "try_number", "var",
})  # fmt: skip
# Airflow has these only in runs with a logical date, and their dates are UTC's.
UTC_NAMES = frozenset({
    "data_interval_end", "data_interval_start", "ds", "ds_nodash", "logical_date", "prev_data_interval_end_success",
    "prev_data_interval_start_success", "ts", "ts_nodash", "ts_nodash_with_tz",
})  # fmt: skip
SECRET_NAMES = frozenset({"conn"})
_AIRFLOW_FILTERS = frozenset({"ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz"})

_SCHEDULES = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"(?!xn--|\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LONGEST_KEY = 1024

_TAGS = "write tags under aws_tags"
_MODEL = "the model is the one that the run has trained"
_OWNED = {
    "training": {
        "TrainingJobName": "it is made from pipeline, data date and run, so that no run trains twice",
        "Tags": _TAGS,
    },
    "model": {"ModelName": "it is the training job's name", "Tags": _TAGS},
    "endpoint_config": {"EndpointConfigName": "it is the training job's name", "Tags": _TAGS},
    "endpoint": {"EndpointConfigName": "it is the training job's name", "Tags": _TAGS},
    "transform": {
        "TransformJobName": "it is made from pipeline, data date and training job, so that no model predicts twice",
        "ModelName": _MODEL,
        "Tags": _TAGS,
    },
}


def find_problems(pipeline: Pipeline) -> list[str]:
    """Checks all that the shape of a pipeline file does not decide.

    Args:
        pipeline: the pipeline as its file has it.

    Returns:
        One sentence for each problem, beginning with the field's path; empty where the pipeline is right.
    """
    templates = _Templates({**SAMPLE_DATES, "pipeline": pipeline.name})
    bucket = templates.render(pipeline.bucket, ("bucket",))
    if not is_unknown(bucket):
        templates.known["bucket"] = bucket
    templates.allowed |= {"bucket"}
    sections = {name: templates.render(getattr(pipeline, name) or {}, (name,)) for name in _OWNED}
    if pipeline.smoke_test and pipeline.smoke_test.key:
        templates.render(pipeline.smoke_test.key, ("smoke_test", "key"))
    keys = {name: templates.render(key, ("data", name)) for name, key in _data_keys(pipeline).items()}
    problems = [
        *_check_calendar(pipeline),
        *_check_bucket(bucket),
        *_check_keys(pipeline, keys, templates),
        *_check_tags(pipeline.aws_tags),
        *templates.problems,
        *_check_owned(sections),
        *_check_training(sections["training"], bucket, keys),
        *_check_model(sections["model"], sections["training"]),
        *_check_endpoint_config(sections["endpoint_config"]),
        *_check_endpoint(sections["endpoint"]),
        *_check_quality(pipeline, sections["training"]),
        *(_check_transform(pipeline, sections["transform"]) if pipeline.transform is not None else ()),
    ]
    return list(dict.fromkeys(problems))


def is_unknown(text: str) -> bool:
    """Tells whether a text is a template that was left as it is, because only a run knows its value.

    Args:
        text: a text from a section that was rendered for the check.

    Returns:
        Whether there is a template in it.
    """
    return "{{" in text or "{%" in text


class _Templates:
    """Renders templates as far as sample facts reach, and collects what is wrong with them.

    Attributes:
        known: the names with sample values, and the values.
        allowed: the names that a template may use.
        problems: what was wrong so far.
    """

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known
        self.allowed = AIRFLOW_NAMES | known.keys()
        self.problems: list[str] = []
        # As airflow.sdk's create_template_env makes it, without the cost of importing Airflow.
        self._environment = jinja2.sandbox.SandboxedEnvironment(
            undefined=jinja2.StrictUndefined, extensions=["jinja2.ext.do"], autoescape=False
        )
        self._environment.filters.update(dict.fromkeys(_AIRFLOW_FILTERS, str))

    def render(self, value: Any, path: tuple[str | int, ...]) -> Any:
        """Renders every string in a value; one whose value only a run knows stays a template."""
        if isinstance(value, Mapping):
            return {key: self.render(item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, list):
            return [self.render(item, (*path, position)) for position, item in enumerate(value)]
        if isinstance(value, str) and ("{#" in value or is_unknown(value)):
            return self._render_text(value, path)
        return value

    def names(self, text: str) -> set[str]:
        """Lists the names that a template takes from outside; none where it is no template."""
        try:
            names = jinja2.meta.find_undeclared_variables(self._environment.parse(text))
        except jinja2.TemplateSyntaxError:
            return set()
        return names - self._environment.globals.keys()

    def _render_text(self, text: str, path: tuple[str | int, ...]) -> str:
        try:
            tree = self._environment.parse(text)
            template = self._environment.from_string(tree)
        except jinja2.TemplateSyntaxError as error:
            self._report(path, text, f"it is not a Jinja template: {error.message}")
            return text
        names = self.names(text)
        for name in sorted(names - self.allowed):
            self._report(path, text, self._why_not(name))
        filters = {node.name for node in tree.find_all(jinja2.nodes.Filter)}
        if names - self.known.keys() or filters & _AIRFLOW_FILTERS:
            return text
        try:
            return template.render(self.known)
        except Exception as error:  # a template may raise anything
            self._report(path, text, f"rendering it fails: {error}")
            return text

    def _why_not(self, name: str) -> str:
        if name in SECRET_NAMES:
            return (
                f"{name!r} is not allowed, because rendered fields are shown in Airflow's UI and connections hold "
                "secrets; let the container read AWS Secrets Manager"
            )
        if name in UTC_NAMES:
            return (
                f"{name!r} is not allowed, because it is in UTC and missing in runs without a logical date; use "
                "data_date or date"
            )
        near = near_misses(name, sorted(self.allowed))
        hint = (
            f"did you mean {near}?" if near else f"allowed {', '.join(sorted(self.allowed & OUR_NAMES))}, var, params"
        )
        return f"the name {name!r} is not known; {hint}"

    def _report(self, path: tuple[str | int, ...], text: str, problem: str) -> None:
        self.problems.append(f"{format_path(path)}: found {text!r}; {problem}")


def _data_keys(pipeline: Pipeline) -> dict[str, str]:
    return {name: key for name, key in dict(pipeline.data).items() if key is not None}


def _check_calendar(pipeline: Pipeline) -> Iterator[str]:
    from croniter import croniter

    schedule = pipeline.schedule
    if schedule is not None and schedule not in _SCHEDULES:
        if schedule.startswith("@"):
            yield str(Problem(("schedule",), "enum", schedule, "", _SCHEDULES))
        elif len(schedule.split()) != 5 or not croniter.is_valid(schedule):
            yield (
                f"schedule: found {schedule!r}; allowed a cron expression of five fields (minute, hour, day of month, "
                f"month, day of week), {', '.join(_SCHEDULES)} or null"
            )
    zones = available_timezones()
    if pipeline.timezone not in zones:
        near = near_misses(pipeline.timezone, sorted(zones))
        hint = f"; did you mean {near}?" if near else ""
        yield f"timezone: found {pipeline.timezone!r}; it must be an IANA time zone, such as Asia/Tokyo{hint}"
    if pipeline.catchup and "start_date" not in pipeline.model_fields_set:
        yield "start_date: found nothing; with `catchup: true` every day since then is trained, so it must be given"


def _check_bucket(bucket: str) -> Iterator[str]:
    if not is_unknown(bucket) and not _BUCKET.fullmatch(bucket):
        yield (
            f"bucket: found {bucket!r}; it must be an S3 bucket's name: 3 to 63 lower-case letters, digits, dots and "
            "hyphens, with a letter or digit at both ends"
        )


def _check_keys(pipeline: Pipeline, keys: Mapping[str, str], templates: _Templates) -> Iterator[str]:
    for name, template in _data_keys(pipeline).items():
        key = keys[name]
        if is_unknown(key):
            continue
        where = f"data.{name}: found {template!r}"
        if "://" in key:
            yield f"{where}; write the key alone, as the bucket is in `bucket`"
        elif key.startswith("/"):
            yield f"{where}; S3 keys do not begin with a slash; remove it"
        elif key.endswith("/") or not key:
            yield f"{where}; it must be a file's key, not a folder's"
        elif "/" not in key:
            yield f"{where}; it must be in a folder, because SageMaker reads whole folders"
        elif len(key.encode()) > _LONGEST_KEY:
            yield f"{where}; it has {len(key.encode())} bytes; allowed {_LONGEST_KEY}"
        elif not templates.names(template) & SAMPLE_DATES.keys():
            yield f"{where}; every day has a file of its own; put {{{{ data_date }}}} where the day stands"


def _check_tags(tags: Mapping[str, str]) -> Iterator[str]:
    for key in tags:
        for prefix in (aws_tags.PREFIX, "aws:"):
            if key.lower().startswith(prefix):
                yield f"aws_tags.{key}: found the prefix {prefix!r}, which is reserved; choose another key"
    # The limit holds for the pipeline's tags and the package's own together.
    ours = {f"{aws_tags.PREFIX}{number}": "" for number in range(aws_tags.MOST_OWN)}
    listed = [{"Key": key, "Value": value} for key, value in {**tags, **ours}.items()]
    names = [*tags, *ours]
    for problem in service_model.check_request("AddTags", {"ResourceArn": "arn", "Tags": listed}):
        if problem.path == ("Tags",):
            most = aws_tags.MOST - len(ours)
            yield f"aws_tags: found {len(tags)} tags; allowed {most}, as up to {len(ours)} are added"
        elif problem.path[0] == "Tags":
            yield str(dataclasses.replace(problem, path=("aws_tags", names[int(problem.path[1])])))


def _check_owned(sections: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Reports the members that are not the file's to give, and takes them out of the sections."""
    for section, owned in _OWNED.items():
        for member in owned.keys() & sections[section].keys():
            yield _not_yours((section, member), sections[section].pop(member), owned[member])
    primary = sections["model"].get("PrimaryContainer")
    if isinstance(primary, dict):
        for member in requests.MODEL_SOURCES:
            if member in primary:
                yield _not_yours(("model", "PrimaryContainer", member), primary.pop(member), _MODEL)
    for part, member, reason in (
        ("TransformInput", "DataSource", "it is the folder of data.prediction"),
        ("TransformOutput", "S3OutputPath", "it is output-prediction/<data date>/<pipeline>/"),
    ):
        given = sections["transform"].get(part)
        if isinstance(given, dict) and member in given:
            yield _not_yours(("transform", part, member), given.pop(member), reason)


def _not_yours(path: tuple[str, ...], found: Any, reason: str) -> str:
    return f"{format_path(path)}: found {found!r}; remove it: {reason}"


def _check_training(section: dict[str, Any], bucket: str, keys: Mapping[str, str]) -> Iterator[str]:
    request = requests.create_training_job(section, name="sample", bucket=bucket, data=keys, tags={})
    yield from _check_request("CreateTrainingJob", "training", section, request)
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


def _s3_uri(channel: Any) -> Any:
    try:
        return channel["DataSource"]["S3DataSource"]["S3Uri"]
    except (KeyError, TypeError):
        return None


def _check_model(section: dict[str, Any], training: dict[str, Any]) -> Iterator[str]:
    request = requests.create_model(
        section, name="sample", artifact="s3://sample/model.tar.gz", training=training, tags={}
    )
    yield from _check_request("CreateModel", "model", section, request)
    containers = section.get("Containers")
    if isinstance(containers, list):
        if "PrimaryContainer" in section:
            yield "model.Containers: found beside PrimaryContainer; SageMaker takes one of them; remove the other"
        if requests.artifact_container(containers) is None:
            yield f"model.Containers: found a model in each; leave it out of one: {_MODEL}"
        return
    primary = request["PrimaryContainer"]
    if isinstance(primary, dict) and not primary.get("Image"):
        path = ("model", "PrimaryContainer", "Image")
        yield f"{format_path(path)}: found nothing; it must be given, as training names no TrainingImage"


def _check_endpoint_config(section: dict[str, Any]) -> Iterator[str]:
    request = requests.create_endpoint_config(section, name="sample", model_name="sample", tags={})
    yield from _check_request("CreateEndpointConfig", "endpoint_config", section, request)
    variants = [
        variant
        for key in requests.VARIANT_LISTS
        if isinstance(section.get(key), list)
        for variant in section[key]
        if isinstance(variant, dict)
    ]
    if variants and all("ModelName" in variant for variant in variants):
        yield f"endpoint_config.ProductionVariants: found a ModelName in each; leave it out of one: {_MODEL}"


def _check_endpoint(section: dict[str, Any]) -> Iterator[str]:
    allowed = {operation: service_model.members(operation) for operation in ("CreateEndpoint", "UpdateEndpoint")}
    members = sorted(frozenset.union(*allowed.values()) - _OWNED["endpoint"].keys())
    for name in section:
        if name not in members:
            yield str(Problem(("endpoint", str(name)), "unknown", None, "", tuple(members)))
    create = requests.create_endpoint(section, config_name="sample", tags={})
    yield from _check_request("CreateEndpoint", "endpoint", section, create)
    update = requests.update_endpoint(section, config_name="sample")
    yield from _check_request("UpdateEndpoint", "endpoint", section, update)


def _check_quality(pipeline: Pipeline, training: Mapping[str, Any]) -> Iterator[str]:
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


def _check_transform(pipeline: Pipeline, section: dict[str, Any]) -> Iterator[str]:
    if pipeline.data.prediction is None:
        yield "data.prediction: found nothing; it must be given where there is a transform section"
    request = requests.create_transform_job(
        section, name="sample", model_name="sample", input_uri="s3://sample/", output_uri="s3://sample/", tags={}
    )
    yield from _check_request("CreateTransformJob", "transform", section, request)


def _check_request(operation: str, section: str, given: Mapping[str, Any], request: Mapping[str, Any]) -> Iterator[str]:
    for problem in service_model.check_request(operation, request, is_unknown=is_unknown):
        # What was added is right, or follows from a field whose own problem is reported.
        if problem.kind == "missing" or _is_given(given, problem.path):
            allowed = tuple(name for name in problem.allowed if name not in _OWNED[section])
            yield str(dataclasses.replace(problem, path=(section, *problem.path), allowed=allowed))


def _is_given(section: Any, path: tuple[str | int, ...]) -> bool:
    for part in path:
        if isinstance(section, list) and isinstance(part, int) and part < len(section):
            section = section[part]
        elif isinstance(section, Mapping) and part in {str(key) for key in section}:
            section = next(value for key, value in section.items() if str(key) == part)
        else:
            return False
    return True
