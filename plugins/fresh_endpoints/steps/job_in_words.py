"""What is said of a job: by which names, where people find it, and why it has failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fresh_endpoints.aws.console import log_page, sagemaker_page
from fresh_endpoints.aws.container_logs import last_lines
from fresh_endpoints.aws.kinds import Answer, Kind
from fresh_endpoints.steps.buttons import LogStreamLink
from fresh_endpoints.steps.instances_wait import InstancesWait
from fresh_endpoints.telling.failures import StepFailed, StepFailedForNow, failure
from fresh_endpoints.telling.message import Message
from fresh_endpoints.telling.sending import run_links

Job = Mapping[str, Any]


class JobInWords(InstancesWait):
    """Mixed into a step that is one SageMaker job.

    Attributes:
        kind: The kind of job.
    """

    kind: Kind
    aws_conn_id: Any
    region_name: Any

    def started(self, job: Job, attempt: int) -> Message:
        """Say that the job has been created.

        Args:
            job: What the Describe operation returned.
            attempt: Which of the run's jobs it is, from 1.
        """
        raise NotImplementedError

    def addresses_of(self, job: Job) -> dict[str, str]:
        """Return the addresses of the job's pages in the AWS console, by the names of links.py.

        Args:
            job: What the Describe operation returned.
        """
        region, name = str(self.region_name), self.name_of(job)
        return {
            self.kind.noun.capitalize(): sagemaker_page(region, f"{self.kind.page}/{name}"),
            LogStreamLink.name: log_page(region, self.kind.log_group, f"{name}/"),
        }

    def links_of(self, job: Job, context: Any = None) -> dict[str, str]:
        """Return the addresses for a message about the job: its console page and, given the context, the task's log.

        Args:
            job: What the Describe operation returned.
            context: The task's context.
        """
        page = self.kind.noun.capitalize()
        return {page: self.addresses_of(job)[page], **(run_links(context) if context else {})}

    def failure_of(self, job: Job, reason: str, message: Message) -> StepFailed | StepFailedForNow:
        """Log why a job has failed, with the last lines of its log, and make the failure.

        Args:
            job: What the Describe operation returned.
            reason: Why it has failed.
            message: What people are told.
        """
        name = self.name_of(job)
        self.log.error("%s %s: %s", self.kind.noun.capitalize(), name, reason)
        lines = last_lines(self.aws_conn_id, self.region_name, self.kind.log_group, name)
        if lines:
            self.log.error("The last lines of its log:\n%s", "\n".join(lines))
        return failure(message, job)

    def name_of(self, job: Job) -> str:
        """Return the job's name."""
        return self.kind.name_of(job)

    def status_of(self, job: Job) -> str:
        """Return the job's status."""
        return self.kind.status_of(job)

    def answer_to(self, job: Job) -> Answer:
        """Return what the job's status means."""
        return self.kind.answer_to(self.status_of(job))

    def in_words(self, job: Job) -> str:
        """Return what it is, at the beginning of a sentence."""
        return f'{self.kind.noun.capitalize()} "{self.name_of(job)}"'


def instance_type(job: Job) -> str:
    """Return what a job runs on, as far as that is one type; else what kind of job it is.

    Args:
        job: What the Describe operation returned.
    """
    resources = job.get("ResourceConfig") or job.get("TransformResources") or {}
    return str(resources.get("InstanceType") or "instances")
