"""Reads a pipeline file: YAML in, a Pipeline out, and every mistake in this package's own words."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from fresh_endpoints.pipeline_file.model import Data, Pipeline, Quality, Retention, Slack, SmokeTest
from fresh_endpoints.problems import PipelineFileError, Problem, Where, format_path


def read_pipeline(path: Path, content: bytes) -> Pipeline:
    """Read a pipeline file, as far as its shape goes.

    Args:
        path: The file; a rule depends on its name.
        content: The file's bytes.

    Returns:
        The pipeline, its templates not yet rendered.

    Raises:
        PipelineFileError: The file is not YAML, or not of a pipeline's shape. It holds all problems of its kind.
    """
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
    """Say one of pydantic's errors in this package's words."""
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


def _keys_beside(path: Where) -> tuple[str, ...]:
    parts: dict[Any, type[BaseModel]] = {
        "data": Data,
        "slack": Slack,
        "quality": Quality,
        "smoke_test": SmokeTest,
        "retention": Retention,
    }
    return tuple((parts[path[0]] if len(path) > 1 else Pipeline).model_fields)
