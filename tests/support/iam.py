"""IAM's decision on a request, for identity-based policies, so that tests can ask what a policy allows.

The rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html and, for the
elements, https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html. What is not modelled
(policy variables, condition operators other than those below, resource-based policies) is refused, never guessed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

Context = Mapping[str, str | list[str] | tuple[str, ...]]


class Decision(Enum):
    """The policy simulator's words."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


def evaluate(
    policies: Iterable[Mapping[str, Any]], action: str, resource: str, context: Context | None = None
) -> Decision:
    """Decide one request.

    Args:
        policies: The policy documents of the principal, without CloudFormation functions.
        action: Such as ``s3:GetObject``.
        resource: The ARN that is acted on; ``*`` for an action without resource level.
        context: The request's condition keys and values; a list or tuple for a key with several values.

    Returns:
        EXPLICIT_DENY if any statement denies it, else ALLOWED if any allows it, else IMPLICIT_DENY.

    Raises:
        NotImplementedError: A policy uses what is not modelled.
    """
    request = {key.lower(): value for key, value in (context or {}).items()}
    effects = {s["Effect"] for s in statements(policies) if _applies(s, action, resource, request)}
    if "Deny" in effects:
        return Decision.EXPLICIT_DENY
    return Decision.ALLOWED if "Allow" in effects else Decision.IMPLICIT_DENY


def statements(policies: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the statements of policy documents; a lone statement may stand without a list."""
    for policy in policies:
        yield from as_list(policy["Statement"])


def as_list(value: Any) -> list[Any]:
    """Return the value as a list: IAM allows a single one to stand without brackets."""
    return list(value) if isinstance(value, list | tuple) else [value]


def _applies(statement: Mapping[str, Any], action: str, resource: str, request: Mapping[str, Any]) -> bool:
    if "Action" in statement:
        named = any(_matches(pattern.lower(), action.lower()) for pattern in as_list(statement["Action"]))
    else:
        named = not any(_matches(pattern.lower(), action.lower()) for pattern in as_list(statement["NotAction"]))
    if not named:
        return False
    unknown = statement.keys() - {
        *("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"),
    }
    if unknown or "${" in str(statement):
        raise NotImplementedError(f"{sorted(unknown) or 'policy variables'} in statement {statement}")
    if "Resource" in statement:
        covered = any(_matches_arn(pattern, resource) for pattern in as_list(statement["Resource"]))
    else:
        covered = not any(_matches_arn(pattern, resource) for pattern in as_list(statement["NotResource"]))
    return covered and all(_condition_holds(*c, request) for c in _conditions(statement))


def _matches(pattern: str, text: str) -> bool:
    return _expression(pattern).fullmatch(text) is not None


@functools.cache
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _matches_arn(pattern: str, arn: str) -> bool:
    """Compare part by part: a wildcard goes over slashes but not over the colons before the resource."""
    if pattern == "*":
        return True
    patterns, parts = pattern.split(":", 5), arn.split(":", 5)
    return len(patterns) == len(parts) and all(map(_matches, patterns, parts))


def _conditions(statement: Mapping[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            yield operator, key, [str(value) for value in as_list(values)]


_COMPARE = {
    "StringEquals": lambda expected, found: expected == found,
    "StringEqualsIgnoreCase": lambda expected, found: expected.lower() == found.lower(),
    "StringLike": _matches,
    "ArnEquals": _matches_arn,
    "ArnLike": _matches_arn,
    "Bool": lambda expected, found: expected.lower() == found.lower(),
}


def _condition_holds(operator: str, key: str, expected: list[str], request: Mapping[str, Any]) -> bool:
    found = [str(value) for value in as_list(request.get(key.lower(), []))]
    if operator == "Null":
        return (not found) == (expected[0].lower() == "true")
    quantifier, _, name = operator.rpartition(":")
    if name.endswith("IfExists"):
        name = name.removesuffix("IfExists")
        if not found:
            return True
    negated = "Not" in name
    name = name.replace("Not", "")
    if name not in _COMPARE or quantifier not in ("", "ForAnyValue", "ForAllValues"):
        raise NotImplementedError(f"condition operator {operator}")
    if not found:
        return negated or quantifier == "ForAllValues"
    compare = _COMPARE[name]
    held = [any(compare(value, one) for value in expected) != negated for one in found]
    return any(held) if quantifier == "ForAnyValue" else all(held)
