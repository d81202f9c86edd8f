"""One request to an endpoint whose answer tells whether its model works.

See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html and, for asynchronous
endpoints, https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointAsync.html.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import regex
from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws.errors import code_of, explained, is_denied, may_heal, message_of

if TYPE_CHECKING:
    from fresh_endpoints.aws.clients import SageMakerHook
    from fresh_endpoints.pipeline_file.model import SmokeTest

log = logging.getLogger(__name__)

_LONGEST_QUOTE = 200
_LONGEST_PAUSE_SECONDS = 5.0
# Some patterns go back over a text for ever, and the re module cannot be stopped: the worker's slot would be lost.
_LONGEST_MATCH_SECONDS = 5.0
# How a ModelError tells of a container that answers with 503: it is still loading its model.
_NOT_LOADED = regex.compile(r"Received server error \(503\)")
# What S3 says of an object of which nobody has told what it is: of an asynchronous answer it then says nothing.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
_UNTOLD = "binary/octet-stream"


class SmokeTester:
    """Asks endpoints, and judges their answers.

    Args:
        hook: Makes the clients.
        test: The pipeline's smoke test.
        bucket: The rendered bucket of the pipeline.
        key: The rendered S3 key of what is sent; None where the file holds it itself.
    """

    def __init__(self, hook: SageMakerHook, test: SmokeTest, *, bucket: str, key: str | None):
        self._hook = hook
        self._test = test
        self._bucket = bucket
        self._key = key
        self._denied = ""

    @cached_property
    def body(self) -> bytes:
        """What is sent.

        Raises:
            AirflowException: S3 refused.
        """
        if self._key is None:
            return (self._test.body or "").encode()
        with explained(f"read the smoke test's body s3://{self._bucket}/{self._key}"):
            return bytes(self._s3.get_object(Bucket=self._bucket, Key=self._key)["Body"].read())

    def failure(self, endpoint: str, config: Mapping[str, Any], model: str) -> str | None:
        """Ask an endpoint, and judge its answer.

        A server that is not ready is asked again for ``patience_seconds``: containers answer a ping before their model
        is loaded, and a serverless endpoint starts cold. What keeps it from answering beyond that is a failure, too,
        whatever it is: an endpoint of which nobody knows whether it works must not stay.

        Args:
            endpoint: The endpoint's name.
            config: What DescribeEndpointConfig says of what it serves.
            model: The model that is to be proven. Where there are several variants, each that serves it is asked.

        Returns:
            None where the answer is right; else what was found and what is allowed, as one sentence.

        Raises:
            AirflowException: S3 refused to give what is sent, or what was answered.
        """
        if "AsyncInferenceConfig" in config:
            return self._patiently(lambda: self._ask_async(endpoint))
        variants = config["ProductionVariants"]
        if len(variants) == 1:
            return self._patiently(lambda: self._ask(endpoint))
        for name in [variant["VariantName"] for variant in variants if variant.get("ModelName") == model]:
            failure = self._patiently(lambda name=name: self._ask(endpoint, TargetVariant=name))  # type: ignore[misc]
            if failure:
                return f"Variant {name}: {failure}"
        return None

    def _patiently(self, ask: Callable[[], str | None]) -> str | None:
        started = time.monotonic()
        for number in itertools.count():
            try:
                return ask()
            except (ClientError, BotoCoreError) as error:
                failure = _in_words(error)
                if not _may_become_ready(error) or time.monotonic() - started >= self._test.patience_seconds:
                    return failure
            log.info("%s Asking again.", failure)
            time.sleep(min(0.5 * 2**number, _LONGEST_PAUSE_SECONDS))
        raise AssertionError("unreachable")

    def _ask(self, endpoint: str, **target: str) -> str | None:
        answer = self._runtime.invoke_endpoint(EndpointName=endpoint, Body=self.body, **self._headers, **target)
        content = answer["Body"].read()
        status = answer["ResponseMetadata"]["HTTPStatusCode"]
        return _judge(status, answer.get("ContentType", ""), content, self._test)

    def _ask_async(self, endpoint: str) -> str | None:
        """Ask an asynchronous endpoint: it reads what is sent from S3, and writes its answer there."""
        ends_at = time.monotonic() + self._test.patience_seconds
        where = self._sent(endpoint)
        while True:
            if output := self._found(where.get("OutputLocation")):
                told = output.get("ContentType")
                return _judge(200, None if told == _UNTOLD else told, output["Body"].read(), self._test)
            is_over = time.monotonic() >= ends_at
            if failed := self._found(where.get("FailureLocation")):
                said = failed["Body"].read().decode("utf-8", "replace")
                if is_over or not _NOT_LOADED.search(said):
                    return f"The endpoint answered with a failure: {said[:_LONGEST_QUOTE]}"
                where = self._sent(endpoint)
            elif is_over:
                return self._without_answer(where)
            time.sleep(1.0)

    def _sent(self, endpoint: str) -> dict[str, Any]:
        """Hand a request to an asynchronous endpoint, and return what tells where its answer will be."""
        where: dict[str, Any] = self._runtime.invoke_endpoint_async(
            EndpointName=endpoint, InputLocation=f"s3://{self._bucket}/{self._key}", **self._headers
        )
        return where

    def _without_answer(self, where: Mapping[str, Any]) -> str:
        waited = f"to {where.get('OutputLocation')} within {self._test.patience_seconds} s"
        if not self._denied:
            return f"The endpoint has written no answer {waited}."
        return (
            f"No answer that may be read was written {waited}: S3 says {self._denied}. Who may not list the bucket "
            "(s3:ListBucket) is told so of a file that is not there, too; so allow s3:GetObject there and "
            "s3:ListBucket, or look whether the endpoint answers."
        )

    def _found(self, url: str | None) -> dict[str, Any] | None:
        """Read what an asynchronous endpoint has written; None where it has not yet, as far as S3 tells.

        Without s3:ListBucket a missing key is a 403:
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
        """
        if not url:
            return None
        bucket, _, key = url.removeprefix("s3://").partition("/")
        with explained(f"read the smoke test's answer {url}"):
            try:
                answer: dict[str, Any] = self._s3.get_object(Bucket=bucket, Key=key)
                return answer
            except ClientError as error:
                if is_denied(error):
                    self._denied = f"{code_of(error)}: {message_of(error)}"
                elif code_of(error) != "NoSuchKey":
                    raise
        return None

    @property
    def _headers(self) -> dict[str, str]:
        return {"ContentType": self._test.content_type, **({"Accept": self._test.accept} if self._test.accept else {})}

    @cached_property
    def _runtime(self) -> Any:
        return self._hook.client_of("sagemaker-runtime")

    @cached_property
    def _s3(self) -> Any:
        return self._hook.client_of("s3")


def asked_by_smoke_test(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a smoke test needs to know of an endpoint config.

    Args:
        config: The CreateEndpointConfig request, or what DescribeEndpointConfig says.

    Returns:
        The same members, as JSON.
    """
    named = ("VariantName", "ModelName")
    variants = [{key: variant[key] for key in named if key in variant} for variant in config["ProductionVariants"]]
    asynchronous: dict[str, Any] = {"AsyncInferenceConfig": {}} if "AsyncInferenceConfig" in config else {}
    return {"ProductionVariants": variants, **asynchronous}


def _may_become_ready(error: ClientError | BotoCoreError) -> bool:
    """Whether the same question may be answered a little later.

    A container that answers with 503 is still loading its model; SageMaker passes that on as a ModelError.
    """
    if not isinstance(error, ClientError):
        return True
    if code_of(error) == "ModelError":
        return error.response.get("OriginalStatusCode") == 503
    return code_of(error) == "ModelNotReadyException" or may_heal(error)


def _in_words(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, ClientError):
        return f"The endpoint answered with {code_of(error)}: {message_of(error)}"
    return f"The endpoint did not answer: {type(error).__name__}: {error}"


def _judge(status: int, content_type: str | None, content: bytes, test: SmokeTest) -> str | None:
    if status != 200:
        return f"Found status {status}; it must be 200."
    if test.accept and content_type is not None and _media_type(content_type) != _media_type(test.accept):
        return f'Found content type "{content_type}"; it must be "{test.accept}".'
    if test.expect is None:
        return None
    text = content.decode("utf-8", "replace").strip()
    try:
        if regex.fullmatch(test.expect, text, timeout=_LONGEST_MATCH_SECONDS):
            return None
    except TimeoutError:
        return f'"{test.expect}" is not done with the answer after {_LONGEST_MATCH_SECONDS:g} s; make it simpler.'
    return f'Found the answer "{text[:_LONGEST_QUOTE]}"; it must match "{test.expect}".'


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
