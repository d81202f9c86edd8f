"""Local AWS as a process of its own, for tests, demos and benches."""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

from local_aws.images import Image

_INCLUDE = Path(__file__).resolve().parent.parent
_PLUGINS = _INCLUDE.parent / "plugins"


class LocalAws:
    """A running local AWS; a context manager that stops it.

    The server ends with this process, too, however that ends.

    Attributes:
        url: Its address, the ``endpoint_url`` of AWS clients.
        region: Its region.
        program: The module that the server's process runs.
    """

    program = "local_aws"

    def __init__(
        self,
        *,
        port: int = 0,
        region: str = "ap-northeast-1",
        images: Mapping[str, Image] | None = None,
        ping_timeout: float = 30.0,
        stop_grace: float = 120.0,
        status_seconds: float = 0.5,
        wait_scale: float = 1 / 60,
        lists_per_second: float = 2.0,
        lists_burst: int = 4,
        read_lag: float = 0.0,
        state: Path | None = None,
        allowed_hosts: Sequence[str] = (),
        slack_channels: Sequence[str] = (),
        slack_per_second: float = math.inf,
        log: int | None = None,
    ) -> None:
        """Start the server and wait until it listens.

        Args:
            port: Port on 127.0.0.1; 0 picks a free one.
            region: Region of clients and of unsigned requests.
            images: Repository names and what stands in for their images, beside ``sagemaker-repo``.
            ping_timeout: Seconds in which ``serve`` must answer /ping.
            stop_grace: Seconds between SIGTERM and SIGKILL of a training program.
            status_seconds: Seconds that each status of an endpoint lasts at least.
            wait_scale: Seconds here for each second that a DeploymentConfig waits.
            lists_per_second: Requests a second that each List operation takes; ``inf`` for no limit.
            lists_burst: Requests of a List operation that may come at once.
            read_lag: Seconds for which what was just written is not seen yet.
            state: Folder that keeps its state between two runs; None keeps it in memory only.
            allowed_hosts: Hosts to answer to beside the loopback ones.
            slack_channels: Channels that chat.postMessage knows; none for whatever can be a channel's name.
            slack_per_second: Messages a second that Slack takes of a webhook, or in a channel; ``inf`` for no limit.
            log: File descriptor for the server's errors; None for this process's standard error.

        Raises:
            RuntimeError: It did not start.
        """
        command = [sys.executable, "-m", self.program, "--stop-with-stdin", f"--port={port}", f"--region={region}"]
        command += [f"--ping-timeout={ping_timeout}", f"--stop-grace={stop_grace}"]
        command += [f"--status-seconds={status_seconds}", f"--wait-scale={wait_scale}"]
        command += [f"--lists-per-second={lists_per_second}", f"--lists-burst={lists_burst}"]
        command.append(f"--read-lag={read_lag}")
        command.append(f"--slack-per-second={slack_per_second}")
        command += [f"--image={name}={image}" for name, image in (images or {}).items()]
        if state is not None:
            command.append(f"--state={state}")
        if allowed_hosts:
            command.append(f"--allowed-hosts={','.join(allowed_hosts)}")
        if slack_channels:
            command.append(f"--slack-channels={','.join(slack_channels)}")
        path = os.pathsep.join(filter(None, [str(_INCLUDE), str(_PLUGINS), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches us; we stop it
        )
        assert self._process.stdout
        line = self._process.stdout.readline().decode()
        if "http://" not in line:
            raise RuntimeError(f"local AWS did not start; exit code {self._process.wait()}, see its error output")
        self._session: Any = None
        self.url = line.split()[-1]
        self.region = region

    def __enter__(self) -> LocalAws:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def stop(self) -> None:
        """Stop the server and every process that it has started. Again does nothing."""
        if self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        # Also where a process that was forked from this one holds the other end of its input.
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def client(self, service: str, **options: Any) -> Any:
        """Make a boto3 client.

        Args:
            service: For example ``sagemaker``.
            options: Further arguments of ``boto3.client``.

        Returns:
            The client.
        """
        import boto3

        # One session: it reads the service models, which are large, once.
        self._session = self._session or boto3.session.Session()
        given = {
            "endpoint_url": self.url,
            "region_name": self.region,
            "aws_access_key_id": "local",
            "aws_secret_access_key": "local",
        }
        return self._session.client(service, **{**given, **options})

    def environment(self) -> dict[str, str]:
        """Tell AWS SDKs and the AWS CLI where AWS is.

        Returns:
            Environment variables to add.
        """
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def webhook_url(self) -> str:
        """A Slack incoming webhook that local AWS answers."""
        return f"{self.url}/slack/services/T000/B000/local"

    @property
    def slack_api_url(self) -> str:
        """What a connection of type *Slack API* has as its ``base_url``, so that local AWS answers."""
        return f"{self.url}/slack/api/"

    def slack_messages(self) -> list[dict[str, Any]]:
        """Get what Slack has received.

        Returns:
            The messages' payloads, oldest first.
        """
        return [message["payload"] for message in self._request("GET", "/slack/messages")]

    def calls(self, operation: str | None = None) -> list[dict[str, Any]]:
        """Get the record of AWS and Slack calls.

        Args:
            operation: Only this operation's, for example ``CreateTrainingJob``.

        Returns:
            The entries, oldest first; ``number`` rises with each call.
        """
        entries: list[dict[str, Any]] = self._request("GET", "/_local_aws/calls")
        return [entry for entry in entries if operation in (None, entry["operation"])]

    def count(self, operation: str | None = None) -> int:
        """Count the calls since the start, of which the record may have forgotten the first.

        Args:
            operation: Only this operation's.
        """
        counts: dict[str, int] = self._request("GET", "/_local_aws/calls/counts")
        return counts.get(operation, 0) if operation else sum(counts.values())

    def add_faults(self, *faults: Mapping[str, Any]) -> list[int]:
        """Add faults; see local_aws.fault_rules for their members.

        Args:
            faults: For example ``{"operation": "CreateModel", "kind": "lost_answer", "times": 1}``.

        Returns:
            Their numbers.
        """
        return [fault["number"] for fault in self._request("POST", "/_local_aws/faults", list(faults))]

    def faults(self) -> list[dict[str, Any]]:
        """Get the faults in force.

        Returns:
            Them, with ``matched`` (calls struck) and ``waiting`` (calls held now).
        """
        rules: list[dict[str, Any]] = self._request("GET", "/_local_aws/faults")
        return rules

    def remove_fault(self, number: int) -> None:
        """Remove one fault and release what it holds.

        Args:
            number: As add_faults returned it.
        """
        self._request("DELETE", f"/_local_aws/faults/{number}")

    def clear_faults(self) -> None:
        """Remove all faults and release what they hold."""
        self._request("DELETE", "/_local_aws/faults")

    @contextlib.contextmanager
    def hold(self, operation: str, *, when: str = "before", times: int = 1) -> Iterator[Hold]:
        """Hold calls of an operation until the block ends or the hold is released.

        Args:
            operation: Operation or pattern.
            when: "before" or "after" its effect.
            times: How many calls are held at most.

        Yields:
            The hold.
        """
        [number] = self.add_faults({"operation": operation, "kind": "hold", "when": when, "times": times})
        hold = Hold(self, number)
        try:
            yield hold
        finally:
            hold.release()

    def reset(self) -> None:
        """End all processes and forget everything: as if started anew."""
        self._request("POST", "/_local_aws/reset")

    def _request(self, method: str, path: str, content: Any = None) -> Any:
        response = requests.request(method, self.url + path, json=content, timeout=60)
        answer = response.json()
        if not response.ok:
            raise ValueError(answer["error"])
        return answer


class Hold:
    """Calls that local AWS holds back."""

    def __init__(self, aws: LocalAws, number: int) -> None:
        self._aws = aws
        self._number = number

    def wait(self, timeout: float = 60.0) -> None:
        """Wait until a call is held.

        Args:
            timeout: Seconds.

        Raises:
            TimeoutError: None came.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if any(f["number"] == self._number and f["waiting"] for f in self._aws.faults()):
                return
            time.sleep(0.05)
        raise TimeoutError(f"no call was held within {timeout} s")

    def release(self) -> None:
        """Let the calls go on; later ones are not held."""
        self._aws.remove_fault(self._number)
