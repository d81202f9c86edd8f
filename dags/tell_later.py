"""### Tell Slack what it has not taken in a task's time.

Slack takes about one message a second of a webhook, or in a channel. Where many pipelines tell at once, or Slack is
down, a task does not wait for it: it leaves its message here. **A run is one message**, and its id says which. The
triggerer sends it when its turn comes, failures before all others and the oldest first, at the pace that Slack asks
for; on Airflow 3.3 and later without a worker.

A run that has failed was refused for good, such as by a webhook that is gone, or Slack has not answered for a day. Its
log says why, and what the message was; *clear* it to have it sent after all. Do not pause this DAG: its messages would
wait until somebody lets it go on.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.sdk import DAG

from fresh_endpoints.steps.tell_later import TellLaterOperator

with DAG(
    dag_id="tell_later",
    description="Tells Slack what it has not taken in a task's time",
    doc_md=__doc__,
    tags=["tell-later"],
    schedule=None,
    start_date=datetime(2019, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    is_paused_upon_creation=False,
    # So many wait in the triggerer; the others are rows in the database.
    max_active_runs=100,
    max_active_tasks=100,
    default_args={"owner": "ml", "retries": 0},
):
    TellLaterOperator(task_id="tell_later")
