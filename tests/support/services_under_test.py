"""A pipeline's DAG on real Airflow services: trigger it, kill what works on it, look at what has become of it."""

from __future__ import annotations

import time
from datetime import date
from typing import Any

import psutil

from local_airflow.services import AirflowServices
from pipeline_under_test import PipelineUnderTest

DAY_1, DAY_2 = date(2019, 3, 4), date(2019, 3, 5)
MESSAGES = ["Training started", "Training complete", "Deployment started", "Deployment completed"]
# The machine may be busy with other things: nothing here is a claim about speed.
PATIENCE = 300.0


class ServicesUnderTest:
    """What a test does to a run: trigger it, kill what works on it, look at what has become of it."""

    def __init__(self, airflow: AirflowServices, pipeline: PipelineUnderTest):
        self.airflow = airflow
        self.pipeline = pipeline
        self.aws = pipeline.aws
        self.dag_id = f"train_and_deploy_{pipeline.name}"
        self.run_id = ""
        airflow.wait_for_dag(self.dag_id, timeout=PATIENCE)

    def trigger(self, day: date = DAY_1, **conf: Any) -> str:
        """Trigger the run of a data date; its data is there."""
        self.pipeline.upload(day)
        self.run_id = self.airflow.trigger(self.dag_id, logical_date=f"{day}T15:00:00+00:00", conf=conf)
        return self.run_id

    def wait_for_task(self, task_id: str, *states: str) -> dict[str, Any]:
        return self.airflow.wait_for_task(self.dag_id, self.run_id, task_id, states, timeout=PATIENCE)

    def wait_for_trigger(self) -> None:
        """Wait until the deferred train task's trigger looks at its job: only one that runs can be cancelled."""
        looks = self._count_looks()
        deadline = time.monotonic() + PATIENCE
        while self._count_looks() == looks:
            assert time.monotonic() < deadline, "the trigger does not look"
            time.sleep(0.2)

    def _count_looks(self) -> int:
        return self.aws.count("DescribeTrainingJob") + self.aws.count("ListTrainingJobs")

    def wait_for_retries(self, task_id: str, retries: int) -> None:
        """Wait until the changed pipeline file has been read."""
        deadline = time.monotonic() + PATIENCE
        path = f"/dags/{self.dag_id}/tasks/{task_id}"
        while (found := self.airflow.api("GET", path)["retries"]) != retries:
            assert time.monotonic() < deadline, f"task {task_id} still has {found} retries, not {retries}"
            time.sleep(0.5)

    def wait_for_end(self) -> str:
        return str(self.airflow.wait_for_run(self.dag_id, self.run_id, timeout=PATIENCE)["state"])

    def kill_the_caller(self) -> None:
        """SIGKILL the task's process: the descendant of the scheduler that talks to local AWS.

        That of the task before may take some seconds to end.
        """
        deadline = time.monotonic() + PATIENCE
        while len(callers := self._callers()) != 1:
            assert time.monotonic() < deadline, f"found {callers}: the task's process is not alone"
            time.sleep(0.1)
        callers[0].kill()
        callers[0].wait(PATIENCE)  # its connections are closed only then

    def _callers(self) -> list[psutil.Process]:
        port = int(self.aws.url.rpartition(":")[2])
        callers = []
        for pid in self.airflow.pids("scheduler"):
            try:
                process = psutil.Process(pid)
                connections = process.net_connections("tcp")
            except psutil.NoSuchProcess:
                continue  # The process of the task before has just ended.
            if any(connection.raddr and connection.raddr.port == port for connection in connections):
                callers.append(process)
        return callers

    def check_one_whole_run(self) -> None:
        """One job, its model live, each message once."""
        assert self.wait_for_end() == "success"
        [job] = self.pipeline.jobs()
        assert job["TrainingJobStatus"] == "Completed"
        assert self.pipeline.live() == job["TrainingJobName"]
        assert self.pipeline.titles() == MESSAGES
        assert self.stopped() == []

    def stopped(self) -> list[str]:
        """The pipeline's training jobs that something has asked SageMaker to stop."""
        names = [call["parameters"]["TrainingJobName"] for call in self.aws.calls("StopTrainingJob")]
        return [name for name in names if name.startswith(f"{self.pipeline.name}-2")]
