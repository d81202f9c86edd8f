"""What outlives a server: a folder that is written while it runs and read when the next one starts.

``state.json`` holds everything but the content of S3 objects, which is in ``objects/``, a file for each, named by its
SHA-256. Contents are written first, then ``state.json`` takes its place in one step (rename), so the folder is
whole at every moment, also after a SIGKILL. ``lock`` keeps a second server out.

Kept: S3 buckets (region, versioning, encryption, policy, tags) and objects, SageMaker's resources and tags, Slack
messages. Not kept: CloudWatch logs, multipart uploads under way, other settings of buckets, moto's other services,
faults, the record of calls.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

VERSION = 1
_FORMAT = "local AWS state"
_PAUSE = 1.0  # seconds between two saves

Json = dict[str, Any]


class StateError(Exception):
    """The folder cannot be used; ``str()`` says why and what to do. Nothing in it was changed."""


class StateFolder:
    """The folder, used by one server at a time. Not thread-safe."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which is made where it is missing.

        Args:
            folder: The folder.

        Raises:
            StateError: Another server uses it, it holds something else, or it cannot be written.
        """
        self._folder = folder.resolve()
        self._objects = self._folder / "objects"
        self._document = self._folder / "state.json"
        self._last: bytes | None = None
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._refuse_other_content()
            self._lock = self._take_lock()
            self._objects.mkdir(exist_ok=True)
        except OSError as error:
            raise StateError(f"the state folder {self._folder} cannot be used: {error.strerror}.") from error

    def load(self) -> Json | None:
        """Read what the last server saved.

        Returns:
            It; None where the folder is new.

        Raises:
            StateError: It cannot be read, or an object's content is missing or damaged.
        """
        if not self._document.exists():
            return None
        try:
            state = json.loads(self._document.read_bytes())
        except (OSError, ValueError) as error:
            raise self._unreadable(f"state.json is not JSON ({error})") from error
        if not isinstance(state, dict) or state.get("format") != _FORMAT:
            raise self._unreadable(f"state.json does not say that its format is {_FORMAT!r}")
        if state.get("version") != VERSION:
            raise self._unreadable(f"its version is {state.get('version')!r}, this local AWS reads version {VERSION}")
        return state

    def save(self, state: Json, contents: Iterable[str]) -> None:
        """Replace what is saved; do nothing if it is the same.

        Args:
            state: JSON that :meth:`load` is to return.
            contents: Digests of all contents that it refers to; others are removed.

        Raises:
            OSError: The disk refused; what was saved before is still whole.
        """
        text = json.dumps({"format": _FORMAT, "version": VERSION, **state}, ensure_ascii=False)
        # Half a surrogate pair, as in a file name that is not UTF-8, must not end the saving; json reads it back so.
        document = text.encode("utf-8", "surrogatepass")
        if document == self._last:
            return
        _replace(self._document, document)
        self._last = document
        wanted = set(contents)
        for path in self._objects.iterdir():
            if path.name not in wanted:
                path.unlink()

    def put(self, content: bytes) -> str:
        """Write an object's content.

        Args:
            content: The content.

        Returns:
            Its digest.

        Raises:
            OSError: The disk refused.
        """
        digest = hashlib.sha256(content).hexdigest()
        if not (self._objects / digest).exists():
            _replace(self._objects / digest, content)
        return digest

    def get(self, digest: str) -> bytes:
        """Read an object's content.

        Args:
            digest: As :meth:`put` returned it.

        Returns:
            The content.

        Raises:
            StateError: It is missing or damaged.
        """
        try:
            content = (self._objects / digest).read_bytes()
        except OSError as error:
            raise self._unreadable(f"the content objects/{digest} cannot be read ({error.strerror})") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise self._unreadable(f"the content objects/{digest} is damaged")
        return content

    def _unreadable(self, found: str) -> StateError:
        return StateError(
            f"the state in {self._folder} cannot be read: {found}. Nothing was changed. Start with another --state "
            "folder, or move this one away."
        )

    def unreadable(self, error: Exception) -> StateError:
        """Make the error for a state that is JSON of this version but lacks or has what it should not.

        Args:
            error: What its reader stumbled over.

        Returns:
            The error.
        """
        return self._unreadable(f"state.json is not as local AWS writes it ({type(error).__name__}: {error})")

    def close(self) -> None:
        """Let another server use the folder."""
        os.close(self._lock)

    def _refuse_other_content(self) -> None:
        found = sorted(path.name for path in self._folder.iterdir())
        if found and "state.json" not in found and not set(found) <= {"lock", "objects"}:
            raise StateError(
                f"{self._folder} is not a state folder of local AWS: it has no state.json, but {found[0]}. Nothing was "
                "changed. Name a new or an empty folder."
            )

    def _take_lock(self) -> int:
        lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 20).decode().strip()
            os.close(lock)
            raise StateError(
                f"the state folder {self._folder} is in use by another local AWS, process {holder}. Stop that one, or "
                "name another folder."
            ) from None
        os.truncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        return lock


class StateKeeper:
    """Saves after changes, at most once a second, and at the end."""

    def __init__(self, save: Callable[[], None]) -> None:
        """Make the keeper; :meth:`start` starts it.

        Args:
            save: Saves everything now; may raise OSError.
        """
        self._save = save
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="state", daemon=True)

    def note(self) -> None:
        """Note that something has changed. Cheap; any thread, any lock held."""
        self._changed.set()

    def start(self) -> None:
        """Save from now on."""
        self._thread.start()

    def close(self) -> None:
        """Save for the last time.

        Raises:
            OSError: The disk refused.
        """
        self._stopped.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join()
        self._save()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._changed.wait()
            if self._stopped.wait(0):
                return
            self._changed.clear()
            try:
                self._save()
            except Exception:  # the next change tries again; the server must go on
                sys.stderr.write(f"local AWS: the state could not be saved:\n{traceback.format_exc()}")
            self._stopped.wait(_PAUSE)


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that it has either its old or its new content, whatever happens."""
    new = path.parent / f"{path.name}.new"
    try:
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
