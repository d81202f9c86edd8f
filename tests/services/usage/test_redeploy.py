"""The 3 a.m. drill on real services: back to the model before, held, released; and what may happen on the way."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from fresh_endpoints.aws.hold import Hold
from local_airflow.configuration import USERNAME
from local_airflow.services import AirflowServices
from local_aws.connections import airflow_connections
from local_aws.process import Hold as HeldCall
from local_aws.process import LocalAws
from pipeline_under_test import PipelineUnderTest
from services_under_test import PATIENCE, ServicesUnderTest

DAYS = [date(2019, 3, day) for day in range(4, 9)]
# What local AWS holds back is deferred, and resumed soon after it is let go.
SHORT_WAITS = {
    "FRESH_ENDPOINTS_WORKER_SECONDS": "2",
    "FRESH_ENDPOINTS_FIRST_TIME_WORKER_SECONDS": "2",
    "FRESH_ENDPOINTS_FIRST_LOOK_SECONDS": "4",
    "FRESH_ENDPOINTS_SHORTEST_SECONDS": "1",
}
UPDATING = {"operation": "endpoint:Updating", "kind": "hold_status"}
KINDS = ("drill", "in flight", "taken back")


class Redeploying(ServicesUnderTest):
    """A pipeline of which two days were deployed, and the DAG that goes back to the first."""

    def deploy(self, day: date) -> None:
        self.trigger(day)
        assert self.wait_for_end() == "success"

    def task_state(self, task_id: str) -> str:
        tasks = self.airflow.task_instances(self.dag_id, self.run_id)
        return {task["task_id"]: task["state"] for task in tasks}[task_id]

    def redeploy(self, **conf: Any) -> RedeployRun:
        """Trigger the redeploy as a person does."""
        return RedeployRun(self, conf)

    def jobs(self) -> list[str]:
        return [job["TrainingJobName"] for job in self.pipeline.jobs()]

    def hold(self) -> Hold | None:
        return Hold.of(self.pipeline.tags(self.pipeline.endpoint()["EndpointArn"]))

    def updates(self) -> list[str]:
        """The endpoint configs that the endpoint was asked to serve by an update."""
        calls = [call["parameters"] for call in self.aws.calls("UpdateEndpoint")]
        return [call["EndpointConfigName"] for call in calls if call["EndpointName"] == self.pipeline.name]


class RedeployRun:
    """A run of the redeploy."""

    def __init__(self, tested: Redeploying, conf: dict[str, Any]) -> None:
        self.airflow = tested.airflow
        self.dag_id = f"redeploy_{tested.pipeline.name}"
        self.run_id = tested.airflow.trigger(self.dag_id, conf=conf)

    def end(self) -> dict[str, str]:
        """Wait for the end; return the tasks' states."""
        self.airflow.wait_for_run(self.dag_id, self.run_id, timeout=PATIENCE)
        return {task["task_id"]: task["state"] for task in self.airflow.task_instances(self.dag_id, self.run_id)}

    def wait_until_deferred(self) -> None:
        self.airflow.wait_for_task(self.dag_id, self.run_id, "redeploy", ["deferred"], timeout=PATIENCE)


@pytest.fixture(scope="module")
def pipelines(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> dict[str, PipelineUnderTest]:
    """A pipeline for each kind of test; one asks its models what a file in S3 says."""
    folder = tmp_path_factory.mktemp("pipelines")
    pipelines = {kind: PipelineUnderTest(local_aws, folder) for kind in KINDS}
    for kind, pipeline in pipelines.items():
        pipeline.content.update(schedule=None)
        pipeline.content.pop("transform", None)
        pipeline.use_tiny_image(model="m")
        if kind == "taken back":
            test = {
                "key": f"input-data-prediction/asked/{pipeline.name}/ping",
                "content_type": "text/plain",
                "expect": "m:ping",
            }
            pipeline.write(lambda content, test=test: content.update(smoke_test={**test, "patience_seconds": 0}))
            ask(pipeline, b"ping")
    return pipelines


@pytest.fixture(scope="module")
def deployed(
    local_aws: LocalAws,
    database: str | None,
    pipelines: dict[str, PipelineUnderTest],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Redeploying]]:
    """All services; the endpoint of each pipeline serves the second day's model, in the place of the first's."""
    with AirflowServices(
        tmp_path_factory.mktemp("airflow"),
        database=database,
        pipelines_dir=pipelines["drill"].folder,
        environment={**airflow_connections(local_aws.url, local_aws.region), **SHORT_WAITS},
        paused=False,
        boot_timeout=PATIENCE,
    ) as airflow:
        deployed = {kind: Redeploying(airflow, pipeline) for kind, pipeline in pipelines.items()}
        for day in DAYS[:2]:
            for tested in deployed.values():
                tested.trigger(day)
            for tested in deployed.values():
                assert tested.wait_for_end() == "success"
        yield deployed
        for pipeline in pipelines.values():
            pipeline.delete()


@pytest.fixture(autouse=True)
def no_faults(local_aws: LocalAws) -> Iterator[None]:
    yield
    local_aws.clear_faults()


def ask(pipeline: PipelineUnderTest, body: bytes) -> None:
    """Have the smoke test ask this from now on."""
    pipeline.s3.put_object(Bucket="sample-bucket", Key=f"input-data-prediction/asked/{pipeline.name}/ping", Body=body)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def is_live(tested: Redeploying, config_name: str) -> bool:
    found = tested.pipeline.endpoint()
    return (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", config_name)


def test_the_way_back_at_3_am_outlives_the_daily_runs_until_it_is_released(deployed: dict[str, Redeploying]) -> None:
    """What is live and proven predicts nonsense, says a person, who is woken by it."""
    tested = deployed["drill"]
    good, bad = tested.jobs()
    assert tested.pipeline.live() == bad

    started = time.monotonic()
    redeploy = tested.redeploy(model="previous", hold_days=7, reason="it predicts nonsense")
    wait_until(lambda: is_live(tested, good), f"{good} is not live")
    seconds = time.monotonic() - started
    assert redeploy.end() == {"choose_model": "success", "hold": "success", "redeploy": "success"}
    whole = time.monotonic() - started
    print(  # noqa: T201 - with -s
        f"\nSeconds from trigger to InService: {seconds:.1f}; to the end of the run: {whole:.1f}"
    )
    assert tested.updates()[-1] == tested.pipeline.live() == good
    assert len(tested.jobs()) == 2, "nothing is trained"
    held = tested.hold()
    assert held is not None
    assert held.until is not None
    assert (held.who, held.why) == (USERNAME, "it predicts nonsense")
    assert timedelta(days=6.9) < held.until - datetime.now(timezone.utc) <= timedelta(days=7)
    for text in tested.pipeline.slack()[-2:]:
        assert USERNAME in text
        assert f"(it predicts nonsense). It stays until {held.end}." in text
    assert tested.pipeline.titles()[-2:] == ["Redeploy started", "Redeployed"]

    for number, day in enumerate(DAYS[2:4], 3):
        tested.deploy(day)
        assert tested.task_state("deploy") == "skipped"
        assert len(tested.jobs()) == number, "it trains"
        assert tested.pipeline.live() == good
        assert tested.pipeline.titles()[-1] == "Deployment on hold"
        assert f"which {USERNAME} holds until {held.end} (it predicts nonsense)." in tested.pipeline.slack()[-1]

    released = tested.redeploy(model="live", hold_days=0).end()
    assert released == {"choose_model": "success", "hold": "success", "redeploy": "skipped"}
    assert tested.hold() is None
    assert tested.pipeline.titles()[-1] == "Hold released"

    tested.deploy(DAYS[4])
    assert tested.task_state("deploy") == "success"
    assert tested.pipeline.live() == tested.jobs()[-1]
    assert len(tested.jobs()) == 5


def test_it_runs_at_once_while_a_training_runs_and_the_run_in_flight_meets_the_hold(
    deployed: dict[str, Redeploying], local_aws: LocalAws
) -> None:
    tested = deployed["in flight"]
    good, _ = tested.jobs()
    [training] = local_aws.add_faults({"operation": "training-job:Downloading", "kind": "hold_status"})
    tested.trigger(DAYS[2])
    wait_until(lambda: len(tested.jobs()) == 3, "no training began")
    assert tested.redeploy(model="previous", reason="not today").end()["redeploy"] == "success"
    assert tested.pipeline.live() == good
    assert tested.pipeline.jobs()[-1]["TrainingJobStatus"] == "InProgress"
    local_aws.remove_fault(training)
    assert tested.wait_for_end() == "success"
    assert tested.task_state("deploy") == "skipped"
    assert tested.pipeline.live() == good
    assert tested.pipeline.titles()[-1] == "Deployment on hold"
    assert "(not today)" in tested.pipeline.slack()[-1]


def test_a_deferred_redeploy_that_fails_the_smoke_test_is_put_back_once_and_told_once(
    deployed: dict[str, Redeploying], local_aws: LocalAws
) -> None:
    tested = deployed["taken back"]
    first, second = tested.jobs()
    asked, told = len(tested.updates()), len(tested.pipeline.titles())
    ask(tested.pipeline, b"pong")
    [updating] = local_aws.add_faults(UPDATING)
    redeploy = tested.redeploy(model=first)
    redeploy.wait_until_deferred()
    local_aws.remove_fault(updating)
    assert redeploy.end()["redeploy"] == "failed"
    check_put_back(tested, first, second, asked, told)


def test_a_redeploy_that_dies_as_it_puts_back_does_not_ask_for_the_failed_model_again(
    deployed: dict[str, Redeploying], local_aws: LocalAws
) -> None:
    tested = deployed["taken back"]
    first, second = tested.jobs()
    asked, told = len(tested.updates()), len(tested.pipeline.titles())
    ask(tested.pipeline, b"pong")
    [number] = local_aws.add_faults(
        {"operation": "UpdateEndpoint", "kind": "hold", "when": "after", "skip": 1, "times": 1}
    )
    put_back = HeldCall(local_aws, number)
    redeploy = tested.redeploy(model=first)
    put_back.wait(PATIENCE)
    tested.kill_the_caller()
    put_back.release()
    assert redeploy.end()["redeploy"] == "failed"
    check_put_back(tested, first, second, asked, told)


def check_put_back(tested: Redeploying, first: str, second: str, asked: int, told: int) -> None:
    assert tested.updates()[asked:] == [first, second]
    assert tested.pipeline.live() == second
    assert tested.pipeline.titles()[told:] == ["Redeploy started", "Smoke test failed", "Rolled back"]
    held = tested.hold()
    assert held is not None
    assert f"Hold: stands until {held.end}." in tested.pipeline.slack()[-1]


def test_a_deferred_redeploy_that_sagemaker_rolls_back_is_asked_for_once_and_told_once(
    deployed: dict[str, Redeploying], local_aws: LocalAws
) -> None:
    tested = deployed["taken back"]
    first, second = tested.jobs()
    asked, told = len(tested.updates()), len(tested.pipeline.titles())
    local_aws.add_faults({"kind": "fail_deployment", "failure_reason": "The ping check failed."})
    [updating] = local_aws.add_faults(UPDATING)
    redeploy = tested.redeploy(model=first)
    redeploy.wait_until_deferred()
    local_aws.remove_fault(updating)
    assert redeploy.end()["redeploy"] == "failed"
    assert tested.updates()[asked:] == [first]
    assert tested.pipeline.live() == second
    assert tested.pipeline.titles()[told:] == ["Redeploy started", "Rolled back"]
    assert re.search(rf"Live now: {second}, data date .*, proven, InService\.", tested.pipeline.slack()[-1])
