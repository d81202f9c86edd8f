"""The card of a pipeline, which Airflow's UI shows as the documentation of its DAGs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fresh_endpoints.pipeline_file.card import card
from fresh_endpoints.pipeline_file.loading import load_pipeline
from pipeline_files import changed

SAMPLE = Path(__file__).parents[3] / "include" / "pipelines" / "multiclass.yaml"


def rows(pipeline):
    return dict(re.findall(r"^\| \*\*(.+?)\*\* \| (.+) \|$", card(pipeline, "What the DAG does."), re.MULTILINE))


@pytest.fixture
def rows_of(folder):
    """Loads a changed file; the rows of its card."""

    def load(*changes):
        path = folder / "iris.yaml"
        path.write_text(changed(*changes), encoding="utf-8")
        return rows(load_pipeline(path))

    return load


def test_the_samples_card_says_what_a_person_asks_first():
    pipeline = load_pipeline(SAMPLE)
    assert rows(pipeline) == {
        "Endpoint": "[`multiclass`](https://ap-northeast-1.console.aws.amazon.com/sagemaker/home?region=ap-northeast-1"
        "#/endpoints/multiclass) in ap-northeast-1, on `ml.m4.xlarge` (`1`)",
        "Schedule": "`@daily` by the clock of Asia/Tokyo",
        "Training": "`ml.m4.xlarge` (`1`), `1800` seconds at most",
        "Rules": "`validation:accuracy >= 0.9`, `validation:accuracy >= live - 0.05`",
        "Smoke test": "after a deployment; the answer must match `[0-2]`, else the newest proven model is put back",
        "Retention": "the newest 5 endpoint configs and models are kept",
        "Live, hold": "[What is live now](/plugin/models), how old it is, and whether it is held",
        "Go back": "trigger [redeploy_multiclass](/dags/redeploy_multiclass), or "
        "`fresh-endpoints redeploy multiclass`: no training, and a hold",
    }
    text = card(pipeline, "What the DAG does.")
    assert text.startswith("Classifies iris flowers with LightGBM.\n\n| | |\n")
    assert text.endswith("\n\nWhat the DAG does.")


def test_what_a_file_does_not_ask_for_is_not_on_its_card(rows_of):
    assert set(rows_of()) == {"Endpoint", "Schedule", "Training", "Live, hold", "Go back"}
    assert set(rows_of(("name: iris", "name: iris\ndeploy: never"))) == {"Schedule", "Training"}


def test_a_card_shows_spot_serverless_and_a_run_by_hand(rows_of):
    found = rows_of(
        ("name: iris", "name: iris\nschedule: null\ntimezone: Asia/Tokyo"),
        ("{MaxRuntimeInSeconds: 1800}", "{MaxRuntimeInSeconds: 60, MaxWaitTimeInSeconds: 90}"),
        ("  RoleArn", "  EnableManagedSpotTraining: true\n  RoleArn"),
        (
            "InstanceType: ml.m4.xlarge, InitialInstanceCount: 1}",
            "ServerlessConfig: {MemorySizeInMB: 2048, MaxConcurrency: 5}}",
        ),
    )
    assert found["Schedule"] == "none: a run starts when it is triggered; dates are those of Asia/Tokyo"
    assert found["Training"] == "`ml.m4.xlarge` (`1`) spot, `60` seconds at most"
    assert found["Endpoint"].endswith("on serverless, `2048` MB")


def test_a_bar_or_a_backtick_of_the_file_does_not_break_the_table(rows_of):
    smoke_test = 'smoke_test: {body: "1", content_type: text/csv, expect: "a|b`c"}\n'
    found = rows_of(("name: iris", f"{smoke_test}name: iris"))
    assert found["Smoke test"].startswith("after a deployment; the answer must match `` a\\|b`c ``, else")


def test_links_lead_below_the_path_that_airflow_stands_at(rows_of, monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://example.com/airflow/")
    assert "(/airflow/dags/redeploy_iris)" in rows_of()["Go back"]
