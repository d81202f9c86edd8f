"""The journey of a platform engineer with 300 files."""

from __future__ import annotations

import pytest

from journeys import walk


@pytest.mark.timeout(600)  # programs by the dozen, on a machine that may be busy
def test_one_mistake_among_300_files_is_found_and_stops_nobody_else(database, open_terminal, tmp_path):
    walk("A platform engineer with 300 files", open_terminal(AIRFLOW_HOME=str(database(tmp_path / "airflow"))))
