"""The daily watch: it tells once of what would otherwise go wrong in silence."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, BaseOperator
from botocore.exceptions import ClientError

from fresh_endpoints.aws import tags
from fresh_endpoints.live import hook_of
from fresh_endpoints.pipeline_file.loading import LoadedPipelines, load_pipelines, pipelines_dir
from fresh_endpoints.run import Run
from fresh_endpoints.steps.watch_memory import Memory
from fresh_endpoints.steps.watched import Finding, Look
from fresh_endpoints.telling.later import hand_over
from fresh_endpoints.telling.sending import PipelineNotifier, run_links
from fresh_endpoints.telling.untold import forget, take_up

if TYPE_CHECKING:
    from fresh_endpoints.live import LiveModel
    from fresh_endpoints.pipeline_file.model import Pipeline

log = logging.getLogger(__name__)

_DAGS = ("train_and_deploy", "batch_predict", "redeploy")


class WatchModelsOperator(BaseOperator):
    """Looks at all pipelines, and tells Slack of each finding that has not been told yet.

    A finding that is gone is forgotten, and told anew if it comes back. What could not be looked at is left as it was.
    """

    def execute(self, context: Any) -> list[str]:
        """Look, tell, and remember what was told.

        Args:
            context: The task's context.

        Returns:
            All that stands, told today or before.

        Raises:
            AirflowException: Nothing could be looked at; the reasons are in the log.
        """
        now, loaded, memory = dt.datetime.now(dt.timezone.utc), load_pipelines(_folder_for(context)), Memory.read()
        for pipeline in loaded.pipelines:
            memory.learn(pipeline, now)
            _hand_over_untold(pipeline)
        look = Look(loaded, memory, now, lambda dag_id, dates: _has_run(context["ti"], dag_id, dates))
        look.look()
        memory.told = {key: day for key, day in memory.told.items() if _still_stands(key, look)}
        self._tell_news(look.findings, memory, context)
        memory.pipelines = {name: facts for name, facts in memory.pipelines.items() if _is_needed(name, loaded, look)}
        memory.write()
        if look.unseen and not look.seen:
            raise AirflowException(f"Nothing could be looked at. In the log is why not: {', '.join(look.unseen)}.")
        return sorted(finding.key for finding in look.findings)

    def _tell_news(self, findings: Sequence[Finding], memory: Memory, context: Any) -> None:
        for finding in findings:
            run = Run.of(finding.pipeline, context).for_data_date(finding.data_date)
            message = finding.message.with_links(run_links(context))
            self.log.warning("%s", message.text(run))
            if finding.key in memory.told:
                self.log.info("Slack has been told of it on %s.", memory.told[finding.key])
            elif PipelineNotifier(finding.pipeline).tell(run, message):
                memory.told[finding.key] = dt.datetime.now(dt.timezone.utc).date().isoformat()
                memory.write()  # At once, for a process that is killed has told nevertheless.
                if finding.endpoint:
                    _note_told(finding.pipeline, finding.endpoint, message.event)


def _folder_for(context: Any) -> Path:
    """Return the folder of the pipeline files: that beside the DAG file, where there is one."""
    return pipelines_dir(Path(context["dag"].fileloc))


def _hand_over_untold(pipeline: Pipeline) -> None:
    """Have told what the callbacks of a pipeline's DAGs could not tell; see telling/untold.py."""
    for dag_id in (f"{kind}_{pipeline.name}" for kind in _DAGS):
        if not (untold := take_up(dag_id)):
            continue
        handed_over = [later for later in untold if hand_over(later) is not None]
        log.info("Of %d messages that Slack has not taken, %d are told now.", len(untold), len(handed_over))
        if handed_over:
            forget(dag_id, handed_over)


def _note_told(pipeline: Pipeline, live: LiveModel, event: str) -> None:
    """Write to the endpoint, as a deployment does, what has been told of it: so the next one does not tell it again."""
    try:
        tags.write(hook_of(pipeline).conn, str(live.arn), {tags.TOLD: " ".join([*live.told, event])})
    except ClientError as error:
        log.warning("Could not note at %s that Slack has been told: %s", live.endpoint, error)


def _has_run(task_instance: Any, dag_id: str, logical_dates: Sequence[dt.datetime]) -> bool:
    return bool(task_instance.get_dr_count(dag_id=dag_id, logical_dates=list(logical_dates)))


def _still_stands(key: str, look: Look) -> bool:
    _, _, subject = key.partition(" ")
    return look.is_unseen(subject) or any(key == finding.key for finding in look.findings)


def _is_needed(name: str, loaded: LoadedPipelines, look: Look) -> bool:
    """Tell whether it may still matter where a pipeline is: it has a file, or its endpoint may live."""
    known = [*loaded.pipelines, *(pipeline for _, pipeline in look.unusable)]
    found = [finding.pipeline for finding in look.findings]
    return name in {pipeline.name for pipeline in [*known, *found]} or any(each.endswith("/") for each in look.unseen)
