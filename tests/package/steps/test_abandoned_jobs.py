"""What a failed run has left running is stopped, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from fresh_endpoints.aws import lists
from fresh_endpoints.aws.kinds import TRAINING_JOB, TRANSFORM_JOB
from fresh_endpoints.run import Run
from fresh_endpoints.steps import abandoned_jobs
from fresh_endpoints.steps.abandoned_jobs import AbandonedJobsStopper
from local_aws.connections import airflow_connections
from sagemaker_requests import new_bucket, new_model, training_job, unique, wait_for

KINDS = {"training": TRAINING_JOB, "transform": TRANSFORM_JOB}


@pytest.fixture
def pipeline(local_aws, monkeypatch):
    for name, value in airflow_connections(local_aws.url, local_aws.region).items():
        monkeypatch.setenv(name, value)
    name = unique("iris")
    named = {"name": name, "aws_name": name, "environment": ""}
    yield SimpleNamespace(**named, aws_conn_id="aws_default", region=local_aws.region, timezone="UTC", renamed_from=())
    local_aws.clear_faults()


@pytest.fixture
def run(pipeline):
    moment = datetime(2019, 3, 5, tzinfo=timezone.utc)
    started = datetime.now(timezone.utc)
    return Run(pipeline.name, "dag", "run", moment.date(), date(2019, 3, 4), moment, started=started)


@pytest.fixture(params=KINDS)
def jobs(request, local_aws, pipeline):
    """Starts jobs that go on until they are stopped; tells how they are."""
    local_aws.add_faults(
        {"operation": "training-job:Downloading", "kind": "hold_status"}
        if request.param == "training"
        else {"operation": "transform-job:InProgress", "kind": "hold_status"}
    )
    return Jobs(local_aws, KINDS[request.param])


class Jobs:
    def __init__(self, aws, kind):
        self.aws, self.kind = aws, kind
        self.client = aws.client("sagemaker")
        self.bucket = new_bucket(aws, {"in/one.csv": b"1"})
        # A training that makes the transform jobs' model comes before trainings are held.
        self.model = new_model(aws, self.bucket, "m") if kind is TRANSFORM_JOB else ""

    def start(self, name, run):
        tags = [{"Key": key, "Value": value} for key, value in run.job_tags({}).items()]
        if self.kind is TRAINING_JOB:
            self.client.create_training_job(
                **training_job(self.bucket, {"model": "m"}, TrainingJobName=name, Tags=tags)
            )
            return
        self.client.create_transform_job(
            TransformJobName=name,
            ModelName=self.model,
            TransformInput={
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self.bucket}/in/"}}
            },
            TransformOutput={"S3OutputPath": f"s3://{self.bucket}/out"},
            TransformResources={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1},
            Tags=tags,
        )

    def status(self, name):
        describe = getattr(self.client, f"describe_{self.kind.operation}")
        return describe(**{f"{self.kind.stem}Name": name})[f"{self.kind.stem}Status"]


def context_of(run, ended=None, started=None):
    dag_run = SimpleNamespace(
        dag_id=run.dag_id,
        run_id=run.run_id,
        logical_date=run.scheduled_for,
        run_after=run.scheduled_for,
        start_date=started or run.started,
        end_date=ended or datetime.now(timezone.utc),
    )
    return {"dag_run": dag_run, "params": {}}


def test_the_failed_runs_own_jobs_are_stopped_and_no_others(pipeline, run, jobs):
    another_airflows = replace(run, started=run.started - timedelta(seconds=1), generation=9)
    others = [replace(run, run_id="other"), replace(run, dag_id="other"), another_airflows]
    for each in (run, *others):
        jobs.start(each.training_job_name(), each)
    jobs.start(run.training_job_name(attempt=2), run)
    foreign = f"dev-{run.training_job_name()}"
    jobs.start(foreign, replace(run, run_id="foreign"))

    AbandonedJobsStopper(pipeline, jobs.kind)(context_of(run))

    # The worker may read the tags of its own names only, and a name is found by any part of it.
    read = [call["parameters"]["ResourceArn"] for call in jobs.aws.calls("ListTags")]
    assert read
    assert [arn for arn in read if arn.endswith(f"/{foreign}")] == []

    for attempt in (1, 2):
        assert jobs.status(run.training_job_name(attempt)) in ("Stopping", "Stopped")
    assert [jobs.status(other.training_job_name()) for other in others] == ["InProgress"] * 3
    jobs.aws.clear_faults()
    wait_for(lambda: {"status": jobs.status(run.training_job_name())}, lambda seen: seen["status"] == "Stopped")


def test_of_a_cleared_task_the_present_job_is_stopped(pipeline, run, jobs):
    """The callback is the run's, so it knows no task's generation."""
    cleared = replace(run, generation=3)
    jobs.start(cleared.training_job_name(), cleared)
    AbandonedJobsStopper(pipeline, jobs.kind)(context_of(run))
    assert jobs.status(cleared.training_job_name()) in ("Stopping", "Stopped")


def test_a_job_that_a_clear_has_started_since_the_runs_end_goes_on(pipeline, run, jobs):
    ended = datetime.now(timezone.utc)
    cleared = replace(run, generation=1)
    jobs.start(cleared.training_job_name(), cleared)
    AbandonedJobsStopper(pipeline, jobs.kind)(context_of(run, ended))
    assert jobs.status(cleared.training_job_name()) == "InProgress"


def test_without_a_run_there_is_nothing_to_look_for(pipeline, caplog):
    AbandonedJobsStopper(pipeline, TRAINING_JOB)({"run_id": "run"})
    assert "Airflow tells nothing of the failed run run" in caplog.text


def test_a_run_that_left_nothing_behind_stops_nothing(pipeline, run, jobs):
    AbandonedJobsStopper(pipeline, jobs.kind)(context_of(run))
    stops = [call for call in jobs.aws.calls(f"Stop{jobs.kind.stem}") if pipeline.name in str(call)]
    assert stops == []


def test_jobs_older_than_the_run_are_not_paged_through(pipeline, run, jobs, monkeypatch):
    """A list's page is cut before names are compared, and an account may list twice a second."""
    monkeypatch.setattr(lists, "PAGE_SIZE", 5)
    for number in range(12):
        jobs.start(f"other-{pipeline.name}-{number}", run)
    jobs.start(run.training_job_name(), run)

    def pages():  # Those that were throttled are asked for again.
        return sum(call["error"] is None for call in jobs.aws.calls(f"List{jobs.kind.stem}s"))

    before = pages()
    AbandonedJobsStopper(pipeline, jobs.kind)(context_of(run))
    assert jobs.status(run.training_job_name()) in ("Stopping", "Stopped")
    between = pages()
    AbandonedJobsStopper(pipeline, jobs.kind)(
        context_of(run, started=datetime.now(timezone.utc) + timedelta(minutes=5))
    )
    assert pages() - between == 1
    assert between - before >= 3


def test_a_fault_of_awss_is_no_fault_of_the_callbacks(pipeline, run, jobs, caplog, monkeypatch):
    monkeypatch.setattr(abandoned_jobs, "BOTOCORE_CONFIG", {"retries": {"total_max_attempts": 1}})
    jobs.aws.add_faults({"operation": f"List{jobs.kind.stem}s", "kind": "error", "status": 500})
    AbandonedJobsStopper(pipeline, jobs.kind)(context_of(run))
    assert f"Could not look for {jobs.kind.noun}s of the failed run run" in caplog.text
