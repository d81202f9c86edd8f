"""Which files may say ``renamed_from`` of which names: what a name has left in AWS has one heir."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.problems import PipelineFileError, listed


def wrong_claims(usable: Mapping[Path, Pipeline], files: Collection[Path]) -> dict[Path, PipelineFileError]:
    """Find the files that claim a name which another file has, or claims, too.

    Of two that claim a name neither gets it: whose it is, nothing here tells, and its retention would delete.

    Args:
        usable: The pipelines by their files.
        files: All files of the folder, those that cannot be used, too.
    """
    names = {path.stem: path for path in files}
    found = {path: list(_problems(path, usable, names)) for path in usable}
    return {path: PipelineFileError(path, problems) for path, problems in found.items() if problems}


def _problems(path: Path, usable: Mapping[Path, Pipeline], names: Mapping[str, Path]) -> Iterator[str]:
    for name in usable[path].renamed_from:
        if name in names and names[name] != path:
            yield (
                f"renamed_from: found {name!r}, and {names[name].name} is there; a renamed pipeline has one file, so "
                "remove that one, or renamed_from here"
            )
        others = [other.name for other in usable if other != path and name in usable[other].renamed_from]
        if others:
            yield f"renamed_from: found {name!r}, which {listed(others, 'and')} claims, too; keep it in one of them"
