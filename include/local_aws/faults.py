"""The faults in force, and what they do to a call at the HTTP edge. Their kinds: see fault_rules.py."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from local_aws.fault_rules import Fault, check_rule
from local_aws.wire import AwsError, Call, validation_error

_ERRORS = {
    500: AwsError("InternalFailure", "The request processing has failed because of an unknown error.", 500),
    503: AwsError("ServiceUnavailable", "The request has failed due to a temporary failure of the server.", 503),
}
# The kinds that strike a call, rather than a resource.
_AT_THE_EDGE = frozenset({"throttle", "error", "latency", "lost_answer", "role_not_ready", "denied", "hold"})


class Faults:
    """The rules in force. Its lock guards the rules and their counts and is never held while a call waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._last_number = 0

    def add(self, rules: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Add rules, all or none.

        Args:
            rules: Faults as fault_rules.py describes them.

        Returns:
            The rules with their numbers.

        Raises:
            ValueError: A rule is not understood; the message says which and why.
        """
        checked = [check_rule(rule) for rule in rules]
        with self._lock:
            added = []
            for rule in checked:
                self._last_number += 1
                added.append(Fault(number=self._last_number, **rule))
            self._faults += added
            return [fault.as_json() for fault in added]

    def remove(self, number: int | None = None) -> int:
        """Remove rules and release the calls that they hold.

        Args:
            number: Which one; None for all.

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
        """Describe the rules in force.

        Returns:
            Them, in the order of their numbers.
        """
        with self._lock:
            return [fault.as_json() for fault in self._faults]

    def forced_failure(self, kind: str, operation: str) -> str | None:
        """Asks whether what an operation has begun is to fail.

        Args:
            kind: "fail_training", "fail_transform", "fail_deployment" or "fail_maintenance".
            operation: The SageMaker operation that began it.

        Returns:
            The FailureReason, which may be empty; None where nothing is to fail.
        """
        fault = self.first(kind, operation)
        return fault.failure_reason if fault else None

    def reworded(self, reason: str, operation: str) -> str | None:
        """Tell how AWS tells the reason of a failure.

        Args:
            reason: Why it failed.
            operation: The SageMaker operation that failed.

        Returns:
            The FailureReason; None where AWS tells none.
        """
        fault = self.first("failure_reason", operation)
        if fault is None:
            return reason or None
        return None if fault.form == "absent" else f" {reason}"

    def is_stale(self, operation: str, resource: str, age: float) -> bool:
        """Tell whether an operation is to miss what was written.

        Args:
            operation: The SageMaker operation that reads.
            resource: Name of what it reads.
            age: Seconds since it was written.

        Returns:
            Whether a ``stale_read`` strikes.
        """
        fault = self.first("stale_read", operation, lambda f: fnmatchcase(resource, f.resource) and age < f.seconds)
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
        fault = self.first(
            "quota", operation, lambda f: fnmatchcase(instance_type, f.instance_type) and instances > f.limit
        )
        return fault.limit if fault else None

    def apply(self, call: Call, effect: Callable[[], Any], is_connected: Callable[[], bool]) -> Any:
        """Run a call under the rules in force.

        Args:
            call: What is asked.
            effect: Does it and returns the answer.
            is_connected: Tells whether the caller still waits.

        Returns:
            The effect's answer; None where it must not reach the caller.

        Raises:
            AwsError: A rule refused the call.
        """
        striking = self._striking(call, _AT_THE_EDGE)
        for fault in striking:
            if fault.kind == "latency":
                fault.removed.wait(fault.seconds)
            elif fault.kind == "hold" and fault.when == "before":
                self._hold(fault)
                if not is_connected():
                    return None
        for fault in striking:
            _refuse(fault, call)
        answer = effect()
        for fault in striking:
            if fault.kind == "hold" and fault.when == "after":
                self._hold(fault)
        return None if any(fault.kind == "lost_answer" for fault in striking) else answer

    def pause(self, kind: str, status: str) -> None:
        """Keep a resource in the status that it has entered, while a rule says so. The caller holds no lock.

        Args:
            kind: Kind of resource, as in its ARN.
            status: The status.
        """
        for fault in self._striking(Call(kind, status, "", None, ""), {"hold_status"}):
            self._hold(fault)

    def _striking(self, call: Call, kinds: Collection[str]) -> list[Fault]:
        with self._lock:
            return [f for f in self._faults if f.kind in kinds and f.matches(call) and f.take()]

    def first(self, kind: str, operation: str, applies: Callable[[Fault], bool] = lambda fault: True) -> Fault | None:
        """Find the first rule that strikes. ``skip``, ``times`` and ``rate`` are about what it applies to only.

        Args:
            kind: Kind of fault.
            operation: The SageMaker operation.
            applies: Tells whether a rule is about the case in hand; takes no lock.

        Returns:
            The rule, which is counted; None where none strikes.
        """
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


def _refuse(fault: Fault, call: Call) -> None:
    if fault.kind == "throttle":
        raise AwsError("ThrottlingException", "Rate exceeded")
    if fault.kind == "error":
        error = _ERRORS[fault.status]
        raise AwsError(error.code, error.message, error.status)
    if fault.kind == "role_not_ready":
        raise _role_not_ready(call)
    if fault.kind == "denied":
        action = f"{call.service}:{call.operation}"
        raise AwsError("AccessDeniedException", f"User is not authorized to perform: {action}", 400)


def _role_not_ready(call: Call) -> AwsError:
    role = call.parameters.get("RoleArn") or call.parameters.get("ExecutionRoleArn") or "of the model"
    return validation_error(
        f"Could not assume role {role}. Please ensure that the role exists and allows principal "
        "'sagemaker.amazonaws.com' to assume the role."
    )
