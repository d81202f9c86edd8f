"""Which files a pipelines folder holds: pipelines, what several of them share, and what an environment changes.

_defaults.yaml         what the files of its folder, and of those below it, share
_defaults.dev.yaml     the same, in the environment dev
churn.yaml             a pipeline
churn.dev.yaml         what of it is another in the environment dev
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fresh_endpoints.pipeline_file.environment import ALLOWED, is_environment
from fresh_endpoints.problems import PipelineFileError, near_misses

DEFAULTS = "_defaults"
# Its files are for reading and copying.
EXAMPLES = "examples"
DEEPEST = 5
MOST_FOLDERS = 1000
_SUFFIXES = (".yaml", ".yml")

# A file's folder, and those above it up to the pipelines folder, which is the first.
Folders = tuple[Path, ...]


@dataclass
class Found:
    """What a folder, and those below it, hold.

    Attributes:
        files: The pipeline files, with their folders: of each name one, the one that lies least deep.
        errors: What is wrong with a file's name or place, by its path.
        environments: Those that a file is for.
    """

    files: dict[Path, Folders] = field(default_factory=dict)
    errors: dict[Path, PipelineFileError] = field(default_factory=dict)
    environments: set[str] = field(default_factory=set)

    def refuse(self, path: Path, problem: str) -> None:
        """Note what is wrong with a file or folder."""
        self.errors[path] = PipelineFileError(path, [problem])


def find(folder: Path) -> Found:
    """Find the files of a folder and of those below it.

    Args:
        folder: The pipelines folder.

    Raises:
        OSError: It cannot be listed.
    """
    found = Found()
    taken: dict[str, Path] = {}
    for folders, names in _walk(folder, found):
        stems = {name.removesuffix(".yaml") for name in names}
        for name in names:
            path = folders[-1] / name
            if name.startswith("_"):
                _take_shared(path, found)
            elif "." in path.stem.lstrip(".") and path.suffix == ".yaml":
                _take_overlay(path, stems, found)
            elif (other := taken.setdefault(path.stem, path)) != path and path.suffix == other.suffix:
                found.refuse(path, _taken(path, other, folder))
            else:
                found.files[path] = folders
    return found


def find_file(folder: Path, name: str) -> tuple[Path, Folders] | None:
    """Find the file of one pipeline, without reading any.

    Args:
        folder: The pipelines folder.
        name: The pipeline's name.

    Returns:
        Its path and folders; None where there is none.
    """
    direct = folder / f"{name}.yaml"
    if direct.exists() or direct.is_symlink():
        return direct, (folder,)
    try:
        for folders, names in _walk(folder, Found()):
            if direct.name in names:
                return folders[-1] / direct.name, folders
    except OSError:  # Whoever lists the folder says so.
        return None
    return None


def folders_of(path: Path, folder: Path) -> Folders | None:
    """Return a file's folder and those above it.

    Args:
        path: The file; it need not exist.
        folder: The pipelines folder.

    Returns:
        The folders, the pipelines folder first; None where the file does not lie in or below it.
    """
    below, top = path.parent.resolve(), folder.resolve()
    if below != top and top not in below.parents:
        return None
    parts = below.relative_to(top).parts
    return tuple(folder.joinpath(*parts[:depth]) for depth in range(len(parts) + 1))


def _walk(top: Path, found: Found) -> Iterator[tuple[Folders, list[str]]]:
    """Yield each folder with the names of the YAML files in it, those that lie less deep first."""
    todo: list[Folders] = [(top,)]
    for count, folders in enumerate(todo):
        try:
            names, below = _listed(folders[-1])
        except OSError as error:
            if folders[-1] == top:
                raise
            found.refuse(folders[-1], f"cannot be listed: {error.strerror}; let Airflow's user read it, or move it out")
            continue
        yield folders, names
        if below and len(folders) > DEEPEST:
            found.refuse(folders[-1], f"found folders more than {DEEPEST} deep; move them up, or out")
        elif count + len(below) > MOST_FOLDERS:
            found.refuse(folders[-1], f"found more than {MOST_FOLDERS} folders; make fewer, or move them out")
            return
        else:
            todo += [(*folders, folders[-1] / name) for name in below]


def _listed(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of a folder's YAML files, and of the folders in it whose files are loaded."""
    names, below = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if Path(entry.name).suffix.lower() in _SUFFIXES:
                names.append(entry.name)
            # A link may lead back here.
            elif _is_loaded(entry.name) and entry.is_dir(follow_symlinks=False):
                below.append(entry.name)
    return sorted(names), sorted(below)


def _is_loaded(folder: str) -> bool:
    return folder != EXAMPLES and not folder.startswith((".", "_"))


def _take_shared(path: Path, found: Found) -> None:
    stem, _, environment = path.stem.partition(".")
    if stem != DEFAULTS:
        if near_misses(stem, [DEFAULTS]):
            found.refuse(path, f"is not read; did you mean {path.name.replace(stem, DEFAULTS, 1)}?")
    elif path.suffix != ".yaml":
        found.refuse(path, f"found the suffix {path.suffix!r}; allowed .yaml; rename it {path.stem}.yaml")
    elif environment or path.stem.endswith("."):
        _take_environment(path, environment, found)


def _take_overlay(path: Path, stems: Collection[str], found: Found) -> None:
    name, _, environment = path.stem.partition(".")
    if name not in stems:
        near = near_misses(name, sorted(stem for stem in stems if "." not in stem))
        hint = f"; did you mean {near}?" if near else "; a pipeline's own name has no dot"
        found.refuse(path, f"found no {name}.yaml beside it, of which it would be the environment's part{hint}")
    else:
        _take_environment(path, environment, found)


def _take_environment(path: Path, environment: str, found: Found) -> None:
    if is_environment(environment):
        found.environments.add(environment)
    else:
        found.refuse(path, f"found the environment {environment!r} in its name; allowed {ALLOWED}")


def _taken(path: Path, other: Path, folder: Path) -> str:
    return (
        f"name: found {path.stem!r}, the name of {other.relative_to(folder).as_posix()}, too; a pipeline's name is "
        "its DAGs', so there is one of each in all folders; rename one"
    )
