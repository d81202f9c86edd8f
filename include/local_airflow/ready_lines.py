"""What a person can do once all is up: the settings of another terminal, and commands to copy into it."""

from __future__ import annotations

import datetime as dt
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from local_aws.connections import airflow_connections
from local_aws.pipeline_data import place_of
from local_aws.process import LocalAws

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline

_TRAINING_LOGS = "/aws/sagemaker/TrainingJobs"
# A shell's own would go before what is set here.
_UNSET = "AWS_PROFILE AWS_SESSION_TOKEN PIPELINES_DIR PIPELINES_ENV"


def write_terminal(file: Path, aws: LocalAws, home: Path, pipelines_dir: Path | None) -> Path:
    """Write the settings by which a terminal's ``aws``, ``airflow`` and ``fresh-endpoints`` reach what runs here.

    Args:
        file: The shell file to write.
        aws: Local AWS.
        home: The AIRFLOW_HOME.
        pipelines_dir: The folder of pipeline files; None for the package's own.

    Returns:
        The file, by its shortest name from here.
    """
    settings = {
        **aws.environment(),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONN_AWS_DEFAULT": airflow_connections(aws.url, aws.region)["AIRFLOW_CONN_AWS_DEFAULT"],
        **({"PIPELINES_DIR": str(pipelines_dir)} if pipelines_dir else {}),
    }
    lines = [
        "# Written by `make up`, for another terminal: its AWS and its Airflow are those that run here.",
        f"unset {_UNSET}",
        *(f"export {name}={shlex.quote(value)}" for name, value in settings.items()),
        f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"',
    ]
    file.write_text("\n".join(lines) + "\n")
    return min(file, Path(os.path.relpath(file)), key=lambda path: len(str(path)))


def ready_lines(pipeline: Pipeline, data_date: dt.date, url: str, terminal: Path) -> Iterator[str]:
    """Say how to go on with a pipeline.

    Args:
        pipeline: The pipeline.
        data_date: The day whose files are put.
        url: Local AWS's address.
        terminal: The shell file with a terminal's settings.

    Yields:
        A line each.
    """
    # A name without a slash would be looked for on the PATH.
    yield f"In another terminal, first `. {terminal if '/' in str(terminal) else f'./{terminal}'}`; then, to"
    aws = f"aws --endpoint-url {url}"
    for where in _places(pipeline, data_date):
        yield f"  upload  {aws} s3 cp FILE {where}"
    yield f"  train   airflow dags trigger train_and_deploy_{pipeline.name}"
    if pipeline.deploy != "never":
        yield f"  invoke  fresh-endpoints invoke {pipeline.name}"
    yield (
        f"  log     {aws} logs filter-log-events --log-group-name {_TRAINING_LOGS} --query 'events[].[message]' "
        "--output text"
    )


def _places(pipeline: Pipeline, data_date: dt.date) -> list[str]:
    try:
        place = place_of(pipeline, data_date)
    except ValueError:  # Only a run knows.
        return []
    return [f"s3://{place.bucket}/{key}" for key in place.keys.values()]
