"""What the command ``iam`` prints: the least that IAM must allow for pipeline files, as JSON or for Terraform."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from fresh_endpoints.permissions.reach import VARIABLE, NotKnownError, Reach, Variables, reach_of
from fresh_endpoints.permissions.statements import LONGEST_INLINE, LONGEST_MANAGED, execution_policy, worker_policy
from fresh_endpoints.pipeline_file.loading import load_pipelines, pipelines_dir
from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.problems import PipelineFileError

WORKER, EXECUTION = "worker", "execution"
_POLICIES = {WORKER: (worker_policy, LONGEST_MANAGED), EXECUTION: (execution_policy, LONGEST_INLINE)}


def add_parser(commands: Any) -> None:
    """Add the command to the command line.

    Args:
        commands: The subparsers of ``fresh-endpoints``.
    """
    parser = commands.add_parser("iam", help="print the least that IAM must allow for the pipeline files")
    of_whom = "worker: the Airflow workers, triggerer and dag-processor; execution: SageMaker's execution role"
    parser.add_argument("principal", choices=sorted(_POLICIES), help=of_whom)
    parser.add_argument("pipeline", nargs="*", help="pipelines; default: all of the pipelines folder")
    parser.add_argument("--format", choices=("json", "terraform"), default="json", help="default: json")
    variable = (
        f"an Airflow Variable that the files ask for; more of them may stand in the environment as {VARIABLE}<NAME>"
    )
    parser.add_argument("--variable", action="append", default=[], type=_pair, metavar="NAME=VALUE", help=variable)


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Print the policy.

    Args:
        options: The parsed command line.
        out: Where to.
        err: Where to say what is wrong, and what a reader of the policy must know.

    Returns:
        The exit status: 1 where a named pipeline cannot be used, or a policy cannot be made.
    """
    try:
        variables = Variables.of_environment(dict(options.variable))
        reaches = [reach_of(pipeline, variables) for pipeline in _chosen(options.pipeline, err)]
    except (PipelineFileError, NotKnownError) as error:
        err.write(f"{error}\n")
        return 1
    make, longest = _POLICIES[options.principal]
    document = make(reaches)
    err.writelines(f"{note}\n" for note in _notes(options.principal, reaches, variables))
    if (size := len(json.dumps(document, separators=(",", ":")))) > longest:
        kind = "a managed policy" if longest == LONGEST_MANAGED else "a role's inline policies"
        err.write(f"This has {size:,} characters; IAM takes {longest:,} in {kind}. Name some pipelines at a time.\n")
    out.write(terraform(document, options.principal) if options.format == "terraform" else _json(document))
    return 0


def _chosen(names: Sequence[str], err: TextIO) -> list[Pipeline]:
    """Return the pipelines; of all, what cannot be used is said and left out, as Airflow leaves it out."""
    loaded = load_pipelines()
    known = {pipeline.name: pipeline for pipeline in loaded.pipelines}
    broken = {error.path.stem: error for error in loaded.errors}
    for name in names:
        if name not in known:
            there_are = f"there are: {', '.join(known) or 'none'}"
            raise broken.get(name) or PipelineFileError(
                pipelines_dir(), [f"there is no pipeline {name!r}; {there_are}"]
            )
    if not names:
        err.writelines(f"Left out: {error}\n" for error in loaded.errors)
    if not known:
        raise PipelineFileError(pipelines_dir(), ["there is no pipeline; put a pipeline file there"])
    return [known[name] for name in names] or loaded.pipelines


def _notes(principal: str, reaches: Sequence[Reach], variables: Variables) -> Iterator[str]:
    if missed := sorted(variables.missed):
        yield f"Not set here, so that the files' defaults were taken: the Airflow Variables {', '.join(missed)}"
    roles = list(dict.fromkeys(role for one in reaches for role in one.roles))
    if principal == EXECUTION and len(roles) > 1:
        yield f"These pipelines run under {len(roles)} roles: {', '.join(roles)}. Name the pipelines of one role."
    for one in reaches:
        yield from one.notes


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def terraform(document: dict[str, Any], principal: str) -> str:
    """Write a policy document as a data source of Terraform's AWS provider.

    https://registry.terraform.io/providers/hashicorp/aws/latest/docs/data-sources/iam_policy_document

    Args:
        document: The policy document.
        principal: Whose it is; part of the data source's name.
    """
    blocks = "\n".join(_block(statement) for statement in document["Statement"])
    return f'data "aws_iam_policy_document" "fresh_endpoints_{principal}" {{\n{blocks}}}\n'


def _block(statement: dict[str, Any]) -> str:
    lines = [
        f"    sid       = {_hcl(statement['Sid'])}",
        f"    effect    = {_hcl(statement['Effect'])}",
        f"    actions   = {_hcl(statement['Action'])}",
        f"    resources = {_hcl(statement['Resource'])}",
    ]
    for test, keys in statement.get("Condition", {}).items():
        for variable, values in keys.items():
            lines += ["    condition {", f"      test     = {_hcl(test)}", f"      variable = {_hcl(variable)}"]
            lines += [f"      values   = {_hcl(values if isinstance(values, list) else [values])}", "    }"]
    return "\n".join(["  statement {", *lines, "  }", ""])


def _hcl(value: Any) -> str:
    """Write a string, or a list of strings, of which Terraform is to replace nothing."""
    if isinstance(value, list):
        return "[" + ", ".join(map(_hcl, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"found {text!r}; write it as NAME=VALUE")
    return name, value
