"""One request to an endpoint whose answer tells whether its model works.

See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws.errors import code_of, explained, message_of

if TYPE_CHECKING:
    from fresh_endpoints.aws.clients import SageMakerHook
    from fresh_endpoints.pipeline_file.model import SmokeTest

_LONGEST_QUOTE = 200


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

    @cached_property
    def body(self) -> bytes:
        """What is sent.

        Raises:
            AirflowException: S3 refused.
        """
        if self._key is None:
            return (self._test.body or "").encode()
        with explained(f"read the smoke test's body s3://{self._bucket}/{self._key}"):
            s3 = self._hook.client_of("s3")
            return bytes(s3.get_object(Bucket=self._bucket, Key=self._key)["Body"].read())

    def failure(self, endpoint: str) -> str | None:
        """Ask an endpoint once, and judge its answer.

        What keeps it from answering is a failure, too, whatever it is: botocore has retried what may heal, and an
        endpoint of which nobody knows whether it works must not stay.

        Args:
            endpoint: The endpoint's name.

        Returns:
            None where the answer is right; else what was found and what is allowed, as one sentence.

        Raises:
            AirflowException: S3 refused to give what is sent.
        """
        body, runtime = self.body, self._hook.client_of("sagemaker-runtime")
        accept = {"Accept": self._test.accept} if self._test.accept else {}
        try:
            answer = runtime.invoke_endpoint(
                EndpointName=endpoint, ContentType=self._test.content_type, Body=body, **accept
            )
            content = answer["Body"].read()
        except ClientError as error:
            return f"The endpoint answered with {code_of(error)}: {message_of(error)}"
        except BotoCoreError as error:
            return f"The endpoint did not answer: {type(error).__name__}: {error}"
        return _judge(answer, content, self._test)


def _judge(answer: Mapping[str, Any], content: bytes, test: SmokeTest) -> str | None:
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    if status != 200:
        return f"Found status {status}; it must be 200."
    found = answer.get("ContentType", "")
    if test.accept and _media_type(found) != _media_type(test.accept):
        return f'Found content type "{found}"; it must be "{test.accept}".'
    if test.expect is None:
        return None
    text = content.decode("utf-8", "replace").strip()
    if re.fullmatch(test.expect, text):
        return None
    return f'Found the answer "{text[:_LONGEST_QUOTE]}"; it must match "{test.expect}".'


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
