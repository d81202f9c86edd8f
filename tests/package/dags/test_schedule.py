"""The schedule follows the clock of the pipeline's time zone, also when that is put forward or back."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

import parsed_dags
from fresh_endpoints.run import Run

ROOT = Path(__file__).parents[3]
NEW_YORK = ZoneInfo("America/New_York")
# In 2026 New York's clocks go forward at 2:00 on March 8 and back at 2:00 on November 1: two days after these.
SPRING, AUTUMN = date(2026, 3, 6), date(2026, 10, 30)
SCHEDULES = {
    "midnight": "0 0 * * *",
    "in-the-gap": "30 2 * * *",
    "in-the-repeated-hour": "30 1 * * *",
    "morning": "0 9 * * *",
}
CASES = {
    f"{season}-{name}": (start, cron)
    for season, start in (("spring", SPRING), ("autumn", AUTUMN))
    for name, cron in SCHEDULES.items()
}


@pytest.fixture(scope="module")
def first_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[datetime]]:
    """The logical dates of the first five runs of a pipeline for each case."""
    folder = tmp_path_factory.mktemp("pipelines")
    sample: dict[str, Any] = yaml.safe_load((ROOT / "include/pipelines/multiclass.yaml").read_text())
    for name, (start, cron) in CASES.items():
        times = {"schedule": cron, "timezone": "America/New_York", "start_date": start, "catchup": True}
        content = {**sample, **times, "name": name, "endpoint": {"EndpointName": name}}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    parsed = parsed_dags.parse(
        ROOT / "dags",
        tmp_path_factory.mktemp("home"),
        AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
        AIRFLOW__CORE__PLUGINS_FOLDER=str(ROOT / "plugins"),
        PIPELINES_DIR=str(folder),
    )
    assert parsed["errors"] == {}
    return {
        name: [datetime.fromisoformat(text) for text in parsed["dags"][f"train_and_deploy_{name}"]["first_runs"]]
        for name in CASES
    }


@pytest.mark.parametrize("case", CASES)
def test_every_day_has_one_run_and_its_own_data_date(first_runs, case):
    start, _ = CASES[case]
    pipeline = SimpleNamespace(name="iris", timezone="America/New_York", environment="", renamed_from=())
    runs = [
        Run.of(pipeline, {"dag_run": SimpleNamespace(logical_date=moment, dag_id="d", run_id="r")})
        for moment in first_runs[case]
    ]
    days = [start + timedelta(days=number) for number in range(5)]
    assert [run.date for run in runs] == days
    assert [run.data_date for run in runs] == [day - timedelta(days=1) for day in days]


@pytest.mark.parametrize("case", [case for case in CASES if case.endswith(("midnight", "morning"))])
def test_the_run_is_due_at_the_same_time_by_the_local_clock(first_runs, case):
    _, cron = CASES[case]
    local = [moment.astimezone(NEW_YORK) for moment in first_runs[case]]
    assert {moment.hour for moment in local} == {int(cron.split()[1])}
    # By UTC's clock it is not: the offset has changed in between.
    assert len({moment.utcoffset() for moment in local}) == 2
