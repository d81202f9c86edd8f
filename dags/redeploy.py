"""### Go back to a model that exists, and hold it.

It trains nothing. *Trigger* it, also while a training of the pipeline runs:

1. **choose_model** finds the `model` that you mean. `previous` is the newest that was seen to work before the one that
   is live; `live` is the one that is live; or give a data date, or the name of a training job. If there is none, the
   run fails, says what there is, and nothing is changed.
2. **hold** writes to the endpoint's tags that the daily runs leave it alone for `hold_days`, who wants that, and your
   `reason`. They train, do not deploy, and say so, until then or until you release it with
   `{"model": "live", "hold_days": 0}`. A run with deploy `always` deploys over a hold.
3. **redeploy** has the endpoint serve the model: one UpdateEndpoint where its endpoint config still exists; where
   `retention` has deleted it, endpoint config and model are made again first. A change that is going on is waited for.
   The endpoint is verified and smoke-tested as after any deployment; where that fails, what was live before is put
   back, and the hold stands. With `live` there is nothing to do, and the step is skipped.

To go back further, trigger it once more: `previous` leads on from what is live then.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from airflow.sdk import DAG

from fresh_endpoints.pipeline_file.building import build_dags
from fresh_endpoints.pipeline_file.card import card
from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.steps import trigger_form
from fresh_endpoints.steps.choose_model import ChooseModelOperator
from fresh_endpoints.steps.default_args import default_args, pool_of
from fresh_endpoints.steps.redeploy import HoldOperator, RedeployOperator
from fresh_endpoints.telling.callbacks import BackstopNotifier


def redeploy(pipeline: Pipeline) -> DAG | None:
    """Build the DAG of one pipeline; None where nothing is deployed."""
    if pipeline.deploy == "never":
        return None
    with DAG(
        dag_id=f"redeploy_{pipeline.name}",
        description=f"Goes back to an earlier model of {pipeline.name}, and holds it",
        doc_md=card(pipeline, __doc__),
        tags=["redeploy", *pipeline.dag_tags],
        schedule=None,
        start_date=datetime.combine(pipeline.start_date, datetime.min.time(), tzinfo=ZoneInfo(pipeline.timezone)),
        catchup=False,
        # Nothing starts it but a person, who is in a hurry.
        is_paused_upon_creation=False,
        # Two decisions come one after another, and the later one stands.
        max_active_runs=1,
        auto_register=False,  # build_dags() does, once it is whole
        on_failure_callback=BackstopNotifier(pipeline),
        default_args=default_args(pipeline),
    ) as dag:
        choose_model = ChooseModelOperator(task_id="choose_model", pipeline=pipeline)
        hold = HoldOperator(task_id="hold", pipeline=pipeline, chosen=choose_model.output)
        serve = RedeployOperator(task_id="redeploy", pipeline=pipeline, chosen=choose_model.output, **pool_of(pipeline))

        choose_model >> hold >> serve

    # Last: every base class of every operator copies the params that its DAG has by then.
    dag.params.update(
        model=trigger_form.model(),
        hold_days=trigger_form.hold_days(),
        reason=trigger_form.reason(),
    )
    return dag


globals().update(build_dags("redeploy_", redeploy))
