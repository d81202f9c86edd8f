"""The clean-up costs calls by what it deletes, not by what the account holds; where AWS does not tell, many."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone

import pytest

from fresh_endpoints.steps.retention import Expired, delete_expired, find_expired
from made_by_hand import Store, endpoint_of, names

MOST_CALLS = 15


def calls_of(pipeline, clean_up):
    """Do something, and count the calls by operation; other tests may have used up the rate of lists."""
    before = pipeline.aws.count()
    clean_up()
    made = [call for call in pipeline.aws.calls() if call["number"] > before]
    return Counter(call["operation"] for call in made if call["error"] != "ThrottlingException")


@pytest.fixture
def store(pipeline):
    return Store(pipeline)


def now():
    return datetime.now(timezone.utc).isoformat()


# More than the calls that are allowed, by far.
THEIRS = 1000


@pytest.fixture
def many_others(pipeline, store):
    """Endpoints of somebody else's in the account; they have failed, so that no program runs."""
    config, prefix = store.add("theirs", tagged=False), f"other-{pipeline.name}"[::-1]
    [fault] = pipeline.aws.add_faults({"kind": "fail_deployment", "failure_reason": "no need to run", "times": THEIRS})
    theirs = [f"{prefix}-{number}" for number in range(THEIRS)]
    for name in theirs:
        pipeline.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    yield
    pipeline.aws.remove_fault(fault)
    for name in theirs:
        pipeline.sagemaker.delete_endpoint(EndpointName=name)


def test_endpoints_of_others_in_the_account_cost_nothing(pipeline, many_others, store):
    old, *newer = [store.add(f"new-{number}", made=now()) for number in range(5)]
    calls = calls_of(
        pipeline,
        lambda: delete_expired(pipeline.sagemaker, endpoint_of(pipeline), pipeline.own_names, 4, dry_run=False),
    )
    assert names(pipeline, "configs") == {store.first, *newer, f"{pipeline.name}-theirs"}
    assert old not in names(pipeline, "models")
    assert calls["DeleteEndpointConfig"] == calls["DeleteModel"] == 1
    assert calls.total() <= MOST_CALLS < THEIRS, calls


def test_a_dry_run_that_goes_on_for_weeks_costs_no_more_than_in_the_first_days(pipeline, store):
    costs = []
    for days in (12, 30):
        for day in range(len(names(pipeline, "configs")), days):
            store.add(f"day-{day}", made=now())
        costs.append(
            calls_of(
                pipeline,
                lambda: delete_expired(pipeline.sagemaker, endpoint_of(pipeline), pipeline.own_names, 1, dry_run=True),
            )
        )
    assert costs[0] == costs[1]
    assert costs[0].total() <= MOST_CALLS, costs


@pytest.mark.parametrize("refused", ["GetResources", "Search"])
def test_what_aws_does_not_tell_in_few_calls_is_found_in_many(pipeline, store, caplog, refused):
    """A policy of the time before does not allow it, and not every network has a way to the tagging API."""
    other, *newer = [store.add(f"new-{number}") for number in range(3)]
    name = f"other-{pipeline.name}"[::-1]
    pipeline.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=other)
    waiter = pipeline.sagemaker.get_waiter("endpoint_in_service")
    waiter.wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    faults = pipeline.aws.add_faults({"operation": refused, "kind": "denied"})
    try:
        found = find_expired(pipeline.sagemaker, endpoint_of(pipeline), pipeline.own_names, 1)
    finally:
        for fault in faults:
            pipeline.aws.remove_fault(fault)
        pipeline.sagemaker.delete_endpoint(EndpointName=name)
    assert found == Expired((newer[0],), (newer[0],))
    assert "is found the long way" in caplog.text


def test_what_a_person_has_tagged_is_kept(pipeline, store):
    wanted, *newer = [store.add(f"new-{number}") for number in range(3)]
    for arn in (
        pipeline.sagemaker.describe_endpoint_config(EndpointConfigName=wanted)["EndpointConfigArn"],
        pipeline.sagemaker.describe_model(ModelName=wanted)["ModelArn"],
    ):
        pipeline.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "fresh-endpoints:keep", "Value": "ann: for a demo"}])
    delete_expired(pipeline.sagemaker, endpoint_of(pipeline), pipeline.own_names, 1, dry_run=False)
    assert names(pipeline, "configs") == names(pipeline, "models") == {store.first, wanted, newer[1]}
