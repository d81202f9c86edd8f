"""AWS's refusals, told apart: what may heal is retried, everything else fails at once with AWS's own words."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from botocore.exceptions import BotoCoreError, ClientError

T = TypeVar("T")

# botocore itself retries throttling, 5xx and broken connections with back-off before a step ever sees them:
# https://botocore.amazonaws.com/v1/documentation/api/latest/reference/config.html (retries, mode adaptive)
BOTOCORE_CONFIG: dict[str, Any] = {
    "retries": {"mode": "adaptive", "total_max_attempts": 8},
    "connect_timeout": 10,
    "read_timeout": 60,
}

LONGEST_PAUSE_SECONDS = 20.0
# How long what was just written may be unseen; AWS names no bound, and reads are consistent within seconds as a rule.
UNSEEN_SECONDS = 30.0

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/CommonErrors.html; ResourceLimitExceeded is an account's
# quota, which other jobs free when they end.
_HEALABLE_CODES = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "RequestTimeout",
        "ResourceLimitExceeded",
        "ServiceUnavailable",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "RequestExpired",
        "ConflictException",
    }
)


def code_of(error: ClientError) -> str:
    """Return the error's code, such as ``ResourceInUse``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def message_of(error: ClientError) -> str:
    """Return AWS's own sentence."""
    return str(error.response.get("Error", {}).get("Message") or "")  # A throttled InvokeEndpoint says null.


def is_not_found(error: ClientError) -> bool:
    """Tell whether SageMaker says that the resource does not exist.

    SageMaker answers a Describe of a missing resource with a ValidationException, whose message alone tells it from
    a malformed request.
    """
    message = message_of(error)
    return code_of(error) == "ResourceNotFound" or (
        code_of(error) == "ValidationException"
        and message.startswith(("Could not find", "Requested resource not found"))
    )


def already_exists(error: ClientError) -> bool:
    """Tell whether a Create operation was refused because the name is taken."""
    return code_of(error) == "ResourceInUse" or message_of(error).startswith("Cannot create already existing")


def may_heal(error: ClientError) -> bool:
    """Tell whether the same request may succeed later: throttling, 5xx, quotas."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code_of(error) in _HEALABLE_CODES or status >= 500


def is_in_progress(error: ClientError) -> bool:
    """Tell whether an endpoint cannot be changed because a change of it is going on."""
    return message_of(error).startswith("Cannot update in-progress endpoint")


def pause_after_fault(number: int) -> float:
    """Return how long to wait, in seconds, before a request is made again that AWS has not answered.

    Full jitter, as botocore has it: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Args:
        number: Which fault in a row this is, from 1.
    """
    return random.uniform(0, min(2.0 ** min(number, 10), LONGEST_PAUSE_SECONDS))  # noqa: S311 - no secret


def again_while(is_passing: Callable[[ClientError], bool], call: Callable[[], T]) -> T:
    """Make a call again while AWS refuses it for what passes: what was just written may be unseen for a while.

    Args:
        is_passing: Tells whether a refusal may pass.
        call: Makes the call.

    Returns:
        What the call returned.

    Raises:
        botocore.exceptions.ClientError: AWS refused for another reason, or still after UNSEEN_SECONDS.
    """
    started = time.monotonic()
    for number in itertools.count(1):
        try:
            return call()
        except ClientError as error:
            if not is_passing(error) or time.monotonic() - started >= UNSEEN_SECONDS:
                raise
        time.sleep(min(0.25 * 2**number, 5.0))
    raise AssertionError("unreachable")


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn what AWS refuses inside the block into an Airflow exception that says what was being done.

    Args:
        doing: What the block does, for the message: "create training job X".

    Raises:
        AirflowFailException: AWS refused for good (denied, invalid, missing role): a retry would meet the same.
        AirflowException: AWS could not answer; Airflow's retries take over.
    """
    try:
        yield
    except ClientError as error:
        text = f"Could not {doing}. AWS says {code_of(error)}: {message_of(error)}"
        if may_heal(error):
            raise AirflowException(text) from error
        raise AirflowFailException(text) from error
    except BotoCoreError as error:
        raise AirflowException(f"Could not {doing}. {type(error).__name__}: {error}") from error
