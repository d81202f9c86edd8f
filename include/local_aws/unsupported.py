"""Members and values of a request that local AWS does not do: it refuses them, rather than leave them out silently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_aws.wire import validation_error


def refuse_unsupported(
    operation: str, request: Mapping[str, Any], supported: Mapping[str, Any], path: str = ""
) -> None:
    """Refuses what local AWS would otherwise silently not do.

    Args:
        operation: The operation's name, for the message.
        request: The request or a part of it.
        supported: The members that are done or need nothing done on a laptop. A mapping goes on below; a set lists the
            values that are done.
        path: Where ``request`` is in the whole.

    Raises:
        AwsError: A member or value is not among them.
    """
    for name, value in request.items():
        here = f"{path}{name}"
        if name not in supported:
            raise validation_error(
                f"local AWS: {operation} cannot do {here} (found {_short(value)}). Leave it out here."
            )
        allowed = supported[name]
        if isinstance(allowed, (set, frozenset)) and value not in allowed:
            done = " or ".join(sorted(map(repr, allowed)))
            raise validation_error(f"local AWS: {operation} cannot do {here} {_short(value)}, only {done}.")
        if isinstance(allowed, Mapping):
            for number, item in enumerate(value if isinstance(value, (tuple, list)) else [value]):
                below = f"{here}[{number}]." if isinstance(value, (tuple, list)) else f"{here}."
                refuse_unsupported(operation, item, allowed, below)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
