"""What templates are rendered with where there is no run: the facts that are known, and names for the others."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow.sdk.log import redact
from airflow.secrets.environment_variables import EnvironmentVariablesBackend

from fresh_endpoints.pipeline_file.templates import AIRFLOW_NAMES
from fresh_endpoints.steps import trigger_form

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline

LookUp = Callable[[str], "str | None"]

# What stands for a run's id and its start while requests are made; see requests.py, which puts people's words there.
RUN_ID = "fresh-endpoints-plan-run-id"
STARTED = dt.datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=dt.timezone.utc)
_NOT_GIVEN = object()
# What Jinja's sandbox asks of whatever is called.
_SANDBOX = frozenset({"unsafe_callable", "alters_data"})


def in_environment(key: str) -> str | None:
    """Look an Airflow Variable up in the environment, and nowhere else.

    Args:
        key: The Variable's name.
    """
    return EnvironmentVariablesBackend().get_variable(key=key)


def in_airflow(key: str) -> str | None:
    """Look an Airflow Variable up wherever this Airflow keeps them, as a run does.

    Args:
        key: The Variable's name.
    """
    from airflow.configuration import ensure_secrets_loaded

    for backend in ensure_secrets_loaded():
        try:
            if (value := backend.get_variable(key=key)) is not None:
                return str(value)
        except Exception:  # noqa: S112 - a backend that cannot be reached tells as little as one without the Variable
            continue
    return None


class Unknown(str):
    """A text in angle brackets for what only a run knows; whatever a template takes of it is as unknown."""

    def __getattr__(self, name: str) -> Unknown:
        if name.startswith("_") or name in _SANDBOX:
            raise AttributeError(name)
        return Unknown(f"<{self[1:-1]}.{name}>")

    def __getitem__(self, key: Any) -> Any:
        return getattr(self, key) if isinstance(key, str) else super().__getitem__(key)


class Variables:
    """Airflow's Variables, as far as they are known here.

    Args:
        look_up: Finds a Variable's text.
        unknown: Gets, by its name, what stands in the place of each that was not found.
        kind: ``value`` or ``json``.
    """

    def __init__(self, look_up: LookUp, unknown: dict[str, str], kind: str):
        self._look_up = look_up
        self._unknown = unknown
        self._kind = kind

    def get(self, key: str, default: Any = _NOT_GIVEN) -> Any:
        """Return a Variable's value; where it is not known, the default or a name for it.

        Args:
            key: The Variable's name.
            default: What the template takes where there is none.
        """
        text = self._look_up(key)
        if text is not None:
            shown = redact(text, key)  # Airflow hides what is secret by its name, and so does its UI.
            return json.loads(text) if self._kind == "json" and shown == text else shown
        if default is not _NOT_GIVEN:
            self._unknown[key] = "the template's default stands"
            return default
        self._unknown[key] = f"<var.{self._kind}.{key}> stands for it, as the template has no default"
        return Unknown(f"<var.{self._kind}.{key}>")

    def __getattr__(self, key: str) -> Any:
        if key.startswith("_"):
            raise AttributeError(key)
        return self.get(key)


def context_of(pipeline: Pipeline, dag_id: str, moment: dt.datetime, variables: dict[str, Variables]) -> dict[str, Any]:
    """Make the context of a task in a scheduled run that is yet to be.

    Args:
        pipeline: The pipeline.
        dag_id: The DAG's id.
        moment: The run's logical date.
        variables: ``value`` and ``json``.

    Returns:
        Airflow's names and what they stand for, as far as templates and Run.of() take them.
    """
    from airflow.sdk.execution_time import macros

    run = SimpleNamespace(
        dag_id=dag_id, run_id=RUN_ID, logical_date=moment, run_after=moment, start_date=STARTED, conf={},
        data_interval_start=moment, data_interval_end=moment, run_type="scheduled", clear_number=0, partition_key=None,
    )  # fmt: skip
    instance = SimpleNamespace(
        dag_id=dag_id, run_id=RUN_ID, task_id=Unknown("<task_id>"), map_index=-1, try_number=1,
        max_tries=pipeline.retries,
    )  # fmt: skip
    return {
        **{name: Unknown(f"<{name}>") for name in AIRFLOW_NAMES},
        "dag": SimpleNamespace(dag_id=dag_id),
        "dag_run": run,
        "run_id": RUN_ID,
        "ti": instance,
        "task_instance": instance,
        "task": SimpleNamespace(task_id=Unknown("<task_id>"), retries=pipeline.retries),
        "try_number": 1,
        "macros": macros,
        "params": {"data_date": None, "wait_minutes": None, "deploy": trigger_form.deploy(pipeline).value},
        "var": variables,
        "triggering_asset_events": {},
    }
