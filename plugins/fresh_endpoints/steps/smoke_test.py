"""One request to an endpoint whose answer tells whether its model works.

See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from fresh_endpoints.aws.errors import code_of, message_of

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import SmokeTest

_LONGEST_QUOTE = 200


def smoke_test_failure(runtime: Any, endpoint: str, test: SmokeTest, body: bytes) -> str | None:
    """Ask the endpoint once, and judge its answer.

    What keeps it from answering is a failure, too, whatever it is: botocore has retried what may heal, and an endpoint
    of which nobody knows whether it works must not stay.

    Args:
        runtime: A boto3 SageMaker Runtime client.
        endpoint: The endpoint's name.
        test: The pipeline's smoke test.
        body: The request's body.

    Returns:
        None where the answer is right; else what was found and what is allowed, as one sentence.
    """
    accept = {"Accept": test.accept} if test.accept else {}
    try:
        answer = runtime.invoke_endpoint(EndpointName=endpoint, ContentType=test.content_type, Body=body, **accept)
        content = answer["Body"].read()
    except ClientError as error:
        return f"The endpoint answered with {code_of(error)}: {message_of(error)}"
    except BotoCoreError as error:
        return f"The endpoint did not answer: {type(error).__name__}: {error}"
    return _judge(answer, content, test)


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
