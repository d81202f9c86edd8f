"""What the command ``adopt`` does: it writes a pipeline file for an endpoint that runs already, and only reads AWS."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from pathlib import Path
from typing import Any, TextIO

import yaml

from fresh_endpoints.pipeline_file.checks.pipeline import find_warnings
from fresh_endpoints.pipeline_file.loading import load_among_others, pipelines_dir
from fresh_endpoints.pipeline_file.names import LONGEST_NAME, NAME
from fresh_endpoints.problems import PipelineFileError


def add_parser(commands: Any) -> None:
    """Add the command to the command line.

    Args:
        commands: The subparsers of ``fresh-endpoints``.
    """
    parser = commands.add_parser("adopt", help="write a pipeline file for an endpoint that runs already")
    parser.add_argument("endpoint", help="the endpoint's name")
    parser.add_argument("--name", help="the pipeline's name; default: the endpoint's")
    parser.add_argument("--region", help="default: that of the connection, or of the AWS CLI's settings")
    parser.add_argument("--aws-conn-id", default="aws_default", help="the Airflow connection; default: aws_default")


def run(options: argparse.Namespace, out: TextIO) -> int:
    """Write the file. It never replaces one.

    Args:
        options: The parsed command line.
        out: Where to say what was written.

    Returns:
        The exit status: 0 where the file can be used as it is.
    """
    from airflow.providers.common.compat.sdk import AirflowException
    from botocore.exceptions import BotoCoreError, ClientError

    from fresh_endpoints.adoption.content import Adopted
    from fresh_endpoints.adoption.reading import CannotAdoptError, read_running
    from fresh_endpoints.live import hook_at

    name = options.name or options.endpoint
    path = pipelines_dir() / f"{name}.yaml"
    try:
        _require_free(name, path)
        running = read_running(hook_at(options.aws_conn_id, options.region), options.endpoint)
        adopted = Adopted(running, name)
        if options.aws_conn_id != "aws_default":
            adopted.content["aws_conn_id"] = options.aws_conn_id
        with path.open("x", encoding="utf-8") as file:
            file.write(_text(options.endpoint, adopted.content, adopted.left))
    except (CannotAdoptError, AirflowException, BotoCoreError, ClientError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    out.write(f"{path} is written. AWS was only read. Left to do:\n")
    out.writelines(f"- {sentence}\n" for sentence in adopted.left)
    return _check(path, out)


def _require_free(name: str, path: Path) -> None:
    if not re.fullmatch(NAME, name) or len(name) > LONGEST_NAME:
        raise OSError(
            f"{name!r} cannot be a pipeline's name: allowed are {LONGEST_NAME} letters, digits and hyphens between "
            "them. Give another one with --name."
        )
    if path.exists():
        raise OSError(f"{path} exists, and stays as it is. Give another name with --name.")


def _check(path: Path, out: TextIO) -> int:
    try:
        pipeline = load_among_others(path)
    except PipelineFileError as error:
        sys.stderr.write(f"It cannot be used yet. {error}\n")
        return 1
    sys.stderr.writelines(f"warning: {warning}\n" for warning in find_warnings(pipeline))
    out.write(f"{pipeline.name}: ok\n")
    return 0


def _text(endpoint: str, content: dict[str, Any], left: list[str]) -> str:
    """Write the file: first what is left to do, as comments."""
    lines = [f"Written from what AWS told of endpoint {endpoint}. Left to do:", *(f"- {sentence}" for sentence in left)]
    wrapped = [part for line in lines for part in textwrap.wrap(line, 116, subsequent_indent="  ", **_WHOLE_WORDS)]
    comment = "".join(f"# {line}\n" for line in wrapped)
    body = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    return f"# yaml-language-server: $schema=pipeline.schema.json\n{comment}\n{body}"


_WHOLE_WORDS: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
