from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from local_aws.calls import MOST_CALLS, CallRecord
from local_aws.faults import Faults
from local_aws.wire import AwsError, Call

CREATE = Call("sagemaker", "CreateTrainingJob", "r", None, "json")
DESCRIBE = Call("sagemaker", "DescribeTrainingJob", "r", None, "json")


def outcome(faults: Faults, call: Call = CREATE, connected: bool = True) -> str:
    effects: list[str] = []
    try:
        answer = faults.apply(call, lambda: effects.append("effect") or "answer", lambda: connected)
    except AwsError as error:
        answer = error.code
    return f"{'effect' if effects else 'nothing'}, {answer}"


@pytest.mark.parametrize(
    ("pattern", "struck"),
    [
        ("CreateTrainingJob", True),
        ("sagemaker:CreateTrainingJob", True),
        ("sagemaker:*", True),
        ("Create*", True),
        ("*", True),
        ("s3:*", False),
        ("createtrainingjob", False),
    ],
)
def test_a_fault_is_about_the_operations_of_its_pattern(pattern: str, struck: bool) -> None:
    faults = Faults()
    faults.add([{"operation": pattern, "kind": "throttle"}])
    assert outcome(faults) == ("nothing, ThrottlingException" if struck else "effect, answer")


def test_skip_and_times_name_the_calls_that_are_struck() -> None:
    faults = Faults()
    faults.add([{"operation": "*", "kind": "error", "status": 503, "skip": 1, "times": 2}])
    assert [outcome(faults) for _ in range(4)] == [
        "effect, answer",
        "nothing, ServiceUnavailable",
        "nothing, ServiceUnavailable",
        "effect, answer",
    ]
    assert faults.rules()[0]["matched"] == 2


def test_a_lost_answer_is_lost_after_its_effect() -> None:
    faults = Faults()
    faults.add([{"operation": "*", "kind": "lost_answer", "times": 1}])
    assert outcome(faults) == "effect, None"


def test_what_iam_does_not_allow_has_no_effect() -> None:
    faults = Faults()
    faults.add([{"operation": "*", "kind": "denied"}])
    assert outcome(faults) == "nothing, AccessDeniedException"


def test_a_role_that_was_just_made_cannot_be_assumed_yet() -> None:
    """Up to a minute long; the words are SageMaker's, which hashicorp/terraform-provider-aws waits for, too."""
    faults = Faults()
    faults.add([{"operation": "CreateTrainingJob", "kind": "role_not_ready", "times": 1}])
    role = "arn:aws:iam::123456789012:role/new"
    with pytest.raises(AwsError, match=f"^Could not assume role {role}. Please ensure that the role exists") as error:
        faults.apply(replace(CREATE, parameters={"RoleArn": role}), lambda: "answer", lambda: True)
    assert error.value.code == "ValidationException"
    assert outcome(faults) == "effect, answer"


def test_the_rate_is_kept_and_repeatable() -> None:
    def struck(seed: int) -> list[str]:
        faults = Faults()
        faults.add([{"operation": "*", "kind": "throttle", "rate": 0.3, "seed": seed}])
        return [outcome(faults) for _ in range(500)]

    first = struck(1)
    assert first == struck(1) != struck(2)
    assert 100 < first.count("nothing, ThrottlingException") < 200


@pytest.mark.parametrize(("connected", "expected"), [(True, "effect, answer"), (False, "nothing, None")])
def test_a_hold_lasts_until_it_is_removed(connected: bool, expected: str) -> None:
    faults = Faults()
    [rule] = faults.add([{"operation": "*", "kind": "hold"}])
    outcomes: list[str] = []
    caller = threading.Thread(target=lambda: outcomes.append(outcome(faults, connected=connected)))
    caller.start()
    while not faults.rules()[0]["waiting"]:
        assert caller.is_alive()
    assert outcomes == []
    assert faults.remove(rule["number"]) == 1
    caller.join(30)
    assert outcomes == [expected]


def test_rules_are_added_all_or_none() -> None:
    faults = Faults()
    with pytest.raises(ValueError, match="'kind' must be one of"):
        faults.add([{"operation": "*", "kind": "throttle"}, {"operation": "*", "kind": "nonsense"}])
    assert faults.rules() == []


def test_a_training_failure_is_given_to_the_next_jobs_only() -> None:
    faults = Faults()
    faults.add([{"kind": "fail_training", "failure_reason": "CapacityError: none left", "times": 1}])
    assert outcome(faults) == "effect, answer"
    assert faults.forced_failure("fail_deployment", "CreateEndpoint") is None
    reasons = [faults.forced_failure("fail_training", "CreateTrainingJob") for _ in range(2)]
    assert reasons == ["CapacityError: none left", None]


def test_the_record_of_calls_keeps_the_last_of_each_operation_and_counts_them_all() -> None:
    record = CallRecord()
    record.begin(DESCRIBE)
    for _ in range(MOST_CALLS + 5):
        record.end(record.begin(CREATE), 200, None)
    numbers = [entry["number"] for entry in record.entries()]
    assert numbers == [1, *range(7, MOST_CALLS + 7)], "calls that are many push no other out"
    assert record.counts() == {DESCRIBE.operation: 1, CREATE.operation: MOST_CALLS + 5}
