"""Loads pipeline files: finds their folder, and checks each content once.

Importing this module costs pydantic and PyYAML and no more, because the dag-processor does it for every parse.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from fresh_endpoints.pipeline_file import memory
from fresh_endpoints.pipeline_file.claims import wrong_claims
from fresh_endpoints.pipeline_file.clashes import clash_with_any, find_clashes
from fresh_endpoints.pipeline_file.environment import NoEnvironmentError, current_environment
from fresh_endpoints.pipeline_file.folder import DEFAULTS, Folders, find, find_file, folders_of
from fresh_endpoints.pipeline_file.layers import Files, Layer, key_of
from fresh_endpoints.pipeline_file.merging import located, merged, of_all_environments
from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.pipeline_file.reading import read_pipeline, read_values
from fresh_endpoints.problems import PipelineFileError

_log = logging.getLogger(__name__)

# Beside a DAG file, so that the version of a DAG bundle that has the one has the other.
BESIDE_DAGS = "pipelines"


@dataclass(frozen=True)
class LoadedPipelines:
    """What a pipelines folder holds, and those below it.

    Attributes:
        pipelines: The usable ones, sorted by name.
        errors: One for each file that cannot be used, sorted by path.
        files: The usable ones' files by name.
        environments: Those that a file is for.
        environment: The current one; empty for none, and None where none can be called so.
    """

    pipelines: list[Pipeline]
    errors: list[PipelineFileError]
    files: Mapping[str, Path] = field(default_factory=dict)
    environments: frozenset[str] = frozenset()
    environment: str | None = ""


class _Checked(BaseModel):
    """What is remembered of a file's content: the pipeline, or what is wrong with it."""

    pipeline: Pipeline | None
    problems: tuple[str, ...]


def pipelines_dir(dag_file: Path | None = None) -> Path:
    """Find the folder of the pipeline files.

    Args:
        dag_file: The DAG file that wants them; None for a command, the Models page and whatever else has none.

    Returns:
        The folder ``pipelines`` beside the DAG file, where there is one; else what the environment variable
        PIPELINES_DIR names; without it ``include/pipelines`` beside the plugins folder that holds this package, else
        beside (or in) Airflow's dags folder, else in the folder dags beside the plugins folder, as on MWAA. It need not
        exist.
    """
    if dag_file and (beside := dag_file.parent / BESIDE_DAGS).is_dir():
        return beside
    if configured := os.environ.get("PIPELINES_DIR"):
        return Path(configured).expanduser()
    homes = [Path(__file__).resolve().parents[3]]
    if dags := os.environ.get("AIRFLOW__CORE__DAGS_FOLDER"):
        homes += [Path(dags).parent, Path(dags)]
    homes.append(homes[0] / "dags")
    candidates = [home / "include" / "pipelines" for home in homes]
    return next((candidate for candidate in candidates if candidate.is_dir()), candidates[0])


def load_pipelines(folder: Path | None = None) -> LoadedPipelines:
    """Read every pipeline file of a folder and those below it. A file that cannot be used takes no other with it.

    Args:
        folder: The folder; None for pipelines_dir().

    Returns:
        The pipelines, and the errors of the files that are none.
    """
    folder = pipelines_dir() if folder is None else folder
    try:
        environment = current_environment()
        # Below the pipelines folder, what that shares is shared, too.
        above = (_above(folder / DEFAULTS) or (folder,))[:-1]
        found = find(folder)
    except NoEnvironmentError as error:
        return LoadedPipelines([], [PipelineFileError(folder, [str(error)])], environment=None)
    except OSError as error:
        problem = f"cannot be listed: {error.strerror}; make the folder, or set PIPELINES_DIR to the one that exists"
        return LoadedPipelines([], [PipelineFileError(folder, [problem])], environment=environment)
    loader, usable, errors = _Loader(environment), {}, dict(found.errors)
    for path, folders in found.files.items():
        try:
            usable[path] = loader.load(path, (*above, *folders))
        except PipelineFileError as error:
            errors[path] = error
    errors |= find_clashes(usable, {*found.environments, environment}) | wrong_claims(usable, found.files)
    files = {pipeline.name: path for path, pipeline in usable.items() if path not in errors}
    pipelines = sorted((usable[path] for path in files.values()), key=lambda pipeline: pipeline.name)
    listed = [errors[path] for path in sorted(errors)]
    return LoadedPipelines(pipelines, listed, files, frozenset(found.environments), environment)


def load_pipelines_of_dags(dag_id_prefix: str, dag_file: Path | None = None) -> list[Pipeline]:
    """Read the pipelines whose DAGs a DAG file is to build.

    The dag-processor wants all of them. Where Airflow wants one DAG, as in every task's process, only that one's file
    is read: https://airflow.apache.org/docs/apache-airflow/stable/howto/dynamic-dag-generation.html#optimizing-dag-parsing-delays-during-execution

    Args:
        dag_id_prefix: What precedes the pipeline's name in the DAG file's DAG ids.
        dag_file: The DAG file.

    Returns:
        The pipelines, sorted by name.

    Raises:
        PipelineFileError: The one DAG that is wanted is that of a file which cannot be used.
    """
    from airflow.sdk import get_parsing_context

    wanted, folder = get_parsing_context().dag_id, pipelines_dir(dag_file)
    if wanted is None:
        return load_pipelines(folder).pipelines
    name = wanted.removeprefix(dag_id_prefix)
    return [] if name == wanted else [load_named(name, folder)]


def load_named(name: str, folder: Path | None = None) -> Pipeline:
    """Read and check the file of one pipeline, and no other's.

    Args:
        name: The pipeline's name.
        folder: The pipelines folder; None for pipelines_dir().

    Raises:
        PipelineFileError: There is none, or it cannot be used.
    """
    path = path_of(name, folder)
    return load_pipeline(path, folder)


def path_of(name: str, folder: Path | None = None) -> Path:
    """Return the file of a pipeline; where there is none, the one that it would have.

    Args:
        name: The pipeline's name.
        folder: The pipelines folder; None for pipelines_dir().
    """
    folder = folder or pipelines_dir()
    found = find_file(folder, name)
    return found[0] if found else folder / f"{name}.yaml"


def load_pipeline(path: Path, folder: Path | None = None) -> Pipeline:
    """Read and check one pipeline file. A content that was checked before is not checked again.

    Args:
        path: The file.
        folder: The pipelines folder; None for pipelines_dir().

    Returns:
        The pipeline, its templates not yet rendered.

    Raises:
        PipelineFileError: The file, or one that it shares with others, cannot be read, is not YAML, or says something
            that is not allowed. It holds all problems of its kind, not the first only.
    """
    return _Loader(_environment(path)).load(path, _above(path, folder) or (path.parent,))


class _Loader:
    """Loads pipelines of one environment; what they share is read and parsed once."""

    def __init__(self, environment: str) -> None:
        self._environment = environment
        self._files = Files()
        self._parsed: dict[Path, Any] = {}

    def load(self, path: Path, folders: Folders) -> Pipeline:
        layers = self._files.layers(path, folders, self._environment)
        if any(layer.content is None for layer in layers):
            read_values(path, layers, self._parsed)  # It says which, and why.
        entry = memory.entry(path.name, key_of(layers, self._environment))
        if (checked := memory.recall(entry, _Checked)) is None:
            checked = self._check(path, layers)
            memory.remember(entry, checked)
        if checked.problems:
            raise PipelineFileError(path, checked.problems)
        assert checked.pipeline
        return checked.pipeline

    def _check(self, path: Path, layers: list[Layer]) -> _Checked:
        try:
            pipeline = read_pipeline(path, layers, self._environment, self._parsed)
            # Imported here, because a file that was checked before must not pay for what checks need.
            from fresh_endpoints.pipeline_file.checks.pipeline import find_problems

            problems: Iterable[str] = [*find_problems(pipeline), *of_all_environments(pipeline, layers, self._parsed)]
        except PipelineFileError as error:
            problems = error.problems
        except Exception as error:  # whatever it is, it is this file's only
            _log.exception("Checking %s has failed", path.name)
            raise PipelineFileError(path, [f"cannot be checked: {type(error).__name__}: {error}"]) from error
        else:
            if not problems:
                return _Checked(pipeline=pipeline, problems=())
        return _Checked(pipeline=None, problems=tuple(located(problems, layers, self._parsed)))


def load_among_others(path: Path, *, is_new: bool = False) -> Pipeline:
    """Load one pipeline file, and hold it against the others of its folder; one below the pipelines folder, of that.

    Args:
        path: The file.
        is_new: Whether it gives way to any other, also where the endpoint has its name.

    Returns:
        The pipeline.

    Raises:
        PipelineFileError: The file cannot be used, or not beside another one.
    """
    folders = _above(path) or (path.parent,)
    loader = _Loader(_environment(path))
    pipeline = loader.load(path, folders)
    found, usable = find(folders[0]), {path: pipeline}
    for other, its in found.files.items():
        if other.resolve() != path.resolve():
            with contextlib.suppress(PipelineFileError):  # Such a file deploys nothing.
                usable[other] = loader.load(other, its)
    environments = {*found.environments, pipeline.environment}
    wrong = find_clashes(usable, environments) | wrong_claims(usable, found.files)
    if error := found.errors.get(path) or wrong.get(path):
        raise error
    if is_new and (error := clash_with_any(path, usable)):
        raise error
    return pipeline


def values_of(path: Path) -> dict[Any, Any]:
    """Read what a pipeline's files say together, as far as they can be read; what is wrong with it is not looked at.

    Args:
        path: The pipeline's own file.
    """
    parsed: dict[Path, Any] = {}
    with contextlib.suppress(PipelineFileError):
        layers = layers_of(path)
        try:
            return read_values(path, layers, parsed)
        except PipelineFileError:
            return merged(path, [(layer, parsed[layer.path]) for layer in layers if _is_mapping(layer, parsed)])
    return {}


def locate(path: Path, problems: Sequence[str]) -> list[str]:
    """Say in front of each problem of a pipeline where the value stands that it is about, as errors do.

    Args:
        path: The pipeline's own file, in which there are no errors.
        problems: Sentences that begin with a field's path.
    """
    layers = layers_of(path) if problems else []
    if len(layers) < 2:
        return list(problems)
    parsed: dict[Path, Any] = {}
    read_values(path, layers, parsed)
    return located(problems, layers, parsed)


def layers_of(path: Path) -> list[Layer]:
    """Read the files of one pipeline.

    Args:
        path: The pipeline's own file.

    Returns:
        It and those that it shares, the farthest first.

    Raises:
        PipelineFileError: The environment cannot be called so.
    """
    return Files().layers(path, _above(path) or (path.parent,), _environment(path))


def _is_mapping(layer: Layer, parsed: Mapping[Path, Any]) -> bool:
    return isinstance(parsed.get(layer.path), dict)


def _environment(path: Path) -> str:
    try:
        return current_environment()
    except NoEnvironmentError as error:
        raise PipelineFileError(path, [str(error)]) from error


def _above(path: Path, folder: Path | None = None) -> Folders | None:
    """Return the folders from the pipelines folder down to the one in which a file lies; None where it lies outside."""
    return folders_of(path, folder or pipelines_dir())
