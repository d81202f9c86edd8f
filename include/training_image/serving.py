"""Answer predictions of one model over HTTP, as a SageMaker endpoint and as a batch transform job.

The contract with SageMaker (port, /ping, /invocations, SIGTERM):
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from __future__ import annotations

import json
import math
import os
from typing import Any, NoReturn

import lightgbm
import numpy as np
from container import ContainerError, ModelMetadata, load_model
from flask import Flask, Response, request
from gunicorn.app.base import BaseApplication
from gunicorn.errors import AppImportError
from rows import read_rows
from werkzeug.exceptions import BadRequest, HTTPException, NotAcceptable, UnsupportedMediaType

_CSV = "text/csv"
_JSON = "application/json"


def create_app(booster: lightgbm.Booster, metadata: ModelMetadata) -> Flask:
    """Build the web application for one model.

    ``POST /invocations`` takes rows of features without a label: text/csv, one row a line without a header, or
    application/json, ``{"instances": [[…], …]}`` or a bare list of rows. An empty CSV cell and a JSON null are missing
    values. The answer's type is the request's Accept header, else the request's own type. For a classification CSV
    holds the class number of each row, JSON its probabilities too: ``{"predictions": [{"label": 0, "probabilities":
    […]}]}``; for a regression the predicted value, in JSON ``{"value": …}``. Errors are JSON: ``{"error": "…"}``.

    Args:
        booster: The model.
        metadata: What ``train`` noted of it.

    Returns:
        The application.
    """
    app = Flask(__name__)

    @app.get("/ping")
    def ping() -> Response:
        # The worker starts only with a loaded model, so an answer is the proof.
        return Response(status=200)

    @app.post("/invocations")
    def invocations() -> Response:
        accept = _accepted_type()
        rows = _rows_of_body(metadata.feature_count)
        scores = np.asarray(booster.predict(rows))
        if accept == _CSV:
            return Response("".join(f"{value}\n" for value in _values(scores, metadata)), mimetype=_CSV)
        return Response(json.dumps({"predictions": _predictions(scores, metadata)}) + "\n", mimetype=_JSON)

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response:
        return Response(json.dumps({"error": error.description}) + "\n", status=error.code, mimetype=_JSON)

    return app


def _accepted_type() -> str:
    types = [_JSON, _CSV] if request.mimetype == _JSON else [_CSV, _JSON]
    if not request.accept_mimetypes:
        return types[0]
    best = request.accept_mimetypes.best_match(types)
    if best is None:
        raise NotAcceptable(f"Accept is {request.headers['Accept']!r}; this model answers {_CSV} or {_JSON}.")
    return best


def _rows_of_body(width: int) -> np.ndarray:
    if request.mimetype not in (_CSV, _JSON):
        found = f"is {request.mimetype!r}" if request.mimetype else "is missing"
        raise UnsupportedMediaType(f"Content-Type {found}; this model takes {_CSV} or {_JSON}.")
    try:
        text = request.get_data().decode("utf-8-sig")
        if request.mimetype == _CSV:
            rows = [row for _, row in read_rows(text.splitlines(), "body", width)]
        else:
            rows = list(_json_rows(text, width))
    except UnicodeDecodeError as error:
        raise BadRequest(f"the body is not UTF-8 text: {error.reason} at byte {error.start}.") from error
    except ContainerError as error:
        raise BadRequest(str(error)) from error
    if not rows:
        raise BadRequest("the body holds no rows; send at least one row of features.")
    return np.array(rows, dtype=np.float64)


def _json_rows(text: str, width: int) -> list[list[float]]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ContainerError(f"the body is not JSON: {error}.") from error
    instances = body.get("instances") if isinstance(body, dict) else body
    if not isinstance(instances, list):
        raise ContainerError('the body must be {"instances": [[…], …]} or a list of rows.')
    return [_json_row(row, f"instance {i}", width) for i, row in enumerate(instances, start=1)]


def _json_row(row: Any, place: str, width: int) -> list[float]:
    if not isinstance(row, list):
        raise ContainerError(f"{place}: found {json.dumps(row)[:40]}, expected a list of {width} numbers.")
    if len(row) != width:
        raise ContainerError(f"{place}: found {len(row)} columns, expected {width}.")
    values = []
    for column, cell in enumerate(row, start=1):
        try:
            # bool is an int in Python; an int too large for a float overflows.
            value = math.nan if cell is None else float(cell) if type(cell) in (int, float) else math.inf
        except OverflowError:
            value = math.inf
        if math.isinf(value):
            raise ContainerError(f"{place}, column {column}: {json.dumps(cell)[:40]} is not a finite number or null.")
        values.append(value)
    return values


def _is_classification(metadata: ModelMetadata) -> bool:
    return metadata.num_class > 1 or metadata.objective == "binary"


def _class_probabilities(scores: np.ndarray) -> np.ndarray:
    """One column for each class; LightGBM gives a binary model's second class only."""
    return scores if scores.ndim == 2 else np.column_stack([1 - scores, scores])


def _values(scores: np.ndarray, metadata: ModelMetadata) -> list[float]:
    if _is_classification(metadata):
        return _class_probabilities(scores).argmax(axis=1).tolist()
    return scores.tolist()


def _predictions(scores: np.ndarray, metadata: ModelMetadata) -> list[dict[str, Any]]:
    values = _values(scores, metadata)
    if not _is_classification(metadata):
        return [{"value": value} for value in values]
    probabilities = _class_probabilities(scores).tolist()
    return [{"label": label, "probabilities": p} for label, p in zip(values, probabilities, strict=True)]


class Server(BaseApplication):
    """Gunicorn with this container's settings.

    The environment sets ``SAGEMAKER_BIND_TO_PORT`` (port, default 8080), ``BIND_HOST`` (address, default 0.0.0.0: all
    of the container's; local AWS sets 127.0.0.1) and ``WEB_CONCURRENCY`` (worker processes, default 1).
    """

    def load_config(self) -> None:
        """Set what differs from gunicorn's defaults."""
        settings = {
            "bind": f"{os.environ.get('BIND_HOST', '0.0.0.0')}:{os.environ.get('SAGEMAKER_BIND_TO_PORT', '8080')}",  # noqa: S104
            # Threads, so that /ping answers (SageMaker waits 2 seconds) while a large transform is computed.
            "worker_class": "gthread",
            "threads": 4,
            "timeout": 70,  # above SageMaker's 60 seconds for one invocation
            "graceful_timeout": 20,  # below the 30 seconds between SageMaker's SIGTERM and SIGKILL
            "control_socket_disable": True,  # newer gunicorn only: a socket in the home folder, of no use here
        }
        for name, value in settings.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        """Load the model in the worker process: OpenMP threads started before the fork would hang there.

        Returns:
            The application.

        Raises:
            AppImportError: There is no model that can be served; gunicorn then prints the reason and exits.
        """
        try:
            return create_app(*load_model())
        except ContainerError as error:
            raise AppImportError(f"serve: {error}") from error


def main() -> NoReturn:
    """Serve until SIGTERM; exits with gunicorn's code 4 when there is no model that can be served."""
    Server().run()
    raise SystemExit(0)
