"""How a mistake is said: what was found, where, what is allowed, and what was probably meant.

The sentences are for the people who write pipeline files and requests. Nothing here knows what is right.
"""

from __future__ import annotations

import datetime as dt
import difflib
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["missing", "unknown", "type", "pattern", "length", "range", "enum"]
Where = tuple[str | int, ...]

# Longer lists of allowed values help nobody, and even shorter ones only where there is no near miss to show.
_LONGEST_LIST = 40
_LONGEST_LIST_WITH_HINT = 12
_LONGEST_VALUE = 120
# Nobody mends more at once, and Airflow keeps the errors of all pipeline files in one field.
_MOST_PROBLEMS = 50
_LONGEST_PROBLEM = 2000
# What a terminal obeys and a database refuses.
_CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f]")


class PipelineFileError(ValueError):
    """A pipeline file (or the folder of them) cannot be used. ``str()`` names the file and the problems in it.

    Attributes:
        path: The file or folder.
        problems: One sentence for each problem, beginning with the field's path where it belongs to one. Of very many
            only the first.
    """

    def __init__(self, path: Path, problems: Iterable[str]) -> None:
        self.path = path
        self.problems = tuple(map(_printable, first_problems(problems)))
        super().__init__("\n".join([_printable(f"{path}:"), *(f"  {problem}" for problem in self.problems)]))


@dataclass(frozen=True)
class Problem:
    """One member of a request that AWS would refuse. ``str()`` is a sentence for the person who wrote the request.

    Attributes:
        path: Where it is, from the request's top: member names, map keys and list positions (from 0).
        kind: Which rule it breaks.
        value: What was found; None where a member is missing.
        constraint: The rule, in the words of AWS's ValidationException ("Member must ...").
        allowed: The enum's values, or the members that the structure has where the one found is unknown.
        home: Where a member of that name belongs, if there is such a place; of unknown ones only.
    """

    path: Where
    kind: Kind
    value: Any
    constraint: str
    allowed: tuple[str, ...] = ()
    home: Where | None = None

    def __str__(self) -> str:
        return f"{format_path(self.path)}: {self.explanation}"

    @property
    def explanation(self) -> str:
        """What was found, what is allowed and the near misses, without the path."""
        parts = [f"found {self._found()}"]
        if self.home:
            place = f"in {format_path(self.home[:-1])}" if len(self.home) > 1 else "at the top"
            return "; ".join([*parts, f"it belongs {place}; move it there"])
        near = near_misses(self.path[-1] if self.kind == "unknown" and self.path else self.value, self.allowed)
        if not near or len(self.allowed) <= _LONGEST_LIST_WITH_HINT:
            parts.append(self._rule())
        if near:
            parts.append(f"did you mean {near}?")
        elif self._needs_quotes():
            parts.append("put the value in quotes")
        return "; ".join(parts)

    def _needs_quotes(self) -> bool:
        return self.kind == "type" and "a string" in self.constraint and not isinstance(self.value, (list, Mapping))

    def _found(self) -> str:
        if self.kind == "unknown":
            return "an unknown key"
        if self.kind == "missing" or self.value is None:
            return "nothing"
        found = self.value.isoformat() if isinstance(self.value, dt.date) else _shorten(repr(self.value))
        if self.kind == "length":
            unit = "characters" if isinstance(self.value, str) else "items"
            return f"{found} ({len(self.value)} {unit})"
        return f"{found} ({_type_name(self.value)})" if self.kind == "type" else found

    def _rule(self) -> str:
        if self.kind == "missing":
            return "a value is required here"
        if self.kind in ("unknown", "enum") and len(self.allowed) <= _LONGEST_LIST:
            return f"allowed {', '.join(self.allowed) or 'none'}"
        if self.kind in ("unknown", "enum"):
            return f"it is none of the {len(self.allowed)} that AWS knows"
        return self.constraint.replace("Member must", "it must", 1)


def first_problems(problems: Iterable[str]) -> list[str]:
    """Take as many problems as a person reads; the rest is not even made up.

    Args:
        problems: One sentence for each.

    Returns:
        The first, without repetitions, and a sentence that says so where there are more.
    """
    some = list(itertools.islice(problems, _MOST_PROBLEMS + 1))
    more = ["there are more problems; mend these first"] if len(some) > _MOST_PROBLEMS else []
    return [*dict.fromkeys(some[:_MOST_PROBLEMS]), *more]


def quoted(value: Any) -> str:
    """Write a value as it is found in a file, cut where it is long.

    Args:
        value: The value.
    """
    return _shorten(repr(value), _LONGEST_PROBLEM // 2)


def format_path(path: Where) -> str:
    """Write a path as people write it.

    Args:
        path: Member names, map keys and list positions.

    Returns:
        For example ``ProductionVariants[0].InstanceType``.
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def near_misses(word: Any, allowed: Sequence[str]) -> str:
    """Find what a misspelt word was probably meant to be.

    Args:
        word: What was found; anything but a string has no near misses.
        allowed: The words that would have been right.

    Returns:
        Up to three quoted candidates that are about equally near; empty where none is near.
    """
    if not isinstance(word, str):
        return ""
    by_lower = {candidate.lower(): candidate for candidate in allowed}
    close = difflib.get_close_matches(word.lower(), by_lower, n=3, cutoff=0.75)
    likeness = [difflib.SequenceMatcher(None, candidate, word.lower()).ratio() for candidate in close]
    quoted = [
        repr(by_lower[candidate])
        for candidate, ratio in zip(close, likeness, strict=True)
        if ratio > likeness[0] - 0.03
    ]
    return listed(quoted, "or")


def listed(words: Sequence[str], last: str) -> str:
    """Write words as people list them.

    Args:
        words: The words.
        last: What stands before the last one, such as ``and``.

    Returns:
        For example ``a, b and c``.
    """
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _shorten(text: str, longest: int = _LONGEST_VALUE) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _printable(text: str) -> str:
    """Return a text that any terminal, JSON and database takes: a file may be named by bytes that are no text."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return _shorten(_CONTROLS.sub(lambda found: repr(found[0])[1:-1], text), _LONGEST_PROBLEM)


def _type_name(value: Any) -> str:
    names = {
        bool: "a boolean",
        int: "an integer",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "a mapping",
        dt.date: "a date",
        dt.datetime: "a timestamp",
    }
    return names.get(type(value), type(value).__name__)
