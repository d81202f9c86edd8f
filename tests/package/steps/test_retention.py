"""The clean-up: exactly what is old, ours and unused goes."""

from datetime import datetime, timedelta

import pytest

from fresh_endpoints.aws import lists
from fresh_endpoints.steps import inventory, retention
from fresh_endpoints.steps.retention import Expired, delete_expired, find_expired
from fresh_endpoints.steps.way_back import way_back
from made_by_hand import FIRST, Store, copy_model, endpoint_of, names


@pytest.fixture
def store(pipeline):
    return Store(pipeline)


def test_fifteen_days_leave_the_newest_three_and_no_look_alike_is_touched(pipeline):
    pipeline.use_tiny_image(model="m")
    pipeline.write(lambda content: content.update(retention={"keep": 3}))
    look_alike = f"{pipeline.name}-2019-01-01-00000000"
    days = [FIRST + timedelta(days=number) for number in range(15)]
    pipeline.upload(days[0])
    pipeline.run(days[0])
    model = pipeline.sagemaker.describe_model(ModelName=pipeline.live())
    copy_model(pipeline, look_alike, model)
    variant = {"VariantName": "v", "ModelName": look_alike, "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1}
    pipeline.sagemaker.create_endpoint_config(EndpointConfigName=look_alike, ProductionVariants=[variant])
    for day in days[1:]:
        pipeline.upload(day)
        assert pipeline.run(day).tasks["deploy"] == "success"
    jobs = [job["TrainingJobName"] for job in pipeline.jobs()]
    assert len(jobs) == 15
    assert names(pipeline, "configs") == {*jobs[-3:], look_alike}
    assert names(pipeline, "models") == {*jobs[-3:], look_alike}
    assert pipeline.live() == jobs[-1]


def deploy(pipeline, config):
    pipeline.sagemaker.update_endpoint(EndpointName=pipeline.name, EndpointConfigName=config)
    waiter = pipeline.sagemaker.get_waiter("endpoint_in_service")
    waiter.wait(EndpointName=pipeline.name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def test_without_a_smoke_test_the_days_before_is_kept_to_go_back_to(pipeline):
    pipeline.use_tiny_image(model="m")
    pipeline.write(lambda content: content.update(retention={"keep": 1}))
    days = [FIRST + timedelta(days=number) for number in range(3)]
    for day in days:
        pipeline.upload(day)
        assert pipeline.run(day).tasks["deploy"] == "success"
    _, before, live = [job["TrainingJobName"] for job in pipeline.jobs()]
    assert names(pipeline, "configs") == names(pipeline, "models") == {before, live}


def test_what_the_way_back_leads_over_and_to_is_kept_with_its_model(pipeline, store):
    oldest = store.add("0", smoke_test="passed")
    proven = store.add("1", smoke_test="passed", previous=oldest)
    failed = store.add("2", smoke_test="answered no", previous=proven)
    live = store.add("3", smoke_test="answered no", previous=failed)
    deploy(pipeline, live)
    newest = store.add("4")
    gone = (oldest, store.first)
    assert find_expired(pipeline.sagemaker, endpoint_of(pipeline), pipeline.own_names, 1) == Expired(gone, gone)
    delete_expired(pipeline.sagemaker, endpoint_of(pipeline), pipeline.own_names, 1, dry_run=False)
    assert names(pipeline, "configs") == names(pipeline, "models") == {proven, failed, live, newest}
    assert way_back(endpoint_of(pipeline), live, pipeline.own_names) == proven


def test_what_nobody_has_asked_is_kept_where_nothing_is_proven(pipeline, store):
    oldest = store.add("0", smoke_test="answered no")
    untested = store.add("1", previous=oldest)
    live = store.add("2", smoke_test="answered no", previous=untested)
    deploy(pipeline, live)
    newest = store.add("3")
    delete_expired(pipeline.sagemaker, endpoint_of(pipeline), pipeline.own_names, 1, dry_run=False)
    assert names(pipeline, "configs") == names(pipeline, "models") == {untested, live, newest}
    assert way_back(endpoint_of(pipeline), live, pipeline.own_names) == untested


def test_what_is_younger_than_keep_days_is_kept_besides_the_newest(pipeline, store, monkeypatch):
    old, young = store.add("old"), store.add("young")
    newest = store.add("newest")
    created = {
        config["EndpointConfigName"]: config["CreationTime"]
        for config in pipeline.listed("list_endpoint_configs", NameContains=pipeline.name)
    }

    margin = (created[young] - created[old]) / 2

    class TwoDaysAfterTheYoungOne(datetime):
        @classmethod
        def now(cls, tz=None):
            # The model was made before its endpoint config; both are to be within the two days.
            return (created[young] + timedelta(days=2) - margin).astimezone(tz)

    monkeypatch.setattr(retention, "datetime", TwoDaysAfterTheYoungOne)
    found = find_expired(pipeline.sagemaker, endpoint_of(pipeline), pipeline.own_names, 1, keep_days=2)
    assert found == Expired((old,), (old,))
    assert find_expired(pipeline.sagemaker, endpoint_of(pipeline), pipeline.own_names, 1, keep_days=3) == Expired(
        (), ()
    )
    assert find_expired(pipeline.sagemaker, endpoint_of(pipeline), pipeline.own_names, 1) == Expired(
        (young, old), (young, old)
    )
    assert newest in created


def test_a_deployment_keeps_what_its_file_says_for_days(pipeline):
    pipeline.use_tiny_image(model="m")
    pipeline.write(lambda content: content.update(retention={"keep": 1, "keep_days": 30}))
    for number in range(4):
        pipeline.upload(FIRST + timedelta(days=number))
        assert pipeline.run(FIRST + timedelta(days=number)).tasks["deploy"] == "success"
    assert len(names(pipeline, "configs")) == len(names(pipeline, "models")) == 4


def test_what_previous_leads_to_is_kept_while_a_redeployed_model_is_live(pipeline):
    """And so is what it leads to from there, however many days have gone by."""
    pipeline.use_tiny_image(model="m")
    pipeline.write(lambda content: content.update(retention={"keep": 2}))
    days = [FIRST + timedelta(days=number) for number in range(5)]
    for day in days:
        pipeline.upload(day)
    for day in days[:2]:
        pipeline.run(day)
    first, second = [job["TrainingJobName"] for job in pipeline.jobs()]
    assert pipeline.redeploy(hold_days=0).tasks["redeploy"] == "success"
    assert pipeline.live() == first
    for day in days[2:]:
        assert pipeline.run(day).tasks["deploy"] == "success"
    *_, before, live = [job["TrainingJobName"] for job in pipeline.jobs()]
    assert names(pipeline, "configs") == {before, live}
    assert second not in names(pipeline, "models")
    assert pipeline.redeploy().tasks["redeploy"] == "success"
    assert pipeline.live() == before


def test_where_it_is_not_known_what_is_in_use_nothing_is_deleted_and_slack_says_so(pipeline, store, monkeypatch):
    pipeline.write(lambda content: content.update(retention={"keep": 1}))
    config = store.add("old")
    more = [f"more-{number}-{pipeline.name}"[::-1] for number in range(2)]
    faults = pipeline.aws.add_faults({"kind": "fail_deployment", "failure_reason": "no need to run", "times": 2})
    for name in more:
        pipeline.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    monkeypatch.setattr(lists, "PAGE_SIZE", 2)
    monkeypatch.setattr(inventory, "MOST_PAGES_IN_USE", 1)
    faults += pipeline.aws.add_faults({"operation": "GetResources", "kind": "denied"})
    day = FIRST + timedelta(days=1)
    pipeline.upload(day)
    try:
        assert pipeline.run(day).state == "success"
    finally:
        for fault in faults:
            pipeline.aws.remove_fault(fault)
        for name in more:
            pipeline.sagemaker.delete_endpoint(EndpointName=name)
    assert pipeline.titles()[-1] == "Clean-up failed"
    assert "https://" not in pipeline.slack()[-1], "an address is a link, and no fact"
    assert (
        "Nothing was deleted, for it is not known what is in use: list_endpoints has more than" in pipeline.slack()[-1]
    )
    assert len(names(pipeline, "configs")) == len(names(pipeline, "models")) == 3


def test_what_is_live_is_kept_however_old_with_its_model(pipeline, store):
    newer = [store.add(f"new-{number}") for number in range(4)]
    assert find_expired(pipeline.sagemaker, endpoint_of(pipeline), pipeline.own_names, 2) == Expired(
        (newer[1], newer[0]), (newer[1], newer[0])
    )
    delete_expired(pipeline.sagemaker, endpoint_of(pipeline), pipeline.own_names, 2, dry_run=False)
    assert names(pipeline, "configs") == {store.first, *newer[2:]}
    assert names(pipeline, "models") == {store.first, *newer[2:]}
    assert pipeline.live() == store.first


def test_what_an_endpoint_is_updated_from_and_to_is_kept(pipeline, store):
    target, *newer = [store.add(f"new-{number}") for number in range(3)]
    [fault] = pipeline.aws.add_faults({"operation": "endpoint:Updating", "kind": "hold_status"})
    try:
        pipeline.sagemaker.update_endpoint(EndpointName=pipeline.name, EndpointConfigName=target)
        assert find_expired(pipeline.sagemaker, endpoint_of(pipeline), pipeline.own_names, 1) == Expired(
            (newer[0],), (newer[0],)
        )
    finally:
        pipeline.aws.remove_fault(fault)
        pipeline.sagemaker.get_waiter("endpoint_in_service").wait(
            EndpointName=pipeline.name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )


def test_what_another_endpoint_serves_is_kept(pipeline, store):
    other, *newer = [store.add(f"new-{number}") for number in range(3)]
    name = f"other-{pipeline.name}"[::-1]
    pipeline.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=other)
    waiter = pipeline.sagemaker.get_waiter("endpoint_in_service")
    waiter.wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    try:
        assert find_expired(pipeline.sagemaker, endpoint_of(pipeline), pipeline.own_names, 1) == Expired(
            (newer[0],), (newer[0],)
        )
    finally:
        pipeline.sagemaker.delete_endpoint(EndpointName=name)


def test_the_model_of_a_running_transform_job_is_kept(pipeline, store):
    used, *newer = [store.add(f"new-{number}") for number in range(3)]
    job = f"{pipeline.name}-transform"
    [fault] = pipeline.aws.add_faults({"operation": "transform-job:InProgress", "kind": "hold_status"})
    try:
        pipeline.sagemaker.create_transform_job(
            TransformJobName=job,
            ModelName=used,
            TransformInput={
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": f"s3://sample-bucket/input-data-prediction/{FIRST}/{pipeline.name}/",
                    }
                }
            },
            TransformOutput={"S3OutputPath": f"s3://sample-bucket/out/{pipeline.name}/"},
            TransformResources={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1},
            Tags=[
                {"Key": "fresh-endpoints:pipeline", "Value": pipeline.name},
                {"Key": "fresh-endpoints:model", "Value": used},
            ],
        )
        assert find_expired(pipeline.sagemaker, endpoint_of(pipeline), pipeline.own_names, 1) == Expired(
            (newer[0], used), (newer[0],)
        )
    finally:
        pipeline.sagemaker.stop_transform_job(TransformJobName=job)
        pipeline.aws.remove_fault(fault)
        pipeline.sagemaker.get_waiter("transform_job_completed_or_stopped").wait(
            TransformJobName=job, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )


def test_what_has_no_tag_of_this_pipeline_is_never_a_candidate(pipeline, store):
    store.add("untagged", tagged=False)
    newest = store.add("newest")
    delete_expired(pipeline.sagemaker, endpoint_of(pipeline), pipeline.own_names, 1, dry_run=False)
    assert names(pipeline, "configs") == {store.first, newest, f"{pipeline.name}-untagged"}
    assert names(pipeline, "models") == {store.first, newest, f"{pipeline.name}-untagged"}


def test_the_tags_of_what_is_named_otherwise_are_not_read(pipeline, store):
    """The worker may read those of its own names only, and a name is found by any part of it."""
    faults = pipeline.aws.add_faults({"operation": "GetResources", "kind": "denied"})
    foreign = f"dev-{pipeline.name}-model"
    copy_model(pipeline, foreign, store.request)
    store.add("newest")
    find_expired(pipeline.sagemaker, endpoint_of(pipeline), pipeline.own_names, 1)
    for fault in faults:
        pipeline.aws.remove_fault(fault)
    read = [call["parameters"]["ResourceArn"] for call in pipeline.aws.calls("ListTags")]
    assert read
    assert [arn for arn in read if arn.endswith(f"/{foreign}")] == []


def test_a_dry_run_lists_and_deletes_nothing(pipeline, store, caplog):
    newer = [store.add(f"new-{number}") for number in range(3)]
    before = names(pipeline, "configs") | names(pipeline, "models")
    with caplog.at_level("INFO"):
        assert delete_expired(
            pipeline.sagemaker, endpoint_of(pipeline), pipeline.own_names, 1, dry_run=True
        ).models == (
            newer[1],
            newer[0],
        )
    assert f"Would delete endpoint config {newer[0]}" in caplog.text
    assert names(pipeline, "configs") | names(pipeline, "models") == before


def test_a_clean_up_that_fails_warns_and_the_run_succeeds(pipeline, store):
    pipeline.write(lambda content: content.update(retention={"keep": 1}))
    store.add("old")
    day = FIRST + timedelta(days=1)
    pipeline.upload(day)
    faults = pipeline.aws.add_faults({"operation": "GetResources", "kind": "error", "status": 500})
    try:
        assert pipeline.run(day).state == "success"
    finally:
        for fault in faults:
            pipeline.aws.remove_fault(fault)
    assert pipeline.titles()[-1] == "Clean-up failed"
    assert len(names(pipeline, "configs")) == 3
