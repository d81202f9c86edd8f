"""The one WSGI application: who answers which request, and what happens at the edge (faults, the record of calls).

Strangers' requests do not get here: see strangers.py.

- ``X-Amz-Target: SageMaker.*`` and ``/endpoints/<name>/invocations``: our SageMaker;
- ``/slack``: our Slack;
- ``/_local_aws``: control: ``faults``, ``calls``, ``reset``;
- everything else: moto.

One thread serves one connection (werkzeug's threaded server). Locks: see resources.py and backends.py.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.test import create_environ, run_wsgi_app
from werkzeug.wrappers import Response

from local_aws.backends import MotoBackends
from local_aws.calls import CallRecord
from local_aws.container_host import ContainerHost
from local_aws.faults import Faults
from local_aws.permissions import PermissionRecord, needed
from local_aws.s3_state import S3State
from local_aws.sagemaker import SageMaker
from local_aws.settings import Settings
from local_aws.slack import PAGE_PATHS, Slack
from local_aws.slack_rate import SlackRate
from local_aws.state import StateFolder, StateKeeper
from local_aws.strangers import Guard
from local_aws.wire import (
    AwsError,
    Call,
    Environ,
    error_response,
    identify,
    not_there,
    read_json,
    refuse_unsound_policy,
)

StartResponse = Callable[..., Any]
_READ = re.compile("(Describe|List|Get|Head|Invoke)[A-Z]")
_FAULT = re.compile(r"/_local_aws/faults/(\d+)")
# The header Server of every answer: AWS's own words for an error are not changed, so this tells whose they are.
SERVER = "local AWS"


class Application:
    """Local AWS as a WSGI application. ``close()`` it: it has started processes."""

    def __init__(self, settings: Settings) -> None:
        """Make it, with what the state folder holds; :meth:`start` it once the server is bound.

        Args:
            settings: The server's options.

        Raises:
            StateError: The state folder cannot be used.
        """
        self._settings = settings
        self._backends = MotoBackends(settings.account_id)
        self._faults = Faults()
        self._calls = CallRecord()
        self._permissions = PermissionRecord(settings.permissions)
        self._slack = Slack(settings.slack_channels, SlackRate(settings.slack_per_second, settings.slack_burst))
        self._moto: Any = None
        self._state = StateFolder(settings.state) if settings.state else None
        self._keeper = StateKeeper(self._save)
        self._start()
        if self._state:
            self._s3_state = S3State(self._backends, self._state)
            try:
                self._restore(self._state)
            except BaseException:
                self._host.close()
                raise

    def _start(self) -> None:
        self._host = ContainerHost(self._settings.images)
        self._sagemaker = SageMaker(
            self._settings, self._host, self._backends, self._faults, self._permissions, self._keeper.note
        )

    def _restore(self, folder: StateFolder) -> None:
        if (state := folder.load()) is None:
            return
        try:
            self._s3_state.restore(state["s3"])
            self._sagemaker.restore(state["sagemaker"])
            self._slack.restore(state["slack"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise folder.unreadable(error) from error

    def _save(self) -> None:
        if self._state:
            # S3 last: what a job or model refers to was put there before.
            state: dict[str, Any] = {"sagemaker": self._sagemaker.saved(), "slack": self._slack.messages()}
            state["s3"], contents = self._s3_state.saved()
            self._state.save(state, contents)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request (PEP 3333).

        Args:
            environ: WSGI environment.
            start_response: As WSGI has it.

        Returns:
            The answer's body.
        """
        path: str = environ.get("PATH_INFO", "/")
        body = _read_body(environ)
        if path.startswith("/_local_aws/"):
            return self._control(environ, path, body)(environ, start_response)
        if environ["REQUEST_METHOD"] == "GET" and path in (*PAGE_PATHS, "/slack/messages"):
            response = _json(self._slack.messages()) if path == "/slack/messages" else self._slack.page()
            return response(environ, start_response)
        return self._edge(environ, start_response, body)

    def start(self) -> None:
        """Start what runs in the background: loading moto, saving the state, restored endpoints' programs."""
        threading.Thread(target=self.load_moto, daemon=True).start()
        if self._state:
            self._keeper.start()
            self._keeper.note()  # what was under way has ended
        self._sagemaker.bring_back()

    def load_moto(self) -> Any:
        """Import moto, which takes most of the time that a first request needs. Only once.

        Returns:
            moto's WSGI application.
        """
        with self._backends.lock:
            if self._moto is None:
                from moto.server import DomainDispatcherApplication, create_backend_app

                self._moto = DomainDispatcherApplication(create_backend_app)
            return self._moto

    def close(self) -> None:
        """Save the state, end all processes, remove their folders and release held calls.

        Raises:
            OSError: The state could not be saved.
        """
        try:
            self._keeper.close()  # first: what is ended below has not failed
        finally:
            self._faults.remove()
            self._host.close()

    def _edge(self, environ: Environ, start_response: StartResponse, body: bytes) -> Iterable[bytes]:
        call = identify(environ, body, self._settings.region)
        entry = self._calls.begin(call)
        refused: str | None = None

        def effect() -> Response:
            nonlocal refused
            try:
                return self._answer(call, environ, body)
            except AwsError as error:
                refused = error.code
                return error_response(call, error)
            except Exception:
                sys.stderr.write(traceback.format_exc())
                refused = "InternalFailure"
                return error_response(call, AwsError("InternalFailure", "local AWS: a bug; see its log.", 500))

        try:
            response = self._faults.apply(call, effect, lambda: _is_connected(environ))
        except AwsError as error:
            refused = error.code
            response = error_response(call, error)
        status = None if response is None else response.status_code
        for permission in needed(call, body, environ.get("QUERY_STRING", ""), status, self._settings.account_id):
            self._permissions.note(call.access_key_id, permission)
        if response is None:
            self._calls.end(entry, None, refused, answered=False)
            _hang_up(environ)
        self._calls.end(entry, response.status_code, refused)
        if not _READ.match(call.operation):
            self._keeper.note()
        answer: Iterable[bytes] = response(environ, start_response)
        return answer

    def _answer(self, call: Call, environ: Environ, body: bytes) -> Response:
        if call.protocol == "slack-api":
            if call.parameters["Method"] != "chat.postMessage":
                return _json({"ok": False, "error": "unknown_method"})
            return self._slack.post_message(body, environ.get("HTTP_AUTHORIZATION", ""))
        if call.service == "slack":
            return self._slack.receive(body, environ.get("CONTENT_TYPE", ""), environ.get("PATH_INFO", ""))
        if call.service in ("sagemaker", "tagging"):
            headers = {
                name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")
            }
            if environ.get("CONTENT_TYPE"):
                headers["content-type"] = environ["CONTENT_TYPE"]
            return self._sagemaker.answer(call, body, headers)
        if call.operation == "PutBucketPolicy":
            refuse_unsound_policy(body)
        moto = self.load_moto()
        try:
            with self._backends.lock:
                content, status, answer_headers = run_wsgi_app(moto, environ, buffered=True)
        except NotImplementedError as error:
            raise not_there(call, str(error)) from error
        answer_headers.remove("Server")  # moto's own, for S3; ours is added
        return Response(content, status=status, headers=answer_headers)

    def _control(self, environ: Environ, path: str, body: bytes) -> Response:
        what = (environ["REQUEST_METHOD"], path)
        if what == ("GET", "/_local_aws/health"):
            return _json({"status": "ok"})
        if what == ("GET", "/_local_aws/calls"):
            return _json(self._calls.entries())
        if what == ("GET", "/_local_aws/calls/counts"):
            return _json(self._calls.counts())
        if what == ("DELETE", "/_local_aws/calls"):
            self._calls.clear()
            return _json({})
        if what == ("POST", "/_local_aws/reset"):
            self._reset()
            return _json({})
        if path.startswith("/_local_aws/faults"):
            return self._control_faults(environ["REQUEST_METHOD"], path, body)
        return _json({"error": f"local AWS has no {' '.join(what)}; it has faults, calls, health and reset"}, 404)

    def _control_faults(self, method: str, path: str, body: bytes) -> Response:
        number = _FAULT.fullmatch(path)
        if method == "DELETE" and number:
            return _json({"removed": self._faults.remove(int(number[1]))})
        if method == "DELETE":
            return _json({"removed": self._faults.remove()})
        if method == "GET":
            return _json(self._faults.rules())
        try:
            rules = read_json(body)
            if not isinstance(rules, list):
                raise ValueError("the body is a JSON list of faults")
            if method == "PUT":
                self._faults.remove()
            return _json(self._faults.add(rules))
        except ValueError as error:
            return _json({"error": str(error)}, 400)

    def _reset(self) -> None:
        self._faults.remove()
        self._host.close()
        self._start()
        self._slack.clear()
        self._calls.clear()
        self._keeper.note()
        moto = self.load_moto()
        with self._backends.lock:
            # https://docs.getmoto.org/en/latest/docs/server_mode.html, "Reset API"
            run_wsgi_app(moto, create_environ("/moto-api/reset", method="POST"), buffered=True)


class _RequestHandler(WSGIRequestHandler):
    # boto3 sends head and body of a request in two packets; with Nagle's algorithm each answer would wait 40 ms.
    disable_nagle_algorithm = True

    def version_string(self) -> str:
        """Return the header Server of every answer."""
        return SERVER

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Write nothing: GET /_local_aws/calls is the log of requests."""


def listen(host: str, port: int, application: Application, settings: Settings) -> BaseWSGIServer:
    """Bind the server, with the guard that refuses strangers before the application.

    Args:
        host: Address to bind.
        port: port, 0 for a free one.
        application: What answers.
        settings: Whom it may answer.

    Returns:
        The server; ``serve_forever()`` serves, ``port`` tells the port.

    Raises:
        SystemExit: The port is taken.
    """
    guarded = Guard(application, settings.allowed_hosts, settings.region)
    return make_server(host, port, guarded, threaded=True, request_handler=_handler())


def _handler() -> type[WSGIRequestHandler]:
    # moto's own handler keeps S3 metadata headers that have underscores.
    from moto.moto_server.werkzeug_app import MotoRequestHandler

    return type("RequestHandler", (_RequestHandler, MotoRequestHandler), {})


def _read_body(environ: Environ) -> bytes:
    """Read the whole body, so that moto's lock is never held while a client sends."""
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        body = stream.read()
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ["wsgi.input_terminated"] = False
    else:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = stream.read(length) if length else b""
        if len(body) < length:
            raise ClientDisconnected
    environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = io.BytesIO(body)
    return bytes(body)


def _is_connected(environ: Environ) -> bool:
    connection: socket.socket | None = environ.get("werkzeug.socket")
    if connection is None:
        return True
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def _hang_up(environ: Environ) -> None:
    connection: socket.socket | None = environ.get("werkzeug.socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("a fault took the answer")


def _json(content: Any, status: int = 200) -> Response:
    return Response(json.dumps(content), status=status, content_type="application/json")
