"""The DAG of the daily watch, as Airflow reads it; what it does is in tests/package/steps/test_watch_models.py."""

from __future__ import annotations

import pytest

import parsed_dags
from pipeline_under_test import ROOT


@pytest.fixture(scope="module")
def parsed(tmp_path_factory):
    """The dags folder beside a pipeline file that cannot be used."""
    folder = tmp_path_factory.mktemp("watch")
    (folder / "broken.yaml").write_text("name: broken\n")
    folders = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
    }
    return parsed_dags.parse(ROOT / "dags", folder / "home", PIPELINES_DIR=str(folder), **folders)


def test_it_is_one_daily_task_which_no_pipeline_file_can_take_away(parsed):
    assert [name for name in parsed["errors"] if "watch_models" in name] == []
    watch = parsed["dags"]["watch_models"]
    assert watch["tasks"] == {"watch_models": []}
    assert (watch["tags"], watch["timezone"], watch["catchup"]) == (["watch-models"], "UTC", False)


def test_its_page_names_all_that_it_tells_of(parsed):
    docs = parsed["dags"]["watch_models"]["docs"]
    for word in ("cannot be used", "no pipeline file", "max_age_days", "never began", "instance hours"):
        assert word in docs
