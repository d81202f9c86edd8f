"""The daily DAG, run whole on local AWS, which really trains and serves."""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta, timezone

import pytest

from fresh_endpoints.aws.errors import BOTOCORE_CONFIG
from fresh_endpoints.steps.train import TrainOperator
from fresh_endpoints.telling import slack_webhook
from fresh_endpoints.waiting import pace
from fresh_endpoints.waiting.triggers import SageMakerTrigger

DAY_1, DAY_2 = date(2019, 3, 4), date(2019, 3, 5)
ALL_SUCCESS = {"wait_for_data": "success", "train": "success", "deploy": "success", "publish": "success"}


def test_first_run_creates_the_endpoint_and_the_next_day_updates_it(pipeline):
    pipeline.upload(DAY_1)
    first = pipeline.run(DAY_1)

    assert first.tasks == ALL_SUCCESS
    [job] = pipeline.jobs()
    name = job["TrainingJobName"]
    assert name.startswith(f"{pipeline.name}-2019-03-04-")
    described = pipeline.sagemaker.describe_training_job(TrainingJobName=name)
    artifact = f"s3://sample-bucket/output-model/2019-03-04/{pipeline.name}/{name}/output/model.tar.gz"
    assert described["ModelArtifacts"]["S3ModelArtifacts"] == artifact
    assert described["HyperParameters"] == {"objective": "multiclass", "num_class": "3", "max_leaf_nodes": "5"}
    channels = {c["ChannelName"]: c["DataSource"]["S3DataSource"]["S3Uri"] for c in described["InputDataConfig"]}
    assert channels == {
        kind: f"s3://sample-bucket/input-data-{kind}/2019-03-04/{pipeline.name}/" for kind in ("training", "validation")
    }
    assert pipeline.endpoint()["EndpointConfigName"] == name
    assert pipeline.invoke(b"5.1,3.5,1.4,0.2\n", ContentType="text/csv", Accept="text/csv") == b"0\n"
    [accuracy] = [metric["Value"] for metric in described["FinalMetricDataList"]]
    assert pipeline.slack() == [
        f'Training started: {pipeline.name}, data date 2019-03-04. Starting training job "{name}".',
        (
            f'Training complete: {pipeline.name}, data date 2019-03-04. Training job "{name}" complete. Model data'
            f' uploaded to "{artifact}". Metrics: validation:accuracy {accuracy:.4g}.'
        ),
        (
            f'Deployment started: {pipeline.name}, data date 2019-03-04. Started deploying model "{name}" to endpoint'
            f' "{pipeline.name}".'
        ),
        (
            f"Deployment completed: {pipeline.name}, data date 2019-03-04. Deployment completed for endpoint"
            f' "{pipeline.name}". Live: {name}.'
        ),
    ]
    created = pipeline.endpoint()["CreationTime"]

    pipeline.upload(DAY_2)
    second = pipeline.run(DAY_2)

    assert second.tasks == ALL_SUCCESS
    live = pipeline.endpoint()
    assert live["EndpointConfigName"] == pipeline.jobs()[1]["TrainingJobName"]
    assert live["CreationTime"] == created
    assert second.returned["deploy"]["endpoint_config"] == live["EndpointConfigName"]
    assert second.returned["deploy"]["data_date"] == "2019-03-05"


def test_messages_carry_the_pipelines_channel_and_user_name(pipeline):
    pipeline.run(DAY_1)
    [message] = [m for m in pipeline.aws.slack_messages() if f": {pipeline.name}," in m["text"]]
    assert (message["channel"], message["username"]) == ("aws_notify", "incoming-webhook")


@pytest.mark.parametrize("there", [(), ("training",), ("validation",)])
def test_without_the_whole_data_everything_is_skipped_and_the_run_is_a_success(pipeline, there):
    pipeline.upload(DAY_1, there)
    ended = pipeline.run(DAY_1)
    assert ended.state == "success"
    assert ended.tasks == dict.fromkeys(ALL_SUCCESS, "skipped")
    assert pipeline.titles() == ["No new data"]
    assert pipeline.jobs() == []


def test_data_that_comes_within_the_waiting_time_is_trained_on(pipeline, monkeypatch):
    looks = []
    upload = pipeline.upload

    def first_look(self, context):
        looks.append(1)
        if len(looks) == 1:
            return False  # And now, while the task is deferred, the data comes.
        return original(self, context)

    from fresh_endpoints.steps.wait_for_data import WaitForDataSensor

    original = WaitForDataSensor.poke
    monkeypatch.setattr(WaitForDataSensor, "poke", first_look)
    upload(datetime.now(timezone.utc).date())
    today = datetime.now(timezone.utc)
    ended = pipeline.run(logical_date=today, data_date=today.date().isoformat(), wait_minutes=5, deploy="never")
    assert ended.tasks == {**ALL_SUCCESS, "deploy": "skipped"}
    assert len(looks) == 2


def test_waiting_for_data_gives_up_when_its_time_is_over(pipeline):
    # The run stands for 59.95 minutes ago, so that 3 s of its waiting hour are left.
    ended = pipeline.run(logical_date=datetime.now(timezone.utc) - timedelta(minutes=59.95), wait_minutes=60)
    assert ended.tasks == dict.fromkeys(ALL_SUCCESS, "skipped")
    assert pipeline.titles() == ["No new data"]


@pytest.mark.parametrize("kind", ["train_and_deploy", "batch_predict"])
def test_a_missing_bucket_is_no_missing_data(pipeline, kind):
    """HeadObject says the same of both, and the bucket's data would never come."""
    pipeline.use_tiny_image(model="m")
    pipeline.upload(DAY_1)
    if kind == "batch_predict":
        pipeline.run(DAY_1, deploy="never")
    pipeline.write(lambda content: content.update(bucket="no-such-bucket"))
    now = datetime.now(timezone.utc)
    ended = (
        pipeline.run(logical_date=now, wait_minutes=5)
        if kind == "train_and_deploy"
        else pipeline.predict(data_date=str(DAY_1), wait_minutes=5)
    )
    assert ended.state == "failed"
    assert ended.tasks["wait_for_data"] == "failed"
    assert datetime.now(timezone.utc) - now < timedelta(minutes=4), "it was not waited for"
    assert pipeline.titles()[-1] == "Waiting for data failed"
    assert 'Bucket "no-such-bucket" does not exist, so no data can come.' in pipeline.slack()[-1]


def test_a_look_at_the_data_that_fails_is_no_missing_data(pipeline, monkeypatch):
    monkeypatch.setitem(BOTOCORE_CONFIG["retries"], "total_max_attempts", 1)
    pipeline.write(lambda content: content.update(retries=0))
    pipeline.aws.add_faults({"operation": "s3:HeadObject", "kind": "error", "status": 503})
    try:
        ended = pipeline.run(DAY_1)
    finally:
        pipeline.aws.clear_faults()
    assert ended.state == "failed"
    assert ended.tasks["wait_for_data"] == "failed"
    assert pipeline.titles() == ["Waiting for data failed"]


def test_date_is_read_in_the_pipelines_time_zone(pipeline):
    # 15:00 UTC is midnight in Tokyo: DATE is 2019-03-05 and the data date the day before.
    pipeline.upload(DAY_1)
    ended = pipeline.run(logical_date=datetime(2019, 3, 4, 15, tzinfo=timezone.utc), deploy="never")
    assert ended.returned["train"]["data_date"] == "2019-03-04"


def test_without_a_logical_date_run_after_takes_its_place(pipeline):
    pipeline.write(lambda content: content.update(timezone="UTC"))
    yesterday = datetime.now(timezone.utc).date() - timedelta(days=1)
    pipeline.upload(yesterday)
    pipeline.upload(yesterday + timedelta(days=1))  # should midnight pass meanwhile
    ended = pipeline.run(deploy="never")
    assert ended.returned["train"]["data_date"] in {str(yesterday), str(yesterday + timedelta(days=1))}


def test_the_forms_data_date_wins(pipeline):
    pipeline.upload(DAY_2)
    ended = pipeline.run(DAY_1, data_date="2019-03-05", deploy="never")
    assert ended.returned["train"]["data_date"] == "2019-03-05"
    assert pipeline.titles() == ["Training started", "Training complete"]


def test_a_bad_hyperparameter_fails_the_training_with_the_programs_own_words(pipeline, capfd):
    pipeline.upload(DAY_1)
    pipeline.write(lambda content: content["training"]["HyperParameters"].update(max_leaf_nodes="many"))
    ended = pipeline.run(DAY_1)
    assert ended.state == "failed"
    assert ended.tasks == {**ALL_SUCCESS, "train": "failed", "deploy": "upstream_failed", "publish": "upstream_failed"}
    assert len(pipeline.jobs()) == 1, "a failing program is not tried again"
    assert pipeline.titles() == ["Training started", "Training failed"]
    reason = pipeline.sagemaker.describe_training_job(TrainingJobName=pipeline.jobs()[0]["TrainingJobName"])[
        "FailureReason"
    ]
    assert 'got "many"' in reason
    assert "Training job failed. AlgorithmError" in pipeline.slack()[-1]
    assert 'got "many"' in pipeline.slack()[-1]
    assert "The last lines of its log" in "".join(capfd.readouterr())


def test_an_artifact_that_cannot_serve_is_rolled_back_and_the_old_model_answers(pipeline):
    pipeline.use_tiny_image(model="first")
    pipeline.upload(DAY_1)
    pipeline.run(DAY_1)
    old = pipeline.endpoint()["EndpointConfigName"]

    pipeline.use_tiny_image(model="broken")
    pipeline.upload(DAY_2)
    ended = pipeline.run(DAY_2)

    assert ended.tasks == {**ALL_SUCCESS, "deploy": "failed", "publish": "upstream_failed"}
    assert pipeline.endpoint()["EndpointConfigName"] == old
    assert pipeline.invoke(b"?") == b"first:?"
    assert pipeline.titles()[-2:] == ["Deployment started", "Rolled back"]
    new = pipeline.jobs()[1]["TrainingJobName"]
    last = pipeline.slack()[-1]
    assert old in last
    assert new in last
    assert "ping health check" in last


def test_a_first_deployment_that_cannot_serve_fails_and_the_next_one_recreates_the_endpoint(pipeline):
    pipeline.use_tiny_image(model="broken")
    pipeline.upload(DAY_1)
    assert pipeline.run(DAY_1).tasks["deploy"] == "failed"
    assert pipeline.endpoint()["EndpointStatus"] == "Failed"
    assert pipeline.titles()[-2:] == ["Deployment started", "Deployment failed"]

    pipeline.use_tiny_image(model="good")
    pipeline.upload(DAY_2)
    assert pipeline.run(DAY_2).tasks["deploy"] == "success"
    assert pipeline.invoke(b"?") == b"good:?"


def test_a_model_that_is_not_compressed_is_deployed(pipeline):
    def uncompressed(content):
        del content["transform"]  # It takes compressed models only.
        content["training"]["OutputDataConfig"]["CompressionType"] = "NONE"

    pipeline.use_tiny_image(model="in a folder")
    pipeline.write(uncompressed)
    pipeline.upload(DAY_1)
    facts = pipeline.run(DAY_1).returned["deploy"]
    assert facts["artifact"].endswith("/output/model/")
    assert pipeline.invoke(b"?") == b"in a folder:?"


def test_killing_the_task_stops_the_job(pipeline, monkeypatch):
    pipeline.use_tiny_image(wait="yes")
    pipeline.upload(DAY_1)
    look = TrainOperator.look_for_a_while

    def killed(self, *args):
        self.on_kill()  # As Airflow does in the task's process when a user has marked the task failed.
        return look(self, *args)

    monkeypatch.setattr(TrainOperator, "look_for_a_while", killed)
    monkeypatch.setattr(TrainOperator, "_is_still_wanted", lambda self: False)
    ended = pipeline.run(DAY_1)

    assert ended.tasks["train"] == "failed"
    [job] = pipeline.jobs()
    assert job["TrainingJobStatus"] == "Stopped"
    assert pipeline.titles() == ["Training started"]  # what a user has ended is no failure of the task's own


def test_waits_that_outlast_the_worker_are_deferred(pipeline, monkeypatch):
    monkeypatch.setattr(pace, "WORKER_SECONDS", 0)
    pipeline.upload(DAY_1)
    assert pipeline.run(DAY_1).tasks == ALL_SUCCESS
    assert pipeline.titles() == [
        "Training started",
        "Training complete",
        "Deployment started",
        "Deployment completed",
    ]


def test_the_wait_for_a_deployment_begins_before_the_deployment(pipeline, monkeypatch):
    """Or a list would take its end for that of an earlier change."""
    monkeypatch.setattr(pace, "WORKER_SECONDS", 0)
    run, started = SageMakerTrigger.run, {}

    def noted(trigger):
        started[trigger.kind] = trigger.started
        return run(trigger)

    monkeypatch.setattr(SageMakerTrigger, "run", noted)
    pipeline.use_tiny_image(model="m")
    pipeline.upload(DAY_1)
    assert pipeline.run(DAY_1).state == "success"
    assert started["endpoint"] < pipeline.endpoint()["CreationTime"].timestamp()


def test_the_last_deployments_duration_tells_when_to_look_at_the_next_one(pipeline, expected_of, monkeypatch):
    day_3 = DAY_2 + timedelta(days=1)
    for day in (DAY_1, DAY_2, day_3):
        pipeline.upload(day)
    pipeline.run(DAY_1)
    live = pipeline.endpoint()
    config = pipeline.sagemaker.describe_endpoint_config(EndpointConfigName=live["EndpointConfigName"])
    pipeline.run(DAY_2)
    took = (live["LastModifiedTime"] - config["CreationTime"]).total_seconds()
    assert expected_of["deploy"] == [None, pytest.approx(took, abs=1)]

    pipeline.aws.clear_faults()
    monkeypatch.setattr(pace, "WORKER_SECONDS", 0)  # Known to take longer, so it is deferred at once.
    assert pipeline.run(day_3).tasks == ALL_SUCCESS
    assert len(expected_of["deploy"]) == 2


@pytest.mark.parametrize(
    "fault",
    [
        {"operation": "slack", "kind": "error", "status": 500},
        {"operation": "slack", "kind": "throttle"},
        {"operation": "slack", "kind": "latency", "seconds": 20},
        {"operation": "slack", "kind": "lost_answer"},
    ],
    ids=lambda fault: fault["kind"],
)
def test_no_fault_of_slacks_changes_a_run_or_reveals_the_webhook(pipeline, fault, caplog, monkeypatch):
    monkeypatch.setattr(slack_webhook, "TIMEOUT_SECONDS", 1)
    pipeline.aws.add_faults(fault)
    try:
        with caplog.at_level(logging.DEBUG):
            ended = pipeline.run(DAY_1)
    finally:
        pipeline.aws.clear_faults()
    assert ended.state == "success"
    assert "Slack takes no message now" in caplog.text
    assert "T000/B000" not in caplog.text


@pytest.fixture
def edit(monkeypatch):
    """Changes what train has returned, as who edits its XCom does."""

    def edited(**changes):
        train = TrainOperator.look_and_act
        monkeypatch.setattr(TrainOperator, "look_and_act", lambda self, *given: {**train(self, *given), **changes})

    return edited


def test_an_edited_xcom_of_the_training_brings_no_other_artifact_and_passes_no_gate(pipeline, edit):
    pipeline.write(lambda content: content.update(quality={"rules": ["validation:accuracy >= 2"]}))
    pipeline.upload(DAY_1)
    edit(artifact="s3://evil/model.tar.gz", metrics={"validation:accuracy": 3.0})
    ended = pipeline.run(DAY_1)
    assert (ended.state, ended.tasks["deploy"]) == ("success", "skipped")
    assert pipeline.titles()[-1] == "Quality gate failed"
    pipeline.write(lambda content: content.pop("quality"))
    pipeline.upload(DAY_2)
    assert pipeline.run(DAY_2).tasks == ALL_SUCCESS
    container = pipeline.sagemaker.describe_model(ModelName=pipeline.live())["PrimaryContainer"]
    assert container["ModelDataUrl"].endswith(f"/{pipeline.live()}/output/model.tar.gz")


@pytest.mark.parametrize("job", ["nothing-2019-03-05-0123abcd", None, "x" * 5000])
def test_an_edited_xcom_that_names_no_job_of_the_day_deploys_nothing(pipeline, edit, job):
    pipeline.use_tiny_image()
    pipeline.write(lambda content: content.update(retries=0))
    pipeline.upload(DAY_1)
    edit(training_job=job)
    ended = pipeline.run(DAY_1)
    assert (ended.state, ended.tasks["deploy"]) == ("failed", "failed")
    assert "which is not a completed training job of pipeline" in pipeline.slack()[-1]
