"""The command ``fresh-endpoints``, for people who write pipeline files and look after their endpoints."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from fresh_endpoints import (
    adopt_command,
    check_command,
    iam_command,
    invoke_command,
    new_command,
    plan_command,
    remove_command,
    show_command,
)
from fresh_endpoints.pipeline_file.environment import VARIABLE
from fresh_endpoints.pipeline_file.loading import LoadedPipelines, load_pipelines, path_of, pipelines_dir
from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.problems import near_misses

_ENV = f"the environment, whose files and names are meant; default: that of the variable {VARIABLE}, or none"


def json_schema(*, shared: bool = False) -> dict[str, Any]:
    """Make the JSON Schema of pipeline files, which editors complete and check them by.

    Args:
        shared: Whether of files that say a part of it: defaults, what an environment changes, and what shares defaults.

    Returns:
        The schema (draft 2020-12).
    """
    schema, title = Pipeline.model_json_schema(), "Pipeline file"
    if shared:
        title = "A part of pipeline files"
        for part in (schema, *schema["$defs"].values()):
            part.pop("required", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser(prog="fresh-endpoints", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check_command.add_parser(commands)
    new_command.add_parser(commands)
    plan_command.add_parser(commands)
    schema = commands.add_parser("schema", help="print the JSON Schema of pipeline files")
    schema.add_argument(
        "--shared",
        action="store_true",
        help="of files that say a part: _defaults.yaml, NAME.ENV.yaml, and NAME.yaml beside them",
    )
    _add_status(commands)
    _add_history(commands)
    _add_redeploy(commands)
    invoke_command.add_parser(commands)
    iam_command.add_parser(commands)
    adopt_command.add_parser(commands)
    remove_command.add_parser(commands)
    show_command.add_parser(commands)
    for name, command in commands.choices.items():
        if name != "schema":
            command.add_argument("--env", metavar="NAME", help=_ENV)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: The command line without the program; None for the process's own.

    Returns:
        The exit status: 1 where a file cannot be used, or what is asked for cannot be done.
    """
    options = make_parser().parse_args(arguments)
    with _in_environment(getattr(options, "env", None)):
        return _run(options)


@contextlib.contextmanager
def _in_environment(name: str | None) -> Iterator[None]:
    """Have all that is read, and every program that is started, be of an environment; None for the current one."""
    before = dict(os.environ)
    if name is not None:
        os.environ[VARIABLE] = name
    try:
        yield
    finally:
        if name is not None:
            os.environ.pop(VARIABLE)
            os.environ.update({key: value for key, value in before.items() if key == VARIABLE})


def _run(options: argparse.Namespace) -> int:
    if options.command == "check":
        return 0 if check_command.check(options.path, options.format, out=sys.stdout, err=sys.stderr) else 1
    if options.command == "new":
        return 0 if new_command.write_new(options.name, options.like, out=sys.stdout, err=sys.stderr) else 1
    if options.command == "show":
        return _show(options.pipeline)
    if options.command == "iam":
        return iam_command.run(options, sys.stdout, sys.stderr)
    if options.command in _ASKING_AWS:
        # Airflow logs to stdout, as soon as it is loaded; what is asked for is to be all that is there.
        os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")
        out = sys.stdout
        with contextlib.redirect_stdout(sys.stderr):
            return _ASKING_AWS[options.command](options, out)
    sys.stdout.write(json.dumps(json_schema(shared=options.shared), indent=2) + "\n")
    return 0


def _add_status(commands: Any) -> None:
    parser = commands.add_parser("status", help="show what is live of each pipeline, as AWS tells it")
    parser.add_argument("pipeline", nargs="*", help="pipelines; default: all")
    parser.add_argument("--json", action="store_true", help="print JSON")
    stale = "exit with 1 where a model's data date is more days ago than this, or nothing is live; such as 2d"
    parser.add_argument("--stale", type=_days, metavar="DAYS", help=stale)


def _add_history(commands: Any) -> None:
    parser = commands.add_parser("history", help="show what has become of a pipeline's models")
    parser.add_argument("pipeline")
    parser.add_argument("--last", type=int, default=14, metavar="N", help="how many trainings; default: 14")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_redeploy(commands: Any) -> None:
    help_text = "go back to a model that exists, and hold it: tell what would be done, and have Airflow do it"
    parser = commands.add_parser("redeploy", help=help_text)
    parser.add_argument("pipeline")
    to = (
        "previous (default): what was seen to work before what is live; live: change nothing but the hold; "
        "or a data date, or a training job's name"
    )
    parser.add_argument("--to", default="previous", metavar="MODEL", help=to)
    hold = "how many days the daily runs leave it live; 0: no hold, and one that there is ends; default: 7"
    parser.add_argument("--hold-days", type=int, default=7, metavar="N", help=hold)
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; Slack and the endpoint's tag say it")
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be done")


def _days(text: str) -> int:
    if not re.fullmatch(r"\d{1,4}d?", text):
        raise argparse.ArgumentTypeError(f"found {text!r}; allowed are days, such as 2d")
    return int(text.rstrip("d"))


def _status(options: argparse.Namespace, out: TextIO) -> int:
    from fresh_endpoints.status import print_status

    loaded = load_pipelines()
    known = {pipeline.name: pipeline for pipeline in loaded.pipelines}
    if unknown := [name for name in options.pipeline if name not in known]:
        return _no_such_pipeline(unknown[0], loaded)
    sys.stderr.writelines(f"{error}\n" for error in loaded.errors)
    chosen = [known[name] for name in options.pipeline] or loaded.pipelines
    is_fresh = print_status(chosen, as_json=options.json, stale_days=options.stale, out=out)
    return 0 if is_fresh and not (loaded.errors and options.stale is not None) else 1


def _history(options: argparse.Namespace, out: TextIO) -> int:
    from airflow.providers.common.compat.sdk import AirflowException

    from fresh_endpoints.status import print_history

    if (pipeline := _named(options.pipeline)) is None:
        return 1
    try:
        print_history(pipeline, most=options.last, as_json=options.json, out=out)
    except (AirflowException, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _redeploy(options: argparse.Namespace, out: TextIO) -> int:
    from fresh_endpoints.redeploy_command import Wish, redeploy

    if (pipeline := _named(options.pipeline)) is None:
        return 1
    wish = Wish(options.to.strip(), options.hold_days, options.reason)
    is_done = redeploy(pipeline, wish, dry_run=options.dry_run, out=out, err=sys.stderr)
    return 0 if is_done else 1


def _show(pipeline: str) -> int:
    if not pipeline.endswith(".yaml") and not path_of(pipeline).exists():
        return _no_such_pipeline(pipeline, load_pipelines())
    return 0 if show_command.show(pipeline, out=sys.stdout, err=sys.stderr) else 1


def _plan(options: argparse.Namespace, out: TextIO) -> int:
    if (pipeline := _named(options.pipeline)) is None:
        return 1
    is_told = plan_command.print_plan(pipeline, options.date, live=options.live, as_json=options.json, out=out)
    return 0 if is_told else 1


def _invoke(options: argparse.Namespace, out: TextIO) -> int:
    if (pipeline := _named(options.pipeline)) is None:
        return 1
    return 0 if invoke_command.invoke(pipeline, options, out=out, err=sys.stderr) else 1


# They load Airflow and boto3, which `check` does not need.
_ASKING_AWS = {
    "status": _status,
    "history": _history,
    "redeploy": _redeploy,
    "plan": _plan,
    "invoke": _invoke,
    "adopt": adopt_command.run,
    "remove": remove_command.run,
}


def _named(name: str) -> Pipeline | None:
    """Find a usable pipeline; where there is none of the name, say so."""
    loaded = load_pipelines()
    found = next((pipeline for pipeline in loaded.pipelines if pipeline.name == name), None)
    if found is None:
        _no_such_pipeline(name, loaded)
    return found


def _no_such_pipeline(name: str, loaded: LoadedPipelines) -> int:
    for error in loaded.errors:
        if error.path.stem == name:
            sys.stderr.write(f"{error}\n")
            return 1
    names = ", ".join(pipeline.name for pipeline in loaded.pipelines) or "none"
    near = near_misses(name, [pipeline.name for pipeline in loaded.pipelines])
    hint = f"did you mean {near}?" if near else f"there are: {names}"
    sys.stderr.write(f"There is no pipeline {name!r} in {pipelines_dir()}; {hint}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
