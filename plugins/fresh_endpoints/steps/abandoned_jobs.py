"""Stops what a failed run has left running, so that nobody pays for a job that nobody waits for.

A task that a user marks failed stops its job itself, by its own or its trigger's ``on_kill``. Airflow calls neither for
a task whose process was killed with no retry left, nor for one that is marked within the moments between its deferral
and its trigger's start. The run then fails, and Airflow calls the DAG's ``on_failure_callback``:
https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/logging-monitoring/callbacks.html
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws import tags
from fresh_endpoints.aws.clients import SageMakerHook
from fresh_endpoints.aws.errors import BOTOCORE_CONFIG
from fresh_endpoints.aws.lists import newest
from fresh_endpoints.run import Run

if TYPE_CHECKING:
    from fresh_endpoints.aws.kinds import Kind
    from fresh_endpoints.pipeline_file.model import Pipeline

log = logging.getLogger(__name__)


class AbandonedJobsStopper:
    """Stops the jobs in progress that carry a failed run's tags; used as a DAG's ``on_failure_callback``.

    What another Airflow's run of the same id has started carries another moment of its start.

    A job that a later clear of the same run has started is none of them: it is younger than the run's end, which is
    the failed run's own, however late the callback runs.

    Args:
        pipeline: The pipeline.
        kind: The kind of job that the DAG runs.
    """

    def __init__(self, pipeline: Pipeline, kind: Kind):
        self.pipeline = pipeline
        self.kind = kind

    def __call__(self, context: Any) -> None:
        """Stop the run's jobs; a fault of AWS's is logged, for nobody can retry a callback.

        Args:
            context: The DAG run's context.
        """
        if "dag_run" not in context:
            log.warning("Airflow tells nothing of the failed run %s; its jobs go on.", context.get("run_id"))
            return
        run, ended = Run.of(self.pipeline, context), context["dag_run"].end_date
        client = SageMakerHook(
            aws_conn_id=self.pipeline.aws_conn_id, region_name=self.pipeline.region, config=BOTOCORE_CONFIG
        ).get_conn()
        try:
            # Somebody else's job may have the pipeline's name within its own, and tags that nobody here may read.
            for job in newest(
                client,
                self.kind,
                created_after=run.jobs_since,
                name_prefix=f"{self.pipeline.aws_name}-",
                statuses=self.kind.waiting_statuses,
            ):
                is_later = ended is not None and job["CreationTime"] > ended
                if not is_later and run.has_started(tags.read(client, self.kind.arn_of(job))):
                    self._stop(client, self.kind.name_of(job))
        except (ClientError, BotoCoreError) as error:
            log.warning("Could not look for %ss of the failed run %s: %s", self.kind.noun, run.run_id, error)

    def _stop(self, client: Any, name: str) -> None:
        try:
            getattr(client, str(self.kind.stop))(**self.kind.named(name))
            log.info("Stopped %s %s: its run has failed.", self.kind.noun, name)
        except ClientError as error:
            # SageMaker refuses to stop a job that has ended, which is as good.
            log.info("Did not stop %s %s: %s", self.kind.noun, name, error)
