"""Prints docs/pipeline-reference.md, made from what the pipeline file's model says; `make schema` writes it."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "plugins"))

from fresh_endpoints.__main__ import json_schema  # noqa: E402 - found through the line above

_HEAD = """# Pipeline file: reference

For whoever writes a pipeline file and looks for a key. `make schema` writes it from the model that checks the files, as
it does [pipeline.schema.json](../include/pipelines/pipeline.schema.json), by which editors complete and check. What
goes beyond one key is in [Pipeline files](pipeline-files.md). A file with most of the keys is
[the sample](../include/pipelines/multiclass.yaml).
"""
_TYPES = {"object": "mapping", "string": "text", "integer": "number", "boolean": "true, false"}
# A sentence's address becomes a link on the word before it.
_ADDRESS = re.compile(r"(\w+) \((https://[^)]+)\)")

Schema = Mapping[str, Any]


def reference(schema: Schema) -> str:
    """Make the page.

    Args:
        schema: The pipeline files' JSON Schema.

    Returns:
        Markdown: the keys of the file, then those of each section.
    """
    sections = dict(_sections(schema))
    parts = [_HEAD, f"## Keys\n\n{_paragraph(schema)}", _table(schema, sections)]
    for name, key in sections.items():
        section = schema["$defs"][name]
        parts += [f"## {key}\n\n{_paragraph(section)}", _table(section, sections)]
        if isinstance(others := section.get("additionalProperties"), Mapping):
            mapping = next(option for option in others["anyOf"] if "properties" in option)
            parts += [f"Each other key: text, or a mapping. {_paragraph(mapping)}", _table(mapping, sections)]
    return "\n".join(parts)


def _sections(schema: Schema) -> Iterator[tuple[str, str]]:
    """Find the sections: the name of each one's model, and the key that leads there."""
    for key, field in schema["properties"].items():
        for option in _options(field):
            if "$ref" in (found := option.get("items", option)):
                yield found["$ref"].rpartition("/")[2], key


def _options(field: Schema) -> list[Schema]:
    return [option for option in field.get("anyOf", [field]) if option.get("type") != "null"]


def _paragraph(schema: Schema) -> str:
    return textwrap.fill(_text(schema), 120, break_long_words=False, break_on_hyphens=False) + "\n"


def _table(schema: Schema, sections: Mapping[str, str]) -> str:
    rows = ["| key | type | default | what it says |", "|---|---|---|---|"]
    for key, field in schema["properties"].items():
        types = " or ".join(dict.fromkeys(_type(option, sections) for option in _options(field)))
        is_needed = key in schema.get("required", ())
        rows.append(f"| `{key}` | {types} | {'must be given' if is_needed else _default(field)} | {_said(field)} |")
    return "\n".join(rows) + "\n"


def _type(option: Schema, sections: Mapping[str, str]) -> str:
    if "enum" in option:
        return ", ".join(_code(value) for value in option["enum"])
    if "$ref" in option:
        key = sections[option["$ref"].rpartition("/")[2]]
        return f"[section](#{key})"
    if option.get("type") == "array":
        return f"list of {_type(option['items'], sections)}"
    shape = "date" if option.get("format") == "date" else _TYPES.get(option.get("type", ""), "any")
    return shape + _bounds(option)


def _bounds(option: Schema) -> str:
    lowest, highest = option.get("minimum"), option.get("maximum")
    if lowest is None:
        return ""
    return f", {lowest} or more" if highest is None else f", {lowest} to {highest}"


def _default(field: Schema) -> str:
    return "none" if field.get("default") in (None, "", [], {}) else _code(field["default"])


def _said(field: Schema) -> str:
    shown = ", ".join(_code(example) for example in field.get("examples", ()))
    return (_text(field) + (f" For example {shown}." if shown else "")).replace("|", "\\|")


def _text(schema: Schema) -> str:
    text = " ".join(schema.get("description", "").split()).replace("<", "&lt;")
    return _ADDRESS.sub(r"[\1](\2)", text)


def _code(value: Any) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


if __name__ == "__main__":
    sys.stdout.write(reference(json_schema()))
