"""The command ``fresh-endpoints``, for people who write pipeline files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fresh_endpoints.pipeline_file.checks.pipeline import find_warnings
from fresh_endpoints.pipeline_file.loading import LoadedPipelines, load_among_others, load_pipelines, pipelines_dir
from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.problems import PipelineFileError


def json_schema() -> dict[str, Any]:
    """Make the JSON Schema of pipeline files, which editors complete and check them by.

    Returns:
        The schema (draft 2020-12).
    """
    schema = Pipeline.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Pipeline file"}


def check(paths: Sequence[Path]) -> bool:
    """Check pipeline files: the usable ones are named on stdout, problems and warnings said on stderr.

    Args:
        paths: Files, each of which is held against the others of its folder, and folders; none for the pipelines
            folder.

    Returns:
        Whether all can be used. A warning takes nothing from that.
    """
    pipelines: dict[Path, Pipeline] = {}
    errors: list[PipelineFileError] = []
    for path in dict.fromkeys(paths or [pipelines_dir()]):
        if path.is_dir() or not paths:
            loaded = _load_folder(path)
            pipelines |= {path / f"{pipeline.name}.yaml": pipeline for pipeline in loaded.pipelines}
            errors += loaded.errors
        else:
            try:
                pipelines[path] = load_among_others(path)
            except PipelineFileError as error:
                errors.append(error)
    sys.stdout.writelines(f"{pipeline.name}: ok\n" for pipeline in pipelines.values())
    warned = {path: find_warnings(pipeline) for path, pipeline in pipelines.items()}
    sys.stderr.writelines(f"{path}:\n{_indented(warnings)}" for path, warnings in warned.items() if warnings)
    sys.stderr.writelines(f"{error}\n" for error in errors)
    return not errors


def _load_folder(folder: Path) -> LoadedPipelines:
    loaded = load_pipelines(folder)
    if loaded.pipelines or loaded.errors:
        return loaded
    problem = "holds no pipeline file; allowed are files that end in .yaml; put one there, or name another folder"
    return LoadedPipelines([], [PipelineFileError(folder, [problem])])


def _indented(warnings: Sequence[str]) -> str:
    return "".join(f"  warning: {warning}\n" for warning in warnings)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: The command line without the program; None for the process's own.

    Returns:
        The exit status: 1 where a file cannot be used.
    """
    parser = argparse.ArgumentParser(prog="fresh-endpoints", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check_command = commands.add_parser("check", help="check pipeline files")
    check_command.add_argument("path", nargs="*", type=Path, help="file or folder; default: the pipelines folder")
    commands.add_parser("schema", help="print the JSON Schema of pipeline files")
    options = parser.parse_args(arguments)
    if options.command == "check":
        return 0 if check(options.path) else 1
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
