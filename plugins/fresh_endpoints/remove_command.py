"""What the command ``remove`` does: it deletes what a pipeline has left in AWS, after it has said what that is."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from fresh_endpoints.aws.own_names import OwnNames
from fresh_endpoints.pipeline_file.environment import aws_name, current_environment
from fresh_endpoints.pipeline_file.loading import LoadedPipelines, load_pipelines
from fresh_endpoints.pipeline_file.names import LONGEST_NAME, NAME
from fresh_endpoints.problems import near_misses

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.removal.looking import Leavings

_STAYS = "S3 (data files, artifacts, predictions), training jobs and logs stay; so do the DAGs' runs in Airflow."


class CannotRemoveError(Exception):
    """Nothing is deleted. ``str()`` says why, and what to do."""


@dataclass(frozen=True)
class Whose:
    """What is to be removed, and where.

    Attributes:
        names: The pipeline's names.
        endpoint: The endpoint that its file names; None where there is no file, or only a run knows it.
        aws_conn_id: The connection to AWS.
        region: The region; None for the connection's own.
        file: The name of its file; None where there is none.
    """

    names: OwnNames
    endpoint: str | None
    aws_conn_id: str
    region: str | None
    file: str | None


def add_parser(commands: Any) -> None:
    """Add the command to the command line.

    Args:
        commands: The subparsers of ``fresh-endpoints``.
    """
    parser = commands.add_parser("remove", help="delete what a pipeline has left in AWS: endpoint, configs, models")
    parser.add_argument("pipeline", help="its name; its file may be gone")
    parser.add_argument("--dry-run", action="store_true", help="only list what would be deleted")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    former = "a name that it had before, where its file is gone; may be given several times"
    parser.add_argument("--renamed-from", action="append", default=[], metavar="NAME", help=former)
    region = "default: the file's; without a file that of the connection, or of the AWS CLI's settings"
    parser.add_argument("--region", help=region)
    parser.add_argument("--aws-conn-id", help="the Airflow connection; default: the file's, or aws_default")


def run(options: argparse.Namespace, out: TextIO) -> int:
    """Say what a pipeline has left, ask, and delete it.

    Args:
        options: The parsed command line.
        out: Where to say it.

    Returns:
        The exit status: 0 where nothing of it is left, or nothing was to be deleted.
    """
    from airflow.providers.common.compat.sdk import AirflowException
    from botocore.exceptions import BotoCoreError, ClientError

    from fresh_endpoints.aws.lists import ListTooLongError

    try:
        _remove(options, out)
    except CannotRemoveError as error:
        sys.stderr.write(f"{error}\nNothing was deleted.\n")
        return 1
    except (AirflowException, BotoCoreError, ClientError, ListTooLongError) as error:
        sys.stderr.write(f"{error}\nWhat is not said to be deleted is there; the same command goes on with it.\n")
        return 1
    return 0


def _remove(options: argparse.Namespace, out: TextIO) -> None:
    from fresh_endpoints.live import hook_at
    from fresh_endpoints.removal.deleting import delete
    from fresh_endpoints.removal.looking import Looking

    loaded = load_pipelines()
    whose = _whose(options, loaded)
    client = hook_at(whose.aws_conn_id, whose.region).conn
    region = client.meta.region_name

    def look() -> Leavings:
        return Looking(client, whose.names, whose.endpoint).look()

    found = look()
    out.writelines(f"{line}\n" for line in _listed(found, whose, region))
    out.flush()
    _require_nobody_elses(found, whose, loaded, region)
    if found.going_on:
        raise CannotRemoveError("\n".join(found.going_on))
    if found.is_empty or options.dry_run:
        return
    if not options.yes:
        _ask(whose, out)
        if look() != found:  # A person may take long to answer.
            raise CannotRemoveError("What there is has changed since it was listed. Look again.")
    for deleted in delete(client, found):
        out.write(f"Deleted {deleted}\n")
        out.flush()


def _whose(options: argparse.Namespace, loaded: LoadedPipelines) -> Whose:
    """Find whose leavings are meant: by the file, else by the name."""
    name, former = options.pipeline, tuple(options.renamed_from)
    for each in (name, *former):
        if not re.fullmatch(NAME, each) or len(each) > LONGEST_NAME:
            raise CannotRemoveError(
                f"{each!r} is no pipeline's name: allowed are {LONGEST_NAME} letters, digits and hyphens."
            )
    _require_usable(loaded)
    pipeline = next((each for each in loaded.pipelines if each.name == name), None)
    for each in loaded.pipelines:
        for claimed in {name, *former} & set(each.renamed_from) if each is not pipeline else ():
            raise CannotRemoveError(
                f"{claimed} is what {each.name} was called before (renamed_from in {each.name}.yaml), so all that it "
                f"has left is {each.name}'s. Remove {each.name}, or take the name out of its file."
            )
        if each.name in former:
            raise CannotRemoveError(f"{each.name} has a file, so it is no former name. Leave it out of --renamed-from.")
    return _of_file(options, pipeline) if pipeline else _of_name(options)


def _require_usable(loaded: LoadedPipelines) -> None:
    """Refuse where a file's endpoint is not known: it may be the one that would be deleted."""
    if loaded.errors:
        said = "\n".join(map(str, loaded.errors))
        raise CannotRemoveError(
            f"{said}\nWhat these files deploy to is not known, so correct them first, or remove those that are meant."
        )


def _of_file(options: argparse.Namespace, pipeline: Pipeline) -> Whose:
    given = tuple(aws_name(pipeline.environment, name) for name in options.renamed_from)
    return Whose(
        OwnNames(pipeline.aws_name, tuple(dict.fromkeys((*pipeline.own_names.former, *given)))),
        _endpoint_name(pipeline),
        options.aws_conn_id or pipeline.aws_conn_id,
        options.region or pipeline.region,
        f"{pipeline.name}.yaml",
    )


def _of_name(options: argparse.Namespace) -> Whose:
    # As they are called in AWS, where the environment begins them.
    name, *former = (aws_name(current_environment(), each) for each in (options.pipeline, *options.renamed_from))
    names = OwnNames(name, tuple(dict.fromkeys(former)))
    return Whose(names, None, options.aws_conn_id or "aws_default", options.region, None)


def _require_nobody_elses(found: Leavings, whose: Whose, loaded: LoadedPipelines, region: str) -> None:
    mine = {endpoint.name.lower() for endpoint in found.endpoints}
    for pipeline in loaded.pipelines:
        name = _endpoint_name(pipeline)
        if pipeline.aws_name in whose.names or pipeline.deploy == "never" or pipeline.region != region or name is None:
            continue
        if name.lower() in mine:
            raise CannotRemoveError(
                f"{pipeline.name}.yaml deploys to endpoint {name}, too. Give it another endpoint, or, if it is the "
                f"same pipeline under a new name, say so in it: renamed_from: {whose.names.name}"
            )


def _endpoint_name(pipeline: Pipeline) -> str | None:
    """Return the name of a pipeline's endpoint; None where only a run knows it."""
    from fresh_endpoints.live import endpoint_name_of

    try:
        return endpoint_name_of(pipeline)
    except ValueError:
        return None


def _listed(found: Leavings, whose: Whose, region: str) -> Iterator[str]:
    """Say what would be deleted, and what stays."""
    if found.is_empty:
        yield f"There is nothing to delete of pipeline {whose.names.name} in {region}."
        yield from _known(whose)
    else:
        yield f"To be deleted of pipeline {whose.names.name} in {region}:"
        yield from (f"  endpoint {endpoint}" for endpoint in found.endpoints)
        yield from (f"  endpoint config {name}" for name in found.endpoint_configs)
        yield from (f"  model {name}" for name in found.models)
    yield from ("Staying:", *(f"  {sentence}" for sentence in (*found.staying, _STAYS)))
    if whose.file:
        yield f"{whose.file} is still there: its next run makes all of it anew. Pause its DAGs, or remove the file."


def _known(whose: Whose) -> Iterator[str]:
    """Help who has mistyped a name."""
    if whose.file is None:
        names = [pipeline.aws_name for pipeline in load_pipelines().pipelines]
        near = near_misses(whose.names.name, names)
        yield f"There is no file of this name either; {f'did you mean {near}?' if near else 'is the region right?'}"


def _ask(whose: Whose, out: TextIO) -> None:
    name = whose.names.name
    out.write(f"This cannot be undone. Type {name} to delete it:\n")
    out.flush()
    answer = sys.stdin.readline()
    if answer.strip() != name:
        hint = "Where nobody can answer, give --yes." if not answer else f"The answer was not {name}."
        raise CannotRemoveError(hint)
