"""How a plan is written: as YAML, with what is added marked in comments, or as JSON, with a list of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from fresh_endpoints.pipeline_file.lines import lines_of
from fresh_endpoints.planning.needs import hours_of, quotas_of, serverless_of
from fresh_endpoints.planning.requests import PLACEHOLDERS
from fresh_endpoints.problems import format_path

if TYPE_CHECKING:
    from fresh_endpoints.planning.live import Difference
    from fresh_endpoints.planning.requests import Planned, RunPlan

MARK = "# added"


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
    text = yaml.dump(_facts(plan, live), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**9)
    numbers, lines = lines_of(text.encode()), text.splitlines()
    for position, item in enumerate(plan.requests):
        for path in item.added:
            number = numbers.get(format_path(("requests", position, "request", *path)))
            if number is not None:
                lines[number - 1] += f"  {MARK}"
    return "\n".join([f"# The comment {MARK[2:]!r} marks what is no part of the pipeline file's sections.", *lines, ""])


def _facts(plan: RunPlan, live: Difference | None) -> dict[str, Any]:
    requests = [_written(item) for item in plan.requests]
    said = str(requests)
    facts: dict[str, Any] = {
        "pipeline": plan.pipeline.name,
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


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, but nothing is an alias, and no text that stands in one line ends in another."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # A comment after a text of several lines would be part of it; in double quotes each is one line.
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if "\n" in value else None)


_Dumper.add_representer(str, _text)
