"""What the daily watch remembers from day to day: what it has told, and where each pipeline is.

It is one Airflow Variable. A task may read and write those in every supported version without further rights, a record
outlives retries, clears and lost workers, and runs need no logical date for it, as they would for the XCom of the run
before. Whoever deletes the Variable is told everything anew.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from dataclasses import dataclass, field
from typing import Any

from airflow.sdk import Variable
from pydantic import ValidationError

from fresh_endpoints.pipeline_file.model import Pipeline, Slack
from fresh_endpoints.pipeline_file.notify import Notify

log = logging.getLogger(__name__)

VARIABLE = "fresh_endpoints_watch_models"
_FACTS = frozenset({"aws_conn_id", "region", "timezone", "endpoint", "slack", "due", "since"})
_DESCRIPTION = "What the DAG watch_models has told, and where each pipeline is. Deleted, all is told anew."


@dataclass
class Memory:
    """What is remembered.

    Attributes:
        told: When each finding was told, by its key.
        pipelines: By name, what was known of each pipeline while its file could be used.
    """

    told: dict[str, str] = field(default_factory=dict)
    pipelines: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls) -> Memory:
        """Return what is remembered; nothing at first, and where somebody has written something else there."""
        text = Variable.get(VARIABLE, default=None)
        try:
            found = json.loads(text) if text else {}
            pipelines = {name: facts for name, facts in found.get("pipelines", {}).items() if facts.keys() >= _FACTS}
            return cls(dict(found.get("told", {})), pipelines)
        except (AttributeError, TypeError, ValueError):
            log.warning("The Variable %s holds something else than this DAG writes; all is told anew.", VARIABLE)
            return cls()

    def write(self) -> None:
        """Remember it."""
        Variable.set(VARIABLE, json.dumps(vars(self), sort_keys=True), description=_DESCRIPTION)

    def learn(self, pipeline: Pipeline, now: dt.datetime) -> None:
        """Note where a pipeline is, and since when its runs have been due as they are.

        Args:
            pipeline: A pipeline whose file can be used.
            now: The moment.
        """
        due = f"{pipeline.schedule} {pipeline.timezone} {pipeline.start_date} {pipeline.deadline_minutes}"
        before = self.pipelines.get(pipeline.name, {})
        self.pipelines[pipeline.name] = {
            "aws_conn_id": pipeline.aws_conn_id,
            "region": pipeline.region,
            "environment": pipeline.environment,
            "timezone": pipeline.timezone,
            "endpoint": str(pipeline.endpoint["EndpointName"]),
            "slack": pipeline.slack.model_dump_json() if pipeline.slack else None,
            "notify": [entry.model_dump(mode="json") for entry in pipeline.notify],
            "due": due,
            "since": before["since"] if before.get("due") == due else now.isoformat(),
        }

    def since(self, pipeline: Pipeline) -> dt.datetime:
        """Return from when on a pipeline has been due as it is.

        Args:
            pipeline: A pipeline that has been learned.
        """
        return dt.datetime.fromisoformat(self.pipelines[pipeline.name]["since"])

    def recall(self, name: str, environment: str | None) -> Pipeline | None:
        """Return a pipeline whose file cannot be used any more, as far as it is known; None where it is not.

        Args:
            name: The pipeline's name.
            environment: The current environment: of another one nothing is known; empty for none.
        """
        known = self.pipelines.get(name)
        # An earlier version had no environments.
        if known is None or known.get("environment", "") != environment:
            return None
        return partial_pipeline(
            name,
            environment=environment,
            aws_conn_id=known["aws_conn_id"],
            region=known["region"],
            timezone=known["timezone"],
            endpoint=known["endpoint"],
            slack=_slack(known["slack"]),
            notify=_notify(known.get("notify")),  # An earlier version remembered none.
        )


def partial_pipeline(name: str, *, endpoint: str, **facts: Any) -> Pipeline:
    """Make a pipeline of what is known of one without a usable file; all else is as if the file did not say it.

    Args:
        name: The pipeline's name.
        endpoint: The endpoint's name.
        facts: Fields of Pipeline.
    """
    return Pipeline.model_construct(name=name, endpoint={"EndpointName": endpoint}, **facts)


def _notify(entries: Any) -> tuple[Notify, ...]:
    try:
        return tuple(Notify.model_validate(entry) for entry in entries or ())
    except (TypeError, ValidationError):  # Of another version of this package.
        return ()


def _slack(text: str | None) -> Slack | None:
    try:
        return Slack.model_validate_json(text) if text else None
    except ValidationError:  # Of another version of this package.
        return None
