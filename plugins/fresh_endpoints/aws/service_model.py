"""Checks AWS API requests against the service model that botocore ships.

botocore's own validator knows types, required members and minimum lengths, stops short of patterns, maximum lengths and
enums, and speaks in the names of Python types. AWS checks all of them, so this module does: what passes here is refused
by AWS only for reasons that no model holds (quotas, permissions, what exists). The constraint sentences are AWS's own,
as its ``ValidationException`` messages have them.

The models are described at https://smithy.io/2.0/spec/constraint-traits.html and
https://botocore.amazonaws.com/v1/documentation/api/latest/development/designnotes.html.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fresh_endpoints.problems import Kind, Problem, Where, near_misses

IsUnknown = Callable[[str], bool]
# The structures around a value, with their paths, the innermost first.
Around = tuple[tuple[Where, Any], ...]


def check_request(
    operation: str,
    request: Mapping[str, Any],
    service: str = "sagemaker",
    is_unknown: IsUnknown = lambda _: False,
) -> list[Problem]:
    """Check a whole request and finds every problem in it, not only the first.

    Args:
        operation: The API operation's name, for example ``CreateTrainingJob``.
        request: The operation's input, keyed as the API reference has it.
        service: Botocore's name of the service.
        is_unknown: Tells which strings get their value only later (templates). Of those only the type is checked, and
            they may stand where a number or a boolean belongs.

    Returns:
        The problems, in the request's order; empty where AWS's model allows the request.

    Raises:
        ValueError: The service has no such operation.
    """
    return list(_check(_input_shape(service, operation), request, (), is_unknown, ()))


def coerce(operation: str, request: Mapping[str, Any], service: str = "sagemaker") -> dict[str, Any]:
    """Convert strings to the numbers and booleans that the operation takes there.

    A rendered template is always a string; ``VolumeSizeInGB: "{{ var.value.size }}"`` needs this. A string that does
    not read as a number or boolean stays as it is, for check_request (or AWS) to refuse.

    Args:
        operation: The API operation's name.
        request: The operation's input. It is not changed.
        service: Botocore's name of the service.

    Returns:
        A copy of the request.

    Raises:
        ValueError: The service has no such operation.
    """
    coerced: dict[str, Any] = _coerce(_input_shape(service, operation), request)
    return coerced


def members(operation: str, service: str = "sagemaker") -> frozenset[str]:
    """List what an operation's request may hold at its top.

    Args:
        operation: The API operation's name.
        service: Botocore's name of the service.

    Returns:
        The members' names.

    Raises:
        ValueError: The service has no such operation.
    """
    return frozenset(_input_shape(service, operation).members)


def only_members(operation: str, value: Any, service: str = "sagemaker") -> Any:
    """Take of a description what an operation's request may hold, at every depth.

    A Describe operation tells more than the Create operation takes, and tells what was not given as empty.

    Args:
        operation: The API operation's name.
        value: What was described.
        service: Botocore's name of the service.

    Returns:
        A copy, without what is empty.

    Raises:
        ValueError: The service has no such operation.
    """
    return _only(_input_shape(service, operation), value)


@functools.cache
def loader(data_path: str | None) -> Any:
    """Return the one botocore loader of this process for a data path: what it has read, it need not read again.

    Args:
        data_path: Where to look for descriptions beside botocore's own (its setting ``data_path``), if anywhere.
    """
    # Imported here because reading a pipeline file that was checked before must not pay for botocore.
    from botocore.loaders import create_loader

    return create_loader(data_path)


@functools.cache
def _service_model(service: str) -> Any:
    from botocore.model import ServiceModel

    # Asked for as a client asks: the loader remembers answers by the arguments.
    return ServiceModel(loader(None).load_service_model(service, "service-2", api_version=None), service)


@functools.cache
def _input_shape(service: str, operation: str) -> Any:
    model = _service_model(service)
    if operation not in model.operation_names:
        near = near_misses(operation, model.operation_names)
        raise ValueError(f"{service} has no operation {operation!r}" + (f"; did you mean {near}?" if near else ""))
    return model.operation_model(operation).input_shape


def _check(shape: Any, value: Any, path: Where, is_unknown: IsUnknown, around: Around) -> Iterator[Problem]:
    if value is None:
        yield Problem(path, "missing", None, "Member must not be null")
        return
    expected, accepts = _TYPES[shape.type_name]
    unknown = isinstance(value, str) and is_unknown(value)
    if unknown and shape.type_name not in _CONTAINERS:
        return
    if not accepts(value):
        yield Problem(path, "type", _hidden(shape, value), _must_be(expected))
        return
    yield from _check_size(shape, value, path)
    if shape.type_name == "structure":
        yield from _check_structure(shape, value, path, is_unknown, around)
    elif shape.type_name == "list":
        for position, item in enumerate(value):
            yield from _check(shape.member, item, (*path, position), is_unknown, around)
    elif shape.type_name == "map":
        yield from _check_map(shape, value, path, is_unknown, around)
    elif shape.type_name == "string":
        yield from _check_string(shape, value, path)


def _check_structure(
    shape: Any, value: Mapping[str, Any], path: Where, is_unknown: IsUnknown, around: Around
) -> Iterator[Problem]:
    members = shape.members
    for name in shape.required_members:
        if name not in value:
            yield Problem((*path, name), "missing", None, "Member must not be null")
    if shape.is_tagged_union and len(value) != 1:
        yield Problem(path, "type", dict(value), f"Member must have exactly one of: [{', '.join(members)}]")
    for name, item in value.items():
        if name in members:
            yield from _check(members[name], item, (*path, name), is_unknown, ((path, shape), *around))
        else:
            constraint = f"Member must be one of: [{', '.join(members)}]"
            home = _home(name, ((path, shape), *around))
            yield Problem((*path, str(name)), "unknown", item, constraint, tuple(members), home)


def _home(name: Any, around: Around) -> Where | None:
    """Find where a member belongs that stands a level too deep, or not deep enough."""
    for path, shape in around:
        if name in shape.members:
            return (*path, name)
    path, shape = around[0]
    for member, below in shape.members.items():
        inner = below.member if below.type_name == "list" else below
        if inner.type_name == "structure" and name in inner.members:
            return (*path, member, name)
    return None


def _check_map(
    shape: Any, value: Mapping[str, Any], path: Where, is_unknown: IsUnknown, around: Around
) -> Iterator[Problem]:
    for key, item in value.items():
        here = (*path, str(key))
        for problem in _check(shape.key, key, here, is_unknown, around):
            constraint = f"Map keys must satisfy constraint: [{problem.constraint}]"
            yield Problem(here, problem.kind, problem.value, constraint, problem.allowed)
        yield from _check(shape.value, item, here, is_unknown, around)


def _check_string(shape: Any, value: str, path: Where) -> Iterator[Problem]:
    if shape.enum and value not in shape.enum:
        constraint = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        yield Problem(path, "enum", _hidden(shape, value), constraint, tuple(shape.enum))
    pattern = shape.metadata.get("pattern")
    if pattern and not _compile(pattern).fullmatch(value):
        constraint = f"Member must satisfy regular expression pattern: {pattern}"
        yield Problem(path, "pattern", _hidden(shape, value), constraint)


def _check_size(shape: Any, value: Any, path: Where) -> Iterator[Problem]:
    numeric = shape.type_name in _NUMBERS
    if not numeric and not hasattr(value, "__len__"):
        return
    size = value if numeric else len(value)
    kind: Kind = "range" if numeric else "length"
    noun = "value" if numeric else "length"
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield Problem(path, kind, _hidden(shape, value), f"Member must have {noun} greater than or equal to {low}")
    if high is not None and size > high:
        yield Problem(path, kind, _hidden(shape, value), f"Member must have {noun} less than or equal to {high}")


@functools.cache
def _compile(pattern: str) -> Any:
    import regex

    # Java writes the characters beyond the Basic Multilingual Plane as a range of surrogate pairs.
    return regex.compile(pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"))


def _coerce(shape: Any, value: Any) -> Any:
    if isinstance(value, Mapping):
        if shape.type_name == "structure":
            members = shape.members
            return {k: _coerce(members[k], item) if k in members else item for k, item in value.items()}
        if shape.type_name == "map":
            return {k: _coerce(shape.value, item) for k, item in value.items()}
        return dict(value)
    if isinstance(value, (list, tuple)):
        return [_coerce(shape.member, item) if shape.type_name == "list" else item for item in value]
    convert = _FROM_TEXT.get(shape.type_name)
    if convert and isinstance(value, str):
        try:
            return convert(value.strip())
        except (ValueError, KeyError):
            return value
    return value


def _only(shape: Any, value: Any) -> Any:
    if isinstance(value, Mapping):
        below = shape.members if shape.type_name == "structure" else dict.fromkeys(value, shape.value)
        kept = {key: _only(below[key], item) for key, item in value.items() if key in below}
        return {key: item for key, item in kept.items() if item not in (None, "", [], {})}
    if isinstance(value, (list, tuple)):
        return [_only(shape.member, item) for item in value]
    return value


def _must_be(expected: str) -> str:
    return f"Member must be {expected}"


def _hidden(shape: Any, value: Any) -> Any:
    return "(hidden)" if shape.metadata.get("sensitive") else value


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or _is_integer(value)


def _is_timestamp(value: Any) -> bool:
    if isinstance(value, str):
        from botocore.utils import parse_timestamp

        try:
            parse_timestamp(value)
        except ValueError:
            return False
        return True
    return isinstance(value, dt.date) or _is_number(value)  # a datetime is a date


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


_CONTAINERS = frozenset({"structure", "list", "map"})
_NUMBERS = frozenset({"integer", "long", "float", "double"})
_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "structure": ("a mapping", lambda value: isinstance(value, Mapping)),
    "map": ("a mapping", lambda value: isinstance(value, Mapping)),
    "list": ("a list", lambda value: isinstance(value, (list, tuple))),
    "string": ("a string", lambda value: isinstance(value, str)),
    "character": ("a string", lambda value: isinstance(value, str)),
    "blob": ("bytes", lambda value: isinstance(value, (bytes, bytearray, str)) or hasattr(value, "read")),
    "boolean": ("true or false", lambda value: isinstance(value, bool)),
    "integer": ("an integer", _is_integer),
    "long": ("an integer", _is_integer),
    "float": ("a number", _is_number),
    "double": ("a number", _is_number),
    "timestamp": ("a timestamp", _is_timestamp),
}
_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": _boolean,
}
