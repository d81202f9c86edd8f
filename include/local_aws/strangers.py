"""Keeps strangers out: who may ask local AWS at all, decided before anything else looks at a request.

Local AWS asks for no password, and it runs the programs that it is told to run. A browser lets every page that it shows
send requests to this machine, so those are refused:

- for another host than an allowed one: a page can point a name of its own at 127.0.0.1 (DNS rebinding), and would then
  be of the same origin as local AWS;
- that a page of another origin sent, with ``Origin`` (https://fetch.spec.whatwg.org/#origin-header) or
  ``Sec-Fetch-Site`` (https://w3c.github.io/webappsec-fetch-metadata/#sec-fetch-site-header) of its own. "null", the
  origin of sandboxed pages and files, is another origin, too.

Programs send neither header. The one page for people, Slack's, opens from a link on any page: it runs no script,
changes nothing and is not shown in frames.

What was put here may be a page, too, as an S3 object or a model's answer. The answer says that a browser is not to let
it act as one of this origin: https://www.w3.org/TR/CSP3/#directive-sandbox.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.wrappers import Response

from local_aws.slack import PAGE_PATHS
from local_aws.wire import AwsError, Environ, error_response, identify

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_HOST_HEADER = re.compile(r"(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<name>[^\s\[\]:]+))(?::\d+)?", re.IGNORECASE)
_HOST_NAME = re.compile(r"[0-9a-z_](?:[0-9a-z_.-]*[0-9a-z_])?|\[?(?P<ipv6>[0-9a-f.]*:[0-9a-f:.]+)\]?", re.IGNORECASE)
_LONGEST_SHOWN = 100
_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

WsgiApplication = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
_log = logging.getLogger(__name__)


def host_names(text: str) -> tuple[str, ...]:
    """Read the setting ``allowed_hosts``.

    Args:
        text: Names or addresses without scheme and port, with commas or spaces between them.

    Returns:
        Them, in lower case.

    Raises:
        ValueError: One of them is no host name.
    """
    names = re.split(r"[\s,]+", text.strip()) if text.strip() else []
    for name in names:
        if not _HOST_NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is not a host: expected names or addresses without http:// and port, with commas between "
                "them, for example local-aws,192.168.1.7"
            )
    return tuple(name.lower().strip("[]") for name in names)


class Guard:
    """WSGI middleware that refuses strangers' requests, whatever they ask for."""

    def __init__(self, application: WsgiApplication, allowed_hosts: Iterable[str], region: str) -> None:
        """Stand in front of an application.

        Args:
            application: What answers the others.
            allowed_hosts: Hosts to answer beside the loopback ones, as :func:`host_names` returns them.
            region: Region of requests that name none.
        """
        self._application = application
        self._allowed = (*LOOPBACK, *allowed_hosts)
        self._region = region
        self._told: set[str] = set()

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request (PEP 3333).

        Args:
            environ: WSGI environment.
            start_response: As WSGI has it.

        Returns:
            The answer's body.
        """

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            # Beside what the answer says itself: of several policies a browser keeps each.
            return start_response(status, [*headers, *_protection(environ)], *error)

        for kind, find in (("host", self._foreign_host), ("origin", _foreign_origin), ("site", _foreign_site)):
            if refusal := find(environ):
                self._tell_once(kind, refusal)
                answer: Iterable[bytes] = self._refused(environ, refusal)(environ, start)
                return answer
        return self._application(environ, start)

    def _foreign_host(self, environ: Environ) -> str | None:
        host = environ.get("HTTP_HOST", "")
        match = _HOST_HEADER.fullmatch(host)
        if match and (match["ipv6"] or match["name"]).lower() in self._allowed:
            return None
        return (
            f"Local AWS refuses a request for the host {_shown(host)}: it answers only to {', '.join(self._allowed)}, "
            "so that no web page reaches it under a name of its own. To allow a host, name it in the option "
            "--allowed-hosts of python -m local_aws or in the environment variable LOCAL_AWS_ALLOWED_HOSTS."
        )

    def _refused(self, environ: Environ, refusal: str) -> Response:
        """Say it as the client understands it. The body stays unread."""
        if environ.get("PATH_INFO", "").startswith("/_local_aws/"):
            return Response(json.dumps({"error": refusal}), status=403, content_type="application/json")
        if "HTTP_AUTHORIZATION" not in environ:
            return Response(f"{refusal}\n", status=403, content_type="text/plain; charset=utf-8")
        is_form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
        call = identify(environ, b"Action=" if is_form else b"", self._region)
        return error_response(call, AwsError("AccessDenied", refusal, 403))

    def _tell_once(self, kind: str, refusal: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            _log.warning("%s Further requests of this kind are refused without a word here.", refusal)


def _foreign_origin(environ: Environ) -> str | None:
    origin = environ.get("HTTP_ORIGIN")
    own = f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}"
    if origin is None or origin.lower() == own.lower():
        return None
    return _of_a_page(f"its origin is {_shown(origin)}")


def _foreign_site(environ: Environ) -> str | None:
    site = environ.get("HTTP_SEC_FETCH_SITE", "same-origin")
    if site in ("same-origin", "none") or _opens_the_page(environ):  # none: a person typed the address
        return None
    return _of_a_page(f"its Sec-Fetch-Site is {_shown(site)}")


def _of_a_page(sign: str) -> str:
    return (
        f"Local AWS refuses a request that a browser sent for another page ({sign}): what it is asked for can run "
        "programs on this machine. No setting allows it. Send it from a program, or type the address in the browser."
    )


def _opens_the_page(environ: Environ) -> bool:
    return (
        environ["REQUEST_METHOD"] == "GET"
        and environ.get("PATH_INFO") in PAGE_PATHS
        and environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
        and environ.get("HTTP_SEC_FETCH_DEST") == "document"
    )


def _protection(environ: Environ) -> list[tuple[str, str]]:
    is_page = environ["REQUEST_METHOD"] == "GET" and environ.get("PATH_INFO") in PAGE_PATHS
    return [
        ("Content-Security-Policy", _PAGE_POLICY if is_page else "sandbox"),
        ("X-Content-Type-Options", "nosniff"),
    ]


def _shown(value: str) -> str:
    return repr(value[:_LONGEST_SHOWN])
