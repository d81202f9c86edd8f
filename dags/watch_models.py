"""### Tell once of what would otherwise go wrong in silence.

Every day at 00:00 UTC, **watch_models** looks at all pipelines, in AWS and in Airflow, and tells Slack of:

- a pipeline file that *cannot be used*, while the pipeline's endpoint serves on;
- an endpoint with a model of a run's that *no pipeline file* deploys to, because the file has vanished or names another
  endpoint now; with what it costs a day in instance hours;
- a model that is *older* than the pipeline file's `max_age_days`, by its data date;
- a *hold* that has ended, unless the first deployment after its end has told it;
- a run that *never began*, and whose deadline (`deadline_minutes`) is over; unless its model is live all the same.

Each is told once, to the Slack of its pipeline; a file that cannot be used is read for it as far as it can be, and of
one that has vanished it is remembered. An endpoint that never had a file here is told to the first pipeline, by name,
of the same connection and region that has a `slack` section. What is gone is forgotten, and told anew should it come
back. What was told, and where pipelines are, is remembered in the Airflow Variable `fresh_endpoints_watch_models`;
delete it to be told everything anew. A pipeline whose schedule was changed is watched from its next run on.

What AWS refuses about one pipeline is said in the log, and the others are looked at. The task fails only where nothing
could be looked at. What it returns is all that stands.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG

from fresh_endpoints.steps.watch_models import WatchModelsOperator

with DAG(
    dag_id="watch_models",
    description="Tells once of what would otherwise go wrong in silence",
    doc_md=__doc__,
    tags=["watch-models"],
    schedule="0 0 * * *",
    start_date=datetime(2019, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    # It changes nothing in AWS, and a watch that nobody has switched on is the silence that it is to end.
    is_paused_upon_creation=False,
    # Two would tell the same.
    max_active_runs=1,
    default_args={
        "owner": "ml",
        "retries": 3,
        "retry_delay": timedelta(minutes=5),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(hours=1),
    },
):
    WatchModelsOperator(task_id="watch_models")
