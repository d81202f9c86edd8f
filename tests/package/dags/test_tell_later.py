"""The DAG that tells later, as Airflow reads it; what it does is in tests/package/telling/test_later.py."""

from __future__ import annotations

import parsed_dags
from pipeline_under_test import ROOT


def test_it_is_one_task_that_runs_when_something_was_left_to_it(tmp_path):
    folders = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
    }
    parsed = parsed_dags.parse(ROOT / "dags", tmp_path / "home", **folders)
    assert [name for name in parsed["errors"] if "tell_later" in name] == []
    dag = parsed["dags"]["tell_later"]
    assert dag["tasks"] == {"tell_later": []}
    assert "A run is one message" in dag["docs"]
