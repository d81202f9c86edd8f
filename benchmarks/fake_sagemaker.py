"""A SageMaker that only tells of one kind of resource: for waits that are too many or too long for real programs.

It answers the kind's Describe and List operations as AWS does, from each one's creation and end, and counts. A list is
sorted by creation, newest first, and bounded by CreationTimeAfter; then a page is cut, and only that page is filtered
by NameContains, StatusEquals and LastModifiedTimeAfter (https://github.com/aws/aws-cli/issues/7596). An account has two
lists a second. It can be called directly, on a simulated clock, or run as a server on the real one.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.exceptions import ClientError

from fresh_endpoints.aws.kinds import TRAINING_JOB, Answer, Kind

LATENCY_SECONDS = 0.05
LISTS_PER_SECOND = 2
_TIMES = ("CreationTime", "LastModifiedTime")


@dataclass
class FakeSageMaker:
    """Resources by name, and the calls that were made.

    Attributes:
        jobs: Each one's creation and end, as seconds since the epoch.
        calls: The time and operation of each call.
        throttled_until: Until then every call is refused with ThrottlingException.
        lists_throttled_until: Until then every list is.
        kind: What they are.
    """

    jobs: dict[str, tuple[float, float]]
    calls: list[tuple[float, str]] = field(default_factory=list)
    throttled_until: float = 0.0
    lists_throttled_until: float = 0.0
    kind: Kind = TRAINING_JOB
    # What has been listed lately, and all creations in their order.
    _listed: list[float] = field(default_factory=list)
    _ordered: list[tuple[float, str]] = field(default_factory=list)

    async def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Answer as a boto3 client's method does, on the running event loop's clock.

        Args:
            method: The kind's ``describe`` or ``list``.
            parameters: The request.
        """
        await asyncio.sleep(LATENCY_SECONDS)
        return self.call(method, **parameters)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Answer as a boto3 client's method does, at once.

        Args:
            method: The kind's ``describe`` or ``list``.
            parameters: The request.
        """
        now = time.time()
        request = {
            name: value.timestamp() if isinstance(value, datetime) else value for name, value in parameters.items()
        }
        answer = self.answer("".join(word.capitalize() for word in method.split("_")), request, now)
        for item in [answer, *answer.get(self.kind.summaries, [])]:
            for member in _TIMES:
                if member in item:
                    item[member] = datetime.fromtimestamp(item[member], tz=timezone.utc)
        return {**answer, "ResponseMetadata": {"HTTPHeaders": {"date": formatdate(now, usegmt=True)}}}

    def answer(self, operation: str, request: Mapping[str, Any], now: float) -> dict[str, Any]:
        """Answer a request.

        Args:
            operation: Such as DescribeTrainingJob or ListTrainingJobs.
            request: The request, with times as seconds since the epoch.
            now: The time.

        Returns:
            The answer, with times as seconds since the epoch.

        Raises:
            ClientError: Throttled, or there is no such resource.
        """
        self.calls.append((now, operation))
        if now < self.throttled_until:
            raise _refusal("ThrottlingException", "Rate exceeded", operation)
        if operation.startswith("List"):
            self._throttle_lists(operation, now)
            return self._page(request, now)
        name = request[f"{self.kind.stem}Name"]
        if name not in self.jobs:
            raise _refusal("ValidationException", "Requested resource not found.", operation)
        return self._summary(name, now)

    def _throttle_lists(self, operation: str, now: float) -> None:
        self._listed = [moment for moment in self._listed if moment > now - 1]
        if now < self.lists_throttled_until or len(self._listed) >= LISTS_PER_SECOND:
            raise _refusal("ThrottlingException", "Rate exceeded", operation)
        self._listed.append(now)

    def _page(self, request: Mapping[str, Any], now: float) -> dict[str, Any]:
        if len(self._ordered) != len(self.jobs):
            self._ordered = sorted((created, name) for name, (created, _) in self.jobs.items())
        # Ascending; a token is the number of those that are older than the last one shown.
        first = bisect_right(self._ordered, (request.get("CreationTimeAfter") or 0.0, "\uffff"))
        end = int(request.get("NextToken", len(self._ordered)))
        start = max(end - int(request.get("MaxResults", 10)), first)
        page = [self._summary(name, now) for _, name in reversed(self._ordered[start:end])]
        rest = {"NextToken": str(start)} if start > first else {}
        return {self.kind.summaries: [item for item in page if self._is_wanted(item, request)], **rest}

    def _is_wanted(self, item: dict[str, Any], request: Mapping[str, Any]) -> bool:
        return (
            request.get("NameContains", "") in self.kind.name_of(item)
            and request.get("StatusEquals", self.kind.status_of(item)) == self.kind.status_of(item)
            and item["LastModifiedTime"] > (request.get("LastModifiedTimeAfter") or 0.0)
        )

    def _summary(self, name: str, now: float) -> dict[str, Any]:
        created, ends = self.jobs[name]
        wanted = Answer.DONE if now >= ends else Answer.WAIT
        resource = f"{self.kind.noun.replace(' ', '-')}/{name}"
        return {
            f"{self.kind.stem}Name": name,
            f"{self.kind.stem}Arn": f"arn:aws:sagemaker:us-east-1:123456789012:{resource}",
            "CreationTime": created,
            "LastModifiedTime": ends if now >= ends else created,
            f"{self.kind.stem}Status": next(status for status, is_ in self.kind.statuses.items() if is_ is wanted),
        }


def past_jobs(count: int, now: float) -> dict[str, tuple[float, float]]:
    """Make the past of an account that trains all the time.

    Args:
        count: How many training jobs, ten minutes apart.
        now: The time.

    Returns:
        Each one's creation and end.
    """
    return {f"past-{number}": (now - 600 * (number + 1), now - 600 * number - 300) for number in range(count)}


def most_per_second(calls: Iterable[Sequence[Any]], seconds: int, operations: str = "") -> float:
    """Return how many calls were made in the worst time, per second.

    Args:
        calls: The time and operation of each.
        seconds: How long that time is.
        operations: How the operations begin that count.
    """
    times = sorted(moment for moment, operation in calls if operation.startswith(operations))
    return max((bisect_left(times, at + seconds) - n for n, at in enumerate(times)), default=0) / seconds


def _refusal(code: str, message: str, operation: str) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}, operation
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    accounts: dict[str, FakeSageMaker]

    @property
    def sagemaker(self) -> FakeSageMaker:
        """The account that the path names, as an endpoint_url with a path does."""
        return self.accounts.setdefault(self.path.strip("/").partition("/")[0], FakeSageMaker({}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        if self.path.endswith("/jobs"):
            self.sagemaker.jobs.update({name: tuple(times) for name, times in body.items()})
            self._send({})
            return
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        try:
            self._send(self.sagemaker.answer(operation, body, time.time()))
        except ClientError as error:
            said = error.response["Error"]
            self._send({"__type": said["Code"], "message": said["Message"]}, 400)

    def do_GET(self) -> None:
        self._send(self.sagemaker.calls)

    def _send(self, content: Any, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def main() -> None:
    """Serve on a free port of 127.0.0.1, print the address, and end with standard input."""
    _Handler.accounts = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
