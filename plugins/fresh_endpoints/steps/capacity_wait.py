"""A job for which AWS had no instance is followed by another one, which uses up no retry."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fresh_endpoints.aws.kinds import Answer, lacks_capacity
from fresh_endpoints.steps.instances_wait import Wanted
from fresh_endpoints.steps.job_in_words import Job, JobInWords, instance_type
from fresh_endpoints.telling import waits
from fresh_endpoints.telling.sending import tell_once

if TYPE_CHECKING:
    from fresh_endpoints.telling.failures import StepFailed
    from fresh_endpoints.telling.message import Message
    from fresh_endpoints.waiting.event import WaitEnded

# More than a run can start while it waits for capacity: their names keep within SageMaker's 63 characters.
MOST_ATTEMPTS = 10_000


class CapacityWait(JobInWords):
    """Mixed into a step that is one SageMaker job, attempt by attempt.

    Attributes:
        addresses: What the task's buttons in the UI lead to; see links.py.
        seen: The job as it was last seen.
    """

    addresses: Mapping[str, str] = {}
    seen: Job | None = None
    _context: Any = None
    # By ARN: what the tag of what was told is known to hold.
    _told: Mapping[str, str | None] = {}

    def job_name(self, attempt: int) -> str:
        """Name the run's job of an attempt.

        Args:
            attempt: Which of the run's jobs, from 1.
        """
        raise NotImplementedError

    def too_long(self, job: Job, reason: str) -> StepFailed:
        """Make the error for a job that has outlasted its limit.

        Args:
            job: The job.
            reason: What has happened.
        """
        raise NotImplementedError

    def wait_for_capacity(self, job: Job, reason: str) -> None:
        """Wait to start another job where AWS had no instance for this one; return where that is not how it ended.

        Nothing is billed for a job that has not begun to run, so these are not counted as attempts of the task.

        Args:
            job: The job at its end.
            reason: Why it has failed.

        Raises:
            AirflowDeferred: Another one is to be started.
            StepFailed: That was so for as long as the task may wait.
        """
        if self.answer_to(job) is not Answer.FAILED or not lacks_capacity(job) or job.get(self.kind.start_member):
            return
        attempt = self._attempt_of(job)
        first = self._first_of(job, attempt)
        since = first["CreationTime"].timestamp()
        until = self.until(self._context, since)
        if time.time() >= until.timestamp():
            raise self.too_long(job, self.waited_in_vain(reason, since, want="capacity"))
        key, name = self.job_name(1), self.job_name(attempt + 1)
        wanted = Wanted(self.kind, name, key, instance_type(job), is_capacity=True, attempt=attempt + 1)
        links = self.links_of(job, self._context)
        message = waits.waiting_for_capacity(self.in_words(job), reason, until=until, links=links)
        self._tell(message, first)
        self.defer_to_its_turn(wanted, since, until, is_told=True)

    def tell_started(self, job: Job, attempt: int, ended: WaitEnded | None, *, is_new: bool) -> None:
        """Tell that a job was created; of one that AWS may have no instance for, either, only once it has run.

        Args:
            job: The job.
            attempt: Which of the run's jobs it is.
            ended: How a wait for quota or capacity has ended; None on a new try.
            is_new: Whether it was created in this call.
        """
        if ended is None or ended.attempt == 1:
            self._tell(self.after_waiting(self.started(job, attempt), ended), job, is_new=is_new)

    def tell_that_it_ran(self, job: Job) -> None:
        """Tell that a job has been started, unless that was told, where it waited for capacity.

        Args:
            job: The job at its end.
        """
        attempt = self._attempt_of(job)
        if attempt > 1 and (begun := job.get(self.kind.start_member)):
            waited = (begun - self._first_of(job, attempt)["CreationTime"]).total_seconds()
            self._tell(waits.after_waiting(self.started(job, attempt), waited, want="capacity"), job)

    def _tell(self, message: Message, job: Job, *, is_new: bool = False) -> None:
        run, arn = self.run_of(self._context), self.kind.arn_of(job)
        known = "" if is_new else {**self.carried.get("told", {}), **self._told}.get(arn)
        told = tell_once(self.notifier, run, message, client=self._client, arn=arn, told=known)
        self._told = {**self._told, arn: told}

    def _attempt_of(self, job: Job) -> int:
        name = self.name_of(job)
        return next((attempt for attempt in range(1, MOST_ATTEMPTS) if self.job_name(attempt) == name), 1)

    def _first_of(self, job: Job, attempt: int) -> Job:
        """Return the run's first job, which remembers since when the run has waited."""
        if attempt == 1:
            return job
        seen, addresses = self.seen, self.addresses
        first = self._describe(self.job_name(1))
        self.seen, self.addresses = seen, addresses
        return first

    def _describe(self, name: str) -> dict[str, Any]:
        raise NotImplementedError

    @property
    def _client(self) -> Any:
        return self.hook.conn  # type: ignore[attr-defined]
