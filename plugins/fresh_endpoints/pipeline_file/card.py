"""A pipeline's card: what Airflow's UI shows as the documentation of its DAGs, above what the DAG does.

Made of the pipeline file alone, at every parse. What is live, and whether it is held, only AWS knows: the Models page
shows it, to which the card leads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from fresh_endpoints.aws.console import sagemaker_page
from fresh_endpoints.aws.kinds import ENDPOINT
from fresh_endpoints.pipeline_file.model import Pipeline, Retention, SmokeTest


def card(pipeline: Pipeline, documentation: str | None) -> str:
    """Return the documentation of one of a pipeline's DAGs, as Markdown.

    Args:
        pipeline: The pipeline.
        documentation: What the DAG does, for all pipelines alike.
    """
    rows = "".join(f"| **{label}** | {text} |\n" for label, text in _rows(pipeline))
    return f"{pipeline.description}\n\n| | |\n|---|---|\n{rows}\n{documentation or ''}"


def _rows(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    serves = pipeline.deploy != "never"
    if pipeline.environment:
        yield "Environment", f"{_code(pipeline.environment)}; in AWS the pipeline is {_code(pipeline.aws_name)}"
    if serves:
        yield "Endpoint", _endpoint(pipeline)
    yield "Schedule", _schedule(pipeline)
    yield "Training", _training(pipeline.training)
    if pipeline.quality:
        yield "Rules", ", ".join(_code(rule) for rule in pipeline.quality.rules)
    if pipeline.smoke_test:
        yield "Smoke test", _smoke_test(pipeline.smoke_test)
    if pipeline.retention:
        yield "Retention", _retention(pipeline.retention)
    if serves:
        yield "Live, hold", f"[What is live now]({_page('plugin/models')}), how old it is, and whether it is held"
        yield "Go back", _way_back(pipeline.name)


def _endpoint(pipeline: Pipeline) -> str:
    name = str(pipeline.endpoint["EndpointName"])
    # What a template makes of it is known in a run only.
    page = sagemaker_page(pipeline.region, f"{ENDPOINT.page}/{name}")
    shown = _code(name) if "{" in name else f"[{_code(name)}]({page})"
    variants = pipeline.endpoint_config.get("ProductionVariants") or []
    instances = ", ".join(_instances(variant, "InitialInstanceCount") for variant in variants)
    return f"{shown} in {pipeline.region}" + (f", on {instances}" if instances else "")


def _schedule(pipeline: Pipeline) -> str:
    if pipeline.schedule is None:
        return f"none: a run starts when it is triggered; dates are those of {pipeline.timezone}"
    deadline = f"; due {pipeline.deadline_minutes} minutes later" if pipeline.deadline_minutes else ""
    return f"{_code(pipeline.schedule)} by the clock of {pipeline.timezone}{deadline}"


def _training(request: Mapping[str, Any]) -> str:
    resources = request.get("ResourceConfig") or {}
    groups = resources.get("InstanceGroups") or [resources]
    spot = " spot" if request.get("EnableManagedSpotTraining") in (True, "true") else ""
    longest = (request.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds")
    bound = f", {_code(longest)} seconds at most" if longest else ""
    return ", ".join(_instances(group, "InstanceCount") for group in groups) + spot + bound


def _instances(part: Mapping[str, Any], count: str) -> str:
    if "ServerlessConfig" in part:
        return f"serverless, {_code(part['ServerlessConfig'].get('MemorySizeInMB', '?'))} MB"
    return f"{_code(part.get('InstanceType', '?'))} ({_code(part.get(count, 1))})"


def _smoke_test(asked: SmokeTest) -> str:
    expected = f" must match {_code(asked.expect)}" if asked.expect else " is awaited"
    return f"after a deployment; the answer{expected}, else the newest proven model is put back"


def _retention(retention: Retention) -> str:
    days = f", and those of the last {retention.keep_days} days" if retention.keep_days else ""
    dry_run = "; dry run: only listed" if retention.dry_run else ""
    return f"the newest {retention.keep} endpoint configs and models{days} are kept{dry_run}"


def _way_back(name: str) -> str:
    form = f"[redeploy_{name}]({_page(f'dags/redeploy_{name}')})"
    return f"trigger {form}, or {_code(f'fresh-endpoints redeploy {name}')}: no training, and a hold"


def _code(value: object) -> str:
    # A bar would end the table's cell, and a backtick the code.
    text = " ".join(str(value).split()).replace("|", "\\|")
    return f"`{text}`" if "`" not in text else f"`` {text} ``"


def _page(path: str) -> str:
    from airflow.configuration import conf

    # Airflow may stand below a path of its host's.
    return urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/") + "/" + path
