"""Finds the line of a pipeline file that a problem is about, for people and for what annotates code."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from typing import Any

import yaml

from fresh_endpoints.pipeline_file import bounds
from fresh_endpoints.problems import Where, format_path

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "tag:yaml.org,2002:merge"
# How reading.py begins what YAML's parser has to say, and layers.py what is about another file than the pipeline's.
_PLACE = re.compile(r"(?P<file>(?:\.\./)*[^\s:/]*\.yaml):(?P<line>\d+):(?:\d+:)? ")


def lines_of(content: bytes) -> dict[str, int]:
    """Find where each value of a YAML text stands.

    Args:
        content: The text.

    Returns:
        Line numbers (from 1) by path, as problems begin with it: a key's is the line of the key, an item's that of its
        first value. Empty where the text is no YAML, or out of bounds.
    """
    lines: dict[str, int] = {}
    for path, line in places_of(content).items():
        lines.setdefault(format_path(path), line)
    return lines


def places_of(content: bytes) -> dict[Where, int]:
    """Find where each value of a YAML text stands.

    Args:
        content: The text.

    Returns:
        What lines_of() returns, by the paths themselves; each key is a text there.
    """
    try:
        bounds.count(content, _LOADER)  # Composing recurses.
        root = yaml.compose(content, Loader=_LOADER)
    except (yaml.YAMLError, ValueError):
        return {}
    lines: dict[Where, int] = {}
    for path, line in _walk(root, ()):
        lines.setdefault(path, line)
    return lines


def line_of(problem: str, lines: Mapping[str, int]) -> int | None:
    """Find the line that a problem is about.

    Args:
        problem: A sentence that begins with a field's path, or as reading.py begins one about the YAML.
        lines: What lines_of() has returned of the file.

    Returns:
        The line of the field; of one that is missing, that of what it is missing in. None where that is the whole file.
    """
    if place := _PLACE.match(problem):
        return int(place["line"])
    name = field_of(problem, lines)
    return lines[name] if name else None


def field_of(problem: str, fields: Container[str]) -> str | None:
    """Find the field that a problem is about.

    Args:
        problem: A sentence that begins with a field's path.
        fields: Paths of the fields that there are, as problems begin with them.

    Returns:
        The field; of one that is missing, what it is missing in. None where that is the whole file.
    """
    # A key may itself hold such a sign, so the longest beginning that is a path.
    ends = (position for position in range(len(problem) - 1, 0, -1) if problem[position] in ".[:")
    return next((problem[:end] for end in ends if problem[:end] in fields), None)


def file_of(problem: str) -> str | None:
    """Return the file that a problem names at its beginning, by its path from the pipeline's own; None for none.

    Args:
        problem: A sentence about a pipeline.
    """
    place = _PLACE.match(problem)
    return place["file"] if place else None


def without_place(problem: str) -> str:
    """Return a problem without the place in the YAML that it begins with.

    Args:
        problem: A sentence about a pipeline file.
    """
    return _PLACE.sub("", problem, count=1) if _PLACE.match(problem) else problem


def _walk(node: yaml.Node | None, path: Where) -> Iterator[tuple[Where, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in sorted(node.value, key=lambda pair: pair[0].tag == _MERGE):  # What is merged gives way.
            if key.tag == _MERGE:
                for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    yield from _walk(merged, path)
            elif isinstance(key, yaml.ScalarNode):
                yield (*path, key.value), key.start_mark.line + 1
                yield from _walk(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            yield (*path, position), item.start_mark.line + 1
            yield from _walk(item, (*path, position))
