"""Faults at the HTTP edge, so that a test can have AWS misbehave at a named moment.

A fault is a JSON object with an ``operation`` ("CreateTrainingJob", "s3:GetObject", "logs:*", "slack", "*") and a
``kind``:

- ``throttle``: refused with ThrottlingException (S3: SlowDown, Slack: 429), without effect;
- ``error``: refused with ``status`` 500 (InternalFailure) or 503 (ServiceUnavailable), without effect;
- ``latency``: answered ``seconds`` later;
- ``lost_answer``: the effect happens, then the connection is closed without an answer;
- ``hold``: waits, ``when`` "before" or "after" its effect, until the fault is removed. A caller that has gone away in
  the meantime had no effect with "before": its call never arrived;
- ``hold_status``: a resource waits in a status until the fault is removed; ``operation`` names kind and status:
  "training-job:Downloading", "endpoint:Creating", "endpoint:Updating", "endpoint:RollingBack" or
  "transform-job:InProgress";
- ``fail_training``: the next training jobs end Failed with ``failure_reason``, before their program starts;
- ``fail_deployment``: the next endpoint creations end Failed, the next updates roll back, with ``failure_reason``;
- ``stale_read``: what was written less than ``seconds`` ago is not seen yet by the ``operation`` (default all) that
  reads it, such as "DescribeModel" or "CreateEndpoint"; ``resource`` is a pattern of the names of what is read; see
  stale_reads.py;
- ``quota``: ``limit`` is how many instances of ``instance_type`` (a pattern, default all) an ``operation`` that starts
  some (default all) may bring into use; see quotas.py.

Every kind takes ``times`` (at most that many; default no limit), ``skip`` (the first matching ones go through) and
``rate`` (0..1, seeded by ``seed``).
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from local_aws.wire import AwsError, Call

_COMMON: dict[str, Any] = {"operation": str, "kind": str, "times": int, "skip": int, "rate": (int, float), "seed": int}
_KINDS: dict[str, dict[str, Any]] = {
    "throttle": {},
    "error": {"status": int},
    "latency": {"seconds": (int, float)},
    "lost_answer": {},
    "hold": {"when": str},
    "hold_status": {},
    "fail_training": {"failure_reason": str},
    "fail_deployment": {"failure_reason": str},
    "stale_read": {"seconds": (int, float), "resource": str},
    "quota": {"limit": int, "instance_type": str},
}
_REQUIRED = {"stale_read": "seconds", "quota": "limit"}
_DEFAULT_OPERATION = {
    "fail_training": {"operation": "CreateTrainingJob"},
    "fail_deployment": {"operation": "*Endpoint"},
    "stale_read": {"operation": "*"},
    "quota": {"operation": "*"},
}
_ERRORS = {
    500: AwsError("InternalFailure", "The request processing has failed because of an unknown error.", 500),
    503: AwsError("ServiceUnavailable", "The request has failed due to a temporary failure of the server.", 503),
}


@dataclass
class Fault:
    """One rule; see the module for its members.

    Attributes:
        number: its name in the control interface.
        matched: calls that it was applied to.
        waiting: calls that it holds now.
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
    matched: int = 0
    waiting: int = 0
    removed: threading.Event = field(default_factory=threading.Event)
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311 - repeatable, not secret

    def matches(self, call: Call) -> bool:
        """Tells whether the rule is about a call.

        Args:
            call: the call.

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
        """Describes the rule for the control interface.

        Returns:
            Its members and its counts.
        """
        extra = {name: getattr(self, name) for name in _KINDS[self.kind]}
        names = ("number", "operation", "kind", "times", "skip", "rate", "matched", "waiting")
        return {name: getattr(self, name) for name in names} | extra


class Faults:
    """The rules in force. Its lock guards the rules and their counts and is never held while a call waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._last_number = 0

    def add(self, rules: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Adds rules, all or none.

        Args:
            rules: faults as the module describes them.

        Returns:
            The rules with their numbers.

        Raises:
            ValueError: a rule is not understood; the message says which and why.
        """
        checked = [_check(rule) for rule in rules]
        with self._lock:
            added = []
            for rule in checked:
                self._last_number += 1
                added.append(Fault(number=self._last_number, **rule))
            self._faults += added
            return [fault.as_json() for fault in added]

    def remove(self, number: int | None = None) -> int:
        """Removes rules and releases the calls that they hold.

        Args:
            number: which one; None for all.

        Returns:
            How many were removed.
        """
        with self._lock:
            removed = [fault for fault in self._faults if number in (None, fault.number)]
            self._faults = [fault for fault in self._faults if fault not in removed]
        for fault in removed:
            fault.removed.set()
        return len(removed)

    def rules(self) -> list[dict[str, Any]]:
        """Describes the rules in force.

        Returns:
            Them, in the order of their numbers.
        """
        with self._lock:
            return [fault.as_json() for fault in self._faults]

    def forced_failure(self, kind: str, operation: str) -> str | None:
        """Asks whether what an operation has begun is to fail.

        Args:
            kind: "fail_training" or "fail_deployment".
            operation: the SageMaker operation that began it.

        Returns:
            The FailureReason, or None.
        """
        for fault in self._striking(Call("sagemaker", operation, "", None, "json"), {kind}):
            return fault.failure_reason
        return None

    def is_stale(self, operation: str, resource: str, age: float) -> bool:
        """Tell whether an operation is to miss what was written.

        Args:
            operation: The SageMaker operation that reads.
            resource: Name of what it reads.
            age: Seconds since it was written.

        Returns:
            Whether a ``stale_read`` strikes.
        """
        fault = self._first("stale_read", operation, lambda f: fnmatchcase(resource, f.resource) and age < f.seconds)
        return fault is not None

    def exceeded_quota(self, operation: str, instance_type: str, instances: int) -> int | None:
        """Tell which quota is too small.

        Args:
            operation: The SageMaker operation that is to start instances.
            instance_type: Their type.
            instances: How many there would be.

        Returns:
            The limit of the first ``quota`` that strikes; None where they may be started.
        """
        fault = self._first(
            "quota", operation, lambda f: fnmatchcase(instance_type, f.instance_type) and instances > f.limit
        )
        return fault.limit if fault else None

    def apply(self, call: Call, effect: Callable[[], Any], is_connected: Callable[[], bool]) -> Any:
        """Runs a call under the rules in force.

        Args:
            call: what is asked.
            effect: does it and returns the answer.
            is_connected: tells whether the caller still waits.

        Returns:
            The effect's answer; None where it must not reach the caller.

        Raises:
            AwsError: a rule refused the call.
        """
        striking = self._striking(call, {"throttle", "error", "latency", "lost_answer", "hold"})
        for fault in striking:
            if fault.kind == "latency":
                fault.removed.wait(fault.seconds)
            elif fault.kind == "hold" and fault.when == "before":
                self._hold(fault)
                if not is_connected():
                    return None
        for fault in striking:
            if fault.kind == "throttle":
                raise AwsError("ThrottlingException", "Rate exceeded")
            if fault.kind == "error":
                error = _ERRORS[fault.status]
                raise AwsError(error.code, error.message, error.status)
        answer = effect()
        for fault in striking:
            if fault.kind == "hold" and fault.when == "after":
                self._hold(fault)
        return None if any(fault.kind == "lost_answer" for fault in striking) else answer

    def pause(self, kind: str, status: str) -> None:
        """Keeps a resource in the status that it has entered, while a rule says so. The caller holds no lock.

        Args:
            kind: kind of resource, as in its ARN.
            status: the status.
        """
        for fault in self._striking(Call(kind, status, "", None, ""), {"hold_status"}):
            self._hold(fault)

    def _striking(self, call: Call, kinds: set[str]) -> list[Fault]:
        with self._lock:
            return [f for f in self._faults if f.kind in kinds and f.matches(call) and f.take()]

    def _first(self, kind: str, operation: str, applies: Callable[[Fault], bool]) -> Fault | None:
        """Find the first rule that strikes. ``skip``, ``times`` and ``rate`` are about what it applies to only."""
        call = Call("sagemaker", operation, "", None, "json")
        with self._lock:
            striking = (f for f in self._faults if f.kind == kind and f.matches(call) and applies(f) and f.take())
            return next(striking, None)

    def _hold(self, fault: Fault) -> None:
        with self._lock:
            fault.waiting += 1
        fault.removed.wait()
        with self._lock:
            fault.waiting -= 1


def _check(rule: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(rule, Mapping):
        raise ValueError(f"a fault is a JSON object, found {rule!r}")
    kind = rule.get("kind")
    if kind not in _KINDS:
        raise ValueError(f"fault {dict(rule)}: 'kind' must be one of {', '.join(_KINDS)}; found {kind!r}")
    allowed = _COMMON | _KINDS[kind]
    for name, value in rule.items():
        if name not in allowed:
            raise ValueError(f"fault {dict(rule)}: {kind} has no {name!r}; it has {', '.join(allowed)}")
        if not isinstance(value, allowed[name]) or isinstance(value, bool):
            raise ValueError(f"fault {dict(rule)}: {name!r} has the wrong type: {value!r}")
    if kind == "error" and rule.get("status", 500) not in _ERRORS:
        raise ValueError(f"fault {dict(rule)}: 'status' must be 500 or 503")
    if kind == "hold" and rule.get("when", "before") not in ("before", "after"):
        raise ValueError(f"fault {dict(rule)}: 'when' must be 'before' or 'after'")
    if (member := _REQUIRED.get(kind)) and member not in rule:
        raise ValueError(f"fault {dict(rule)}: {kind} needs {member!r}")
    default = _DEFAULT_OPERATION.get(kind, {})
    if "operation" not in {**default, **rule}:
        raise ValueError(f"fault {dict(rule)}: 'operation' is missing, for example 'CreateTrainingJob' or '*'")
    return {**default, **rule}
