"""What a pipeline's files say together: mappings are merged, all else is replaced, and where each value is from.

null takes away what a farther file says, but for where null is itself a value.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fresh_endpoints.aws.requests import TAKEN_OVER
from fresh_endpoints.pipeline_file import bounds
from fresh_endpoints.pipeline_file.environment import is_of_environment
from fresh_endpoints.pipeline_file.layers import Layer
from fresh_endpoints.pipeline_file.lines import field_of, places_of
from fresh_endpoints.problems import PipelineFileError, Where, format_path

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline

# Where null is a value that means something else than nothing.
_NULL_IS_A_VALUE = frozenset({("schedule",), *(("model", member) for member in TAKEN_OVER)})
# What only the pipeline's own file says.
_OWN = "name"

# A value's file and line.
Place = tuple[Layer, int]


def merged(path: Path, read: Iterable[tuple[Layer, Any]]) -> dict[Any, Any]:
    """Lay a pipeline's files one over another.

    Args:
        path: The pipeline's own file.
        read: Each file with its values, the farthest first.

    Raises:
        PipelineFileError: A file that several pipelines share is no mapping, or says what is each pipeline's own; or
            all together hold more than one file may.
    """
    values: dict[Any, Any] = {}
    problems: list[str] = []
    for layer, found in read:
        if not isinstance(found, dict):
            if found is not None:
                problems.append(f"{layer.shown}:1: found a {type(found).__name__}; it must be a mapping of keys")
        elif not layer.is_own and _OWN in found:
            line = places_of(layer.content or b"").get((_OWN,), 1)
            problems.append(
                f"{layer.shown}:{line}: {_OWN}: found {found[_OWN]!r}; only a pipeline's own file has a name; remove it"
            )
        else:
            values = _merge(values, found, ())
    if not problems and (problem := bounds.problem_of_values(values)):
        problems = [problem]
    if problems:
        raise PipelineFileError(path, problems)
    return copy.deepcopy(values)  # What pipelines share in files, they do not share in memory.


def places(layers: Iterable[Layer], read: Mapping[Path, Any]) -> dict[Where, Place]:
    """Find where each value comes from that a pipeline's files say together.

    Args:
        layers: The files, the farthest first.
        read: Each file's values.

    Returns:
        The file and the line by the value's path; of a mapping the nearest that says any of it.
    """
    found: dict[Where, Place] = {}
    values: dict[Any, Any] = {}
    for layer in layers:
        given = read.get(layer.path)
        if not isinstance(given, dict) or layer.content is None:
            continue
        lines = places_of(layer.content)
        replaced = set(_replaced(values, given, ()))
        found = {path: place for path, place in found.items() if not any(path[: len(top)] == top for top in replaced)}
        found |= {path: (layer, line) for path, line in lines.items()}
        values = _merge(values, given, ())
    return found


def located(problems: Iterable[str], layers: Sequence[Layer], read: Mapping[Path, Any]) -> list[str]:
    """Say in front of each problem where the value stands that it is about, unless in the pipeline's own file.

    Args:
        problems: Sentences that begin with a field's path.
        layers: The pipeline's files, the farthest first.
        read: Each file's values.
    """
    if len(layers) == 1:
        return list(problems)
    by_field = {format_path(path): place for path, place in places(layers, read).items()}
    return [_located(problem, by_field) for problem in problems]


def of_all_environments(pipeline: Pipeline, layers: Sequence[Layer], read: Mapping[Path, Any]) -> Iterator[str]:
    """Tell whether the endpoint's name is that of other environments, too.

    Args:
        pipeline: The pipeline.
        layers: Its files, the farthest first.
        read: Each file's values.

    Yields:
        The problem, if it is one.
    """
    name, environment = str(pipeline.endpoint.get("EndpointName", "")), pipeline.environment
    if not name or not environment or pipeline.deploy == "never" or is_of_environment(name, environment):
        return
    layer, _ = places(layers, read).get(("endpoint", "EndpointName"), (None, 0))
    if layer and not layer.environment:  # What stands in an environment's own file is that one's only.
        yield (
            f"endpoint.EndpointName: found {name!r}, the name in every environment; leave it out, and in {environment} "
            f"it is {pipeline.aws_name}; or write {{{{ env }}}} into it, or give it in "
            f"{pipeline.name}.{environment}.yaml"
        )


def _located(problem: str, by_field: Mapping[str, Place]) -> str:
    name = field_of(problem, by_field)
    layer, line = by_field[name] if name else (None, 0)
    return problem if layer is None or layer.is_own else f"{layer.shown}:{line}: {problem}"


def _merge(lower: Mapping[Any, Any], upper: Mapping[Any, Any], path: Where) -> dict[Any, Any]:
    values = dict(lower)
    for key, value in upper.items():
        where = (*path, str(key))
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            values[key] = _merge(values[key], value, where)
        elif value is None and key in values and where not in _NULL_IS_A_VALUE:
            del values[key]
        else:
            values[key] = value
    return values


def _replaced(lower: Mapping[Any, Any], upper: Mapping[Any, Any], path: Where) -> Iterator[Where]:
    for key, value in upper.items():
        if isinstance(value, dict) and isinstance(lower.get(key), dict):
            yield from _replaced(lower[key], value, (*path, str(key)))
        elif key in lower:
            yield (*path, str(key))
