"""### Predict with each newly trained model.

For every pipeline file with a `transform` section, and for each training that `train_and_deploy_<pipeline>` publishes:

1. **find_models** lists the models that this run is to predict with: those of the asset events that have triggered it,
   which may be several. *Trigger* it by hand for a `data_date`, and it takes the newest model trained for that day.
2. **wait_for_data** waits in S3 for the prediction file of the model's data date. If it does not come in time, that
   date is skipped, and Slack says so.
3. **predict** runs one SageMaker transform job with exactly that model. Its name is made from the training job, so one
   training is predicted with once; a retry attaches to the job that exists. To predict again, clear the task or trigger
   the DAG by hand.

The predictions are in `output-prediction/<data date>/<pipeline>/`. Of several trainings of a date the newest predicts;
runs come one after another. What was trained while this DAG was paused is predicted with the next training.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, AssetAll, task_group

from fresh_endpoints.aws.kinds import TRANSFORM_JOB
from fresh_endpoints.model_facts import model_asset
from fresh_endpoints.pipeline_file.building import build_dags
from fresh_endpoints.pipeline_file.card import card
from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.steps import trigger_form
from fresh_endpoints.steps.abandoned_jobs import AbandonedJobsStopper
from fresh_endpoints.steps.default_args import default_args, pool_of
from fresh_endpoints.steps.find_models import FindModelsOperator
from fresh_endpoints.steps.predict import PredictOperator, WaitForPredictionDataSensor
from fresh_endpoints.telling.callbacks import BackstopNotifier, NoNewDataNotifier


def _predict_with(models: Any, pipeline: Pipeline) -> None:
    @task_group(group_id="with_model", prefix_group_id=False)
    def with_model(trained: Any) -> None:
        wait_for_data = WaitForPredictionDataSensor(
            task_id="wait_for_data",
            pipeline=pipeline,
            trained=trained,
            on_skipped_callback=NoNewDataNotifier(pipeline, skipping="its prediction"),
        )
        wait_for_data >> PredictOperator(task_id="predict", pipeline=pipeline, trained=trained, **pool_of(pipeline))

    with_model.expand(trained=models)


def batch_predict(pipeline: Pipeline) -> DAG | None:
    """Build the DAG of one pipeline; None where nothing is predicted."""
    if pipeline.transform is None:
        return None
    with DAG(
        dag_id=f"batch_predict_{pipeline.name}",
        description=f"Predictions of {pipeline.name}",
        doc_md=card(pipeline, __doc__),
        tags=["batch-predict", *pipeline.dag_tags],
        # As a list of one asset means, too; but the list is hashed anew with every arrow between two tasks.
        schedule=AssetAll(model_asset(pipeline)),
        start_date=datetime.combine(pipeline.start_date, datetime.min.time(), tzinfo=ZoneInfo(pipeline.timezone)),
        catchup=False,
        # A newer training of a data date writes the same file, and is to be the last that does.
        max_active_runs=1,
        auto_register=False,  # build_dags() does, once it is whole
        on_failure_callback=[BackstopNotifier(pipeline), AbandonedJobsStopper(pipeline, TRANSFORM_JOB)],
        default_args=default_args(pipeline),
    ) as dag:
        find_models = FindModelsOperator(task_id="find_models", pipeline=pipeline)
        _predict_with(find_models.output, pipeline)

    # Last: every base class of every operator copies the params that its DAG has by then.
    dag.params.update(
        data_date=trigger_form.data_date(pipeline, "Predict, with this day's model, on"),
        wait_minutes=trigger_form.wait_minutes(pipeline),
    )
    return dag


globals().update(build_dags("batch_predict_", batch_predict))
