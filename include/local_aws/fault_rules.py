"""Faults, so that a test can have AWS misbehave at a named moment: their kinds and what each is told.

A fault is a JSON object with an ``operation`` ("CreateTrainingJob", "s3:GetObject", "logs:*", "slack", "*") and a
``kind``. At the HTTP edge:

- ``throttle``: refused with ThrottlingException (S3: SlowDown, Slack: 429), without effect;
- ``error``: refused with ``status`` 500 (InternalFailure) or 503 (ServiceUnavailable), without effect;
- ``denied``: refused with AccessDeniedException (S3: AccessDenied), as where IAM does not allow it;
- ``latency``: answered ``seconds`` later;
- ``lost_answer``: the effect happens, then the connection is closed without an answer;
- ``role_not_ready``: refused with ValidationException, as for up to a minute after the execution role was made;
- ``hold``: waits, ``when`` "before" or "after" its effect, until the fault is removed. A caller that has gone away in
  the meantime had no effect with "before": its call never arrived.

Of resources; each has a default ``operation``:

- ``hold_status``: a resource waits in a status until the fault is removed; ``operation`` names kind and status:
  "training-job:Starting", "training-job:Downloading", "endpoint:Creating", "endpoint:Updating",
  "endpoint:RollingBack", "endpoint:Deleting" or "transform-job:InProgress";
- ``stale_read``: what was written less than ``seconds`` ago is not seen yet by the ``operation`` (default all) that
  reads it, such as "DescribeModel" or "CreateEndpoint"; ``resource`` is a pattern of the names of what is read; see
  stale_reads.py;
- ``quota``: ``limit`` is how many instances of ``instance_type`` (a pattern, default all) an ``operation`` that starts
  some (default all) may bring into use; see quotas.py;
- ``fail_deployment``: the next endpoint creations end Failed, the next updates roll back, with ``failure_reason``; with
  ``operation`` "UpdateEndpointWeightsAndCapacities" the next scalings fail and leave it;
- ``failure_reason``: the FailureReason of what fails is told in another ``form``: "absent", or with a "leading_space";
- ``fail_maintenance``: the next endpoints that come into service have a ``failure_reason``, although their creation or
  update went well: as if patching or scaling had failed since;
- ``not_ready``: a model in service is not loaded yet: InvokeEndpoint gives a ModelError of the model's 503, or
  ModelNotReadyException where it is serverless; only until ``seconds`` after it came into service, if they are given;
- ``fail_training``, ``fail_transform``: the next training or transform jobs end Failed with ``failure_reason``, before
  their program starts;
- ``pending``: the next training jobs wait ``seconds`` for capacity before they start; these count as ``stands_for``
  seconds against MaxPendingTimeInSeconds and MaxWaitTimeInSeconds (default: as they are);
- ``final_metric``: DescribeTrainingJob tells a ``metric`` (a pattern of names, default all) in another ``form``: "nan",
  "infinity" or "-infinity" (numbers as Python's json writes them), as "text" ("NaN"), or "absent".

Every kind takes ``times`` (at most that many; default no limit), ``skip`` (the first matching ones go through) and
``rate`` (0..1, seeded by ``seed``).
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from local_aws.wire import Call

ERROR_STATUSES = (500, 503)
_COMMON: dict[str, Any] = {"operation": str, "kind": str, "times": int, "skip": int, "rate": (int, float), "seed": int}
_KINDS: dict[str, dict[str, Any]] = {
    "throttle": {},
    "error": {"status": int},
    "latency": {"seconds": (int, float)},
    "lost_answer": {},
    "role_not_ready": {},
    "denied": {},
    "hold": {"when": str},
    "hold_status": {},
    "fail_training": {"failure_reason": str},
    "fail_transform": {"failure_reason": str},
    "fail_deployment": {"failure_reason": str},
    "failure_reason": {"form": str},
    "fail_maintenance": {"failure_reason": str},
    "not_ready": {"seconds": (int, float)},
    "pending": {"seconds": (int, float), "stands_for": (int, float)},
    "final_metric": {"metric": str, "form": str},
    "stale_read": {"seconds": (int, float), "resource": str},
    "quota": {"limit": int, "instance_type": str},
}
_REQUIRED = {
    "stale_read": "seconds",
    "quota": "limit",
    "pending": "seconds",
    "failure_reason": "form",
    "final_metric": "form",
}
_DEFAULT_OPERATION = {
    "fail_training": "CreateTrainingJob",
    "fail_transform": "CreateTransformJob",
    "pending": "CreateTrainingJob",
    "final_metric": "DescribeTrainingJob",
    "fail_deployment": "*Endpoint",
    "failure_reason": "*Endpoint",
    "fail_maintenance": "*Endpoint",
    "not_ready": "InvokeEndpoint",
    "stale_read": "*",
    "quota": "*",
}
_VALUES: dict[tuple[str, str], tuple[Any, ...]] = {
    ("error", "status"): ERROR_STATUSES,
    ("hold", "when"): ("before", "after"),
    ("failure_reason", "form"): ("absent", "leading_space"),
    ("final_metric", "form"): ("nan", "infinity", "-infinity", "text", "absent"),
}


@dataclass
class Fault:
    """One rule; see the module for its members.

    Attributes:
        number: Its name in the control interface.
        matched: Calls that it was applied to.
        waiting: Calls that it holds now.
    """

    number: int
    operation: str
    kind: str
    times: int | None = None
    skip: int = 0
    rate: float = 1.0
    seed: int = 0
    status: int = 500
    seconds: float = 0.0
    when: str = "before"
    failure_reason: str = ""
    resource: str = "*"
    limit: int = 0
    instance_type: str = "*"
    form: str = ""
    metric: str = "*"
    stands_for: float | None = None
    matched: int = 0
    waiting: int = 0
    removed: threading.Event = field(default_factory=threading.Event)
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311 - repeatable, not secret

    def matches(self, call: Call) -> bool:
        """Tells whether the rule is about a call.

        Args:
            call: The call.

        Returns:
            Whether its operation, alone or as ``service:operation``, fits the pattern.
        """
        return fnmatchcase(call.operation, self.operation) or fnmatchcase(
            f"{call.service}:{call.operation}", self.operation
        )

    def take(self) -> bool:
        """Decides about one matching call and counts it.

        Returns:
            Whether the fault strikes.
        """
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None and self.matched >= self.times:
            return False
        if self.random.random() >= self.rate:
            return False
        self.matched += 1
        return True

    def as_json(self) -> dict[str, Any]:
        """Describe the rule for the control interface.

        Returns:
            Its members and its counts.
        """
        extra = {name: getattr(self, name) for name in _KINDS[self.kind]}
        names = ("number", "operation", "kind", "times", "skip", "rate", "matched", "waiting")
        return {name: getattr(self, name) for name in names} | extra


def check_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Check a rule.

    Args:
        rule: The fault, as the module describes it.

    Returns:
        Its members, with the kind's default operation.

    Raises:
        ValueError: It is not understood; the message says why.
    """
    if not isinstance(rule, Mapping):
        raise ValueError(f"a fault is a JSON object, found {rule!r}")
    kind = rule.get("kind")
    if kind not in _KINDS:
        raise ValueError(f"fault {dict(rule)}: 'kind' must be one of {', '.join(_KINDS)}; found {kind!r}")
    _check_members(kind, rule)
    if (member := _REQUIRED.get(kind)) and member not in rule:
        raise ValueError(f"fault {dict(rule)}: {kind} needs {member!r}")
    operation = rule.get("operation", _DEFAULT_OPERATION.get(kind))
    if operation is None:
        raise ValueError(f"fault {dict(rule)}: 'operation' is missing, for example 'CreateTrainingJob' or '*'")
    return {**rule, "operation": operation}


def _check_members(kind: str, rule: Mapping[str, Any]) -> None:
    allowed = _COMMON | _KINDS[kind]
    for name, value in rule.items():
        if name not in allowed:
            raise ValueError(f"fault {dict(rule)}: {kind} has no {name!r}; it has {', '.join(allowed)}")
        if not isinstance(value, allowed[name]) or isinstance(value, bool):
            raise ValueError(f"fault {dict(rule)}: {name!r} has the wrong type: {value!r}")
        values = _VALUES.get((kind, name))
        if values and value not in values:
            raise ValueError(f"fault {dict(rule)}: {name!r} must be {' or '.join(map(repr, values))}")
