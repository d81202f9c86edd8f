"""The command ``check``: what can be used, and what is wrong with the rest, for people, programs and code reviews."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from fresh_endpoints.pipeline_file import bounds
from fresh_endpoints.pipeline_file.checks.notify import find_notifier_problems
from fresh_endpoints.pipeline_file.checks.pipeline import find_warnings
from fresh_endpoints.pipeline_file.environment import VARIABLE
from fresh_endpoints.pipeline_file.lines import file_of, line_of, lines_of, without_place
from fresh_endpoints.pipeline_file.loading import (
    LoadedPipelines,
    load_among_others,
    load_pipelines,
    locate,
    pipelines_dir,
)
from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.problems import PipelineFileError, near_misses

FORMATS = ("text", "json", "github")
# https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions: what a message, and a property,
# must not hold as it is.
_ESCAPES = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_ESCAPES_OF_PROPERTIES = {**_ESCAPES, ":": "%3A", ",": "%2C"}
# How many pipelines are named that share what is wrong.
_MOST_NAMES = 5


@dataclass(frozen=True)
class Finding:
    """What is wrong, or seldom meant.

    Attributes:
        file: The file or folder.
        line: The line (from 1); None where it is the whole file.
        level: ``error`` or ``warning``.
        problem: What it is, and what to do.
    """

    file: str
    line: int | None
    level: str
    problem: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.level}: {self.problem}"

    def of_many(self, names: Sequence[str]) -> Finding:
        """Return the same, said once for the pipelines that share the file.

        Args:
            names: The pipelines.
        """
        some = ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")
        return replace(self, problem=f"{self.problem} (of {len(names)} pipelines: {some})")

    @property
    def annotation(self) -> str:
        """The workflow command by which GitHub shows it beside the code."""
        line = f",line={self.line}" if self.line else ""
        file = _escaped(self.file, _ESCAPES_OF_PROPERTIES)
        return f"::{self.level} file={file}{line}::{_escaped(self.problem, _ESCAPES)}"


@dataclass(frozen=True)
class Checked:
    """What has come out.

    Attributes:
        pipelines: The usable pipelines by their files.
        errors: One for each file, or folder, that cannot be used.
        further: What is to be said of a folder as a whole.
    """

    pipelines: Mapping[Path, Pipeline]
    errors: Sequence[PipelineFileError]
    further: Sequence[Finding] = ()

    def findings(self) -> Iterator[Finding]:
        """Find what is to be said, the warnings first."""
        found = [
            *((path, "warning", locate(path, find_warnings(pipeline))) for path, pipeline in self.pipelines.items()),
            *((error.path, "error", error.problems) for error in self.errors),
        ]
        each = [(path, finding) for path, level, problems in found for finding in _findings(path, level, problems)]
        concerned: dict[Finding, list[str]] = {}
        for path, finding in each:
            concerned.setdefault(finding, []).append(path.stem)
        for finding, names in concerned.items():
            yield finding if len(names) == 1 else finding.of_many(names)
        yield from self.further


def add_parser(commands: Any) -> None:
    """Add the command to the command line.

    Args:
        commands: argparse's sub-commands.
    """
    parser = commands.add_parser("check", help="check pipeline files")
    parser.add_argument("path", nargs="*", type=Path, help="file or folder; default: the pipelines folder")
    what = "text (default), json, or github: annotations of a workflow on GitHub"
    parser.add_argument("--format", choices=FORMATS, default="text", help=what)


def check(paths: Sequence[Path], form: str, *, out: TextIO, err: TextIO) -> bool:
    """Check pipeline files, and say what has come out.

    Args:
        paths: Files, each of which is held against the others of its folder, and folders; none for the pipelines
            folder.
        form: One of FORMATS. As text, problems and warnings are said on ``err``; otherwise all is on ``out``.
        out: Where to.
        err: Where to.

    Returns:
        Whether all can be used. A warning takes nothing from that.
    """
    checked = _check(paths)
    findings = list(checked.findings())
    if form == "json":
        out.write(_json(checked, findings))
    elif form == "github":
        out.writelines(f"{finding.annotation}\n" for finding in findings)
        out.write(f"{_counted(checked, findings)}\n")
    else:
        out.writelines(f"{pipeline.name}: ok\n" for pipeline in checked.pipelines.values())
        err.writelines(f"{finding}\n" for finding in findings)
        out.flush()  # Before the last line, where both are one terminal.
        err.write(f"{_counted(checked, findings)}\n")
    return not checked.errors


def _check(paths: Sequence[Path]) -> Checked:
    pipelines: dict[Path, Pipeline] = {}
    errors: dict[str, PipelineFileError] = {}
    further: list[Finding] = []
    for path in dict.fromkeys(paths or [pipelines_dir()]):
        if path.is_dir() or not paths:
            loaded = _load_folder(path)
            pipelines |= {loaded.files[pipeline.name]: pipeline for pipeline in loaded.pipelines}
            errors |= {str(error): error for error in loaded.errors}
            further += _of_environments(path, loaded)
        else:
            try:
                pipelines[path] = load_among_others(path)
            except PipelineFileError as error:
                errors[str(error)] = error
    for path, pipeline in list(pipelines.items()):
        # Their classes are imported here, never by a parse.
        if pipeline.notify and (problems := find_notifier_problems(pipeline)):
            refused = PipelineFileError(path, locate(path, problems))
            errors[str(refused)] = refused
            del pipelines[path]
    return Checked(pipelines, list(errors.values()), further)


def _load_folder(folder: Path) -> LoadedPipelines:
    loaded = load_pipelines(folder)
    if loaded.pipelines or loaded.errors:
        return loaded
    problem = "holds no pipeline file; allowed are files that end in .yaml; put one there, or name another folder"
    return LoadedPipelines([], [PipelineFileError(folder, [problem])])


def _of_environments(folder: Path, loaded: LoadedPipelines) -> Iterator[Finding]:
    """Warn of an environment that is called almost like another one: whatever its files say, is said in vain."""
    known = sorted({*loaded.environments, loaded.environment or ""} - {""})
    for position, name in enumerate(known):
        for other in filter(functools.partial(_are_alike, name), known[position + 1 :]):
            problem = f"found the environments {name!r} and {other!r}, by files' names or {VARIABLE}; are they one?"
            yield Finding(str(folder), None, "warning", problem)


def _are_alike(name: str, other: str) -> bool:
    # dev1 and dev2 are meant to be two; dve is dev.
    letters = [re.sub(r"\d", "", each) for each in (name, other)]
    return letters[0] != letters[1] and bool(near_misses(name, [other]) or sorted(name) == sorted(other))


def _findings(path: Path, level: str, problems: Sequence[str]) -> Iterator[Finding]:
    if not problems:
        return
    lines = _lines(path)
    for problem in problems:
        file = path.parent / (file_of(problem) or path.name)
        # As PipelineFileError writes it: a file may be named by bytes that no terminal takes.
        shown = str(PipelineFileError(Path(os.path.normpath(file)), [])).rstrip(":")
        yield Finding(shown, line_of(problem, lines), level, without_place(problem))


def _lines(path: Path) -> Mapping[str, int]:
    try:
        return lines_of(bounds.read(path))
    except (OSError, bounds.OutOfBoundsError):
        return {}


def _counted(checked: Checked, findings: Sequence[Finding]) -> str:
    # A folder that holds no file is no file.
    wrong = sum(not error.path.is_dir() for error in checked.errors)
    warnings = sum(finding.level == "warning" for finding in findings)
    usable = len(checked.pipelines)
    return (
        f"{usable + wrong} pipeline file{'' if usable + wrong == 1 else 's'}: {usable} ok, {wrong} cannot be used, "
        f"{warnings} warning{'' if warnings == 1 else 's'}"
    )


def _json(checked: Checked, findings: Sequence[Finding]) -> str:
    facts = {
        "ok": not checked.errors,
        "usable": [pipeline.name for pipeline in checked.pipelines.values()],
        "findings": [asdict(finding) for finding in findings],
        "summary": _counted(checked, findings),
    }
    return json.dumps(facts, indent=2, ensure_ascii=False) + "\n"


def _escaped(text: str, escapes: Mapping[str, str]) -> str:
    return "".join(escapes.get(sign, sign) for sign in text)
