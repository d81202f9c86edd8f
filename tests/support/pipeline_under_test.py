"""Runs a pipeline's DAG whole, in the test's process, on local AWS."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from airflow.sdk.execution_time import task_runner

from fresh_endpoints.aws.own_names import OwnNames
from fresh_endpoints.steps import wait_for_data
from fresh_endpoints.steps.step import PipelineStep
from fresh_endpoints.waiting import pace
from local_aws.connections import airflow_connections
from local_aws.process import LocalAws

ROOT = Path(__file__).parents[2]
SAMPLE_DATA = ROOT / "include" / "sample_data"
TOKYO = ZoneInfo("Asia/Tokyo")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Outcome:
    """How a DAG run has ended."""

    state: str
    tasks: dict[str, str]
    run_id: str
    returned: dict[str, Any]
    dag_id: str


class PipelineUnderTest:
    """A pipeline of the test's own: the sample pipeline under a name that no other test uses."""

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        self.aws = aws
        self.folder = folder
        self.name = f"iris-{next(_numbers)}"
        self.sagemaker = aws.client("sagemaker")
        self.s3 = aws.client("s3")
        if "sample-bucket" not in [bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]]:
            self.s3.create_bucket(Bucket="sample-bucket", CreateBucketConfiguration={"LocationConstraint": aws.region})
        self.content: dict[str, Any] = yaml.safe_load((ROOT / "include/pipelines/multiclass.yaml").read_text())
        self.content["name"] = self.name
        self.content["retry_delay_seconds"] = 0
        self.write()

    def write(self, change: Callable[[dict[str, Any]], None] = lambda content: None) -> None:
        """Write the pipeline file, after a change to its content."""
        change(self.content)
        (self.folder / f"{self.name}.yaml").write_text(yaml.safe_dump(self.content, sort_keys=False))

    @property
    def endpoint_name(self) -> str:
        return str(self.content.get("endpoint", {}).get("EndpointName", self.name))

    @property
    def own_names(self) -> OwnNames:
        return OwnNames(self.name)

    def rename(self) -> str:
        """Give the pipeline another name, and keep its endpoint, as the docs have it; return the former one."""
        former, endpoint = self.name, self.endpoint_name
        (self.folder / f"{former}.yaml").unlink()
        self.name = f"iris-new-{next(_numbers)}"
        section = {**self.content.get("endpoint", {}), "EndpointName": endpoint}
        self.write(lambda content: content.update(name=self.name, renamed_from=former, endpoint=section))
        return former

    def use_tiny_image(self, **hyperparameters: str) -> None:
        """Have the training and serving done by tests/support/images/tiny."""

        def change(content: dict[str, Any]) -> None:
            training = content["training"]
            training["AlgorithmSpecification"] = {
                "TrainingImage": "1.dkr.ecr.x.amazonaws.com/tiny:1",
                "TrainingInputMode": "File",
            }
            training["HyperParameters"] = hyperparameters
            # It has no metrics, and answers with what it was asked.
            content.pop("quality", None)
            content.pop("smoke_test", None)

        self.write(change)

    def upload(self, data_date: date, kinds: tuple[str, ...] = ("training", "validation", "prediction")) -> None:
        for kind in kinds:
            key = f"input-data-{kind}/{data_date}/{self.name}/iris.csv"
            self.s3.upload_file(str(SAMPLE_DATA / kind / "iris.csv"), "sample-bucket", key)

    def run(self, day: date | None = None, /, *, logical_date: datetime | None = None, **conf: Any) -> Outcome:
        """Run the DAG for a data date, or for a logical date, or (with neither) as a REST trigger without one."""
        if day:
            midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), tzinfo=TOKYO)
            logical_date = midnight.astimezone(timezone.utc)
        return self._run_dag("train_and_deploy", logical_date, conf)

    def predict(self, **conf: Any) -> Outcome:
        """Run the prediction DAG by hand."""
        return self._run_dag("batch_predict", None, conf)

    def redeploy(self, **conf: Any) -> Outcome:
        """Have a person go back to a model."""
        return self._run_dag("redeploy", None, conf)

    def deploy_first(self, count: int, days: Sequence[date]) -> None:
        """Deploy the first of some data dates by the tiny image, all of which have data; a failure is not retried."""
        self.use_tiny_image(model="m")
        self.write(lambda content: content.update(retries=0))
        for day in days:
            self.upload(day)
        for day in days[:count]:
            assert self.run(day).tasks["deploy"] == "success"

    def clear(self, outcome: Outcome, *task_ids: str, **conf: Any) -> Outcome:
        """Clear tasks of a run while it is active, as a user does in the UI, and let it go on to its end."""
        from airflow.models import dagrun
        from airflow.models.taskinstance import clear_task_instances
        from sqlalchemy import select

        def cleared(*, dag: Any, session: Any, **_: Any) -> Any:
            run = session.scalar(select(dagrun.DagRun).where(dagrun.DagRun.run_id == outcome.run_id))
            run.dag = dag
            started = run.start_date
            run.set_state("running")
            run.start_date = started  # An active run goes on; one that had ended would start anew.
            clear_task_instances(
                [ti for ti in run.get_task_instances(session=session) if ti.task_id in task_ids], session
            )
            session.commit()
            return run

        return self._go_on(outcome.dag_id, cleared, conf)

    def run_queued(self) -> list[Outcome]:
        """Run to their ends the pipeline's runs that commands have triggered or cleared, as a scheduler does."""
        from airflow.models.dagrun import DagRun
        from airflow.utils.session import create_session
        from sqlalchemy import select

        def queued(run_id: str) -> Callable[..., Any]:
            def found(*, dag: Any, session: Any, **_: Any) -> Any:
                run = session.scalar(select(DagRun).where(DagRun.run_id == run_id, DagRun.dag_id == dag.dag_id))
                run.dag = dag
                run.set_state("running")
                session.commit()
                return run

            return found

        query = select(DagRun.dag_id, DagRun.run_id).where(
            DagRun.state == "queued", DagRun.dag_id.endswith(f"_{self.name}")
        )
        with create_session() as session:
            runs = list(session.execute(query.order_by(DagRun.id)))
        return [self._go_on(dag_id, queued(run_id), {}) for dag_id, run_id in runs]

    def _go_on(self, dag_id: str, find_run: Callable[..., Any], conf: dict[str, Any]) -> Outcome:
        """Run a DAG's run that exists."""
        from airflow.models import dagrun

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(dagrun, "get_or_create_dagrun", find_run)  # what dag.test() begins with
            # Which clears all tasks of the logical date that it is given.
            another_day = datetime(1999, 1, 1, tzinfo=timezone.utc)
            return self._run_dag(dag_id.rpartition(f"_{self.name}")[0], another_day, conf)

    def _run_dag(self, kind: str, logical_date: datetime | None, conf: dict[str, Any]) -> Outcome:
        try:
            from airflow.dag_processing.dagbag import DagBag
        except ImportError:  # Airflow 3.1
            from airflow.models.dagbag import DagBag

        # Airflow 3.1 goes on naming the last run's DAG as the only one to build.
        os.environ.pop("_AIRFLOW_PARSING_CONTEXT_DAG_ID", None)
        bag = DagBag(str(ROOT / "dags"))
        assert not bag.import_errors
        run = bag.dags[f"{kind}_{self.name}"].test(
            logical_date=logical_date, run_after=datetime.now(timezone.utc), run_conf=conf
        )
        instances = run.get_task_instances()
        returned = {
            ti.task_id: ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index)
            for ti in instances
            if ti.state == "success"
        }
        tasks = {ti.task_id: str(ti.state) for ti in instances}
        return Outcome(str(run.state), tasks, run.run_id, returned, run.dag_id)

    def published(self) -> list[dict[str, Any]]:
        """The extras of the model asset's events, oldest first."""
        from airflow.models.asset import AssetEvent, AssetModel
        from airflow.utils.session import create_session
        from sqlalchemy import select

        query = select(AssetEvent.extra).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
        with create_session() as session:
            return list(session.scalars(query.where(AssetModel.name == f"{self.name}-model").order_by(AssetEvent.id)))

    def slack(self) -> list[str]:
        """The texts of the messages about this pipeline, in order, from their titles on."""
        texts = [message["text"] for message in self.aws.slack_messages()]
        return [text for text in texts if f": {self.name}, data date" in text]

    def titles(self) -> list[str]:
        return [text.partition(":")[0] for text in self.slack()]

    def jobs(self) -> list[dict[str, Any]]:
        # With the data date's first digit: iris-1 is not iris-10.
        return self.listed("list_training_jobs", NameContains=f"{self.name}-2", SortOrder="Ascending")

    def listed(self, operation: str, **filters: Any) -> list[dict[str, Any]]:
        """All that a List operation finds: it compares names in each page only. In large pages, for the rate's sake."""
        pages = self.sagemaker.get_paginator(operation).paginate(**filters, PaginationConfig={"PageSize": 100})
        [found] = pages.build_full_result().values()
        return found

    def live(self) -> str:
        """The endpoint config that the endpoint serves."""
        endpoint = self.endpoint()
        assert endpoint["EndpointStatus"] == "InService"
        return endpoint["EndpointConfigName"]

    def tags(self, arn: str) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in self.sagemaker.list_tags(ResourceArn=arn)["Tags"]}

    def endpoint(self) -> dict[str, Any]:
        return self.sagemaker.describe_endpoint(EndpointName=self.endpoint_name)

    def invoke(self, body: bytes, **options: Any) -> bytes:
        runtime = self.aws.client("sagemaker-runtime")
        return runtime.invoke_endpoint(EndpointName=self.endpoint_name, Body=body, **options)["Body"].read()

    def delete(self) -> None:
        """End the processes of the endpoint, and of the one that the file named before."""
        there = {endpoint["EndpointName"] for endpoint in self.listed("list_endpoints")}
        for name in {self.name, self.endpoint_name} & there:
            self.sagemaker.delete_endpoint(EndpointName=name)


def hand_over_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a resumed task what it has handed over its wait, as a scheduler does: dag.test() gives the event alone."""
    handed: dict[tuple[str, str], str] = {}
    defer, resume = PipelineStep.defer_with, PipelineStep.resume_execution

    def deferring(step: Any, trigger: Any, seconds: float, carried: Any) -> None:
        handed[step.dag_id, step.task_id] = json.dumps(carried)
        defer(step, trigger, seconds, carried)

    def resuming(step: Any, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        carried = json.loads(handed.pop((step.dag_id, step.task_id), "{}"))
        given = {**carried, **next_kwargs} if next_kwargs and "event" in next_kwargs else next_kwargs
        return resume(step, next_method, given, context)

    monkeypatch.setattr(PipelineStep, "defer_with", deferring)
    monkeypatch.setattr(PipelineStep, "resume_execution", resuming)


@pytest.fixture
def pipeline(
    local_aws: LocalAws, airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PipelineUnderTest]:
    """A pipeline whose DAG can be run on local AWS, with short waits."""
    for name, value in airflow_connections(local_aws.url, local_aws.region).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PIPELINES_DIR", str(tmp_path))
    monkeypatch.setattr(pace, "FIRST_TIME_WORKER_SECONDS", 6.0)  # As wherever local AWS is AWS.
    monkeypatch.setattr(pace, "SHARE_OF_WAIT_IN_WORKER", 0.0)
    monkeypatch.setattr(pace, "FIRST_LOOK_SECONDS", 0.2)
    monkeypatch.setattr(pace, "SHORTEST_SECONDS", 0.2)
    monkeypatch.setattr(wait_for_data, "POKE_SECONDS", 0.2)
    hand_over_waits(monkeypatch)
    finalize = task_runner.finalize

    def finalize_with_exception(ti: Any, state: Any, context: Any, log: Any, error: Any = None) -> None:
        context["exception"] = error
        finalize(ti, state, context, log, error)

    # A task's own process gives its callbacks the exception; dag.test() of Airflow 3.1 forgets it.
    monkeypatch.setattr(task_runner, "finalize", finalize_with_exception)
    tested = PipelineUnderTest(local_aws, tmp_path)
    yield tested
    tested.delete()
