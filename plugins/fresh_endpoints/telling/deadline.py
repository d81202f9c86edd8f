"""Tells Slack when a scheduled run has no model live by the pipeline's deadline.

Airflow's DeadlineAlert notices: the scheduler looks for missed deadlines, and the triggerer calls back.
https://airflow.apache.org/docs/apache-airflow/stable/howto/deadline-alerts.html
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async

from fresh_endpoints.pipeline_file.loading import load_named
from fresh_endpoints.run import Run
from fresh_endpoints.telling import messages
from fresh_endpoints.telling.sender import send
from fresh_endpoints.telling.sending import PipelineNotifier

if TYPE_CHECKING:
    from airflow.sdk.definitions.deadline import DeadlineAlert

    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.telling.later import Later

log = logging.getLogger(__name__)


def deadline_alert(pipeline: Pipeline) -> DeadlineAlert | None:
    """Make the DAG's alert.

    Args:
        pipeline: The pipeline.

    Returns:
        The alert; None for a pipeline without a deadline.
    """
    if pipeline.deadline_minutes is None:
        return None
    # Few pipelines have one, and every DAG file's parse would pay for the import.
    from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference

    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_LOGICAL_DATE,
        interval=timedelta(minutes=pipeline.deadline_minutes),
        callback=AsyncCallback(tell_missed, kwargs={"pipeline": pipeline.name}),
    )


async def tell_missed(*, pipeline: str, context: dict[str, Any]) -> None:
    """Tell Slack of a missed deadline; Airflow calls this in the triggerer, once.

    Only scheduled runs are told of: a backfill's days lie behind their deadlines from the start.

    Args:
        pipeline: The pipeline's name.
        context: The DAG run as the REST API has it, and the deadline.
    """
    if context["dag_run"]["run_type"] != "scheduled":
        return
    # This is the triggerer: what Slack does not take now waits here for its turn.
    for later in await sync_to_async(_tell, thread_sensitive=False)(pipeline, context["dag_run"]):
        if refusal := await send(later):
            log.warning("Slack did not take the message %r: %s", later.event, refusal.words)


def _tell(name: str, dag_run: dict[str, Any]) -> list[Later]:
    """Tell, and return what Slack has not taken for now."""
    pipeline = load_named(name)
    run = Run.of(
        pipeline,
        {
            "dag_run": SimpleNamespace(
                dag_id=dag_run["dag_id"],
                run_id=dag_run["dag_run_id"],
                logical_date=_moment(dag_run["logical_date"]),
                run_after=_moment(dag_run["run_after"]),
            ),
            "params": dag_run.get("conf") or {},
        },
    )
    message = messages.deadline_missed(
        run.run_id, minutes=pipeline.deadline_minutes, has_failed=dag_run["state"] == "failed"
    )
    kept: list[Later] = []

    def keep(later: Later) -> str:
        kept.append(later)
        return "the triggerer"

    PipelineNotifier(pipeline, keep).tell(run, message)
    return kept


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
