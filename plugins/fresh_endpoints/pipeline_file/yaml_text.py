"""Writes values as YAML, with a comment behind each line that has something to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from fresh_endpoints.pipeline_file.lines import places_of
from fresh_endpoints.problems import Where


def with_comments(values: Any, comments: Mapping[Where, str]) -> list[str]:
    """Write values as YAML.

    Args:
        values: The values.
        comments: What to say behind a value's line, by the value's path.

    Returns:
        The lines.
    """
    text = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**9)
    places, lines = places_of(text.encode()), text.splitlines()
    for path, comment in comments.items():
        if path in places:
            lines[places[path] - 1] += f"  # {comment}"
    return lines


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, but nothing is an alias, and no text that stands in one line ends in another."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # A comment after a text of several lines would be part of it; in double quotes each is one line.
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if "\n" in value else None)


_Dumper.add_representer(str, _text)
