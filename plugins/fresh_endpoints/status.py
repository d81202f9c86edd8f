"""What the commands ``status`` and ``history`` print: the facts of the Models page, in a terminal."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fresh_endpoints.history import Trained, history
from fresh_endpoints.live import LiveModel, today_of, what_is_live_of
from fresh_endpoints.model_facts import shown

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.pipeline_file.quality import Metrics

# Where the output is no terminal, it is read by programs and cut by nobody.
WIDE = 400


def print_status(pipelines: Sequence[Pipeline], *, as_json: bool, stale_days: int | None, out: TextIO) -> bool:
    """Print what is live of each pipeline that deploys.

    Args:
        pipelines: The pipelines.
        as_json: As JSON, else as a table.
        stale_days: A model is stale when its data date is more days ago than this; None: no model is.
        out: Where to.

    Returns:
        Whether none is stale; where nothing is live, or AWS does not tell, it is.
    """
    deploying = [pipeline for pipeline in pipelines if pipeline.deploy != "never"]
    live = what_is_live_of(deploying)
    now = dt.datetime.now(dt.timezone.utc)
    ages = [model.age(today_of(pipeline, now)) for pipeline, model in zip(deploying, live, strict=True)]
    stale = [stale_days is not None and (age is None or age > stale_days) for age in ages]
    if as_json:
        facts = zip(live, ages, stale, strict=True)
        _print_json(out, [{**model.as_json(), "age_days": age, "stale": is_stale} for model, age, is_stale in facts])
    else:
        table = _table("Pipeline", "Endpoint", "Status", "Data date", "Age", "Proof", "Metrics", "Note")
        for model, age, is_stale in zip(live, ages, stale, strict=True):
            table.add_row(*map(Text, _status_row(model, age)), style="red" if is_stale else None)
        _console(out).print(table)
    return not any(stale)


def print_history(pipeline: Pipeline, *, most: int, as_json: bool, out: TextIO) -> None:
    """Print what has become of a pipeline's newest trainings.

    Args:
        pipeline: The pipeline.
        most: How many trainings at most.
        as_json: As JSON, else as a table.
        out: Where to.

    Raises:
        ValueError: Only a run knows the endpoint's name.
        AirflowException: AWS refused.
    """
    found = history(pipeline, most)
    if as_json:
        _print_json(out, [trained.as_json() for trained in found])
        return
    table = _table("Data date", "Training job", "Created", "Metrics", "What became of it")
    for trained in found:
        table.add_row(*map(Text, _history_row(trained)), style="bold" if trained.is_live else None)
    _console(out).print(table)


def _status_row(model: LiveModel, age: int | None) -> Sequence[str]:
    held = f"held until {model.held.end} by {model.held.who}" if model.held else None
    notes = [held, f"changing to {model.becoming}" if model.becoming else None, model.problem]
    note = "; ".join(filter(None, notes))
    days = "" if age is None else "1 day" if age == 1 else f"{age} days"
    day = model.data_date.isoformat() if model.data_date else ""
    status = model.status or ""
    return model.pipeline, model.endpoint, status, day, days, model.proof or "", _metrics(model.metrics), note


def _history_row(trained: Trained) -> Sequence[str]:
    created = trained.created.astimezone(dt.timezone.utc).strftime("%Y-%m-%d %H:%MZ")
    return trained.data_date.isoformat(), trained.training_job, created, _metrics(trained.metrics), trained.fate


def _metrics(metrics: Metrics) -> str:
    return ", ".join(f"{name} {shown(value, 4)}" for name, value in metrics.items())


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    return table


def _console(out: TextIO) -> Console:
    return Console(file=out, width=None if out.isatty() else WIDE, highlight=False)


def _print_json(out: TextIO, facts: object) -> None:
    out.write(json.dumps(facts, indent=2) + "\n")
