"""The one way in which this package lists: newest first, page by page, as each page comes.

A List operation of SageMaker cuts a page of MaxResults first and applies NameContains, StatusEquals and
LastModifiedTimeAfter to that page only, so that a page may be empty and yet not the last one; only CreationTimeAfter
bounds what is paged through (https://github.com/aws/aws-cli/issues/7596, https://github.com/boto/boto3/issues/2521).
An account has two ListTrainingJobs a second in all. So names and statuses are told apart here, pages are spaced, and
nobody pages without a bound.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from fresh_endpoints.aws.kinds import Kind

log = logging.getLogger(__name__)

Summary = Mapping[str, Any]

# The most that every List operation allows.
PAGE_SIZE = 100
# Between two pages: no faster than the account's two requests a second.
PAGE_SECONDS = 0.5
# Of what is read where nobody says how much: the newest 2,000, for 10 s at least.
MOST_PAGES = 20


class Listable(Protocol):
    """What SageMaker lists: a Kind, or one of the collections below."""

    @property
    def list(self) -> str:
        """The client's method that lists them."""

    @property
    def summaries(self) -> str:
        """The member of the list's answer that holds them."""

    def name_of(self, description: Summary) -> str:
        """Return the name that a summary holds."""

    def arn_of(self, description: Summary) -> str:
        """Return the ARN that a summary holds."""


@dataclass(frozen=True)
class Unwaited:
    """What is listed but never waited for: it exists or does not, and has no status.

    Attributes:
        operation: What follows ``describe_`` in boto3; its list operation has an s more.
        stem: What precedes ``Name`` and ``Arn`` in its members; the list's has an s more.
    """

    operation: str
    stem: str

    @property
    def list(self) -> str:
        """The client's method that lists them."""
        return f"list_{self.operation}s"

    @property
    def summaries(self) -> str:
        """The member of the list's answer that holds them."""
        return f"{self.stem}s"

    def name_of(self, description: Summary) -> str:
        """Return the name that a summary holds."""
        return str(description[f"{self.stem}Name"])

    def arn_of(self, description: Summary) -> str:
        """Return the ARN that a summary holds."""
        return str(description[f"{self.stem}Arn"])


ENDPOINT_CONFIG = Unwaited("endpoint_config", "EndpointConfig")
MODEL = Unwaited("model", "Model")


class ListTooLongError(Exception):
    """A list has more pages than may be read, and what is asked needs all of them."""


class Scan:
    """One way through a list, newest first; whoever makes the requests asks it for the next and hands it the answer.

    Args:
        kind: What is listed.
        created_after: Pages end there, by AWS's clock; None for all that was ever created.
        most_pages: How many pages are read at most.
    """

    def __init__(self, kind: Listable, created_after: datetime | None = None, most_pages: int = MOST_PAGES):
        self.kind = kind
        self._most_pages = most_pages
        self._bounds = {"CreationTimeAfter": created_after} if created_after else {}
        self._token: str | None = None
        self._pages = 0

    @property
    def request(self) -> dict[str, Any]:
        """The parameters of the request for the next page."""
        token = {"NextToken": self._token} if self._token else {}
        order = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": PAGE_SIZE}
        return {**order, **self._bounds, **token}

    def take(self, answer: Mapping[str, Any]) -> list[Summary]:
        """Take a page.

        Args:
            answer: What the List operation returned.

        Returns:
            Its summaries, newest first; maybe none.
        """
        self._pages += 1
        self._token = answer.get("NextToken")
        return list(answer.get(self.kind.summaries, []))

    @property
    def is_whole(self) -> bool:
        """Whether the last page has been read."""
        return self._pages > 0 and not self._token

    @property
    def is_over(self) -> bool:
        """Whether no further page is to be read."""
        return self.is_whole or self._pages >= self._most_pages


def newest(
    client: Any,
    kind: Listable,
    *,
    created_after: datetime | None = None,
    most_pages: int = MOST_PAGES,
    name_prefix: str | tuple[str, ...] = "",
    statuses: Collection[str] = (),
    is_all_needed: bool = False,
) -> Iterator[Summary]:
    """List, newest first; a page is asked for when the one before has been gone through, so stop when you have enough.

    Args:
        client: A boto3 SageMaker client that retries throttled requests (see errors.BOTOCORE_CONFIG).
        kind: What is listed: a Kind, ENDPOINT_CONFIG or MODEL.
        created_after: Only what was created later, by AWS's clock. The one bound that spares requests.
        most_pages: How many pages of 100, of whoever's, are read at most.
        name_prefix: Only what has a name that starts so, or with one of these.
        statuses: Only what is in one of these, if any are given; only of a Kind.
        is_all_needed: Whether a list that is too long is an error rather than a line in the log.

    Yields:
        Summaries. Which members they have at least, the API reference says under "Always" and "Required"; an end's
        time is none of them (see seconds_of).

    Raises:
        ListTooLongError: There are more pages than most_pages, and is_all_needed.
        botocore.exceptions.ClientError: AWS refused.
        botocore.exceptions.BotoCoreError: AWS could not be reached.
    """
    scan = Scan(kind, created_after, most_pages)
    while True:
        asked = time.monotonic()
        for summary in scan.take(getattr(client, kind.list)(**scan.request)):
            if kind.name_of(summary).startswith(name_prefix) and _is_in(kind, summary, statuses):
                yield summary
        if scan.is_over:
            break
        time.sleep(max(asked + PAGE_SECONDS - time.monotonic(), 0))
    if not scan.is_whole:
        said = f"{kind.list} has more than {most_pages * PAGE_SIZE} to tell of; only the newest were read."
        if is_all_needed:
            raise ListTooLongError(said)
        log.info(said)


def seconds_of(kind: Kind, summary: Summary) -> float | None:
    """Return how long an ended job took from its creation, in seconds; None where AWS does not tell its end.

    Args:
        kind: The kind of job.
        summary: One of its list's summaries, or what its Describe operation returned.
    """
    created, ended = summary.get("CreationTime"), summary.get(kind.end_member)
    return (ended - created).total_seconds() if created and ended else None


def _is_in(kind: Listable, summary: Summary, statuses: Collection[str]) -> bool:
    return not statuses or (isinstance(kind, Kind) and kind.status_of(summary) in statuses)
