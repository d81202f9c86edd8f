"""What heals is retried; what does not fails at once, both in AWS's own words."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from botocore.exceptions import ClientError, ReadTimeoutError

from fresh_endpoints.aws import errors
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


def test_pauses_after_faults_grow_up_to_a_limit():
    assert all(0 <= errors.pause_after_fault(1) <= 2 for _ in range(100))
    assert all(errors.pause_after_fault(number) <= errors.LONGEST_PAUSE_SECONDS for number in range(1, 2000))


def test_a_call_is_made_again_while_its_refusal_may_pass(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    answers = [refusal("Could not find model"), refusal("Could not find model"), None]

    def call():
        if error := answers.pop(0):
            raise error
        return "found"

    assert errors.again_while(is_not_found, call) == "found"
    answers[:] = [refusal("1 validation error detected")]
    with pytest.raises(ClientError):
        errors.again_while(is_not_found, call)


def refusal(message):
    return ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "CreateEndpointConfig")
