"""AWS's refusals, told apart: what may heal is retried, everything else fails at once with AWS's own words."""

from __future__ import annotations

import itertools
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

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
# A role that was just made is assumed within a minute (see is_role_not_ready).
NEW_ROLE_SECONDS = 90.0
# Where a higher quota is asked for.
_QUOTAS_PAGE = "https://console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"

# A session's token has run out; a client made anew has another one.
_EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/CommonErrors.html; ResourceLimitExceeded is an account's
# quota, which other jobs free when they end. ModelNotReadyException is a cold serverless endpoint's:
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
_HEALABLE_CODES = _EXPIRED_CODES | frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "ModelNotReadyException",
        "RequestTimeout",
        "ResourceLimitExceeded",
        "ServiceUnavailable",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "SlowDown",
        "ConflictException",
    }
)

# What AWS says to who asks, not about what is asked for.
_DENIED_CODES = frozenset(
    {"AccessDenied", "AccessDeniedException", "NotAuthorized", "403"}
)  # HeadObject's has no words.
_CREDENTIALS_CODES = _EXPIRED_CODES | frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_CREDENTIALS_ERRORS = (
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

# "The account-level service limit 'ml.m4.xlarge for training job usage' is 0 Instances, with current utilization of 0
# Instances and a request delta of 1 Instances. Please contact AWS support …"
_QUOTA = re.compile(
    r"service limit '(?P<name>[^']+)' is (?P<limit>\d[\d,]*).*?utilization of (?P<utilization>\d[\d,]*)"
    r".*?request delta of (?P<delta>\d[\d,]*)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Quota:
    """An account's quota that a request would exceed.

    Attributes:
        name: As Service Quotas has it, such as ``ml.m4.xlarge for training job usage``.
        limit: How much the account may use.
        utilization: How much it used when the request was refused.
        delta: How much the request asks for.
    """

    name: str
    limit: int
    utilization: int
    delta: int

    @property
    def can_never_be_met(self) -> bool:
        """Whether the request asks for more than the quota, so that no end of other jobs will let it through."""
        return self.limit < self.delta


class OutOfQuotaError(AirflowException):
    """AWS has refused a request for want of a quota that frees when others end: the same may be taken later.

    Attributes:
        quota: The quota; None where AWS's sentence names none.
    """

    def __init__(self, text: str, quota: Quota | None):
        super().__init__(text)
        self.quota = quota


def code_of(error: ClientError) -> str:
    """Return the error's code, such as ``ResourceInUse``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def speaker_of(error: ClientError) -> str:
    """Return who has said it, to begin a sentence: AWS, or what stands in for it on a laptop and says so."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return "Local AWS" if headers.get("server") == "local AWS" else "AWS"


def message_of(error: ClientError) -> str:
    """Return AWS's own sentence; empty where it says none."""
    return str(error.response.get("Error", {}).get("Message") or "")


def is_not_found(error: ClientError) -> bool:
    """Tell whether SageMaker says that the resource does not exist.

    SageMaker answers a Describe of a missing resource with a ValidationException, whose message alone tells it from
    a malformed request. That a model's artifact does not exist is no such answer.
    """
    message = message_of(error)
    if code_of(error) in ("ResourceNotFound", "ResourceNotFoundException"):
        return True
    if code_of(error) == "ValidationError":  # InvokeEndpoint's: "Endpoint NAME of account 123456789012 not found."
        return message.startswith("Endpoint ") and message.endswith("not found.")
    return (
        code_of(error) == "ValidationException"
        and message.startswith(("Could not find", "Requested resource not found"))
        and not message.startswith("Could not find model data")
    )


def already_exists(error: ClientError) -> bool:
    """Tell whether a Create operation was refused because the name is taken."""
    return code_of(error) == "ResourceInUse" or message_of(error).startswith("Cannot create already existing")


def may_heal(error: ClientError) -> bool:
    """Tell whether the same request may succeed later: throttling, 5xx, an expired token, quotas that others free."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    quota = quota_of(error)
    if quota and quota.can_never_be_met:
        return False
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


def again_while(is_passing: Callable[[ClientError], bool], call: Callable[[], T], seconds: float = UNSEEN_SECONDS) -> T:
    """Make a call again while AWS refuses it for what passes: what was just written may be unseen for a while.

    Args:
        is_passing: Tells whether a refusal may pass.
        call: Makes the call.
        seconds: For how long it may be refused.

    Returns:
        What the call returned.

    Raises:
        botocore.exceptions.ClientError: AWS refused for another reason, or still after that time.
    """
    started = time.monotonic()
    for number in itertools.count(1):
        try:
            return call()
        except ClientError as error:
            if not is_passing(error) or time.monotonic() - started >= seconds:
                raise
        time.sleep(min(0.25 * 2**number, 5.0))
    raise AssertionError("unreachable")


def quota_of(error: ClientError) -> Quota | None:
    """Return the quota that a request would have exceeded, read from AWS's sentence; None where it names none.

    Args:
        error: What AWS answered; ResourceLimitExceeded where it is about a quota.
    """
    found = _QUOTA.search(message_of(error)) if code_of(error) == "ResourceLimitExceeded" else None
    if found is None:
        return None
    limit, utilization, delta = (int(found[part].replace(",", "")) for part in ("limit", "utilization", "delta"))
    return Quota(found["name"], limit, utilization, delta)


def is_out_of_quota(error: ClientError) -> bool:
    """Tell whether a request was refused for want of a quota that frees when others end."""
    quota = quota_of(error)
    return code_of(error) == "ResourceLimitExceeded" and not (quota and quota.can_never_be_met)


def is_role_not_ready(error: ClientError) -> bool:
    """Tell whether SageMaker could not assume the execution role.

    That holds for up to a minute after a role was made, as IAM's changes take a while to be seen everywhere, and for
    good where the role does not trust SageMaker; so ask again, but for a bounded time.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html (changes are not always immediately visible)
    """
    return code_of(error) == "ValidationException" and "could not assume role" in message_of(error).lower()


def once_role_is_ready(call: Callable[[], T]) -> T:
    """Make a call that hands SageMaker an execution role, again while the role is not ready.

    Args:
        call: Makes the call.

    Returns:
        What the call returned.

    Raises:
        botocore.exceptions.ClientError: AWS refused for another reason, or still after NEW_ROLE_SECONDS.
    """
    return again_while(is_role_not_ready, call, NEW_ROLE_SECONDS)


def is_denied(error: Exception) -> bool:
    """Tell whether AWS knows who asks but does not let them."""
    return isinstance(error, ClientError) and code_of(error) in _DENIED_CODES


def is_credentials_refused(error: Exception) -> bool:
    """Tell whether the connection's credentials are missing, wrong or expired, whatever is asked for by them."""
    if isinstance(error, ClientError):
        return code_of(error) in _CREDENTIALS_CODES
    return isinstance(error, _CREDENTIALS_ERRORS)


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn what AWS refuses inside the block into an Airflow exception that says what was being done.

    Args:
        doing: What the block does, for the message: "create training job X".

    Raises:
        AirflowFailException: AWS refused for good (denied, invalid, missing role): a retry would meet the same.
        OutOfQuotaError: AWS refused for want of a quota that others free.
        AirflowException: AWS could not answer; Airflow's retries take over.
    """
    try:
        yield
    except ClientError as error:
        text = f"Could not {doing}. {speaker_of(error)} says {code_of(error)}: {message_of(error)}{_advice(error)}"
        if is_out_of_quota(error):
            raise OutOfQuotaError(text, quota_of(error)) from error
        if may_heal(error):
            raise AirflowException(text) from error
        raise AirflowFailException(text) from error
    except BotoCoreError as error:
        raise AirflowException(f"Could not {doing}. {type(error).__name__}: {error}") from error


def _advice(error: ClientError) -> str:
    """Say what to do about a quota that no end of other jobs will free; nothing of any other refusal."""
    quota = quota_of(error)
    if quota is None or not quota.can_never_be_met:
        return ""
    return (
        f" The quota allows {quota.limit} and this asks for {quota.delta}, so it is not tried again: ask for a higher "
        f"quota at {_QUOTAS_PAGE}, or for fewer or other instances in the pipeline file."
    )
