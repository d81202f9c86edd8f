"""Which files a pipeline has: its own, its environment's, and the defaults of its folders.

Nearest first: NAME.dev.yaml, NAME.yaml, then folder by folder upwards _defaults.dev.yaml, _defaults.yaml. What they say
together is merging.py's.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fresh_endpoints.pipeline_file import bounds
from fresh_endpoints.pipeline_file.folder import DEFAULTS, Folders


@dataclass(frozen=True)
class Layer:
    """One of a pipeline's files.

    Attributes:
        path: The file.
        shown: How problems name it: its path from the folder of the pipeline's own file.
        is_own: Whether it is the pipeline's own file.
        environment: The environment that it is for; empty for all.
        content: Its bytes; None where it cannot be read.
        problem: Why it cannot be read.
        digest: Of its content.
    """

    path: Path
    shown: str
    is_own: bool
    environment: str
    content: bytes | None
    problem: str = ""
    digest: bytes = b""


class Files:
    """Files as they are now: each is read once, however many pipelines it is for."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[bytes | None, str, bytes] | None] = {}

    def layers(self, path: Path, folders: Folders, environment: str) -> list[Layer]:
        """Read a pipeline's files.

        Args:
            path: The pipeline's own file.
            folders: Its folder and those above it, the pipelines folder first.
            environment: The environment; empty for none.

        Returns:
            Those that there are, the farthest first; the pipeline's own file in any case.
        """
        layers: list[Layer] = []
        for depth, folder in enumerate(folders):
            up = "../" * (len(folders) - 1 - depth)
            layers += self._with_environments(folder / f"{DEFAULTS}.yaml", up, environment)
        own = self._layer(path, path.name, "", is_own=True)
        assert own
        overlay = self._of_environment(path, "", environment)
        return [*layers, own, *overlay]

    def _with_environments(self, path: Path, up: str, environment: str) -> list[Layer]:
        plain = self._layer(path, up + path.name, "")
        return [*([plain] if plain else []), *self._of_environment(path, up, environment)]

    def _of_environment(self, path: Path, up: str, environment: str) -> list[Layer]:
        if not environment:
            return []
        other = path.with_name(f"{path.stem}.{environment}.yaml")
        layer = self._layer(other, up + other.name, environment)
        return [layer] if layer else []

    def _layer(self, path: Path, shown: str, environment: str, *, is_own: bool = False) -> Layer | None:
        if path not in self._read:
            self._read[path] = _read(path)
        found = self._read[path]
        if found is None:
            if not is_own:
                return None
            found = (None, "cannot be read: No such file or directory", b"")
        return Layer(path, shown, is_own, environment, *found)


def key_of(layers: Iterable[Layer], environment: str) -> bytes:
    """Sum up all that decides what a pipeline's files say together.

    Args:
        layers: The files.
        environment: The environment.
    """
    parts = [part for layer in layers for part in (layer.shown.encode("utf-8", "surrogateescape"), layer.digest)]
    return b"\0".join([environment.encode(), *parts])


def _read(path: Path) -> tuple[bytes | None, str, bytes] | None:
    """Return a file's content, why it cannot be read, and its digest; None where there is none."""
    try:
        content = bounds.read(path)
    except OSError as error:
        if not os.path.lexists(path):
            return None
        return None, f"cannot be read: {error.strerror}", b""
    except bounds.OutOfBoundsError as error:
        return None, str(error), b""
    return content, "", hashlib.sha256(content).digest()
