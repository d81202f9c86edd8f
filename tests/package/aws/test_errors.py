"""What heals is retried; what does not fails at once, both in AWS's own words."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from botocore.exceptions import ClientError, ReadTimeoutError

from fresh_endpoints.aws.errors import already_exists, explained, is_not_found, may_heal


def refusal(code, message="words", status=400):
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "CreateModel"
    )


@pytest.mark.parametrize(
    ("error", "heals"),
    [
        (refusal("ThrottlingException"), True),
        (refusal("ResourceLimitExceeded"), True),
        (refusal("SomethingNew", status=503), True),
        (refusal("InternalFailure", status=500), True),
        (refusal("ValidationException"), False),
        (refusal("AccessDeniedException"), False),
        (refusal("UnrecognizedClientException"), False),
    ],
)
def test_what_heals(error, heals):
    assert may_heal(error) is heals
    said = r"Could not create model m\. AWS says \w+: words"
    with pytest.raises(AirflowException, match=said) as raised, explained("create model m"):
        raise error
    assert isinstance(raised.value, AirflowFailException) is not heals


def test_a_broken_connection_heals():
    with pytest.raises(AirflowException, match="ReadTimeoutError") as raised, explained("create model m"):
        raise ReadTimeoutError(endpoint_url="http://x")
    assert not isinstance(raised.value, AirflowFailException)


@pytest.mark.parametrize(
    ("error", "missing"),
    [
        (refusal("ValidationException", 'Could not find endpoint "x".'), True),
        (refusal("ValidationException", "Requested resource not found."), True),
        (refusal("ResourceNotFound"), True),
        (refusal("ValidationException", "1 validation error detected"), False),
    ],
)
def test_missing_is_told_from_malformed(error, missing):
    assert is_not_found(error) is missing


@pytest.mark.parametrize(
    ("error", "taken"),
    [
        (refusal("ResourceInUse"), True),
        (refusal("ValidationException", "Cannot create already existing model"), True),
        (refusal("ValidationException", "Cannot update in-progress endpoint"), False),
    ],
)
def test_a_name_that_is_taken(error, taken):
    assert already_exists(error) is taken
