"""In what a plan differs from what is live, as AWS describes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from fresh_endpoints.aws import service_model
from fresh_endpoints.aws.endpoint import Endpoint, Seen
from fresh_endpoints.aws.errors import explained, is_not_found
from fresh_endpoints.live import hook_of
from fresh_endpoints.planning.requests import PLACEHOLDERS
from fresh_endpoints.problems import format_path
from fresh_endpoints.steps.decision import Next, SoFar, next_step

if TYPE_CHECKING:
    from fresh_endpoints.planning.requests import RunPlan
    from fresh_endpoints.problems import Where

# What SageMaker says of a resource that was asked for without it.
_DEFAULTS: dict[str, Any] = {"InitialVariantWeight": 1.0, "EnableNetworkIsolation": False, "Mode": "SingleModel"}
# Names and artifacts: each run has its own.
_OWN = frozenset({"ModelName", "EndpointConfigName", "ModelDataUrl", "ModelDataSource"})


@dataclass(frozen=True)
class Difference:
    """What would change.

    Attributes:
        endpoint: The endpoint's name.
        status: The endpoint's status; None where there is none.
        config: The endpoint config that is live; None where none is.
        exists: Whether a run would update the endpoint, not create it.
        changes: By operation, what its request changes: lines that begin with ``-`` for what is live, and with ``+``
            for what the run asks for.
        note: What could not be compared.
    """

    endpoint: str
    status: str | None
    config: str | None
    exists: bool
    changes: Mapping[str, list[str]]
    note: str = ""

    @property
    def as_json(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        facts = {"endpoint": self.endpoint, "status": self.status, "endpoint_config": self.config}
        return {**facts, "changes": dict(self.changes), **({"note": self.note} if self.note else {})}


def difference(plan: RunPlan) -> Difference:
    """Compare a plan with what is live.

    Args:
        plan: The plan, of a pipeline that deploys.

    Raises:
        AirflowException: AWS refused to tell.
    """
    endpoint = Endpoint(hook_of(plan.pipeline), plan.endpoint)
    seen = endpoint.describe()
    exists = next_step(seen, SoFar("")) not in (Next.CREATE, Next.RECREATE)
    if not (seen.live and exists):
        return Difference(endpoint.name, seen.status, None, exists, {})
    found = _described(endpoint, seen)
    wanted = {item.operation: item.request for item in plan.requests if item.operation in found}
    changes = {operation: _changes(operation, wanted[operation], found[operation]) for operation in wanted}
    missing = [operation.replace("Create", "") for operation, description in found.items() if not description]
    note = f"{' and '.join(missing)} of what is live: deleted, so not compared" if missing else ""
    return Difference(endpoint.name, seen.status, seen.live, exists, {k: v for k, v in changes.items() if v}, note)


def _described(endpoint: Endpoint, seen: Seen) -> dict[str, dict[str, Any]]:
    """Describe the endpoint config that is live, and the model of its first variant; empty where one is deleted."""
    live = str(seen.live)
    with explained(f"describe what endpoint {endpoint.name} serves"):
        config = _unless_deleted(lambda: endpoint.config(live))
        names = [variant["ModelName"] for variant in config.get("ProductionVariants", []) if "ModelName" in variant]
        model = _unless_deleted(lambda: endpoint.client.describe_model(ModelName=names[0])) if names else {}
    return {"CreateModel": model, "CreateEndpointConfig": config}


def _unless_deleted(describe: Any) -> dict[str, Any]:
    try:
        return dict(describe())
    except ClientError as error:
        if is_not_found(error):
            return {}
        raise


def _changes(operation: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    if not found:
        return []
    members = service_model.members(operation)
    asked = dict(_leaves({key: value for key, value in wanted.items() if key != "Tags"}))
    live = dict(_leaves({key: value for key, value in found.items() if key in members and key != "Tags"}))
    lines = []
    for path in dict.fromkeys([*live, *asked]):
        if _OWN & set(path) or any(name in str(asked.get(path)) for name in PLACEHOLDERS):
            continue
        if path not in asked and _is_default(path, live[path]):
            continue
        if asked.get(path) != live.get(path):
            lines += [f"- {format_path(path)}: {live[path]!r}"] if path in live else []
            lines += [f"+ {format_path(path)}: {asked[path]!r}"] if path in asked else []
    return lines


def _is_default(path: Where, value: Any) -> bool:
    return value in ({}, []) or _DEFAULTS.get(str(path[-1])) == value


def _leaves(value: Any, path: Where = ()) -> Iterator[tuple[Where, Any]]:
    """Find the values that hold no others, with where each stands."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(value, Mapping):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    if not inner:
        yield path, value
    for key, item in inner:
        yield from _leaves(item, (*path, key))
