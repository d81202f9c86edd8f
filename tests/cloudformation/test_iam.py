"""The evaluator against the rules and examples of the IAM User Guide."""

import pytest

from iam import Decision, evaluate

KEY = "arn:aws:s3:::bucket/folder/file.csv"


def decide(statement, action="s3:GetObject", resource=KEY, **context):
    keys = {key.replace("__", ":"): value for key, value in context.items()}
    policy = {"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", **statement}}
    return evaluate([policy], action, resource, keys) is Decision.ALLOWED


def test_nothing_is_allowed_without_a_statement():
    assert evaluate([], "s3:GetObject", KEY) is Decision.IMPLICIT_DENY


def test_a_deny_wins_over_every_allow():
    allow = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    deny = {"Statement": [{"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"}]}
    assert evaluate([allow, deny], "s3:GetObject", KEY) is Decision.ALLOWED
    assert evaluate([deny, allow], "s3:DeleteObject", KEY) is Decision.EXPLICIT_DENY
    assert evaluate([deny], "s3:GetObject", KEY) is Decision.IMPLICIT_DENY


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        ("s3:GetObject", True),
        ("S3:getobject", True),
        ("s3:Get*", True),
        ("s3:GetObjec?", True),
        ("*", True),
        (["s3:PutObject", "s3:GetObject"], True),
        ("s3:GetObjectVersion", False),
        ("s3:Get", False),
        ("s3:GetObject?", False),
    ],
)
def test_actions(pattern, allowed):
    assert decide({"Action": pattern}) is allowed


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        (KEY, True),
        ("arn:aws:s3:::bucket/*", True),
        ("arn:aws:s3:::bucket/*/file.csv", True),
        ("arn:aws:s3:::bucket/folder/file.cs?", True),
        ("arn:*:s3:*:*:bucket/*", True),
        (["arn:aws:s3:::other/*", "arn:aws:s3:::bucket/*"], True),
        ("arn:aws:s3:::bucket", False),
        ("arn:aws:s3:::Bucket/*", False),
        ("arn:aws:s3:::bucket/folder/*.txt", False),
        ("arn:aws:s3:*", False),
        ("arn:aws:s3:::bucket/folder+/file.csv", False),
    ],
)
def test_resources(pattern, allowed):
    assert decide({"Resource": pattern}) is allowed


def test_a_wildcard_goes_over_colons_of_the_resource_only():
    log = "arn:aws:logs:ap-northeast-1:123456789012:log-group:/aws/sagemaker/TrainingJobs:log-stream:job/1"
    assert decide({"Resource": "arn:aws:logs:*:*:log-group:/aws/sagemaker/*:job/?"}, resource=log)
    assert not decide({"Resource": "arn:aws:logs:*:log-group:/aws/sagemaker/*"}, resource=log)


def test_not_action_and_not_resource():
    everything_but_reading = {"Effect": "Allow", "NotAction": "s3:Get*", "Resource": "*"}
    assert evaluate([{"Statement": everything_but_reading}], "s3:PutObject", KEY) is Decision.ALLOWED
    assert evaluate([{"Statement": everything_but_reading}], "s3:GetObject", KEY) is Decision.IMPLICIT_DENY
    elsewhere = {"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::bucket/*"}
    assert evaluate([{"Statement": elsewhere}], "s3:GetObject", KEY) is Decision.IMPLICIT_DENY
    assert evaluate([{"Statement": elsewhere}], "s3:GetObject", "arn:aws:s3:::b/k") is Decision.EXPLICIT_DENY


@pytest.mark.parametrize(
    ("operator", "expected", "found", "allowed"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", ["a", "b"], "b", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", "a", None, False),
        ("StringEqualsIfExists", "a", None, True),
        ("StringEqualsIfExists", "a", "b", False),
        ("StringEqualsIgnoreCase", "a", "A", True),
        ("StringNotEquals", "a", "b", True),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", "a", None, True),
        ("StringLike", "input-*/x", "input-data/y/x", True),
        ("StringLike", "input-*", "output", False),
        ("StringNotLike", "input-*", "output", True),
        ("ArnLike", "arn:aws:iam::*:role/x", "arn:aws:iam::123456789012:role/x", True),
        ("ArnLike", "arn:aws:iam:*:role/x", "arn:aws:iam::123456789012:role/x", False),
        ("ArnNotEquals", "arn:aws:iam::*:role/x", "arn:aws:iam::123456789012:role/y", True),
        ("Bool", "false", "False", True),
        ("Bool", False, "false", True),
        ("Bool", "false", "true", False),
        ("Null", "true", None, True),
        ("Null", "false", None, False),
        ("Null", "false", "a", True),
        ("ForAnyValue:StringEquals", ["a", "b"], ["b", "c"], True),
        ("ForAnyValue:StringEquals", ["a"], None, False),
        ("ForAllValues:StringEquals", ["a", "b"], ["b", "c"], False),
        ("ForAllValues:StringEquals", ["a"], None, True),
    ],
)
def test_conditions(operator, expected, found, allowed):
    context = {} if found is None else {"aws__key": found}
    assert decide({"Condition": {operator: {"AWS:Key": expected}}}, **context) is allowed


def test_all_conditions_must_hold():
    condition = {"StringEquals": {"aws:a": "1", "aws:b": "2"}, "Bool": {"aws:c": "true"}}
    assert decide({"Condition": condition}, aws__a="1", aws__b="2", aws__c="true")
    assert not decide({"Condition": condition}, aws__a="1", aws__b="2", aws__c="false")
    assert not decide({"Condition": condition}, aws__a="1", aws__b="3", aws__c="true")


@pytest.mark.parametrize(
    "statement",
    [
        {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        {"Resource": "arn:aws:s3:::bucket/${aws:username}/*"},
        {"Principal": "*"},
    ],
)
def test_what_is_not_modelled_is_refused(statement):
    with pytest.raises(NotImplementedError):
        decide(statement, aws__SourceIp="10.0.0.1")
