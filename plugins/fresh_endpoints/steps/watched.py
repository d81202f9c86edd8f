"""One look at all pipelines: what of them would otherwise go wrong in silence.

Whatever AWS or Airflow refuses about one of them is said in the log, and the look goes on.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fresh_endpoints.live import NO_ENDPOINT, LiveModel, hook_at, today_of, what_is_live_of
from fresh_endpoints.steps.owed_run import logical_dates, owed_run
from fresh_endpoints.steps.unowned_endpoints import left_over, not_deployed_to, subject_of
from fresh_endpoints.steps.unusable_files import pipeline_of
from fresh_endpoints.steps.watch_memory import partial_pipeline
from fresh_endpoints.telling import findings

if TYPE_CHECKING:
    from fresh_endpoints.aws.clients import SageMakerHook
    from fresh_endpoints.pipeline_file.loading import LoadedPipelines
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.problems import PipelineFileError
    from fresh_endpoints.steps.watch_memory import Memory
    from fresh_endpoints.telling.message import Message

log = logging.getLogger(__name__)

# Tells whether Airflow has a run of a DAG with one of these logical dates.
HasRun = Callable[[str, Sequence[dt.datetime]], bool]
# A connection to AWS and a region.
Place = tuple[str, str]
Broken = tuple["PipelineFileError", "Pipeline"]


@dataclass(frozen=True)
class Finding:
    """Something that people should know of.

    Attributes:
        subject: What it is about: a pipeline's name, or the place of an endpoint.
        pipeline: The pipeline whose Slack is told, as far as it is known.
        data_date: The data date that heads the message.
        message: What to tell.
        endpoint: Where a deployment looks whether it has been told; the live model's facts.
    """

    subject: str
    pipeline: Pipeline
    data_date: dt.date
    message: Message
    endpoint: LiveModel | None = None

    @property
    def key(self) -> str:
        """What it is remembered by: the same finding has the same one each day."""
        return f"{self.message.event} {self.subject}"


class Look:
    """What one look has come to.

    Args:
        loaded: The pipeline files.
        memory: What is remembered; the usable pipelines have been learned.
        now: The moment of the look.
        has_run: Asks Airflow for runs.

    Attributes:
        findings: All that was found.
        unseen: What could not be looked at: subjects, or the place of an account's and region's endpoints.
        seen: How much could be looked at.
    """

    def __init__(self, loaded: LoadedPipelines, memory: Memory, now: dt.datetime, has_run: HasRun):
        self.findings: list[Finding] = []
        self.unseen: set[str] = set()
        self.seen = 0
        self._usable = loaded.pipelines
        self._environment = loaded.environment
        known = [(error, pipeline_of(error.path, memory, loaded.environment)) for error in loaded.errors]
        usable = {pipeline.name for pipeline in loaded.pipelines}
        # A second file of a name takes nothing from the first.
        self.unusable: list[Broken] = [(error, found) for error, found in known if found and found.name not in usable]
        self._memory = memory
        self._now = now
        self._has_run = has_run

    def look(self) -> None:
        """Look at everything."""
        self._look_at_usable()
        self._look_at_unusable()
        self._look_at_unowned()

    def is_unseen(self, subject: str) -> bool:
        """Tell whether a subject could not be looked at, so that what was found of it before may still hold.

        Args:
            subject: A finding's subject.
        """
        return subject in self.unseen or any(place.endswith("/") and subject.startswith(place) for place in self.unseen)

    def _look_at_usable(self) -> None:
        live_of = self._what_is_live([pipeline for pipeline in self._usable if pipeline.deploy != "never"])
        for pipeline in self._usable:
            with self._looking_at(pipeline.name):
                live = live_of.get(pipeline.name)
                if live:
                    self._find_too_old(pipeline, live)
                    self._find_hold_over(pipeline, live)
                if pipeline.deploy == "never" or live:
                    self._find_never_begun(pipeline, live)

    def _look_at_unusable(self) -> None:
        live_of = self._what_is_live([pipeline for _, pipeline in self.unusable])
        for error, pipeline in self.unusable:
            live = live_of.get(pipeline.name)
            if live and live.data_date:  # Else there is no such endpoint, or it serves what is not this pipeline's.
                message = findings.pipeline_file_unusable(
                    live, self._today(pipeline), file=error.path.name, problems=error.problems
                )
                self._found(pipeline.name, pipeline, live.data_date, message)

    def _look_at_unowned(self) -> None:
        files = [*self._usable, *(pipeline for _, pipeline in self.unusable)]
        recalled = filter(None, map(self._recall, self._memory.pipelines))
        # By account and region, as far as connections tell accounts apart.
        for place in dict.fromkeys((each.aws_conn_id, each.region) for each in [*files, *recalled]):
            with self._looking_at(f"{place[1]}/"):
                hook = hook_at(*place)
                for summary in not_deployed_to(hook.conn, files, region=place[1]):
                    self._look_at_endpoint(hook, summary, place)
                self.seen += 1

    def _look_at_endpoint(self, hook: SageMakerHook, summary: Mapping[str, Any], place: Place) -> None:
        subject = subject_of(summary)
        if any(subject == finding.subject for finding in self.findings):
            return  # Found by way of another connection to the same account.
        with self._looking_at(subject):
            found = left_over(hook, summary, self._usable, self._environment or "")
            if found is None or found.live.data_date is None:
                return
            pipeline = self._recall(found.live.pipeline) or self._neighbour(found.live, place)
            message = findings.endpoint_without_file(found.live, self._today(pipeline), instances=found.instances)
            self._found(subject, pipeline, found.live.data_date, message)

    def _neighbour(self, live: LiveModel, place: Place) -> Pipeline:
        """Return what is known of a pipeline that never had a file here: who is told is as with another one there."""
        others = [each for each in self._usable if (each.aws_conn_id, each.region) == place]
        told = next((each for each in others if each.slack or each.notify), None)
        ways: dict[str, Any] = {"slack": told.slack if told else None, "notify": told.notify if told else ()}
        name, (aws_conn_id, region) = live.pipeline, place
        ways["environment"] = live.environment
        return partial_pipeline(name, endpoint=live.endpoint, aws_conn_id=aws_conn_id, region=region, **ways)

    def _recall(self, name: str) -> Pipeline | None:
        return self._memory.recall(name, self._environment)

    def _find_too_old(self, pipeline: Pipeline, live: LiveModel) -> None:
        today = self._today(pipeline)
        age = live.age(today)
        if pipeline.max_age_days and live.data_date and age and age > pipeline.max_age_days:
            message = findings.model_too_old(live, today, most_days=pipeline.max_age_days)
            self._found(pipeline.name, pipeline, live.data_date, message)

    def _find_hold_over(self, pipeline: Pipeline, live: LiveModel) -> None:
        if live.hold and live.hold.is_over() and live.data_date:
            message = findings.hold_ended(live, live.hold, self._today(pipeline))
            if message.event not in live.told:  # Else the first deployment after its end has told.
                self.findings.append(Finding(pipeline.name, pipeline, live.data_date, message, endpoint=live))

    def _find_never_begun(self, pipeline: Pipeline, live: LiveModel | None) -> None:
        due = owed_run(pipeline, self._now, self._memory.since(pipeline))
        if due is None:
            return
        data_date = due.date() - dt.timedelta(days=1)
        if live and live.data_date and live.data_date >= data_date:
            return  # Whoever has trained it, it is live.
        if not self._has_run(f"train_and_deploy_{pipeline.name}", logical_dates(due)):
            message = findings.run_never_began(
                pipeline.name, due, live, self._today(pipeline), minutes=pipeline.deadline_minutes or 0
            )
            self._found(pipeline.name, pipeline, data_date, message)

    def _found(self, subject: str, pipeline: Pipeline, data_date: dt.date, message: Message) -> None:
        self.findings.append(Finding(subject, pipeline, data_date, message))

    def _what_is_live(self, pipelines: Sequence[Pipeline]) -> dict[str, LiveModel]:
        """Ask AWS; what it does not tell is said in the log, and left out."""
        found = {}
        for live in what_is_live_of(pipelines):
            if live.status is None and live.problem != NO_ENDPOINT:
                self._miss(live.pipeline, live.problem)
            else:
                self.seen += 1
                found[live.pipeline] = live
        return found

    @contextmanager
    def _looking_at(self, subject: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # Whatever it is, the other pipelines are to be looked at.
            self._miss(subject, error)

    def _miss(self, subject: str, why: object) -> None:
        log.warning("Could not look at %s: %s", subject, why)
        self.unseen.add(subject)

    def _today(self, pipeline: Pipeline) -> dt.date:
        return today_of(pipeline, self._now)
