"""### Train on yesterday's data, then deploy.

Every day, for every pipeline file:

1. **wait_for_data** waits in S3 for the files of the *data date*, the day before DATE, that the channels of `data`
   name. If they do not come in time, the run ends here: skipped, and Slack says so.
2. **train** runs one SageMaker training job. Its name is made from the pipeline, the data date and the run, so a retry
   attaches to the job that exists. To train again, clear the task.
3. **deploy** creates or updates the endpoint and ends once the endpoint serves the new model. With deploy `auto` it is
   skipped if the endpoint serves a model of a later data date, or if the model breaks a rule of `quality`. A new model
   that fails the `smoke_test` is taken back: the newest proven endpoint config is put live again. What is older than
   `retention` keeps is deleted.
4. **publish** emits the event of the asset `<pipeline>-model`, with the model's facts, also where the deployment was
   skipped because a later data date is live; not where the model was refused. `batch_predict_<pipeline>` runs on it.

DATE is the run's logical date in the pipeline's time zone. *Trigger* takes another `data_date`, which DATE follows,
another waiting time, and what to deploy. Each pipeline is one YAML file in `include/pipelines`; a file that cannot be
used is listed under the import errors of `broken_pipeline_files.py`.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from airflow.sdk import DAG

try:
    from airflow.sdk import CronTriggerTimetable
except ImportError:  # Airflow 3.1
    from airflow.timetables.trigger import CronTriggerTimetable  # type: ignore[assignment]

from fresh_endpoints.aws.kinds import TRAINING_JOB
from fresh_endpoints.pipeline_file.building import build_dags
from fresh_endpoints.pipeline_file.card import card
from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.steps import trigger_form
from fresh_endpoints.steps.abandoned_jobs import AbandonedJobsStopper
from fresh_endpoints.steps.default_args import default_args, pool_of
from fresh_endpoints.steps.deploy import DeployOperator
from fresh_endpoints.steps.publish import PublishOperator
from fresh_endpoints.steps.train import TrainOperator
from fresh_endpoints.steps.wait_for_data import WaitForDataSensor
from fresh_endpoints.telling.callbacks import BackstopNotifier, NoNewDataNotifier
from fresh_endpoints.telling.deadline import deadline_alert


def train_and_deploy(pipeline: Pipeline) -> DAG:
    """Build the DAG of one pipeline."""
    timezone = ZoneInfo(pipeline.timezone)
    with DAG(
        dag_id=f"train_and_deploy_{pipeline.name}",
        description=pipeline.description,
        doc_md=card(pipeline, __doc__),
        tags=["train-and-deploy", *pipeline.dag_tags],
        schedule=pipeline.schedule and CronTriggerTimetable(pipeline.schedule, timezone=pipeline.timezone),
        start_date=datetime.combine(pipeline.start_date, datetime.min.time(), tzinfo=timezone),
        catchup=pipeline.catchup,
        max_active_runs=pipeline.max_active_runs,
        deadline=deadline_alert(pipeline),
        auto_register=False,  # build_dags() does, once it is whole
        on_failure_callback=[BackstopNotifier(pipeline), AbandonedJobsStopper(pipeline, TRAINING_JOB)],
        default_args=default_args(pipeline),
    ) as dag:
        wait_for_data = WaitForDataSensor(
            task_id="wait_for_data", pipeline=pipeline, on_skipped_callback=NoNewDataNotifier(pipeline)
        )
        train = TrainOperator(task_id="train", pipeline=pipeline, **pool_of(pipeline))
        # One at a time: an endpoint takes one change at a time.
        deploy = DeployOperator(task_id="deploy", pipeline=pipeline, max_active_tis_per_dag=1, **pool_of(pipeline))

        publish = PublishOperator(task_id="publish", pipeline=pipeline)

        wait_for_data >> train >> deploy >> publish
        train >> publish

    # Last: every base class of every operator copies the params that its DAG has by then.
    dag.params.update(
        data_date=trigger_form.data_date(pipeline, "Train on"),
        wait_minutes=trigger_form.wait_minutes(pipeline),
        deploy=trigger_form.deploy(pipeline),
    )
    return dag


globals().update(build_dags("train_and_deploy_", train_and_deploy))
