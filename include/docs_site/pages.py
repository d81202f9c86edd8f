"""What becomes of the repository's pages in the site: their place, their links, their lists; and what none may do."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)\s#]+)(#[^)\s]*)?\)")
_MARKER = re.compile(r"(?:[-*]|\d+\.) +")
_FROM_ELSEWHERE = re.compile(
    r"<(?:script|img|iframe|source|video)\b[^>]*\bsrc=\"?(?:https?:)?//[^>]*>|<link\b[^>]*\bhref=\"?(?:https?:)?//[^>]*>"
)


def uri_of(path: Path) -> str:
    """Say where a file of the repository is in the site; its pages lie in one folder.

    Args:
        path: The file.
    """
    relative = path.relative_to(ROOT)
    if relative.parts[0] == "docs":
        return relative.relative_to("docs").as_posix()
    if path.parent == ROOT and path.suffix == ".md":
        return "index.md" if path.name == "README.md" else path.name
    return f"source/{relative.as_posix()}"


def linked(markdown: str, folder: Path, take: Callable[[Path], None]) -> str:
    """Turn links to files of the repository into links of the site; one to a folder becomes its text.

    Args:
        markdown: A page.
        folder: Where the page is in the repository.
        take: Called with each file that is linked to, so that it comes into the site.
    """

    def in_site(found: re.Match[str]) -> str:
        image, text, path, anchor = found[1], found[2], found[3], found[4] or ""
        target = Path(os.path.normpath(folder / path))
        if target.is_dir():
            return text
        if target.is_file():
            take(target)
        return f"{image}[{text}]({uri_of(target)}{anchor})"

    return _LINK.sub(in_site, markdown)


def indented(markdown: str) -> str:
    """Indent what belongs to an item of a list by four, as Python-Markdown asks for; part it from the next item.

    GitHub takes the width of the item's marker: https://github.github.com/gfm/#list-items.

    Args:
        markdown: A page.
    """
    lines: list[str] = []
    width, in_code, has_blocks = 0, False, False
    for line in markdown.splitlines():
        if line.startswith("```"):
            in_code = not in_code
        elif line[:1].strip() and not in_code:
            found = _MARKER.match(line)
            if found and has_blocks and lines[-1]:
                lines.append("")
            width, has_blocks = (len(found[0]) if found else 0), False
        elif not line and not in_code:
            has_blocks = width > 0
        is_within = 0 < width < 4 and not in_code and line.startswith(" " * width)
        lines.append(" " * (4 - width) + line if is_within else line)
    return "\n".join(lines) + "\n"


def from_elsewhere(html: str) -> str | None:
    """Find what a page would load from another host.

    Args:
        html: The page.

    Returns:
        The first such element; None where there is none.
    """
    found = _FROM_ELSEWHERE.search(html)
    return found[0] if found else None
