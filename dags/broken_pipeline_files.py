"""Holds no DAG: it shows the pipeline files that cannot be used among Airflow's import errors.

Airflow keeps import errors by DAG file and stops scheduling every DAG of a file that has one. So the errors of pipeline
files are raised here, where no other pipeline suffers.
"""

from __future__ import annotations

from fresh_endpoints.pipeline_file.loading import load_pipelines

# Airflow reads only files in which the words airflow and DAG occur, as they do above.
errors = load_pipelines().errors
if errors:
    raise RuntimeError("These pipeline files cannot be used:\n" + "\n".join(str(error) for error in errors))
