"""What a user does to a train task stops its SageMaker job, and no other; Slack is told once."""

from __future__ import annotations

import time

import pytest

from services_under_test import MESSAGES, PATIENCE

pytestmark = pytest.mark.timeout(900)


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)  # jobs may be listed twice a second


@pytest.fixture
def training(services):
    """The number of the fault that keeps training jobs from ending."""
    [fault] = services.aws.add_faults({"operation": "training-job:Downloading", "kind": "hold_status", "times": 1})
    return fault


def job_statuses(services):
    return [job["TrainingJobStatus"] for job in services.pipeline.jobs()]


def test_marking_a_deferred_train_task_failed_stops_its_job(services, training, tried):
    services.trigger()
    services.wait_for_task("train", "deferred")
    services.wait_for_trigger()
    services.airflow.set_task_state(services.dag_id, services.run_id, "train", "failed")
    wait_until(services.stopped, "the job was not stopped")
    services.aws.remove_fault(training)
    assert services.wait_for_end() == "failed"
    wait_until(lambda: job_statuses(services) == ["Stopped"], "the job did not stop")
    wait_until(lambda: len(services.pipeline.titles()) >= 2, "Slack was not told")
    assert services.pipeline.titles() == ["Training started", "Training failed"]
    tried("user marks a deferred task failed")


def test_marking_a_deferred_train_task_failed_stops_its_job_though_no_trigger_runs(services, training, tried):
    """As in the moments between the deferral and the trigger's start: only the DAG's callback can stop the job."""
    services.airflow.kill("triggerer", tree=True)
    try:
        services.trigger()
        services.wait_for_task("train", "deferred")
        services.airflow.set_task_state(services.dag_id, services.run_id, "train", "failed")
        wait_until(services.stopped, "the job was not stopped")
        services.aws.remove_fault(training)
        assert services.wait_for_end() == "failed"
        wait_until(lambda: job_statuses(services) == ["Stopped"], "the job did not stop")
    finally:
        services.airflow.restart("triggerer")
    tried("user marks a deferred task failed before its trigger starts")


def test_marking_a_running_train_task_failed_stops_its_job(services, training, tried):
    with services.aws.hold("DescribeTrainingJob") as hold:
        services.trigger()
        hold.wait(PATIENCE)
        services.airflow.set_task_state(services.dag_id, services.run_id, "train", "failed")
        wait_until(services.stopped, "the job was not stopped")
        services.aws.remove_fault(training)
    assert services.wait_for_end() == "failed"
    wait_until(lambda: job_statuses(services) == ["Stopped"], "the job did not stop")
    wait_until(lambda: len(services.pipeline.titles()) > 1, "Slack was not told")
    assert services.pipeline.titles() == ["Training started", "Training failed"]
    tried("user marks a running task failed")


def test_clearing_a_deferred_train_task_stops_its_job_and_trains_a_new_one(services, training, tried):
    services.trigger()
    services.wait_for_task("train", "deferred")
    services.airflow.clear(services.dag_id, services.run_id, ["train"])
    wait_until(services.stopped, "the job was not stopped")
    services.aws.remove_fault(training)
    check_second_job(services, ["Training started", *MESSAGES], "c1")
    tried("user clears a deferred task")


def test_clearing_a_running_train_task_stops_its_job_and_trains_a_new_one(services, training, tried):
    with services.aws.hold("DescribeTrainingJob") as hold:
        services.trigger()
        hold.wait(PATIENCE)
        services.airflow.clear(services.dag_id, services.run_id, ["train"])
        wait_until(services.stopped, "the job was not stopped")
        services.aws.remove_fault(training)
    # Airflow lets a running task's next try follow, which finds its job stopped.
    check_second_job(services, ["Training started", *MESSAGES], "a2")
    tried("user clears a running task")


def check_second_job(services, messages, suffix):
    assert services.wait_for_end() == "success"
    first, second = services.pipeline.jobs()
    assert second["TrainingJobName"] == f"{first['TrainingJobName']}-{suffix}"
    # By the trigger or the killed task, and by the new try, should they not have come to it.
    assert set(services.stopped()) == {first["TrainingJobName"]}
    assert job_statuses(services) == ["Stopped", "Completed"]
    assert services.pipeline.live() == second["TrainingJobName"]
    assert services.pipeline.titles() == messages


def test_a_task_killed_without_retries_is_told_by_the_dag_once_and_its_job_is_stopped(services, training, tried):
    services.pipeline.write(lambda content: content.update(retries=0))
    services.wait_for_retries("train", 0)
    with services.aws.hold("CreateTrainingJob", when="after") as hold:
        services.trigger()
        hold.wait(PATIENCE)
        services.kill_the_caller()
    assert services.wait_for_end() == "failed"
    wait_until(services.pipeline.titles, "Slack was not told")
    wait_until(services.stopped, "the job was not stopped")
    services.aws.remove_fault(training)
    wait_until(lambda: job_statuses(services) == ["Stopped"], "the job did not stop")
    # Long enough for a second message: a run after this one, through the same dag-processor.
    services.run_id = services.airflow.trigger(services.dag_id, logical_date="2019-04-01T15:00:00+00:00")
    services.wait_for_end()
    assert services.pipeline.titles() == ["Training failed", "No new data"]
    tried("task killed without retries")


def test_a_failure_told_by_the_task_is_not_told_again_by_the_dag(services, tried):
    services.aws.add_faults({"kind": "fail_training", "failure_reason": "AlgorithmError: no", "times": 1})
    services.trigger()
    assert services.wait_for_end() == "failed"
    services.run_id = services.airflow.trigger(services.dag_id, logical_date="2019-04-01T15:00:00+00:00")
    services.wait_for_end()
    assert services.pipeline.titles() == ["Training started", "Training failed", "No new data"]
    tried("training fails")
