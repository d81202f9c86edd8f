"""A SageMaker that only tells of training jobs: for waits that are too many or too long for real programs.

It answers DescribeTrainingJob and ListTrainingJobs as AWS does, from each job's creation and end, and counts. It can be
called directly, on a simulated clock, or run as a server on the real one.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.exceptions import ClientError

LATENCY_SECONDS = 0.05


@dataclass
class FakeSageMaker:
    """Training jobs by name, and the calls that were made.

    Attributes:
        jobs: Each job's creation and end, as seconds since the epoch.
        calls: The time and operation of each call.
        throttled_until: Until then every call is refused with ThrottlingException.
    """

    jobs: dict[str, tuple[float, float]]
    calls: list[tuple[float, str]] = field(default_factory=list)
    throttled_until: float = 0.0

    async def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Answer as a boto3 client's method does, on the running event loop's clock.

        Args:
            method: ``describe_training_job`` or ``list_training_jobs``.
            parameters: The request.
        """
        await asyncio.sleep(LATENCY_SECONDS)
        now = time.time()
        operation = "".join(word.capitalize() for word in method.split("_"))
        since = parameters.get("LastModifiedTimeAfter")
        answer = self.answer(operation, {**parameters, "LastModifiedTimeAfter": since and since.timestamp()}, now)
        for item in [answer, *answer.get("TrainingJobSummaries", [])]:
            for member in ("CreationTime", "LastModifiedTime"):
                if member in item:
                    item[member] = datetime.fromtimestamp(item[member], tz=timezone.utc)
        return {**answer, "ResponseMetadata": {"HTTPHeaders": {"date": formatdate(now, usegmt=True)}}}

    def answer(self, operation: str, request: Mapping[str, Any], now: float) -> dict[str, Any]:
        """Answer a request.

        Args:
            operation: DescribeTrainingJob or ListTrainingJobs.
            request: The request, with times as seconds since the epoch.
            now: The time.

        Returns:
            The answer, with times as seconds since the epoch.

        Raises:
            ClientError: Throttled.
        """
        self.calls.append((now, operation))
        if now < self.throttled_until:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, operation)
        if operation == "DescribeTrainingJob":
            return self._summary(request["TrainingJobName"], now)
        since = request.get("LastModifiedTimeAfter") or 0.0
        changed = [item for name in self.jobs if (item := self._summary(name, now))["LastModifiedTime"] > since]
        start = int(request.get("NextToken", "0"))
        end = start + int(request.get("MaxResults", 10))
        rest = {"NextToken": str(end)} if end < len(changed) else {}
        return {"TrainingJobSummaries": changed[start:end], **rest}

    def _summary(self, name: str, now: float) -> dict[str, Any]:
        created, ends = self.jobs[name]
        status = "Completed" if now >= ends else "InProgress"
        modified = ends if now >= ends else created
        return {
            "TrainingJobName": name,
            "TrainingJobArn": f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{name}",
            "CreationTime": created,
            "LastModifiedTime": modified,
            "TrainingJobStatus": status,
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    sagemaker: FakeSageMaker

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        if self.path == "/jobs":
            self.sagemaker.jobs.update({name: tuple(times) for name, times in body.items()})
            self._send({})
            return
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        self._send(self.sagemaker.answer(operation, body, time.time()))

    def do_GET(self) -> None:
        self._send(self.sagemaker.calls)

    def _send(self, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def main() -> None:
    """Serve on a free port of 127.0.0.1, print the address, and end with standard input."""
    _Handler.sagemaker = FakeSageMaker({})
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
