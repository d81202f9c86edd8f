"""How much a pipeline file may hold: counted before anything recurses into it, so that it can harm only itself.

A composer of YAML recurses in C, where 30 kB of ``[`` end the process; a few lines of aliases of aliases stand for more
than any memory holds; a pipe is waited for. So a file is opened only where that cannot wait, and the parser's events,
which come one after another, are counted before anything is made of them.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# The sample has 8 kB, 90 nodes and a depth of 5, its comments included; SageMaker's largest requests nest 8 deep.
MOST_BYTES = 256 * 1024
MOST_NODES = 10_000
DEEPEST = 50
# After each alias has been replaced by what it stands for, and so for each check that goes through the values.
MOST_CHARACTERS = MOST_BYTES
# Databases keep neither, and the JSON of the DAG is lost with every other DAG of its file.
_UNKEPT = re.compile("[\0\ud800-\udfff]")
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class OutOfBoundsError(ValueError):
    """A file holds more than is read, or what cannot be kept. ``str()`` says what was found and what is allowed.

    Attributes:
        mark: PyYAML's mark of the place; None for the file as a whole.
    """

    def __init__(self, problem: str, mark: Any = None) -> None:
        self.mark = mark
        super().__init__(problem)


def read(path: Path) -> bytes:
    """Read a file that may be anything, without ever waiting for it.

    Args:
        path: The file, or what stands in its place. A link is followed.

    Returns:
        Its bytes, MOST_BYTES at most.

    Raises:
        OutOfBoundsError: It is no regular file, or too large.
        OSError: It cannot be read.
    """
    # Looked at first, because opening is enough to start some devices, and once more, because it may have changed.
    _demand_regular(path.stat().st_mode)
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(handle, "rb") as file:
        _demand_regular(os.fstat(file.fileno()).st_mode)
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise OutOfBoundsError(f"found more than {MOST_BYTES} bytes; allowed {MOST_BYTES}; make several files of it")
    return content


def _demand_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        found = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise OutOfBoundsError(f"found {found}; allowed a regular file; move it out of the folder")


@dataclass
class _Size:
    """How much a node holds, itself included, as if each alias in it were what it stands for."""

    nodes: int = 0
    characters: int = 0
    depth: int = 0

    def hold(self, inner: _Size) -> None:
        """Take in a node that stands directly in this one."""
        self.nodes += inner.nodes
        self.characters += inner.characters
        self.depth = max(self.depth, inner.depth + 1)


def count(content: bytes, loader: Any) -> None:
    """Count what a YAML text would be made into, without making it.

    Args:
        content: The text.
        loader: PyYAML's loader, of which only the parser is used.

    Raises:
        OutOfBoundsError: It is too large or too deep, a part of it contains itself, or a text in it cannot be kept.
        yaml.YAMLError: It is no YAML.
    """
    # The document, and the collections that have begun and not ended, each with its anchor. None: has not ended.
    around: list[tuple[str | None, _Size]] = [(None, _Size())]
    anchored: dict[str | None, _Size | None] = {}
    whole = _Size()
    for event in yaml.parse(content, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            anchored[event.anchor] = None
            around.append((event.anchor, _Size(nodes=1)))
            inner = _Size(nodes=1)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = around.pop()
            anchored[anchor] = size
            around[-1][1].hold(size)
            continue
        elif isinstance(event, yaml.NodeEvent):
            inner = _size_of(event, anchored)
            around[-1][1].hold(inner)
        else:
            continue
        whole.nodes += inner.nodes
        whole.characters += inner.characters
        whole.depth = len(around) - 1 + inner.depth
        _demand_bounded(whole, event.start_mark)


def problem_of_values(values: Any) -> str | None:
    """Count what several files say together, each of which is within bounds.

    Args:
        values: The values.

    Returns:
        What is too much; None where nothing is.
    """
    nodes = characters = 0
    todo = [values]
    while todo:
        value = todo.pop()
        nodes += 1
        if isinstance(value, dict):
            todo += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            todo += value
        elif isinstance(value, str):
            characters += len(value)
    if nodes > MOST_NODES or characters > MOST_CHARACTERS:
        return (
            f"found {nodes} values of {characters} characters, what the files share included; allowed {MOST_NODES} of "
            f"{MOST_CHARACTERS}; make them smaller"
        )
    return None


def _size_of(event: yaml.NodeEvent, anchored: dict[str | None, _Size | None]) -> _Size:
    if isinstance(event, yaml.AliasEvent):
        # An anchor that is nowhere is the composer's to report.
        size = anchored.get(event.anchor, _Size(nodes=1))
        if size is None:
            problem = f"found *{event.anchor} inside of what it stands for; write out what belongs there"
            raise OutOfBoundsError(problem, event.start_mark)
        return size
    text = event.value if isinstance(event, yaml.ScalarEvent) else ""
    if found := _UNKEPT.search(text):
        problem = f"found the character {found[0]!r}, which no database and no AWS API takes; remove it"
        raise OutOfBoundsError(problem, event.start_mark)
    size = _Size(nodes=1, characters=len(text))
    anchored[event.anchor] = size
    return size


def _demand_bounded(whole: _Size, mark: Any) -> None:
    for found, most, unit in (
        (whole.depth, DEEPEST, "levels"),
        (whole.nodes, MOST_NODES, "values"),
        (whole.characters, MOST_CHARACTERS, "characters of values"),
    ):
        if found > most:
            problem = f"found more than {most} {unit}, each alias counted as what it stands for; make the file smaller"
            raise OutOfBoundsError(problem, mark)
