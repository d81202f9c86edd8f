"""The journeys of docs/journeys.md: a reader's steps, taken in one terminal, and what they show."""

from __future__ import annotations

import re
import subprocess
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "journeys.md").read_text()
READERS = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
ANY = "…"
SECONDS = 240


@dataclass(frozen=True)
class Step:
    """A step of a journey.

    Attributes:
        says: Its text.
        command: What is typed; empty where the reader only reads.
        shows: The lines that are then seen, in their order.
    """

    says: str
    command: str
    shows: list[str]


def section_of(reader: str) -> str:
    """Return the text of a reader's journey."""
    return PAGE.partition(f"\n## {reader}\n")[2].partition("\n## ")[0]


def steps_of(reader: str) -> list[Step]:
    """Read the steps of a reader's journey."""
    pieces = re.split(r"^\d+\. ", section_of(reader), flags=re.MULTILINE)[1:]
    return [
        Step(piece.partition("\n\n")[0], _block("sh", piece), _block("text", piece).splitlines()) for piece in pieces
    ]


def _block(language: str, piece: str) -> str:
    """Return what stands in a step's blocks of a language."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", piece, re.DOTALL | re.MULTILINE)
    return "".join(textwrap.dedent(code) for _, code in found)


class Terminal:
    """A shell that goes on from step to step: what one exports, the next one has."""

    def __init__(self, folder: Path, environment: Mapping[str, str], memory: Path) -> None:
        """Open it.

        Args:
            folder: The folder in which commands are typed.
            environment: Its environment variables at first.
            memory: A file for what it has exported.
        """
        self._folder, self._environment, self._memory = folder, dict(environment), memory
        memory.write_text("")

    def run(self, command: str) -> str:
        """Run what is typed, up to the first command that fails, and return what is seen.

        Args:
            command: One or more lines.
        """
        script = f". {self._memory}\ntrap 'export -p >{self._memory}' EXIT\n{command}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout


def walk(
    reader: str,
    terminal: Terminal,
    *,
    elsewhere: Callable[[], str] = str,
    played: Mapping[str, Callable[[str], str]] | None = None,
) -> None:
    """Take every step of a journey, and see what the page says that it shows.

    Args:
        reader: The heading of the journey.
        terminal: Where it is taken.
        elsewhere: What then happens elsewhere; it returns what a reader sees of that.
        played: What is run instead of a command that begins so.
    """
    for step in steps_of(reader):
        run = next((run for start, run in (played or {}).items() if step.command.startswith(start)), terminal.run)
        seen = (run(step.command) if step.command else "") + elsewhere()
        missed = first_unseen(step.shows, seen)
        assert missed is None, f"{step.command or step.says}\nThe page shows: {missed}\nSeen was:\n{seen}"


def first_unseen(shown: list[str], seen: str) -> str | None:
    """Return the first of the lines that is not seen after those before it; spaces count as one."""
    rest = iter(" ".join(line.split()) for line in seen.splitlines())
    for line in shown:
        pattern = ".*".join(re.escape(part) for part in " ".join(line.split()).split(ANY))
        if not any(re.fullmatch(pattern, found) for found in rest):
            return line
    return None
