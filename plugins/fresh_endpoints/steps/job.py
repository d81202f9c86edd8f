"""What training and transform jobs have in common: one job a name, which every try attaches to."""

from __future__ import annotations

import datetime as dt
import itertools
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws import requests, tags
from fresh_endpoints.aws.errors import (
    OutOfQuotaError,
    again_while,
    already_exists,
    explained,
    is_not_found,
    once_role_is_ready,
)
from fresh_endpoints.aws.kinds import STOPPED_BY_LIMIT, Answer, is_healable
from fresh_endpoints.steps.capacity_wait import CapacityWait
from fresh_endpoints.steps.expectation import expected_seconds
from fresh_endpoints.steps.instances_wait import Wanted
from fresh_endpoints.steps.job_in_words import Job
from fresh_endpoints.telling import messages
from fresh_endpoints.telling.failures import StepFailed
from fresh_endpoints.waiting import pace
from fresh_endpoints.waiting.event import WaitEnded
from fresh_endpoints.waiting.task_state import state_of
from fresh_endpoints.waiting.triggers import SageMakerTrigger

# A job of which the request does not bound it may be pending for a day. Waits for capacity of up to an hour are
# reported and must do no harm, and pending costs nothing; but after a day the next day's run is due.
LONGEST_PENDING_SECONDS = 86_400

# A task that a user has given up is failed, success or skipped; one cleared while it runs is restarting.
_STATES_OF_A_WANTED_TASK = ("running", "deferred", "up_for_retry", "scheduled", "queued")


class JobStep(CapacityWait):
    """A step that is one SageMaker job.

    The job's name is the idempotency key: a new try asks SageMaker to create it, and when it exists, attaches to it.
    A job that failed by a fault of AWS's own, or that was stopped, is followed by another one on the next try.

    Attributes:
        given_up: A user has marked the running task failed or cleared it. Airflow lets it run on for some seconds;
            what it meets then is no news.
    """

    _job: str | None = None
    _created: str | None = None
    _killed = False
    given_up = False

    def on_kill(self) -> None:
        """Stop the job when a user has marked the running task failed or cleared it.

        Airflow calls this also when a worker is told to shut down. Then the job goes on, and the next try attaches
        to it; so Airflow is asked whether the task is still meant to run.
        """
        self._killed = True
        if self._job is None or self._context is None:
            return
        if self._is_still_wanted():
            self.log.info("The worker is stopping; %s %s goes on.", self.kind.noun, self._job)
            return
        self.given_up = True
        try:
            self._stop(self._describe(self._job))
        except AirflowException as error:
            self.log.info("Did not stop %s %s: %s", self.kind.noun, self._job, error)

    def create_or_attach(
        self, ended: WaitEnded | None, request_of: Callable[[str], dict[str, Any]], create: Callable[..., Any]
    ) -> tuple[Job, int, bool]:
        """Create the step's job, or find the one that an earlier try has created.

        Args:
            ended: How a wait for quota or capacity has ended; None on a new try.
            request_of: Makes the request for the job of a name.
            create: Makes the request of SageMaker; the request's members are its arguments.

        Returns:
            The job, its attempt, and whether this call has created it.

        Raises:
            StepFailed: The name is that of another Airflow's job, which is not what this run asks for.
            AirflowFailException: A user has given the task up meanwhile; there is nothing to tell of its job. Or it has
                waited for quota as long as it may.
            AirflowDeferred: AWS has refused it for want of quota.
        """
        for attempt in itertools.count(ended.attempt if ended else 1):
            name = self._job = self.job_name(attempt)
            request = request_of(name)
            try:
                created = self._create(name, request, create)
            except OutOfQuotaError as error:
                self._job = None
                wanted = Wanted.by_quota(error, self.kind, name, self.job_name(1), attempt)
                raise AirflowFailException(self.wait_for_quota(self._context, wanted, error, ended)) from error
            if created:
                self._created = name
                job = self._as_created(name, request, created)
            else:
                job = self._describe(name)
                self._check_found(job, request)
            self._end_if_given_up(job)
            if created or not self._gives_way(job):
                return job, attempt, bool(created)
            self.log.info("%s %s is %s; starting another.", self.kind.noun, name, self.status_of(job))
        raise AssertionError("unreachable")

    def wait_for_end(self, job: Job, ended: WaitEnded | None) -> Job:
        """Wait until the job needs no more waiting: a while in the worker if it may end there, then deferred.

        Args:
            job: The job as it was last seen.
            ended: How the wait has ended; None on a new try.

        Returns:
            The job at its end.

        Raises:
            AirflowFailException: A user has given the task up.
        """
        if self._is_running(job):
            name, expected = self.name_of(job), expected_seconds(self._client, self.kind, self.pipeline.own_names)
            if ended is None and pace.seconds_in_worker(expected):
                job = self.look_for_a_while(
                    lambda: self._describe(name), lambda seen: not self._is_running(seen), expected
                )
            if self._is_running(job):
                self._wait_on(job, expected, ended)
        self._end_if_given_up(job)
        self._job = None  # It has ended: there is nothing left to stop.
        return job

    def longest_seconds(self, job: Job) -> float:
        """Return how long the job may take once it runs, in seconds.

        Args:
            job: What the Describe operation returned.
        """
        raise NotImplementedError

    def longest_pending_seconds(self, job: Job) -> float:
        """Return how long the job may be pending for capacity before it runs, in seconds.

        Args:
            job: What the Describe operation returned.
        """
        return LONGEST_PENDING_SECONDS

    def _create(self, name: str, request: Mapping[str, Any], create: Callable[..., Any]) -> Mapping[str, Any] | None:
        """Make the request, and return the answer; None where there is a job of the name."""
        with explained(f"create {self.kind.noun} {name}"):
            try:
                answer: Mapping[str, Any] = once_role_is_ready(lambda: create(**request))
            except ClientError as error:
                if not already_exists(error):
                    raise
                # From an earlier try, or from this very request when its answer was lost and botocore sent it again.
                self.log.info("%s %s exists; attaching to it.", self.kind.noun.capitalize(), name)
                return None
        self.log.info("Created %s %s", self.kind.noun, name)
        return answer

    def _as_created(self, name: str, request: Mapping[str, Any], answer: Mapping[str, Any]) -> Job:
        """Say of a new job what the Describe operation would: what was asked for, and when by AWS's clock."""
        dated = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        created = parsedate_to_datetime(dated) if dated else dt.datetime.now(dt.timezone.utc)
        told = {"CreationTime": created, **self.kind.named(name), f"{self.kind.stem}Status": "InProgress"}
        job = {**requests.without_tags(request), **answer, **told}
        self.seen, self.addresses = job, self.addresses_of(job)
        return job

    def _check_found(self, job: Job, request: Mapping[str, Any]) -> None:
        """Compare a job that was there already with what this run asks for.

        The run's own, from an earlier try, is taken as it is: the file may have changed since, and what has begun by
        the file as it was is paid for. Another Airflow's is taken only where it is just what this run asks for.
        """
        found = requests.differences(requests.without_tags(request), job)
        if not found:
            return
        name, differing = self.name_of(job), "; ".join(found)
        if self._is_own(job):
            self.log.warning("%s %s is what the pipeline file asked for then: %s", self.kind.noun, name, differing)
            return
        self._job = None
        message = messages.job_of_another(self.kind.noun, name, differences=found, links=self.links_of(job))
        raise StepFailed(message)

    def _is_own(self, job: Job) -> bool:
        """Whether the run has started a job itself: one that it has only found is not its own to stop."""
        if self.name_of(job) == self._created:
            return True
        try:
            found = tags.read(self._client, self.kind.arn_of(job))
        except (ClientError, BotoCoreError) as error:
            self.log.warning("Could not tell whose %s %s is: %s", self.kind.noun, self.name_of(job), error)
            return False
        return self.run_of(self._context).has_started(found)

    def _wait_on(self, job: Job, expected_seconds: float | None, ended: WaitEnded | None) -> None:
        name, started = self.name_of(job), job["CreationTime"].timestamp()
        left = self._seconds_left(job)
        if left <= 0:
            self._stop(job)
            raise self.too_long(job, f"Still {self.status_of(job)} past its limits: stopped.")
        self.log.info("%s %s is %s; waiting without a worker slot.", self.kind.noun, name, self.status_of(job))
        self.wait(
            SageMakerTrigger(
                kind=self.kind.operation,
                name=name,
                started=started,
                expected_seconds=expected_seconds,
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
                refusals=ended.refusals if ended else 0,
                may_stop=self._is_own(job),
            ),
            left,
            told={arn: told for arn, told in self._told.items() if told},
        )

    def _seconds_left(self, job: Job) -> float:
        """Return how long to wait until the job may have outlasted its limits; 0 or less where it has."""
        longest, now = self.longest_seconds(job), time.time()
        if begun := job.get(self.kind.start_member):
            return float(begun.timestamp() + longest - now)
        # Pending, as far as is told. One that begins right now may run for so long; then it is looked at again.
        left = job["CreationTime"].timestamp() + self.longest_pending_seconds(job) + longest - now
        return float(min(left, longest))

    def _describe(self, name: str) -> dict[str, Any]:
        with explained(f"describe {self.kind.noun} {name}"):
            # A job that was created a moment ago may not be seen yet; taken for missing, it would run on unwatched.
            describe = getattr(self._client, self.kind.describe)
            job = dict(again_while(is_not_found, lambda: describe(**self.kind.named(name))))
        self.seen, self.addresses = job, self.addresses_of(job)
        return job

    def _stop(self, job: Job) -> None:
        name = self.name_of(job)
        if not self._is_own(job):
            self.log.info("%s %s was not started by this run; it goes on.", self.kind.noun.capitalize(), name)
            return
        try:
            getattr(self._client, str(self.kind.stop))(**self.kind.named(name))
            self.log.info("Stopped %s %s.", self.kind.noun, name)
        except (ClientError, BotoCoreError) as error:
            # SageMaker refuses to stop a job that has ended, which is as good.
            self.log.info("Did not stop %s %s: %s", self.kind.noun, name, error)

    def _is_running(self, job: Job) -> bool:
        return self.answer_to(job) is Answer.WAIT

    def _gives_way(self, job: Job) -> bool:
        """Whether a job that a new try finds has ended, or is being stopped, in a way that asks for another one."""
        if self.answer_to(job) is Answer.FAILED:
            return is_healable(job)
        return self._is_stopped(job) and job.get("SecondaryStatus") not in STOPPED_BY_LIMIT

    def _is_stopped(self, job: Job) -> bool:
        return self.answer_to(job) is Answer.STOPPED or self.status_of(job) == "Stopping"

    def _end_if_given_up(self, job: Job) -> None:
        """End the task where a user has marked it failed or cleared it: nothing that it meets from then on is news.

        Airflow lets it run on for some seconds. It learns of it by on_kill(), or by a job that was stopped for it.
        """
        if not self.given_up and (self._killed or self._is_stopped(job)):
            self.given_up = not self._is_still_wanted()
        if self.given_up:
            self._stop(job)
            raise AirflowFailException(f"A user has ended the task; it waits for {self.name_of(job)} no longer.")

    def _is_still_wanted(self) -> bool:
        try:
            return state_of(self._context["ti"]) in _STATES_OF_A_WANTED_TASK
        except Exception as error:
            self.log.warning("Could not ask Airflow for the task's state (%s); the job goes on.", error)
            return True
