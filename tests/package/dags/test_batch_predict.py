"""The prediction DAG by hand: exactly the date's model, on the date's file, once."""

import threading
import time
from datetime import date

import pytest

from fresh_endpoints.aws import lists
from fresh_endpoints.aws.errors import BOTOCORE_CONFIG
from fresh_endpoints.steps import find_models
from fresh_endpoints.steps.find_models import FindModelsOperator
from fresh_endpoints.steps.predict import PredictOperator
from fresh_endpoints.waiting import pace
from sagemaker_requests import new_bucket, training_job, wait_for_training

DAY_1, DAY_2 = date(2019, 3, 4), date(2019, 3, 5)
ALL_SUCCESS = {"find_models": "success", "wait_for_data": "success", "predict": "success"}


def output(pipeline, day):
    key = f"output-prediction/{day}/{pipeline.name}/iris.csv.out"
    return pipeline.s3.get_object(Bucket="sample-bucket", Key=key)["Body"].read()


def transform_jobs(pipeline):
    found = pipeline.listed("list_transform_jobs", NameContains=pipeline.name, SortOrder="Ascending")
    return [job["TransformJobName"] for job in found]


@pytest.mark.parametrize("worker_seconds", [15, 0], ids=["in the worker", "deferred"])
def test_the_predictions_are_the_models_own_answers(pipeline, monkeypatch, worker_seconds):
    monkeypatch.setattr(pace, "WORKER_SECONDS", worker_seconds)
    pipeline.upload(DAY_1)
    pipeline.run(DAY_1)
    before = len(pipeline.slack())

    ended = pipeline.predict(data_date=str(DAY_1))

    assert ended.tasks == ALL_SUCCESS
    rows = pipeline.s3.get_object(
        Bucket="sample-bucket", Key=f"input-data-prediction/{DAY_1}/{pipeline.name}/iris.csv"
    )["Body"].read()
    predictions = output(pipeline, DAY_1)
    assert predictions == pipeline.invoke(rows, ContentType="text/csv", Accept="text/csv")
    assert len(predictions.split()) == len(rows.split()) == 30
    [job] = transform_jobs(pipeline)
    assert pipeline.sagemaker.describe_transform_job(TransformJobName=job)["ModelName"] == pipeline.live()
    uri = f"s3://sample-bucket/output-prediction/{DAY_1}/{pipeline.name}/iris.csv.out"
    assert ended.returned["predict"]["output"] == uri
    head = f"{pipeline.name}, data date 2019-03-04."
    assert pipeline.slack()[before:] == [
        f'Prediction started: {head} Starting transform job "{job}" with model "{pipeline.live()}".',
        (
            f'Prediction complete: {head} Transform job "{job}" complete. Predictions uploaded to "{uri}". '
            f"Model: {pipeline.live()}."
        ),
    ]


def test_the_last_jobs_duration_tells_when_to_look_at_the_next_one(pipeline, expected_of):
    pipeline.upload(DAY_1)
    pipeline.run(DAY_1)
    pipeline.predict(data_date=str(DAY_1))
    [first] = transform_jobs(pipeline)
    job = pipeline.sagemaker.describe_transform_job(TransformJobName=first)
    pipeline.predict(data_date=str(DAY_1))
    assert expected_of["predict"] == [None, (job["TransformEndTime"] - job["CreationTime"]).total_seconds()]


def test_a_date_that_is_not_deployed_is_predicted_with_its_own_model(pipeline):
    pipeline.use_tiny_image(model="of the second day")
    pipeline.upload(DAY_2)
    pipeline.run(DAY_2)
    pipeline.use_tiny_image(model="of the first day")
    pipeline.upload(DAY_1)
    assert pipeline.run(DAY_1).tasks["deploy"] == "skipped"

    assert pipeline.predict(data_date=str(DAY_1)).tasks == ALL_SUCCESS

    assert output(pipeline, DAY_1).startswith(b"of the first day:")
    assert pipeline.invoke(b"?") == b"of the second day:?"


def test_a_date_without_a_training_is_a_clear_error(pipeline):
    pipeline.upload(DAY_1)
    ended = pipeline.predict(data_date=str(DAY_1))
    assert ended.state == "failed"
    assert ended.tasks["find_models"] == "failed"
    assert (
        f"Found no completed training job of pipeline {pipeline.name} for data date 2019-03-04" in pipeline.slack()[-1]
    )
    assert f"Trigger train_and_deploy_{pipeline.name} with this data_date first" in pipeline.slack()[-1]


def refused_by_the_gate(content):
    content["quality"] = {"rules": ["accuracy >= 0.9"]}  # It has no metric.


def refused_by_the_smoke_test(content):
    content["smoke_test"] = {"body": "?", "content_type": "text/csv", "expect": "another answer"}


@pytest.mark.parametrize("refused", [refused_by_the_gate, refused_by_the_smoke_test])
def test_a_refused_model_does_not_predict_by_hand_either_until_it_is_deployed_after_all(pipeline, refused):
    pipeline.use_tiny_image(model="no good")
    pipeline.write(refused)
    pipeline.upload(DAY_1)
    trained = pipeline.run(DAY_1)
    assert pipeline.predict(data_date=str(DAY_1)).tasks["find_models"] == "failed"
    [job] = [job["TrainingJobName"] for job in pipeline.jobs()]
    assert f"whose model may be used. {job} was refused: " in pipeline.slack()[-1]
    assert transform_jobs(pipeline) == []

    pipeline.use_tiny_image(model="no good")  # Without gate and smoke test.
    assert pipeline.clear(trained, "deploy", "publish").tasks["deploy"] == "success"
    assert pipeline.predict(data_date=str(DAY_1)).tasks == ALL_SUCCESS


def test_the_newest_model_of_the_date_that_was_not_refused_predicts_by_hand(pipeline):
    pipeline.use_tiny_image(model="good")
    pipeline.upload(DAY_1)
    pipeline.run(DAY_1)
    pipeline.use_tiny_image(model="no good")
    pipeline.write(refused_by_the_gate)
    pipeline.run(DAY_2, data_date=str(DAY_1))
    assert len(pipeline.jobs()) == 2
    assert pipeline.predict(data_date=str(DAY_1)).tasks == ALL_SUCCESS
    assert output(pipeline, DAY_1).startswith(b"good:")


def test_a_model_is_found_behind_many_other_trainings_at_the_rate_that_aws_allows(pipeline, monkeypatch):
    pipeline.use_tiny_image(model="m")
    pipeline.upload(DAY_1)
    pipeline.run(DAY_1)
    bucket = new_bucket(pipeline.aws)
    pipeline.aws.add_faults({"kind": "fail_training", "failure_reason": "AlgorithmError: no need to run"})
    try:
        for _ in range(12):
            pipeline.sagemaker.create_training_job(**training_job(bucket, {}))
    finally:
        pipeline.aws.clear_faults()
    monkeypatch.setattr(lists, "PAGE_SIZE", 3)
    throttled = refusals_of_lists(pipeline)
    assert pipeline.predict(data_date=str(DAY_1)).tasks == ALL_SUCCESS
    assert refusals_of_lists(pipeline) == throttled
    monkeypatch.setattr(find_models, "MOST_PAGES", 2)
    assert pipeline.predict(data_date=str(DAY_1)).tasks["find_models"] == "failed"
    assert "for data date 2019-03-04 among the newest (list_training_jobs has more than 6" in pipeline.slack()[-1]


def refusals_of_lists(pipeline):
    return [call["number"] for call in pipeline.aws.calls("ListTrainingJobs") if call["error"]]


def test_lists_that_are_throttled_for_long_cost_an_estimate_and_nothing_else(pipeline, monkeypatch):
    monkeypatch.setitem(BOTOCORE_CONFIG["retries"], "total_max_attempts", 1)
    pipeline.use_tiny_image(model="m")
    pipeline.upload(DAY_1)
    pipeline.aws.add_faults({"operation": "List*Jobs", "kind": "throttle"})
    try:
        assert pipeline.run(DAY_1).state == "success"
    finally:
        pipeline.aws.clear_faults()


def test_without_the_file_the_date_is_skipped_and_slack_says_so(pipeline):
    pipeline.use_tiny_image(model="m")
    pipeline.upload(DAY_1, ("training", "validation"))
    pipeline.run(DAY_1)
    ended = pipeline.predict(data_date=str(DAY_1))
    assert ended.tasks == {"find_models": "success", "wait_for_data": "skipped", "predict": "skipped"}
    told = pipeline.slack()[-1]
    assert told.startswith(
        f"No new data: {pipeline.name}, data date 2019-03-04. The data of 2019-03-04 was not there in time. "
        f"Skipping its prediction. Live now: {pipeline.live()}, data date 2019-03-04 ("
    )
    assert f"then trigger batch_predict_{pipeline.name} with data_date 2019-03-04." in told
    assert transform_jobs(pipeline) == []


def test_a_failing_job_fails_the_run_with_the_data_date_of_its_model(pipeline):
    pipeline.use_tiny_image(model="m")
    pipeline.upload(DAY_1)
    pipeline.run(DAY_1)
    key = f"input-data-prediction/{DAY_1}/{pipeline.name}/iris.csv"
    pipeline.s3.put_object(Bucket="sample-bucket", Key=key, Body=b"status 400")
    ended = pipeline.predict(data_date=str(DAY_1))
    assert ended.tasks["predict"] == "failed"
    assert len(transform_jobs(pipeline)) == 1, "a failing job is not tried again"
    assert pipeline.slack()[-1].startswith(
        f"Prediction failed: {pipeline.name}, data date 2019-03-04. Transform job failed. ClientError"
    )


def test_a_retry_attaches_to_the_job_that_runs(pipeline, monkeypatch):
    pipeline.use_tiny_image(model="m")
    pipeline.upload(DAY_1)
    pipeline.run(DAY_1)
    original, calls = PredictOperator.wait_for_end, []

    def die_at_first(self, *args):
        calls.append(args)
        if len(calls) == 1:
            raise ConnectionError("the worker died")
        return original(self, *args)

    monkeypatch.setattr(PredictOperator, "wait_for_end", die_at_first)
    assert pipeline.predict(data_date=str(DAY_1)).tasks == ALL_SUCCESS
    assert len(calls) == 2
    assert len(transform_jobs(pipeline)) == 1
    assert pipeline.titles()[-2:] == ["Prediction started", "Prediction complete"]


def test_killing_the_task_stops_the_job(pipeline, monkeypatch):
    pipeline.use_tiny_image(model="m")
    pipeline.upload(DAY_1)
    pipeline.run(DAY_1)
    look = PredictOperator.look_for_a_while

    def killed(self, *args):
        self.on_kill()  # As Airflow does in the task's process when a user has marked the task failed.
        return look(self, *args)

    monkeypatch.setattr(PredictOperator, "look_for_a_while", killed)
    monkeypatch.setattr(PredictOperator, "_is_still_wanted", lambda self: False)
    [fault] = pipeline.aws.add_faults({"operation": "transform-job:InProgress", "kind": "hold_status", "times": 1})
    stopped = pipeline.aws.count("StopTransformJob")
    release = threading.Thread(target=release_when_stopped, args=(pipeline, fault, stopped))
    release.start()
    ended = pipeline.predict(data_date=str(DAY_1))
    release.join()
    assert ended.tasks["predict"] == "failed"
    [job] = transform_jobs(pipeline)
    assert pipeline.sagemaker.describe_transform_job(TransformJobName=job)["TransformJobStatus"] == "Stopped"
    assert pipeline.titles()[-1] == "Prediction started"  # what a user has ended is no failure of the task's own


def release_when_stopped(pipeline, fault, before):
    deadline = time.monotonic() + 120
    while pipeline.aws.count("StopTransformJob") == before and time.monotonic() < deadline:
        time.sleep(0.1)
    pipeline.aws.remove_fault(fault)


@pytest.fixture
def edit(monkeypatch):
    """Changes what find_models has returned, as who edits its XCom does."""

    def edited(**changes):
        find = FindModelsOperator.look_and_act
        monkeypatch.setattr(
            FindModelsOperator,
            "look_and_act",
            lambda self, *given: [{**facts, **changes} for facts in find(self, *given)],
        )

    return edited


def test_an_edited_xcom_changes_neither_the_model_nor_what_it_is_made_of(pipeline, edit):
    pipeline.use_tiny_image(model="m")
    pipeline.upload(DAY_1)
    pipeline.run(DAY_1)
    live = pipeline.live()
    pipeline.sagemaker.delete_model(ModelName=live)
    edit(artifact="s3://evil/model.tar.gz", model="evil", metrics={"accuracy": 1}, pipeline="another")
    ended = pipeline.predict(data_date=str(DAY_1))
    assert ended.tasks == ALL_SUCCESS
    assert output(pipeline, DAY_1).startswith(b"m:")
    told = ended.returned["predict"]
    assert (told["model"], told["pipeline"]) == (live, pipeline.name)
    assert told["artifact"].endswith(f"{live}/output/model.tar.gz")


def test_an_edited_xcom_cannot_bring_another_pipelines_model_or_another_day(pipeline, edit):
    pipeline.use_tiny_image(model="m")
    pipeline.upload(DAY_1)
    pipeline.upload(DAY_2)
    pipeline.run(DAY_1)
    edit(data_date=str(DAY_2))
    assert pipeline.predict(data_date=str(DAY_1)).tasks["predict"] == "failed"
    [job] = [job["TrainingJobName"] for job in pipeline.jobs()]
    assert f"Not predicting for {DAY_2}: training job {job} is of data date {DAY_1}." in pipeline.slack()[-1]
    others = training_job(new_bucket(pipeline.aws), {"model": "evil"})
    pipeline.sagemaker.create_training_job(**others)
    wait_for_training(pipeline.aws, others["TrainingJobName"])
    edit(training_job=others["TrainingJobName"], data_date=str(DAY_1))
    assert pipeline.predict(data_date=str(DAY_1)).tasks["predict"] == "failed"
    assert f"is none of pipeline {pipeline.name}'s" in pipeline.slack()[-1]
    assert transform_jobs(pipeline) == []


def test_a_model_that_the_clean_up_has_deleted_is_created_again(pipeline):
    pipeline.use_tiny_image(model="m")
    pipeline.upload(DAY_1)
    pipeline.run(DAY_1)
    pipeline.sagemaker.delete_model(ModelName=pipeline.live())
    assert pipeline.predict(data_date=str(DAY_1)).tasks == ALL_SUCCESS
    assert output(pipeline, DAY_1).startswith(b"m:")
