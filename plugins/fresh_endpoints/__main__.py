"""The command ``fresh-endpoints``, for people who write pipeline files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fresh_endpoints.pipeline_file.loading import load_pipeline, load_pipelines, pipelines_dir
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
    """Check pipeline files, name the usable ones on stdout and the problems of the others on stderr.

    Args:
        paths: The files; none for all of the pipelines folder.

    Returns:
        Whether all can be used.
    """
    errors = []
    if paths:
        names = []
        for path in paths:
            try:
                names.append(load_pipeline(path).name)
            except PipelineFileError as error:
                errors.append(error)
    else:
        loaded = load_pipelines(pipelines_dir())
        names, errors = [pipeline.name for pipeline in loaded.pipelines], loaded.errors
    sys.stdout.writelines(f"{name}: ok\n" for name in names)
    sys.stderr.writelines(f"{error}\n" for error in errors)
    return not errors


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
    check_command.add_argument("file", nargs="*", type=Path, help="default: all of the pipelines folder")
    commands.add_parser("schema", help="print the JSON Schema of pipeline files")
    options = parser.parse_args(arguments)
    if options.command == "check":
        return 0 if check(options.file) else 1
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
