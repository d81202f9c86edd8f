"""Remembers, across processes, which pipeline files have been checked, and what they say or what is wrong with them.

The dag-processor forks anew for every parse, so only the disk can remember. An entry is one small file, named by a
digest of all that the answer depends on; nothing is ever updated in place and a lost entry only costs time. Entries are
JSON, never pickles, in a folder that only this user can write to.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import stat
import sys
import tempfile
import time
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)

# Everything but the file that decides whether a file is right.
_LIBRARIES = ("botocore", "croniter", "Jinja2", "pydantic", "PyYAML", "regex")
_BUILDING_LIBRARIES = ("apache-airflow", "apache-airflow-providers-amazon")
# The modules of the checks: this room and what it checks by.
_MODULES = (
    "problems.py",
    "aws/own_names.py",
    "aws/requests.py",
    "aws/service_model.py",
    "aws/tags.py",
    "pipeline_file/**/*.py",
)
_KEPT_SECONDS = 30 * 24 * 3600


def entry(file_name: str, content: bytes) -> Path | None:
    """Name the place where the answer for a file is remembered.

    Args:
        file_name: The file's name without its folder; a rule depends on it.
        content: The file's bytes.

    Returns:
        The entry's path, or None where this machine offers no private folder for it.
    """
    folder = _folder()
    if folder is None:
        return None
    digest = hashlib.sha256(b"\0".join([checks_digest(), file_name.encode("utf-8", "surrogateescape"), content]))
    return folder / f"{digest.hexdigest()}.json"


def recall(entry: Path | None, model: type[Model]) -> Model | None:
    """Read an entry.

    Args:
        entry: From entry().
        model: What it was when it was remembered.

    Returns:
        An equal of what was remembered; None where there is no entry, or no readable one.
    """
    if entry is None:
        return None
    try:
        return model.model_validate_json(entry.read_bytes())
    except (OSError, ValidationError):
        return None


def remember(entry: Path | None, value: BaseModel) -> None:
    """Write an entry, atomically. What JSON cannot carry unchanged is not remembered; faults cost time only.

    Args:
        entry: From entry().
        value: What recall() is to give.
    """
    if entry is None:
        return
    with contextlib.suppress(OSError, ValueError):
        content = value.model_dump_json().encode()
        if type(value).model_validate_json(content) != value:
            return
        _forget_old_entries(entry.parent)
        handle, name = tempfile.mkstemp(dir=entry.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).replace(entry)
        except OSError:
            Path(name).unlink(missing_ok=True)


@functools.cache
def checks_digest() -> bytes:
    """Sum up what decides whether a file is right, the file itself aside; read once in a process."""
    digest = hashlib.sha256(sys.version.encode())
    for library in _LIBRARIES:
        digest.update(f"{library}=={importlib.metadata.version(library)}\n".encode())
    package = Path(__file__).parents[1]
    for path in sorted(path for pattern in _MODULES for path in package.glob(pattern)):
        digest.update(path.read_bytes())
    return digest.digest()


@functools.cache
def package_digest() -> bytes:
    """Sum up this package and what it builds DAGs with; read once in a process."""
    digest = hashlib.sha256(checks_digest())
    for library in _BUILDING_LIBRARIES:
        digest.update(f"{library}=={importlib.metadata.version(library)}\n".encode())
    for path in sorted(Path(__file__).parents[1].glob("**/*.py")):
        digest.update(path.read_bytes())
    return digest.digest()


def building_digest(dag_file: Path) -> bytes:
    """Sum up what decides whether a DAG can be built, the pipeline aside.

    Args:
        dag_file: The DAG file that builds it.
    """
    return hashlib.sha256(b"\0".join([package_digest(), dag_file.name.encode(), dag_file.read_bytes()])).digest()


def _folder() -> Path | None:
    user = os.getuid() if hasattr(os, "getuid") else "user"
    folder = Path(tempfile.gettempdir()) / f"fresh-endpoints-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    private = stat.S_ISDIR(status.st_mode) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return folder if private and status.st_uid == user else None


@functools.cache
def _forget_old_entries(folder: Path) -> None:
    # Once per process: every edit of a pipeline file leaves an entry behind.
    oldest = time.time() - _KEPT_SECONDS
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()
