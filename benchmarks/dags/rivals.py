"""What the pipelines are measured against: the provider's operators at their defaults, and chains of trivial tasks.

The stock DAGs' trigger form takes the ``train_seconds`` and ``serve_seconds`` of their jobs.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from airflow.providers.amazon.aws.operators.sagemaker import SageMakerEndpointOperator, SageMakerTrainingOperator
from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor
from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import DAG, BaseOperator, CronTriggerTimetable, chain
from stock_requests import BUCKET, FLEET_POOL, FLEET_SECONDS, KEYS, stock_requests

# As many as train_and_deploy has.
TASKS = 4
NAME = "{{ dag.dag_id.replace('_', '-') }}-{{ run_id }}"
TRAINING, ENDPOINT = stock_requests(NAME, "{{ params.train_seconds }}", "{{ params.serve_seconds }}")


def _tell(text: str) -> SlackWebhookNotifier:
    return SlackWebhookNotifier(slack_webhook_conn_id="slack_default", text=text)


for deferrable in (True, False):
    with DAG(
        dag_id="stock_deferrable" if deferrable else "stock_blocking",
        schedule=None,
        start_date=dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc),
        max_active_runs=100,
        params={"train_seconds": 5, "serve_seconds": 5},
    ) as dag:
        (
            S3KeySensor(task_id="wait_for_data", bucket_name=BUCKET, bucket_key=KEYS, deferrable=deferrable)
            >> SageMakerTrainingOperator(
                task_id="train",
                config=TRAINING,
                deferrable=deferrable,
                on_success_callback=_tell("Training complete"),
            )
            >> SageMakerEndpointOperator(
                task_id="deploy",
                config=ENDPOINT,
                deferrable=deferrable,
                on_success_callback=_tell("Deployment complete"),
            )
        )
    globals()[dag.dag_id] = dag


class TrivialOperator(BaseOperator):
    """Does nothing, or nothing after one deferral as short as a deferral should be."""

    def __init__(self, *, defers: bool, seconds: float = 10.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.defers = defers
        self.seconds = seconds

    def execute(self, context: Any) -> None:
        """Defer, if it is one that does."""
        if self.defers:
            self.defer(trigger=TimeDeltaTrigger(dt.timedelta(seconds=self.seconds)), method_name="execute_complete")

    def execute_complete(self, context: Any, event: Any = None) -> None:
        """Do nothing."""


def _chain(dag_id: str, schedule: CronTriggerTimetable | None, deferrals: int) -> DAG:
    with DAG(
        dag_id=dag_id,
        schedule=schedule,
        start_date=dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc),
        catchup=False,
        max_active_runs=100,
    ) as dag:
        tasks = [TrivialOperator(task_id=f"task_{i}", defers=1 <= i <= deferrals) for i in range(TASKS)]
        chain(*tasks)
    return dag


for deferrals in range(TASKS):
    globals()[f"trivial_{deferrals}"] = _chain(f"trivial_{deferrals}", None, deferrals)
trivial_backfill = _chain("trivial_backfill", CronTriggerTimetable("@daily", timezone="Asia/Tokyo"), 0)


# What Airflow itself takes for as many runs of this shape: its pool stands for the quota.
with DAG(
    dag_id="trivial_fleet",
    schedule=None,
    start_date=dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc),
    max_active_runs=1000,
) as trivial_fleet:
    chain(
        TrivialOperator(task_id="wait_for_data", defers=False),
        TrivialOperator(task_id="train", defers=True, seconds=FLEET_SECONDS, pool=FLEET_POOL),
        TrivialOperator(task_id="deploy", defers=True, seconds=FLEET_SECONDS),
        TrivialOperator(task_id="publish", defers=False),
    )
