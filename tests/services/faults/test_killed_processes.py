"""Processes die by SIGKILL at named moments. After each: one training job, the right live config, no message twice."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import pytest
from airflow.triggers.base import BaseTrigger
from sqlalchemy import MetaData, Table, create_engine

from services_under_test import DAY_2, MESSAGES, PATIENCE

pytestmark = pytest.mark.timeout(900)

MOMENTS = {
    "before the create call": ("CreateTrainingJob", "before"),
    "after the create call, before the deferral": ("CreateTrainingJob", "after"),
    "between CreateModel and CreateEndpointConfig": ("CreateModel", "after"),
    "between CreateEndpointConfig and CreateEndpoint": ("CreateEndpointConfig", "after"),
    "after CreateEndpoint": ("CreateEndpoint", "after"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_task_killed_at_a_moment_is_finished_by_its_next_try(services, tried, moment):
    operation, when = MOMENTS[moment]
    with services.aws.hold(operation, when=when) as hold:
        services.trigger()
        hold.wait(PATIENCE)
        services.kill_the_caller()
    services.check_one_whole_run()
    tried(f"task killed {moment}")


def test_a_task_killed_while_it_resumes_is_finished_by_its_next_try(services, tried):
    [fault] = services.aws.add_faults({"operation": "training-job:Downloading", "kind": "hold_status"})
    services.trigger()
    services.wait_for_task("train", "deferred")
    # It has told nobody yet that the training is complete.
    with services.aws.hold("slack") as hold:
        services.aws.remove_fault(fault)
        hold.wait(PATIENCE)
        services.kill_the_caller()
    services.check_one_whole_run()
    tried("task killed while resuming")


def test_a_task_killed_after_update_endpoint_is_finished_by_its_next_try(services, tried):
    services.trigger()
    assert services.wait_for_end() == "success"
    with services.aws.hold("UpdateEndpoint", when="after") as hold:
        services.trigger(DAY_2)
        hold.wait(PATIENCE)
        services.kill_the_caller()
    assert services.wait_for_end() == "success"
    assert len(services.pipeline.jobs()) == 2
    assert services.pipeline.live() == services.pipeline.jobs()[1]["TrainingJobName"]
    assert len(services.pipeline.titles()) == 8
    tried("task killed after UpdateEndpoint")


def test_a_death_between_the_send_and_its_record_repeats_that_message_only(services, tried):
    """The one window for a double message: Slack has it, the resource's tag does not say so yet."""
    with services.aws.hold("AddTags", when="before") as hold:
        services.trigger()
        hold.wait(PATIENCE)
        services.kill_the_caller()
    assert services.wait_for_end() == "success"
    assert len(services.pipeline.jobs()) == 1
    assert services.pipeline.titles() == ["Training started", *MESSAGES]
    tried("task killed between a message and its record")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "restarted"])
@pytest.mark.parametrize("service", ["triggerer", "scheduler"])
def test_a_service_that_goes_while_the_training_is_waited_for(services, tried, service, number):
    [fault] = services.aws.add_faults({"operation": "training-job:Downloading", "kind": "hold_status"})
    services.trigger()
    services.wait_for_task("train", "deferred")
    services.airflow.kill(service, number, tree=number == signal.SIGKILL)
    services.airflow.restart(service)
    services.aws.remove_fault(fault)
    services.check_one_whole_run()
    tried(f"{service} {'killed' if number == signal.SIGKILL else 'restarted'} while training is deferred")


@contextmanager
def another_triggerer(airflow):
    """All triggers are another triggerer's, as when theirs was taken for dead; its row is all that there is of it."""
    engine = create_engine(airflow.database)
    jobs, triggers = (Table(name, MetaData(), autoload_with=engine) for name in ("job", "trigger"))
    beat = datetime.now(timezone.utc) + timedelta(hours=1)
    row = {"job_type": "TriggererJob", "state": "running", "hostname": "another", "latest_heartbeat": beat}
    try:
        with engine.begin() as connection:
            [number] = connection.execute(jobs.insert().values(row)).inserted_primary_key
            assert connection.execute(triggers.update().values(triggerer_id=number)).rowcount == 1
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(jobs.delete().where(jobs.c.hostname == "another"))
        engine.dispose()


@pytest.mark.skipif(not hasattr(BaseTrigger, "on_kill"), reason="needs a trigger's on_kill: Airflow 3.3")
def test_a_trigger_that_another_triggerer_has_taken_over_leaves_its_job_running(services, tried):
    [fault] = services.aws.add_faults({"operation": "training-job:Downloading", "kind": "hold_status"})
    services.trigger()
    services.wait_for_task("train", "deferred")
    services.wait_for_trigger()
    deadline = time.monotonic() + PATIENCE
    with another_triggerer(services.airflow):
        while "Another triggerer waits for" not in services.airflow.task_log(services.dag_id, services.run_id, "train"):
            assert time.monotonic() < deadline, "the trigger was not cancelled"
            time.sleep(0.5)
    services.aws.remove_fault(fault)
    services.check_one_whole_run()
    assert services.stopped() == []
    tried("trigger taken over by another triggerer")


def test_a_worker_that_shuts_down_leaves_the_job_running(services, tried):
    """A restart of the scheduler, which runs the tasks, in the middle of a running train task."""
    with services.aws.hold("DescribeTrainingJob") as hold:
        services.trigger()
        hold.wait(PATIENCE)
        services.airflow.restart("scheduler")
    services.check_one_whole_run()
    tried("worker restarted while train runs")
