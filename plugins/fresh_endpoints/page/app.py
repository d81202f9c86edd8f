"""The Models page as a FastAPI application: who may see what, and its three addresses.

Airflow mounts a plugin's application without authentication, so that it is asked for here.
"""

from __future__ import annotations

import datetime as dt
import functools
import os
from collections.abc import Collection, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any

import jinja2
from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import GetUserDep, get_user
from airflow.configuration import conf
from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.responses import HTMLResponse, JSONResponse

from fresh_endpoints.model_facts import shown
from fresh_endpoints.page.airflow_facts import REDEPLOY, TRAIN_AND_DEPLOY, Remembered
from fresh_endpoints.page.aws_facts import AwsFacts
from fresh_endpoints.page.rows import Row, make_row
from fresh_endpoints.page.sparkline import HEIGHT, WIDTH
from fresh_endpoints.pipeline_file.environment import VARIABLE
from fresh_endpoints.pipeline_file.loading import load_pipelines, pipelines_dir

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline

# Nothing but this page's own style and script; and only Airflow may frame it.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
REFRESH_SECONDS, ASKING_SECONDS = 60, 3
# The DAGs of a pipeline, by what their ids begin with.
DAGS = (TRAIN_AND_DEPLOY, "batch_predict_", REDEPLOY)


@functools.cache
def make_app() -> FastAPI:
    """Make the application, once in a process."""
    # Of every address, style and script included, only a user gets an answer.
    guard = [Depends(get_user)]
    app = FastAPI(title="Fresh Endpoints", docs_url=None, redoc_url=None, openapi_url=None, dependencies=guard)
    models = Models()

    # No `async`: FastAPI runs what waits for AWS and the database in threads, beside Airflow's own requests.
    @app.get("/")
    def page(readable: ReadableDep) -> HTMLResponse:
        return _html("models.html", rows=models.rows(readable))

    @app.get("/models.json")
    def data(readable: ReadableDep) -> JSONResponse:
        return JSONResponse({"models": [row.as_json() for row in models.rows(readable)]}, headers=HEADERS)

    @app.get("/dags/{dag_id}")
    def tab(dag_id: str, readable: ReadableDep) -> HTMLResponse:
        if dag_id not in readable:
            raise HTTPException(404, "There is no such DAG.")
        name = next((dag_id.removeprefix(prefix) for prefix in DAGS if dag_id.startswith(prefix)), None)
        row = next((row for row in models.rows(readable) if row.pipeline == name), None)
        return _html("model.html", row=row, dag_id=dag_id)

    for name, media_type in (("style.css", "text/css"), ("links.js", "text/javascript")):
        app.get(f"/{name}")(functools.partial(_file, name, media_type))
    return app


def readable_dags(user: GetUserDep) -> Collection[str]:
    """Return the ids of the DAGs that the user may read; 401 or 403 for who is nobody.

    Args:
        user: Who asks.
    """
    found: Collection[str] = get_auth_manager().get_authorized_dag_ids(user=user, method="GET")
    return found


ReadableDep = Annotated[Collection[str], Depends(readable_dags)]


class PipelineFiles:
    """The pipeline files, read again only when the folder has changed."""

    def __init__(self) -> None:
        self._seen: tuple[Any, ...] = ()
        self._pipelines: list[Pipeline] = []

    def all(self) -> list[Pipeline]:
        """Return the pipelines of the files that can be used."""
        folder = pipelines_dir()
        found = sorted((path, path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*.y*ml"))
        if (seen := (folder, os.environ.get(VARIABLE), *found)) != self._seen:
            self._pipelines, self._seen = load_pipelines(folder).pipelines, seen
        return self._pipelines


class Models:
    """What the page shows, for whoever may see it."""

    def __init__(self) -> None:
        self._files = PipelineFiles()
        self._airflow = Remembered()
        self._aws = AwsFacts()

    def rows(self, readable: Collection[str]) -> list[Row]:
        """Return a row for each pipeline whose DAG the user may read, by name.

        Args:
            readable: The ids of the DAGs that the user may read.
        """
        now = _now()
        files = {p.name: p for p in self._files.all() if TRAIN_AND_DEPLOY + p.name in readable}
        known = self._airflow.all({pipeline.name: pipeline.renamed_from for pipeline in self._files.all()})
        airflow = {name: facts for name, facts in known.items() if TRAIN_AND_DEPLOY + name in readable}
        changed = {name: facts.changed for name, facts in airflow.items() if facts.changed}
        live = self._aws.of([pipeline for pipeline in files.values() if pipeline.deploy != "never"], changed)
        return [
            make_row(name, files.get(name), live.get(name), airflow.get(name), now)
            for name in sorted(files.keys() | airflow.keys())
        ]


def _html(template: str, **names: Any) -> HTMLResponse:
    names |= {"airflow": conf.get("api", "base_url", fallback="").rstrip("/"), "width": WIDTH, "height": HEIGHT}
    return HTMLResponse(_templates().get_template(template).render(names), headers=HEADERS)


@functools.cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(resources.files(__package__))),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["ago"] = _ago
    environment.filters["metric"] = functools.partial(_metric, digits=4)
    environment.globals["refresh"] = _refresh_seconds
    return environment


def _file(name: str, media_type: str) -> Response:
    return Response((resources.files(__package__) / name).read_bytes(), media_type=media_type, headers=HEADERS)


def _metric(value: Any, digits: int) -> str:
    # An event that a person has made may hold anything.
    return shown(value, digits) if isinstance(value, (int, float, str)) else "?"


def _refresh_seconds(rows: Sequence[Row]) -> int:
    """Return after how many seconds a browser asks anew: soon while AWS is still being asked."""
    return REFRESH_SECONDS if all(row.known or not row.is_deploying for row in rows) else ASKING_SECONDS


def _now() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc)


def _ago(moment: dt.datetime) -> str:
    seconds = max((_now() - moment).total_seconds(), 0)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
