"""Holds no DAG: it shows the pipeline files that cannot be used among Airflow's import errors.

Airflow keeps import errors by DAG file and stops scheduling every DAG of a file that has one. So the errors of pipeline
files are raised here, where no other pipeline suffers: what is wrong with a file, and which DAG cannot be built of it.
"""

from __future__ import annotations

from pathlib import Path

from fresh_endpoints.pipeline_file.building import find_build_errors
from fresh_endpoints.pipeline_file.loading import load_pipelines, pipelines_dir

DAG_FILES = ("train_and_deploy.py", "batch_predict.py", "redeploy.py")

# Airflow reads only files in which the words airflow and DAG occur, as they do above.
folder = pipelines_dir(Path(__file__))
errors = [*load_pipelines(folder).errors, *find_build_errors(Path(__file__).parent / name for name in DAG_FILES)]
if errors:
    raise RuntimeError("These pipeline files cannot be used:\n" + "\n".join(str(error) for error in errors))
