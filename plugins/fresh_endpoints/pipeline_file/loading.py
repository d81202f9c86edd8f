"""Loads pipeline files: finds their folder, and checks each content once.

Importing this module costs pydantic and PyYAML and no more, because the dag-processor does it for every parse.
"""

from __future__ import annotations

import logging
import os
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
    pipelines, errors = [], []
    taken: dict[Endpoint, Path] = {}
    for path in paths:
        try:
            pipeline = load_pipeline(path)
            if (endpoint := _endpoint(pipeline)) and (other := taken.setdefault(endpoint, path)) != path:
                raise _shared_endpoint(path, pipeline, other)
            pipelines.append(pipeline)
        except PipelineFileError as error:
            errors.append(error)
    return LoadedPipelines(sorted(pipelines, key=lambda pipeline: pipeline.name), errors)


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


def load_among_others(path: Path) -> Pipeline:
    """Load one pipeline file, and hold it against the others of its folder.

    Args:
        path: The file.

    Returns:
        The pipeline.

    Raises:
        PipelineFileError: The file cannot be used, or not beside another one.
    """
    pipeline = load_pipeline(path)
    for other in _paths(path.parent):
        try:
            is_shared = other.name != path.name and _endpoint(load_pipeline(other)) == _endpoint(pipeline)
        except PipelineFileError:
            continue  # It deploys nothing.
        if is_shared and _endpoint(pipeline):
            raise _shared_endpoint(path, pipeline, other)
    return pipeline


def _paths(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in (".yaml", ".yml"))


def _endpoint(pipeline: Pipeline) -> Endpoint | None:
    """Return what no two pipelines may deploy to; None where the file does not decide it."""
    name = str(pipeline.endpoint["EndpointName"])
    if pipeline.deploy == "never" or "{" in name:
        return None
    # CreateEndpoint does not tell upper case from lower case.
    return pipeline.aws_conn_id, pipeline.region, name.lower()


def _shared_endpoint(path: Path, pipeline: Pipeline, other: Path) -> PipelineFileError:
    name = str(pipeline.endpoint["EndpointName"])
    problem = f"endpoint.EndpointName: found {name!r}, which {other.name} deploys to; give one of them another"
    return PipelineFileError(path, [problem])
