"""Reads a pipeline file: YAML in, a Pipeline out, and every mistake in this package's own words."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from fresh_endpoints.pipeline_file import bounds
from fresh_endpoints.pipeline_file.data import Channel, Data
from fresh_endpoints.pipeline_file.environment import VARIABLE
from fresh_endpoints.pipeline_file.layers import Layer
from fresh_endpoints.pipeline_file.merging import merged
from fresh_endpoints.pipeline_file.model import (
    ENVIRONMENT,
    KEYS,
    LONGEST_NAME,
    Pipeline,
    Quality,
    Retention,
    Slack,
    SmokeTest,
)
from fresh_endpoints.pipeline_file.notify import Notify
from fresh_endpoints.problems import PipelineFileError, Problem, Where, format_path, listed, quoted


def read_pipeline(
    path: Path, layers: Sequence[Layer], environment: str = "", parsed: dict[Path, Any] | None = None
) -> Pipeline:
    """Read a pipeline file, and what it shares with others, as far as its shape goes.

    Args:
        path: The file; a rule depends on its name.
        layers: It and the files that it shares, the farthest first.
        environment: The environment; empty for none.
        parsed: What of the files has been parsed before; what is parsed now is added.

    Returns:
        The pipeline, its templates not yet rendered.

    Raises:
        PipelineFileError: A file is not YAML, out of bounds, or all together are not of a pipeline's shape. It holds
            all problems of its kind.
    """
    if path.suffix != ".yaml":
        raise PipelineFileError(path, [f"found the suffix {path.suffix!r}; allowed .yaml; rename it {path.stem}.yaml"])
    values = read_values(path, layers, {} if parsed is None else parsed)
    if ENVIRONMENT in values:
        raise PipelineFileError(path, [f"{ENVIRONMENT}: found a key that no file has; set the variable {VARIABLE}"])
    try:
        pipeline = Pipeline.model_validate({**values, ENVIRONMENT: environment})
    except ValidationError as error:
        raise PipelineFileError(path, (_explain(dict(problem), values) for problem in error.errors())) from None
    if problem := _problem_of_name(pipeline, path):
        raise PipelineFileError(path, [problem])
    return pipeline


def read_values(path: Path, layers: Sequence[Layer], parsed: dict[Path, Any]) -> dict[Any, Any]:
    """Read what a pipeline's files say together.

    Args:
        path: The pipeline's own file.
        layers: It and the files that it shares, the farthest first.
        parsed: What of the files has been parsed before, or why it cannot be; what is parsed now is added.

    Raises:
        PipelineFileError: A file is not YAML, or out of bounds; or the pipeline's own is no mapping.
    """
    problems = [problem for layer in layers if (problem := _parse(layer, parsed))]
    if problems:
        raise PipelineFileError(path, problems)
    own = parsed[path]
    if not isinstance(own, dict):
        found = "nothing" if own is None else f"a {type(own).__name__}"
        raise PipelineFileError(path, [f"found {found}; it must be a mapping of keys such as name, region, bucket"])
    return own if len(layers) == 1 else merged(path, [(layer, parsed[layer.path]) for layer in layers])


def _problem_of_name(pipeline: Pipeline, path: Path) -> str | None:
    if pipeline.name != path.stem:
        return f"name: found {pipeline.name!r}; it must be {path.stem!r}, as the file is {path.name}; change either"
    if len(pipeline.aws_name) > LONGEST_NAME:
        return (
            f"name: found {pipeline.name!r}; in AWS it is {pipeline.aws_name!r}, which has {len(pipeline.aws_name)} "
            f"characters; allowed {LONGEST_NAME}, to leave room in job names; choose a shorter name or environment"
        )
    return None


def _parse(layer: Layer, parsed: dict[Path, Any]) -> str | None:
    """Parse a file, unless it has been; return what is wrong with it."""
    if layer.content is None:
        return layer.problem if layer.is_own else f"{layer.shown}:1: {layer.problem}"
    if layer.path not in parsed:
        try:
            bounds.count(layer.content, _Loader)
            parsed[layer.path] = yaml.load(layer.content, Loader=_Loader)  # noqa: S506 - a safe loader
        except (yaml.YAMLError, ValueError) as error:
            parsed[layer.path] = error
    found = parsed[layer.path]
    return _in_words(layer, found) if isinstance(found, Exception) else None


def _in_words(layer: Layer, error: Exception) -> str:
    if isinstance(error, (bounds.OutOfBoundsError, yaml.MarkedYAMLError)):
        mark = error.mark if isinstance(error, bounds.OutOfBoundsError) else error.problem_mark or error.context_mark
        said = str(error) if isinstance(error, bounds.OutOfBoundsError) else f"{error.problem or error.context}"
        where = f"{layer.shown}:{mark.line + 1}:{mark.column + 1}" if mark else f"{layer.shown}"
        line = b"".join((layer.content or b"").splitlines()[mark.line : mark.line + 1]) if mark else b""
        return f"{where}: {said}{_hint(line)}"
    place = "" if layer.is_own else f"{layer.shown}:1: "
    return f"{place}not YAML: {' '.join(str(error).split())}"


def _hint(line: bytes) -> str:
    """Tell what is probably wrong with a line that is no YAML."""
    if len(line) > _LONGEST_LINE:
        return ""
    if _QUOTES_IN_QUOTES.search(line):
        return "; the quotes around the template end inside of it; use the other kind of quotes there"
    return "; put a value that begins with {{ in quotes" if _UNQUOTED.search(line) else ""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader, but a repeated key is an error instead of winning, and every error says where."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[tuple[str, str], int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if (key.tag, key.value) in seen:
                problem = (
                    f"found the key {quoted(key.value)} again (first in line {seen[key.tag, key.value]}); remove one"
                )
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen[key.tag, key.value] = key.start_mark.line + 1
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if node.tag in _FOREIGN:
            problem = (
                f"found a value of the kind {node.tag.rpartition(':')[2]}; no request takes one; write a list or text"
            )
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        try:
            if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
                raise ValueError(f"it has {len(node.value)} characters; a number or date has {_LONGEST_NUMBER} at most")
            value = super().construct_object(node, deep)
            if isinstance(value, int) and not -_END_OF_INTEGERS <= value < _END_OF_INTEGERS:
                raise ValueError("it is beyond the integers of 64 bits; put it in quotes if it is a text")
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError("no request takes a number that is not finite; put it in quotes if it is a text")
        except (ValueError, OverflowError) as error:  # a date such as 2019-02-30
            problem = f"found {quoted(node.value)}: {error}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error
        return value


# What no check looks into, and Airflow would render.
_FOREIGN = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("binary", "omap", "pairs", "set"))
# Converting digits takes the square of their number, and neither Airflow nor AWS's JSON carries more than 64 bits.
_NUMBERS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "timestamp"))
_LONGEST_NUMBER = 64
_END_OF_INTEGERS = 2**63
# The patterns below look from each quote to each brace.
_LONGEST_LINE = 1000
# A value that begins with a template, and a template that holds the kind of quotes that it is in.
_UNQUOTED = re.compile(rb"[:-]\s+{{")
_QUOTES_IN_QUOTES = re.compile(rb"""(["'])(?:(?!\1).)*\{\{(?:(?!\}\}|\1).)*\1""")
_PARTS: dict[Any, type[BaseModel]] = {
    "data": Data,
    "slack": Slack,
    "notify": Notify,
    "quality": Quality,
    "smoke_test": SmokeTest,
    "retention": Retention,
}
_CONNECTION = (
    "; the webhook's address is a secret: put it into an Airflow connection of type Slack Incoming Webhook, and name "
    "that in slack.connection"
)
_ELSEWHERE = {("slack", key): _CONNECTION for key in ("webhook", "webhook_url", "webhook_token", "url", "token")}
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
_LIMITS = {
    "greater_than_equal": ("have value greater than or equal to", "ge"),
    "less_than_equal": ("have value less than or equal to", "le"),
    "string_too_long": ("have length less than or equal to", "max_length"),
    "too_long": ("have length less than or equal to", "max_length"),
}


def _explain(error: dict[str, Any], values: dict[Any, Any]) -> str:
    """Say one of pydantic's errors in this package's words."""
    path = tuple(part for part in error["loc"] if part != "[key]")
    kind, value = error["type"], error["input"]
    if _may_be_secret(path, value):
        value = "(hidden)"
    if kind == "invalid_key":
        return f"{format_path((*path[:-1], str(value)))}: found a key that is no text; put it in quotes"
    if kind == "missing":
        return f"{Problem(path, 'missing', None, '')}{_where_it_stands(path, values)}"
    if kind == "extra_forbidden":
        return f"{Problem(path, 'unknown', None, '', _keys_beside(path), _home(path))}{_ELSEWHERE.get(path, '')}"
    if kind in _TYPES:
        problem = Problem(path, "type", value, f"Member must be {_TYPES[kind]}")
    elif kind == "literal_error":
        allowed = tuple(re.findall(r"'([^']*)'", error["ctx"]["expected"]))
        problem = Problem(path, "enum", value, "", allowed)
    elif kind in _LIMITS:
        rule, limit = _LIMITS[kind]
        problem = Problem(
            path, "length" if "length" in rule else "range", value, f"Member must {rule} {error['ctx'][limit]}"
        )
    else:
        message = error["ctx"]["error"] if kind == "value_error" else error["msg"]
        return f"{format_path(path)}: found {quoted(value)}; {message}"
    return str(problem)


def _may_be_secret(path: Where, value: Any) -> bool:
    """Tell whether a value may be a webhook's address, or hold a token."""
    holds_arguments = path[0] == "notify" and (path[-1] == "arguments" or isinstance(value, (dict, list)))
    return holds_arguments or (path[0] in ("slack", "notify") and ("://" in str(value) or "xox" in str(value)))


def _keys_beside(path: Where) -> tuple[str, ...]:
    if path[0] == "data" and len(path) > 2:
        return tuple(Channel.model_fields)
    return tuple(_PARTS[path[0]].model_fields) if len(path) > 1 else KEYS


def _home(path: Where) -> Where | None:
    """Find where a key belongs that stands a level too deep, or not deep enough."""
    key = str(path[-1])
    if len(path) > 1:
        return (key,) if key in KEYS else None
    return next(((part, key) for part, model in _PARTS.items() if key in model.model_fields), None)


def _where_it_stands(path: Where, values: dict[Any, Any]) -> str:
    """Tell which sections hold a key that is missing at the top."""
    key = path[-1]
    found = [
        str(section)
        for section, value in values.items()
        # data.training is another thing than training.
        if isinstance(value, dict)
        and key in value
        and (section not in _PARTS or key not in _PARTS[section].model_fields)
        and (section, key) != ("data", "training")
    ]
    if len(path) > 1 or not found:
        return ""
    return f"; one stands in {listed(found, 'and')}, where it is a level too deep; move it to the top"
