"""Which models a run of the prediction DAG finds, by the asset events that it was told of and by what AWS says."""

import threading
import time
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from fresh_endpoints.pipeline_file.loading import load_pipeline
from fresh_endpoints.steps import told_models
from fresh_endpoints.steps.find_models import FindModelsOperator
from sagemaker_requests import ROLE, TINY, new_bucket, training_job, wait_for_training


class Inlet:
    """The asset's events in Airflow's database, as a task reads them."""

    def __init__(self, events):
        self.events = events

    def after(self, moment):
        return [event for event in self.events if event.timestamp >= datetime.fromisoformat(moment)]


class Inlets:
    """The events of each inlet; an asset is no key of a dict in Airflow 3.1."""

    def __init__(self, asset, events):
        self.asset = asset
        self.events = events

    def __getitem__(self, asset):
        assert asset == self.asset
        return self.events


class Trainings:
    """Makes training jobs as the pipeline's runs leave them, and events that tell of them."""

    def __init__(self, pipeline):
        self.pipeline = pipeline
        self.bucket = new_bucket(pipeline.aws)
        self.began = datetime.now(timezone.utc)

    def add(self, day, digest="1a2b3c4d", *, wait=True, **tags):
        """Train; the job's name follows from the day and the digest, unless ``name`` is among the tags."""
        data_date = f"2019-03-{day:02}"
        name = tags.pop("name", f"{self.pipeline.name}-{data_date}-{digest}")
        found = {"pipeline": self.pipeline.name, "data-date": data_date, **tags}
        written = [{"Key": f"fresh-endpoints:{key}", "Value": value} for key, value in found.items()]
        request = training_job(self.bucket, {"model": "m"}, TrainingJobName=name, Tags=written)
        self.pipeline.sagemaker.create_training_job(**request)
        if wait:
            wait_for_training(self.pipeline.aws, name)
        return name

    def add_model(self, name, job, **tags):
        """Make a model of a training job's artifact."""
        artifact = self.pipeline.sagemaker.describe_training_job(TrainingJobName=job)["ModelArtifacts"]
        written = [{"Key": f"fresh-endpoints:{key}", "Value": value} for key, value in tags.items()]
        container = {"Image": TINY, "ModelDataUrl": artifact["S3ModelArtifacts"]}
        self.pipeline.sagemaker.create_model(
            ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE, Tags=written
        )

    def event(self, minute, extra):
        """An event some minutes after the first training, that tells of a job or holds anything else."""
        extra = {"training_job": extra, "model": extra} if isinstance(extra, str) else extra
        return SimpleNamespace(timestamp=self.began + timedelta(minutes=minute), extra=extra)


@pytest.fixture
def trainings(pipeline, monkeypatch):
    monkeypatch.setattr(told_models, "UNSEEN_SECONDS", 1.0)
    return Trainings(pipeline)


@pytest.fixture(params=[Inlet, list], ids=["Airflow 3.2 and later", "Airflow 3.1"])
def facts_of(request, trainings):
    pipeline = load_pipeline(trainings.pipeline.folder / f"{trainings.pipeline.name}.yaml")
    operator = FindModelsOperator(task_id="find_models", pipeline=pipeline)

    def found(triggering, later=(), clears=0):
        dag_run = SimpleNamespace(dag_id="d", run_id="r", logical_date=None, run_after=trainings.began, conf={})
        context = {
            "triggering_asset_events": {operator.asset.name: triggering},
            "inlet_events": Inlets(operator.asset, request.param([*triggering, *later])),
            "dag_run": dag_run,
            "ti": SimpleNamespace(max_tries=operator.retries + clears, try_number=clears + 1),
            "task": operator,
            "params": {},
        }
        return operator.look_and_act(context, None)

    return found


@pytest.fixture
def find(facts_of):
    return lambda *events, **further: [facts["training_job"] for facts in facts_of(*events, **further)]


# Of several events.


def test_every_event_gives_its_model_oldest_data_date_first(trainings, find):
    jobs = {day: trainings.add(day) for day in (6, 4, 5)}
    told = [trainings.event(minute, jobs[day]) for minute, day in enumerate((6, 4, 5), 1)]
    assert find(told) == [jobs[day] for day in (4, 5, 6)]


def test_a_training_that_was_told_twice_is_found_once(trainings, find):
    job = trainings.add(4)
    assert find([trainings.event(1, job), trainings.event(2, job)]) == [job]


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_trainings_of_a_date_the_newest_predicts(trainings, find, order):
    old, new = trainings.add(4, "00000001"), trainings.add(4, "00000000")
    assert find([trainings.event(9, old), trainings.event(10, new)][::order]) == [new]
    # Told the other way round: the older one's run has taken longer.
    assert find([trainings.event(9, new), trainings.event(10, old)][::order]) == [new]


def test_a_newer_training_that_another_run_was_told_of_is_not_overwritten(trainings, find):
    old, new, other_date = trainings.add(4, "00000001"), trainings.add(4, "00000000"), trainings.add(3)
    told_before = [trainings.event(8, other_date), trainings.event(9, new)]
    assert find([trainings.event(10, old)], later=told_before) == [new]


def test_an_event_that_came_while_the_run_was_made_is_found_too(trainings, find):
    jobs = [trainings.add(4), trainings.add(5)]
    assert find([trainings.event(1, jobs[0])], later=[trainings.event(2, jobs[1])]) == jobs


def test_a_run_that_was_cleared_finds_its_own_models_only(trainings, find):
    jobs = [trainings.add(4), trainings.add(5)]
    assert find([trainings.event(1, jobs[0])], later=[trainings.event(2, jobs[1])], clears=1) == jobs[:1]


# What an event is believed.


def test_only_the_training_jobs_name_is_taken_from_an_event(trainings, facts_of):
    job = trainings.add(4)
    forged = {
        "training_job": job,
        "pipeline": "another",
        "data_date": "../../secrets",
        "artifact": "s3://evil/model.tar.gz",
        "metrics": {"accuracy": 1.0},
        "model": "evil-model",
        "created": "2999-01-01T00:00:00+00:00",
        "endpoint": "evil",
    }
    [facts] = facts_of([trainings.event(1, forged)])
    description = trainings.pipeline.sagemaker.describe_training_job(TrainingJobName=job)
    assert facts == {
        "pipeline": trainings.pipeline.name,
        "data_date": "2019-03-04",
        "training_job": job,
        "training_job_arn": description["TrainingJobArn"],
        "created": description["CreationTime"].astimezone(timezone.utc).isoformat(),
        "artifact": description["ModelArtifacts"]["S3ModelArtifacts"],
        "metrics": {},
        "model": job,
    }


def test_the_model_is_the_deployed_one_where_aws_says_that_it_is_the_jobs(trainings, facts_of):
    job, name = trainings.add(4), trainings.pipeline.name
    told = [trainings.event(1, {"training_job": job, "model": f"{job}-d1"})]
    assert facts_of(told)[0]["model"] == job, "there is no such model"
    trainings.add_model(
        f"{job}-d1", job, **{"pipeline": name, "training-job": job, "endpoint": "e", "endpoint-config": "c"}
    )
    trainings.add_model(f"{job}-d2", job, **{"pipeline": "another", "training-job": job})
    [facts] = facts_of(told)
    assert (facts["model"], facts["endpoint"], facts["endpoint_config"]) == (f"{job}-d1", "e", "c")
    told = [trainings.event(1, {"training_job": job, "model": f"{job}-d2"})]
    assert facts_of(told)[0]["model"] == job, "it is another pipeline's"


NOT_OURS = {
    "another pipeline's": ({"pipeline": "another"}, "Training job {job} is none of pipeline {pipeline}'s"),
    "of no day": ({"data-date": "2019-02-30"}, "Training job {job} has no data date in its tags"),
    "refused": ({"refused": "accuracy is too low"}, "{job} was refused: accuracy is too low"),
}


@pytest.mark.parametrize("name", NOT_OURS)
def test_a_job_that_may_not_be_used_is_passed_over_with_a_sentence(trainings, find, caplog, name):
    tags, sentence = NOT_OURS[name]
    job, good = trainings.add(5, **tags), trainings.add(4)
    told = [trainings.event(1, job), trainings.event(2, good)]
    assert find(told) == [good]
    sentence = sentence.format(job=job, pipeline=trainings.pipeline.name)
    assert f"Passed over: {sentence}" in caplog.text
    with pytest.raises(AirflowFailException) as failed:
        find(told[:1])
    assert sentence in str(failed.value)


def test_a_job_that_is_missing_failed_or_still_running_is_passed_over_with_a_sentence(trainings, find, caplog):
    good, name = trainings.add(4), trainings.pipeline.name
    missing, running, failed = (f"{name}-2019-03-05-0000000{number}" for number in range(3))
    trainings.pipeline.aws.add_faults({"kind": "fail_training", "failure_reason": "AlgorithmError: no need to run"})
    try:
        trainings.add(5, name=failed)
    finally:
        trainings.pipeline.aws.clear_faults()
    [fault] = trainings.pipeline.aws.add_faults({"operation": "training-job:Downloading", "kind": "hold_status"})
    try:
        trainings.add(5, name=running, wait=False)
        jobs = [missing, running, failed, good]
        assert find([trainings.event(minute, job) for minute, job in enumerate(jobs, 1)]) == [good]
    finally:
        trainings.pipeline.aws.remove_fault(fault)
    wait_for_training(trainings.pipeline.aws, running)
    assert f"There is no training job {missing}." in caplog.text
    assert f"Training job {running} is InProgress." in caplog.text
    assert f"Training job {failed} is Failed." in caplog.text


@pytest.fixture
def until_looked(trainings):
    """Has a fault of local AWS's hold until somebody has met it in DescribeTrainingJob."""
    aws, threads = trainings.pipeline.aws, []

    def start(fault, job):
        before = looks(aws, job)

        def remove():
            deadline = time.monotonic() + 60
            while looks(aws, job) == before and time.monotonic() < deadline:
                time.sleep(0.1)
            aws.remove_fault(fault)

        threads.append(threading.Thread(target=remove))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join()


def looks(aws, job):
    return sum(job in str(call["parameters"]) for call in aws.calls("DescribeTrainingJob"))


def test_a_job_that_is_not_seen_at_once_is_looked_at_again(monkeypatch, trainings, find, until_looked):
    monkeypatch.setattr(told_models, "UNSEEN_SECONDS", 30.0)
    job = trainings.add(4)
    fault = {"operation": "DescribeTrainingJob", "kind": "stale_read", "seconds": 3600, "resource": job}
    until_looked(*trainings.pipeline.aws.add_faults(fault), job)
    assert find([trainings.event(1, job)]) == [job]
    calls = trainings.pipeline.aws.calls("DescribeTrainingJob")
    assert any(call["error"] for call in calls if job in str(call["parameters"]))


def test_a_job_whose_end_is_not_seen_at_once_is_looked_at_again(monkeypatch, trainings, find, until_looked):
    monkeypatch.setattr(told_models, "UNSEEN_SECONDS", 30.0)
    [fault] = trainings.pipeline.aws.add_faults({"operation": "training-job:Downloading", "kind": "hold_status"})
    job = trainings.add(4, wait=False)
    until_looked(fault, job)
    assert find([trainings.event(1, job)]) == [job]


NO_NAMES = [
    None,
    {},
    {"from": "the UI"},
    {"training_job": None},
    {"training_job": 7},
    {"training_job": ["{name}-2019-03-04-1a2b3c4d"]},
    {"training_job": "another-2019-03-04-1a2b3c4d"},
    {"training_job": "{name}"},
    {"training_job": "{name}-2019-02-30-1a2b3c4d"},
    {"training_job": "{name}-9999-12-31-1a2b3c4d"},
    {"training_job": "{name}-2019-03-04-1a2b3c4d/../../x"},
    {"training_job": "{name}-2019-03-04-1a2b3c4d\n"},
    {"training_job": "\ud800" * 40},
    {"training_job": "x" * 5_000_000, "more": ["y" * 1_000_000]},
    ["a", "list"],
    "a text",
]


@pytest.mark.parametrize("extra", NO_NAMES, ids=range(len(NO_NAMES)))
def test_an_event_that_names_no_job_of_the_pipelines_is_passed_over_without_asking_aws(trainings, caplog, extra):
    name = trainings.pipeline.name
    if isinstance(extra, dict) and isinstance(extra.get("training_job"), str):
        extra = {**extra, "training_job": extra["training_job"].replace("{name}", name)}
    event = SimpleNamespace(timestamp=trainings.began, extra=extra)
    assert told_models.told_jobs([event], trainings.pipeline.own_names) == {}
    assert f"names no training job of pipeline {name} (made by hand?)" in caplog.text
    assert len(caplog.text) < 1000


def test_only_events_made_by_hand_are_a_clear_error(trainings, find):
    with pytest.raises(AirflowFailException, match=r"-model .* tell of no model of pipeline iris-\d+ .* its data_date"):
        find([trainings.event(1, None), trainings.event(2, {"from": "the UI"})])


def test_of_very_many_events_the_last_are_looked_at(monkeypatch, trainings, find):
    monkeypatch.setattr(told_models, "MOST_TOLD", 2)
    jobs = [trainings.add(day) for day in (4, 5, 6)]
    assert find([trainings.event(minute, job) for minute, job in enumerate(jobs, 1)]) == jobs[1:]
