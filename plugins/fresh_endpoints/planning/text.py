"""How a plan is written: as YAML, with what is added marked in comments, or as JSON, with a list of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fresh_endpoints.pipeline_file.yaml_text import with_comments
from fresh_endpoints.planning.needs import hours_of, quotas_of, serverless_of
from fresh_endpoints.planning.requests import PLACEHOLDERS
from fresh_endpoints.problems import format_path

if TYPE_CHECKING:
    from fresh_endpoints.planning.live import Difference
    from fresh_endpoints.planning.requests import Planned, RunPlan
    from fresh_endpoints.problems import Where

MARK = "added"


def as_json(plan: RunPlan, live: Difference | None) -> str:
    """Write a plan as JSON.

    Args:
        plan: The plan.
        live: In what it differs from what is live; None where that was not asked for.

    Returns:
        One JSON object; each request has its paths ``added``.
    """
    facts = _facts(plan, live)
    for item, written in zip(plan.requests, facts["requests"], strict=True):
        written["added"] = [format_path(path) for path in item.added]
    return json.dumps(facts, indent=2, ensure_ascii=False, default=str) + "\n"


def as_yaml(plan: RunPlan, live: Difference | None) -> str:
    """Write a plan as YAML.

    Args:
        plan: The plan.
        live: In what it differs from what is live; None where that was not asked for.

    Returns:
        One document; in the requests a comment marks the lines of what is no part of the pipeline file's sections.
    """
    marks: dict[Where, str] = {
        ("requests", position, "request", *path): MARK
        for position, item in enumerate(plan.requests)
        for path in item.added
    }
    head = f"# The comment {MARK!r} marks what is no part of the pipeline file's sections."
    return "\n".join([head, *with_comments(_facts(plan, live), marks), ""])


def _facts(plan: RunPlan, live: Difference | None) -> dict[str, Any]:
    requests = [_written(item) for item in plan.requests]
    said = str(requests)
    facts: dict[str, Any] = {
        "pipeline": plan.pipeline.name,
        **({"environment": plan.pipeline.environment} if plan.pipeline.environment else {}),
        "date": plan.run.date.isoformat(),
        "data_date": plan.run.data_date.isoformat(),
        "placeholders": {name: what for name, what in PLACEHOLDERS.items() if name in said},
    }
    if plan.unknown:
        facts["unknown_variables"] = dict(plan.unknown)
    facts |= {"requests": requests, "quotas": quotas_of(plan), "instance_hours": hours_of(plan)}
    if serverless := list(serverless_of(plan)):
        facts["paid_by_request"] = serverless
    return facts if live is None else {**facts, "live": live.as_json}


def _written(item: Planned) -> dict[str, Any]:
    when = {"when": item.when} if item.when else {}
    return {"step": item.step, "operation": item.operation, **when, "request": dict(item.request)}
