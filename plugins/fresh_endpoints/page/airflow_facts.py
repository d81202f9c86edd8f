"""What Airflow knows of the pipelines: their last runs, what their gates have refused, and the history of their models.

The page is served by the api-server, which owns Airflow's database; everything else of this package keeps away from it.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from types import MappingProxyType
from typing import Any

from airflow.models.asset import AssetEvent, AssetModel
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import func, select

from fresh_endpoints.model_facts import MODEL_GROUP, XCOM_REFUSED

FRESH_SECONDS = 15.0
# How many models a sparkline shows.
HISTORY = 20
TRAIN_AND_DEPLOY, REDEPLOY = "train_and_deploy_", "redeploy_"


@dataclass(frozen=True)
class LastRun:
    """The newest run of a DAG.

    Attributes:
        run_id: Its id.
        state: Its state, as Airflow has it.
        due: When it was due.
    """

    run_id: str
    state: str
    due: dt.datetime


@dataclass(frozen=True)
class AirflowFacts:
    """What Airflow knows of one pipeline.

    Attributes:
        is_paused: Whether its DAG is paused.
        last_run: Its DAG's newest run.
        refused: Why the quality gate has refused the newest run's model.
        models: The facts of its newest models, oldest first.
        changed: When the newest run of it, or of its redeploy, has last changed.
    """

    is_paused: bool
    last_run: LastRun | None = None
    refused: str | None = None
    models: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)
    changed: dt.datetime | None = None


class Remembered:
    """Airflow's facts of all pipelines, read again every few seconds at most, however many people look."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._read = float("-inf")
        self._facts: dict[str, AirflowFacts] = {}

    def all(self, former: Mapping[str, Sequence[str]]) -> dict[str, AirflowFacts]:
        """Return the facts by pipeline.

        Args:
            former: The names that a pipeline had before, by its name.
        """
        with self._lock:
            if time.monotonic() - self._read > FRESH_SECONDS:
                self._facts, self._read = read_airflow_facts(former), time.monotonic()
            return self._facts


def read_airflow_facts(former: Mapping[str, Sequence[str]] = MappingProxyType({})) -> dict[str, AirflowFacts]:
    """Read the facts of all pipelines from Airflow's database.

    Args:
        former: The names that a pipeline had before, by its name: its models' history goes on.

    Returns:
        Facts by pipeline; of each that has a DAG which is not stale.
    """
    with create_session() as session:
        prefix = DagModel.dag_id.startswith(TRAIN_AND_DEPLOY, autoescape=True)
        dags = dict(
            session.execute(select(DagModel.dag_id, DagModel.is_paused).where(prefix, DagModel.is_stale.is_(False)))
            .tuples()
            .all()
        )
        runs = _last_runs(session, dags.keys())
        refused = _refusals(session, runs)
        models = _models(session)
        changes = _changes(session)
    return {
        dag_id.removeprefix(TRAIN_AND_DEPLOY): AirflowFacts(
            is_paused=is_paused,
            last_run=runs.get(dag_id),
            refused=refused.get(dag_id),
            models=_under_all_names(models, dag_id.removeprefix(TRAIN_AND_DEPLOY), former),
            changed=changes.get(dag_id.removeprefix(TRAIN_AND_DEPLOY)),
        )
        for dag_id, is_paused in dags.items()
    }


def _last_runs(session: Any, dag_ids: Collection[str]) -> dict[str, LastRun]:
    newer = func.row_number().over(partition_by=DagRun.dag_id, order_by=DagRun.run_after.desc()).label("newer")
    ranked = (
        select(DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.run_after, newer)
        .where(DagRun.dag_id.startswith(TRAIN_AND_DEPLOY, autoescape=True))
        .subquery()
    )
    columns = ranked.c
    rows = session.execute(
        select(columns.dag_id, columns.run_id, columns.state, columns.run_after).where(columns.newer == 1)
    )
    return {
        dag_id: LastRun(run_id, str(getattr(state, "value", state)), due)
        for dag_id, run_id, state, due in rows
        if dag_id in dag_ids
    }


def _refusals(session: Any, runs: Mapping[str, LastRun]) -> dict[str, str]:
    rows = session.execute(
        select(XComModel.dag_id, XComModel.run_id, XComModel.value).where(
            XComModel.key == XCOM_REFUSED, XComModel.dag_id.startswith(TRAIN_AND_DEPLOY, autoescape=True)
        )
    )
    return {
        dag_id: str(XComModel.deserialize_value(_Value(value)))
        for dag_id, run_id, value in rows
        if dag_id in runs and runs[dag_id].run_id == run_id
    }


def _changes(session: Any) -> dict[str, dt.datetime]:
    """Return when a run of a pipeline that may change what is live has last changed."""
    found: dict[str, dt.datetime] = {}
    for prefix in (TRAIN_AND_DEPLOY, REDEPLOY):
        rows = session.execute(
            select(DagRun.dag_id, func.max(DagRun.updated_at))
            .where(DagRun.dag_id.startswith(prefix, autoescape=True))
            .group_by(DagRun.dag_id)
        )
        for dag_id, changed in rows:
            if changed is not None:
                name = dag_id.removeprefix(prefix)
                found[name] = max(found.get(name, changed), changed)
    return found


def _under_all_names(
    models: Mapping[str, tuple[Mapping[str, Any], ...]], name: str, former: Mapping[str, Sequence[str]]
) -> tuple[Mapping[str, Any], ...]:
    """Return a pipeline's newest models, oldest first; those of its former names come before."""
    names = [*reversed(former.get(name, ())), name]
    return tuple(model for each in names for model in models.get(each, ()))[-HISTORY:]


@dataclass(frozen=True)
class _Value:
    value: Any


def _models(session: Any) -> dict[str, tuple[Mapping[str, Any], ...]]:
    """Return the extras of each model asset's newest events, oldest first, by pipeline."""
    newer = func.row_number().over(partition_by=AssetEvent.asset_id, order_by=AssetEvent.id.desc()).label("newer")
    ranked = (
        select(AssetModel.name, AssetEvent.id, AssetEvent.extra, newer)
        .join(AssetModel, AssetModel.id == AssetEvent.asset_id)
        .where(AssetModel.group == MODEL_GROUP)
        .subquery()
    )
    found: dict[str, list[Mapping[str, Any]]] = {}
    rows = session.execute(select(ranked.c.name, ranked.c.extra).where(ranked.c.newer <= HISTORY).order_by(ranked.c.id))
    for name, extra in rows:
        if isinstance(extra, dict):
            found.setdefault(name.removesuffix("-model"), []).append(extra)
    return {name: tuple(extras) for name, extras in found.items()}
