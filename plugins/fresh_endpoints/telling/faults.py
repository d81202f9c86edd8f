"""What is said in a log of an error on the way to people: what helps, and nothing that may hold a secret."""

from __future__ import annotations

import errno
import socket
import ssl
from urllib.error import URLError

from airflow.providers.common.compat.sdk import AirflowNotFoundException

_LONGEST = 300
_OF_THE_NETWORK = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN})


def what_failed(error: BaseException) -> str:
    """Say why people were not reached, without what may hold an address or a token.

    Quoted are the words of AWS, those of Airflow about a missing connection, and those of the operating system, of TLS
    and of a proxy that is to pass on what is encrypted: they know the host, but no path.

    Args:
        error: What was raised on the way.
    """
    from botocore.exceptions import ClientError

    cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
    kind = type(cause).__name__
    if isinstance(cause, ClientError):
        return f"{kind}: {_masked(str(cause))[:_LONGEST]}"
    words = ""
    if isinstance(cause, AirflowNotFoundException):
        words = str(cause)
    elif isinstance(cause, OSError) and not isinstance(cause, URLError):
        words = str(cause.strerror or cause)
    return f"{kind}: {words[:_LONGEST]}" if words and "/" not in words else kind


def may_pass(error: BaseException) -> bool:
    """Tell whether an error on the way to people may be another's fault, and over later.

    Args:
        error: What was raised on the way.
    """
    cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
    if isinstance(cause, ssl.SSLError):
        return isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError))
    is_of_network = isinstance(cause, OSError) and cause.errno in _OF_THE_NETWORK
    return is_of_network or isinstance(cause, (ConnectionError, TimeoutError, socket.gaierror))


def _masked(text: str) -> str:
    from airflow.sdk.log import redact

    return str(redact(text))
