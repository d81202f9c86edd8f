"""What heals is retried; what does not fails at once, both in AWS's own words."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from botocore.exceptions import ClientError, NoCredentialsError, ReadTimeoutError

from fresh_endpoints.aws import errors
from fresh_endpoints.aws.errors import (
    Quota,
    already_exists,
    explained,
    is_credentials_refused,
    is_denied,
    is_not_found,
    is_role_not_ready,
    may_heal,
    message_of,
    quota_of,
)

# As pasted from AWS: https://github.com/aws/amazon-sagemaker-examples/issues/307
LIMIT = (
    "The account-level service limit '{}' is {} Instances, with current utilization of {} Instances and a request "
    "delta of {} Instances. Please contact AWS support to request an increase for this limit."
)


def refusal(code, message="words", status=400):
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "CreateModel"
    )


@pytest.mark.parametrize(
    ("error", "heals"),
    [
        (refusal("ThrottlingException"), True),
        (refusal("ResourceLimitExceeded"), True),
        (refusal("ExpiredToken"), True),
        (refusal("ExpiredTokenException"), True),
        (refusal("RequestExpired"), True),
        (refusal("ModelNotReadyException", status=429), True),
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


def test_what_local_aws_says_is_not_put_into_the_real_aws_mouth(local_aws):
    said = r"Could not look\. Local AWS says ValidationException: Requested resource not found\."
    with pytest.raises(AirflowFailException, match=said), explained("look"):
        local_aws.client("sagemaker").describe_training_job(TrainingJobName="none")


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
        (refusal("ValidationException", "Could not find requested job with name: x"), True),
        (refusal("ValidationException", "Could not find job to update with namex"), True),
        (refusal("ValidationException", 'Could not find model "arn:aws:sagemaker:us-east-1:1:model/x".'), True),
        (refusal("ValidationError", "Endpoint x of account 123456789012 not found."), True),
        (refusal("ValidationException", "1 validation error detected"), False),
        (refusal("ValidationException", "Could not find model data at s3://bucket/model.tar.gz."), False),
        (refusal("ValidationError", "Endpoint x of account 123456789012 is not in service."), False),
        (
            refusal("ValidationException", "The request was rejected because the training job is in status Stopped."),
            False,
        ),
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
    answers = [
        refusal("ValidationException", "Could not find model"),
        refusal("ValidationException", "Could not find model"),
        None,
    ]

    def call():
        if error := answers.pop(0):
            raise error
        return "found"

    assert errors.again_while(is_not_found, call) == "found"
    answers[:] = [refusal("ValidationException", "1 validation error detected")]
    with pytest.raises(ClientError):
        errors.again_while(is_not_found, call)


@pytest.mark.parametrize(
    ("name", "limit", "utilization", "delta", "never"),
    [
        ("ml.m4.xlarge for endpoint usage", 0, 0, 1, True),
        ("training-job/ml.p2.xlarge", 1, 0, 2, True),
        ("ml.m4.xlarge for training job usage", 20, 20, 1, False),
        ("ml.m4.xlarge for training job usage", 2, 1, 2, False),
    ],
)
def test_a_quota_below_the_request_never_lets_it_through(name, limit, utilization, delta, never):
    error = refusal("ResourceLimitExceeded", LIMIT.format(name, limit, utilization, delta))
    quota = quota_of(error)
    assert quota == Quota(name, limit, utilization, delta)
    assert quota.can_never_be_met is never
    assert may_heal(error) is not never


def test_a_quota_that_never_lets_it_through_is_told_with_its_figures_and_what_to_do():
    error = refusal("ResourceLimitExceeded", LIMIT.format("ml.m4.xlarge for training job usage", 0, 0, 1))
    with pytest.raises(AirflowFailException) as raised, explained("create training job x"):
        raise error
    said = str(raised.value)
    assert said.startswith("Could not create training job x. AWS says ResourceLimitExceeded: The account-level service")
    assert (
        "The quota allows 0 and this asks for 1, so it is not tried again: ask for a higher quota at https://" in said
    )


def test_a_quota_that_others_free_is_told_in_awss_words_alone():
    error = refusal("ResourceLimitExceeded", LIMIT.format("ml.m4.xlarge for training job usage", 20, 20, 1))
    with pytest.raises(AirflowException) as raised, explained("create training job x"):
        raise error
    assert str(raised.value).endswith("request an increase for this limit.")


def test_a_quota_may_be_written_with_commas():
    error = refusal("ResourceLimitExceeded", LIMIT.format("Concurrent instances", "1,000", "998", "3"))
    assert quota_of(error) == Quota("Concurrent instances", 1000, 998, 3)


@pytest.mark.parametrize(
    "error",
    [
        refusal("ResourceLimitExceeded", "Too many."),
        refusal("ResourceLimitExceeded", None),
        refusal("ValidationException", LIMIT.format("ml.m4.xlarge for endpoint usage", 0, 0, 1)),
    ],
)
def test_what_names_no_quota_is_no_quota(error):
    assert quota_of(error) is None


def test_a_role_is_waited_for_a_bounded_time(monkeypatch):
    now, asked = [0.0], []
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.sleep", lambda seconds: now.append(now.pop() + seconds))

    def call():
        asked.append(now[0])
        raise refusal("ValidationException", "Could not assume role arn:aws:iam::1:role/x.")

    with pytest.raises(ClientError):
        errors.once_role_is_ready(call)
    assert 60 < asked[-1] <= errors.NEW_ROLE_SECONDS + 5
    assert len(asked) < 30


def test_a_role_that_is_not_ready_is_told_from_what_else_is_invalid():
    said = "Could not assume role arn:aws:iam::1:role/x. Please ensure that the role exists and allows principal ..."
    assert is_role_not_ready(refusal("ValidationException", said))
    assert not may_heal(refusal("ValidationException", said))  # For a minute only, so whoever asks has to bound it.
    assert not is_role_not_ready(refusal("ValidationException", "1 validation error detected"))
    assert not is_role_not_ready(refusal("AccessDeniedException", said))


@pytest.mark.parametrize(
    ("error", "credentials", "denied"),
    [
        (refusal("AccessDeniedException"), False, True),
        (refusal("403", "Forbidden"), False, True),
        (refusal("ExpiredToken"), True, False),
        (refusal("UnrecognizedClientException"), True, False),
        (refusal("InvalidClientTokenId"), True, False),
        (NoCredentialsError(), True, False),
        (refusal("ValidationException"), False, False),
        (refusal("ThrottlingException"), False, False),
        (ReadTimeoutError(endpoint_url="http://x"), False, False),
    ],
)
def test_a_refusal_of_who_asks_is_told_from_a_refusal_of_what_is_asked(error, credentials, denied):
    assert (is_credentials_refused(error), is_denied(error)) == (credentials, denied)


def test_aws_may_say_nothing():
    """InvokeEndpoint, throttled: https://github.com/opensearch-project/ml-commons/issues/2429"""
    error = refusal("ThrottlingException", None)
    assert may_heal(error)
    assert message_of(error) == ""
