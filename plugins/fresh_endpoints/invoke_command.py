"""What the command ``invoke`` does: it asks a pipeline's endpoint, and prints the answer.

See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html.
"""

from __future__ import annotations

import argparse
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

    from fresh_endpoints.aws.endpoint import Endpoint
    from fresh_endpoints.pipeline_file.model import Pipeline

_STDIN = "-"


class CannotAskError(Exception):
    """There is no answer. ``str()`` says why."""


@dataclass(frozen=True)
class Question:
    """What an endpoint is asked.

    Attributes:
        body: The request's body.
        content_type: The body's content type.
        accept: The content type asked for; None for any.
    """

    body: bytes
    content_type: str
    accept: str | None

    @property
    def request(self) -> dict[str, Any]:
        """Its part of an InvokeEndpoint request."""
        headers = {"ContentType": self.content_type, **({"Accept": self.accept} if self.accept else {})}
        return {"Body": self.body, **headers}


def add_parser(commands: Any) -> None:
    """Add the command's parser.

    Args:
        commands: What argparse's ``add_subparsers`` returned.
    """
    parser = commands.add_parser("invoke", help="ask a pipeline's endpoint, and print the answer")
    parser.add_argument("pipeline")
    body = parser.add_mutually_exclusive_group()
    body.add_argument("--body", metavar="TEXT", help="what to ask; default: standard input, else the file's smoke_test")
    body.add_argument("--file", metavar="FILE", help="a file with what to ask; - for standard input")
    parser.add_argument("--content-type", metavar="TYPE", help="of what is asked; default: the smoke_test's")
    parser.add_argument("--accept", metavar="TYPE", help="of the answer; default: the smoke_test's")


def invoke(pipeline: Pipeline, options: argparse.Namespace, *, out: TextIO, err: TextIO) -> bool:
    """Ask a pipeline's endpoint, and print the answer.

    Args:
        pipeline: The pipeline.
        options: The command line, as add_parser() has it.
        out: Where the answer goes.
        err: Where to say what is wrong.

    Returns:
        Whether there was an answer.
    """
    try:
        _print(_answer(pipeline, _question(pipeline, options)), out)
    except CannotAskError as error:
        err.write(f"{error}\n")
        return False
    return True


def _question(pipeline: Pipeline, options: argparse.Namespace) -> Question:
    test = pipeline.smoke_test
    content_type = options.content_type or (test.content_type if test else None)
    if content_type is None:
        raise CannotAskError(
            f"Pipeline {pipeline.name} has no smoke_test, so name the --content-type, such as text/csv."
        )
    body = _body(options)
    if body is None and test and test.body is not None:
        body = test.body.encode()
    if body is None:
        why = f"lies in S3, at {test.key}" if test else "is not there"
        raise CannotAskError(f"The body of pipeline {pipeline.name}'s smoke_test {why}; give a --body or a --file.")
    return Question(body, content_type, options.accept or (test.accept if test else None))


def _body(options: argparse.Namespace) -> bytes | None:
    """Return what a person asks; None where they say nothing."""
    if options.body is not None:
        return str(options.body).encode()
    if options.file not in (None, _STDIN):
        try:
            return Path(options.file).read_bytes()
        except OSError as error:
            raise CannotAskError(f"{options.file} cannot be read: {error.strerror}.") from error
    if options.file == _STDIN or _is_fed():
        return sys.stdin.buffer.read() or (b"" if options.file else None)
    return None


def _is_fed() -> bool:
    """Tell whether standard input is a pipe or a file; a terminal or nothing at all is nobody's question."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):  # It is closed, or none.
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def _answer(pipeline: Pipeline, question: Question) -> bytes:
    from airflow.providers.common.compat.sdk import AirflowException
    from botocore.exceptions import BotoCoreError, ClientError

    from fresh_endpoints.live import endpoint_of, hook_of

    if pipeline.deploy == "never":
        raise CannotAskError(f"Pipeline {pipeline.name} deploys nothing (deploy: never), so it has no endpoint.")
    try:
        hook = hook_of(pipeline)
        endpoint, client = endpoint_of(pipeline, hook), hook.client_of("sagemaker-runtime")
        if "AsyncInferenceConfig" in pipeline.endpoint_config:
            raise CannotAskError(_is_asynchronous(endpoint.name, question))
        try:
            answer = client.invoke_endpoint(EndpointName=endpoint.name, **question.request)
            return bytes(answer["Body"].read())
        except ClientError as error:
            raise CannotAskError(_in_words(error, pipeline, endpoint, client.meta.endpoint_url)) from error
    except (AirflowException, BotoCoreError, ValueError) as error:
        raise CannotAskError(f"Pipeline {pipeline.name}'s endpoint cannot be asked: {error}") from error


def _in_words(error: ClientError, pipeline: Pipeline, endpoint: Endpoint, url: str) -> str:
    from fresh_endpoints.aws.errors import code_of, is_not_found, message_of, speaker_of

    if is_not_found(error):
        return _is_not_there(pipeline, endpoint)
    if code_of(error) != "ModelError":
        return (
            f"Endpoint {endpoint.name} cannot be asked. {speaker_of(error)} says {code_of(error)}: {message_of(error)}"
        )
    status = error.response.get("OriginalStatusCode", "no status")
    said = str(error.response.get("OriginalMessage") or message_of(error)).strip()
    return f"The model answered with {status}: {said}\nIts log: {_log(endpoint.name, pipeline.region, url)}"


def _is_not_there(pipeline: Pipeline, endpoint: Endpoint) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        status = endpoint.describe().status
    except (BotoCoreError, ClientError):  # Who may ask it need not be let look at it.
        status = None
    if status:
        return (
            f"Endpoint {endpoint.name} is {status} and does not answer yet. See: fresh-endpoints status {pipeline.name}"
        )
    return (
        f"There is no endpoint {endpoint.name} in {pipeline.region} yet: a run of train_and_deploy_{pipeline.name} "
        f"creates it. What has become of its models: fresh-endpoints history {pipeline.name}"
    )


def _is_asynchronous(endpoint: str, question: Question) -> str:
    return (
        f"Endpoint {endpoint} is asynchronous: it reads what it is asked from S3, and writes its answer there. Put it "
        f"into S3; then: aws sagemaker-runtime invoke-endpoint-async --endpoint-name {endpoint} --content-type "
        f"{question.content_type} --input-location s3://…"
    )


def _log(endpoint: str, region: str, url: str) -> str:
    """Say where the endpoint's log is: AWS's console shows that of no other AWS."""
    from fresh_endpoints.aws.console import log_page
    from fresh_endpoints.aws.kinds import ENDPOINT

    group = f"{ENDPOINT.log_group}/{endpoint}"
    if (urlsplit(url).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return log_page(region, group)
    return (
        f"aws --endpoint-url {url} logs filter-log-events --log-group-name {group} --query 'events[].[message]' "
        "--output text"
    )


def _print(answer: bytes, out: TextIO) -> None:
    """Print the answer as it is; a terminal's prompt begins a line."""
    binary = getattr(out, "buffer", None)
    if binary is None:
        out.write(answer.decode(errors="replace"))
    else:
        binary.write(answer)
    if out.isatty() and not answer.endswith(b"\n"):
        out.write("\n")
    out.flush()
