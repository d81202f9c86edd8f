"""Builds each pipeline's DAG apart from the others': what goes wrong with one takes no other with it.

A DAG file that raises loses all its DAGs, and so does one of whose DAGs one cannot be stored. So a DAG that cannot be
built, or stored, is left out, and ``broken_pipeline_files.py`` lists its pipeline file beside those that are wrong.
"""

from __future__ import annotations

import json
import logging
import runpy
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from pydantic import BaseModel

from fresh_endpoints.pipeline_file import memory
from fresh_endpoints.pipeline_file.loading import load_pipelines, load_pipelines_of_dags, path_of, pipelines_dir
from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.problems import PipelineFileError

if TYPE_CHECKING:
    from airflow.sdk import DAG

Build = Callable[[Pipeline], Union["DAG", None]]

_log = logging.getLogger(__name__)

# What has gone wrong in this process, by the DAG file's name; find_build_errors() reads it.
_errors: dict[str, list[PipelineFileError]] = {}


class _Built(BaseModel):
    """What is remembered of a pipeline whose DAG was built and can be stored: that it was."""


def build_dags(dag_id_prefix: str, build: Build) -> dict[str, DAG]:
    """Build the DAGs of a DAG file, each apart.

    A DAG is to be made with ``auto_register=False``, or Airflow takes what was built of it by the time it failed.

    Args:
        dag_id_prefix: What precedes the pipeline's name in the DAG ids.
        build: Builds one pipeline's DAG; None where the pipeline has none of this kind.

    Returns:
        The DAGs by their ids, for the DAG file's globals.

    Raises:
        Exception: What went wrong with the one DAG that is wanted, where a task is to run: it must not be in silence.
    """
    from airflow.sdk import get_parsing_context

    dag_file = Path(build.__code__.co_filename)
    pipelines = load_pipelines_of_dags(dag_id_prefix, dag_file)
    if get_parsing_context().dag_id is None:
        built = list(_build_apart(pipelines, build, dag_id_prefix, dag_file))
    else:
        built = [build(pipeline) for pipeline in pipelines]
    return {dag.dag_id: dag for dag in built if dag is not None}


def _build_apart(pipelines: list[Pipeline], build: Build, dag_id_prefix: str, dag_file: Path) -> Iterator[DAG | None]:
    errors = _errors[dag_file.name] = []
    code = memory.building_digest(dag_file)
    for pipeline in pipelines:
        try:
            dag = build(pipeline)
            _try_once(dag, _entry(pipeline, code))
        except Exception as error:
            _log.exception("The DAG %s%s cannot be built", dag_id_prefix, pipeline.name)
            errors.append(_error(pipeline, f"{dag_id_prefix}{pipeline.name}", error, dag_file))
        else:
            yield dag


def find_build_errors(dag_files: Iterable[Path]) -> list[PipelineFileError]:
    """Find the pipelines whose DAGs cannot be built. What was built once, by the same code, is not built again.

    Args:
        dag_files: The DAG files that build pipelines.

    Returns:
        One error for each DAG that is left out.
    """
    errors: list[PipelineFileError] = []
    loaded: dict[Path, list[Pipeline]] = {}
    for dag_file in dag_files:
        folder = pipelines_dir(dag_file)
        pipelines = loaded[folder] = loaded[folder] if folder in loaded else load_pipelines(folder).pipelines
        code = memory.building_digest(dag_file)
        if all(memory.recall(_entry(pipeline, code), _Built) for pipeline in pipelines):
            continue
        try:
            runpy.run_path(str(dag_file))
        except Exception:  # Airflow lists it, as that file's.
            _log.exception("%s cannot be imported", dag_file)
        else:
            errors += _errors.pop(dag_file.name, [])
    return errors


def _try_once(dag: DAG | None, entry: Path | None) -> None:
    if memory.recall(entry, _Built) is None:
        if dag is not None:
            _try(dag)
        memory.remember(entry, _Built())


def _try(dag: DAG) -> None:
    """Do with a DAG what the dag-processor will, where an error is all its file's: store it, find a run."""
    from airflow.serialization import serialized_objects
    from airflow.timetables.base import TimeRestriction

    # The latter is its name in Airflow 3.1.
    serialization: Any = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
    stored = serialization.to_dict(dag)
    # A database's JSON has no NaN, and no halves of characters.
    json.dumps(stored, allow_nan=False, ensure_ascii=False).encode()
    again = serialization.from_dict(stored)
    ever = TimeRestriction(earliest=again.start_date, latest=None, catchup=True)
    again.timetable.next_dagrun_info(last_automated_data_interval=None, restriction=ever)


def _entry(pipeline: Pipeline, code: bytes) -> Path | None:
    try:
        content = pipeline.model_dump_json().encode()
    except ValueError:
        return None
    return memory.entry(pipeline.name, code + content)


def _error(pipeline: Pipeline, dag_id: str, error: Exception, dag_file: Path) -> PipelineFileError:
    found = f"{type(error).__name__}: {' '.join(str(error).split())}"
    problem = f"the DAG {dag_id} cannot be built: {found}; the dag-processor's log has where"
    return PipelineFileError(path_of(pipeline.name, pipelines_dir(dag_file)), [problem])
