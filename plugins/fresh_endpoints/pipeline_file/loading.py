"""Loads pipeline files: finds their folder, and checks each content once.

Importing this module costs pydantic and PyYAML and no more, because the dag-processor does it for every parse.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from fresh_endpoints.pipeline_file import bounds, memory
from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.pipeline_file.reading import read_pipeline
from fresh_endpoints.problems import PipelineFileError

_log = logging.getLogger(__name__)

# The connection to AWS, the region and the name.
Endpoint = tuple[str, str, str]


@dataclass(frozen=True)
class LoadedPipelines:
    """What a pipelines folder holds.

    Attributes:
        pipelines: The usable ones, sorted by name.
        errors: One for each file that cannot be used, sorted by path.
    """

    pipelines: list[Pipeline]
    errors: list[PipelineFileError]


class _Checked(BaseModel):
    """What is remembered of a file's content: the pipeline, or what is wrong with it."""

    pipeline: Pipeline | None
    problems: tuple[str, ...]


def pipelines_dir() -> Path:
    """Find the folder of the pipeline files.

    Returns:
        What the environment variable PIPELINES_DIR names; without it ``include/pipelines`` beside the plugins folder
        that holds this package, else beside (or in) Airflow's dags folder, else in the folder dags beside the plugins
        folder, as on MWAA. It need not exist.
    """
    if configured := os.environ.get("PIPELINES_DIR"):
        return Path(configured).expanduser()
    homes = [Path(__file__).resolve().parents[3]]
    if dags := os.environ.get("AIRFLOW__CORE__DAGS_FOLDER"):
        homes += [Path(dags).parent, Path(dags)]
    homes.append(homes[0] / "dags")
    candidates = [home / "include" / "pipelines" for home in homes]
    return next((candidate for candidate in candidates if candidate.is_dir()), candidates[0])


def load_pipelines(folder: Path | None = None) -> LoadedPipelines:
    """Read every pipeline file of a folder. A file that cannot be used takes no other with it.

    Args:
        folder: The folder; None for pipelines_dir().

    Returns:
        The pipelines, and the errors of the files that are none.
    """
    folder = pipelines_dir() if folder is None else folder
    try:
        paths = _paths(folder)
    except OSError as error:
        problem = f"cannot be listed: {error.strerror}; make the folder, or set PIPELINES_DIR to the one that exists"
        return LoadedPipelines([], [PipelineFileError(folder, [problem])])
    usable: dict[Path, Pipeline] = {}
    errors: dict[Path, PipelineFileError] = {}
    for path in paths:
        try:
            usable[path] = load_pipeline(path)
        except PipelineFileError as error:
            errors[path] = error
    errors |= _shared_endpoints(usable)
    pipelines = [pipeline for path, pipeline in usable.items() if path not in errors]
    return LoadedPipelines(
        sorted(pipelines, key=lambda pipeline: pipeline.name), [errors[path] for path in paths if path in errors]
    )


def load_pipelines_of_dags(dag_id_prefix: str) -> list[Pipeline]:
    """Read the pipelines whose DAGs a DAG file is to build.

    The dag-processor wants all of them. Where Airflow wants one DAG, as in every task's process, only that one's file
    is read: https://airflow.apache.org/docs/apache-airflow/stable/howto/dynamic-dag-generation.html#optimizing-dag-parsing-delays-during-execution

    Args:
        dag_id_prefix: What precedes the pipeline's name in the DAG file's DAG ids.

    Returns:
        The pipelines, sorted by name.

    Raises:
        PipelineFileError: The one DAG that is wanted is that of a file which cannot be used.
    """
    from airflow.sdk import get_parsing_context

    wanted = get_parsing_context().dag_id
    if wanted is None:
        return load_pipelines().pipelines
    name = wanted.removeprefix(dag_id_prefix)
    return [] if name == wanted else [load_pipeline(pipelines_dir() / f"{name}.yaml")]


def load_pipeline(path: Path) -> Pipeline:
    """Read and check one pipeline file. A content that was checked before is not checked again.

    Args:
        path: The file.

    Returns:
        The pipeline, its templates not yet rendered.

    Raises:
        PipelineFileError: The file cannot be read, is not YAML, or says something that is not allowed. It holds all
            problems of its kind, not the first only.
    """
    try:
        content = bounds.read(path)
    except OSError as error:
        raise PipelineFileError(path, [f"cannot be read: {error.strerror}"]) from error
    except bounds.OutOfBoundsError as error:
        raise PipelineFileError(path, [str(error)]) from error
    entry = memory.entry(path.name, content)
    if (checked := memory.recall(entry, _Checked)) is None:
        checked = _check(path, content)
        memory.remember(entry, checked)
    if checked.problems:
        raise PipelineFileError(path, checked.problems)
    assert checked.pipeline
    return checked.pipeline


def _check(path: Path, content: bytes) -> _Checked:
    try:
        pipeline = read_pipeline(path, content)
        # Imported here, because a file that was checked before must not pay for what checks need.
        from fresh_endpoints.pipeline_file.checks.pipeline import find_problems

        problems = find_problems(pipeline)
    except PipelineFileError as error:
        return _Checked(pipeline=None, problems=error.problems)
    except Exception as error:  # whatever it is, it is this file's only
        _log.exception("Checking %s has failed", path.name)
        raise PipelineFileError(path, [f"cannot be checked: {type(error).__name__}: {error}"]) from error
    return _Checked(pipeline=None if problems else pipeline, problems=tuple(problems))


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
    pipeline = load_pipeline(path)
    usable = {path: pipeline}
    for other in _paths(_folder_of(path)):
        if other.resolve() != path.resolve():
            with contextlib.suppress(PipelineFileError):  # Such a file deploys nothing.
                usable[other] = load_pipeline(other)
    if shared := _shared_endpoints(usable).get(path):
        raise shared
    endpoint = _endpoint(pipeline)
    others = [other for other in usable if other != path and endpoint and _endpoint(usable[other]) == endpoint]
    if is_new and others:
        raise _shared_endpoint(path, pipeline, others[0])
    return pipeline


def _folder_of(path: Path) -> Path:
    """Return the folder whose files a file is loaded with."""
    folder = pipelines_dir()
    return folder if folder.resolve() in path.resolve().parents else path.parent


def _paths(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in (".yaml", ".yml"))


def _endpoint(pipeline: Pipeline) -> Endpoint | None:
    """Return what no two pipelines may deploy to; None where the file does not decide it."""
    name = str(pipeline.endpoint["EndpointName"])
    if pipeline.deploy == "never" or "{" in name:
        return None
    # CreateEndpoint does not tell upper case from lower case.
    return pipeline.aws_conn_id, pipeline.region, name.lower()


def _shared_endpoints(usable: Mapping[Path, Pipeline]) -> dict[Path, PipelineFileError]:
    """Find the files that deploy to an endpoint of another's.

    An endpoint is that of the file whose name it has, for a copy of that file is what names it by mistake; where no
    file has its name, that of the first.
    """
    sharing: dict[Endpoint, list[Path]] = {}
    for path in sorted(usable, key=lambda path: (path.name, path)):
        if endpoint := _endpoint(usable[path]):
            sharing.setdefault(endpoint, []).append(path)
    errors: dict[Path, PipelineFileError] = {}
    for (*_, name), paths in sharing.items():
        owner = next((path for path in paths if usable[path].name.lower() == name), paths[0])
        errors |= {path: _shared_endpoint(path, usable[path], owner) for path in paths if path != owner}
    return errors


def _shared_endpoint(path: Path, pipeline: Pipeline, other: Path) -> PipelineFileError:
    name = str(pipeline.endpoint["EndpointName"])
    problem = f"endpoint.EndpointName: found {name!r}, which {other.name} deploys to; {_what_to_do(pipeline, name)}"
    return PipelineFileError(path, [problem])


def _what_to_do(pipeline: Pipeline, name: str) -> str:
    if pipeline.name.lower() == name.lower():  # Another connection's or region's file may be of the same name.
        return "give one of them another"
    return f"leave it out, and this pipeline's endpoint is named {pipeline.name}; or give it another name"
