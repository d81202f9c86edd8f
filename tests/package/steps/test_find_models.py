"""Which models a run of the prediction DAG finds in the asset events that it was told of."""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from fresh_endpoints.pipeline_file.loading import load_pipeline
from fresh_endpoints.steps.find_models import FindModelsOperator

PIPELINE = load_pipeline(Path(__file__).parents[3] / "include" / "pipelines" / "multiclass.yaml")
START = datetime(2019, 3, 5, tzinfo=timezone.utc)


class Inlet:
    """The asset's events in Airflow's database, as a task reads them."""

    def __init__(self, events):
        self.events = events

    def after(self, moment):
        return [event for event in self.events if event.timestamp >= datetime.fromisoformat(moment)]


def event(minute, extra):
    return SimpleNamespace(timestamp=START + timedelta(minutes=minute), extra=extra)


def facts(day, job=None):
    data_date = f"2019-03-{day:02}"
    job = job or f"multiclass-{data_date}-1a2b3c4d"
    return {"data_date": data_date, "training_job": job, "artifact": "s3://b/m.tar.gz", "metrics": {}, "model": job}


class Inlets:
    """The events of each inlet; an asset is no key of a dict in Airflow 3.1."""

    def __init__(self, asset, events):
        self.asset = asset
        self.events = events

    def __getitem__(self, asset):
        assert asset == self.asset
        return self.events


@pytest.fixture(params=[Inlet, list], ids=["Airflow 3.2 and later", "Airflow 3.1"])
def find(request):
    operator = FindModelsOperator(task_id="find_models", pipeline=PIPELINE)

    def found(triggering, later=(), clears=0):
        inlets = Inlets(operator.asset, request.param([*triggering, *later]))
        dag_run = SimpleNamespace(dag_id="d", run_id="r", logical_date=None, run_after=START, conf={})
        retries = operator.retries
        context = {
            "triggering_asset_events": {operator.asset.name: triggering},
            "inlet_events": inlets,
            "dag_run": dag_run,
            "ti": SimpleNamespace(max_tries=retries + clears, try_number=clears + 1),
            "task": operator,
            "params": {},
        }
        return [model["training_job"] for model in operator.look_and_act(context, None)]

    return found


def test_every_event_gives_its_model_oldest_data_date_first(find):
    assert find([event(0, facts(6)), event(1, facts(4)), event(2, facts(5))]) == [
        facts(day)["training_job"] for day in (4, 5, 6)
    ]


def test_a_training_that_was_told_twice_is_found_once(find):
    assert find([event(0, facts(4)), event(1, facts(4))]) == [facts(4)["training_job"]]


def created(day, job, minute):
    return {**facts(day, job), "created": (START + timedelta(minutes=minute)).isoformat()}


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_trainings_of_a_date_the_newest_predicts(find, order):
    assert find([event(9, created(4, "old", 0)), event(10, created(4, "new", 5))][::order]) == ["new"]
    # Told the other way round: the older one's run has taken longer.
    assert find([event(9, created(4, "new", 5)), event(10, created(4, "old", 0))][::order]) == ["new"]


def test_a_newer_training_that_another_run_was_told_of_is_not_overwritten(find):
    told_before = event(9, created(4, "new", 5))
    other_date = event(8, created(3, "another date's", 6))
    assert find([event(10, created(4, "old", 0))], later=[other_date, told_before]) == ["new"]


def test_an_event_that_came_while_the_run_was_made_is_found_too(find):
    assert find([event(0, facts(4))], later=[event(1, facts(5))]) == [facts(day)["training_job"] for day in (4, 5)]


def test_a_run_that_was_cleared_finds_its_own_models_only(find):
    later = [event(minute, facts(minute + 4)) for minute in range(1, 9)]
    assert find([event(0, facts(4))], later=later, clears=1) == [facts(4)["training_job"]]


def test_an_event_made_by_hand_does_not_stop_the_others(find):
    assert find([event(0, {"from": "the UI"}), event(1, facts(4))]) == [facts(4)["training_job"]]


def test_only_events_made_by_hand_are_a_clear_error(find):
    with pytest.raises(AirflowFailException, match=r"multiclass-model .* hold no model facts. .* with its data_date"):
        find([event(0, None)])
