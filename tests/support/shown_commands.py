"""The commands that a page shows, and whether they are what their programs take."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import botocore.session
import yaml
from airflow.cli.cli_parser import get_parser
from botocore import xform_name

from fresh_endpoints import __main__ as fresh_endpoints

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
OTHER_BLOCK = re.compile(r"^ *```(?!sh\n)(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
PROMPTED = re.compile(r"^ *\$ (.+)$", re.MULTILINE)
FENCED = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
PROGRAMS = ("make", "fresh-endpoints", "airflow", "aws", "docker", "pip", "python", "git")
# The page says so where it shows them, and only what they read of the repository is held.
RUN_BY_NO_TEST = {"helm": "kubernetes.md"}
# What a page's reader puts in; shlex and the shell would take its signs for their own.
_PLACE = re.compile(r"<[\w ]+>")


def commands_of(text: str) -> list[str]:
    """The commands of a page: each line of its shell blocks, what follows a prompt, and what begins with a program.

    The last is in backticks; what is cut short there by an ellipsis is none.
    """
    text = text.replace("\\\n", " ")
    lines = [line.strip() for block in BLOCK.findall(text) for line in block.splitlines()]
    inline = re.findall(rf"`((?:{'|'.join(PROGRAMS)}) [^`\n…]+)`", FENCED.sub("", text))
    return [line for line in [*lines, *PROMPTED.findall(text), *inline] if line and not line.startswith("#")]


def commands_outside(text: str) -> list[str]:
    """Lines of blocks that are no shell's, and begin with a program and without a prompt: nobody would hold them."""
    blocks = [block for _, block in OTHER_BLOCK.findall(BLOCK.sub("", text))]
    begins = re.compile(rf"^\s*(?:\w+=\S* )*(?:\.venv/bin/)?(?:{'|'.join(PROGRAMS)}) ")
    return [line.strip() for block in blocks for line in block.splitlines() if begins.match(line)]


def name_of(program: str, *arguments: str) -> str:
    """A command by its subcommand, without what it is asked to do: `airflow dags pause`, `aws sagemaker add-tags`."""
    words = [program, *arguments]
    if program == "aws":
        service, operation, *rest = without_global_options(arguments)
        words = [program, service, operation, *(rest[:1] if operation == "wait" else ())]
    elif program == "airflow" or arguments[:1] == ("compose",):
        words = words[:3]
    elif program == "docker":
        files = [word for pair in pairwise(arguments) if pair[0] == "--file" for word in pair]
        words = [*words[:2], *files]
    else:
        words = words[:2]
    return " ".join(words)


def without_global_options(arguments: Sequence[str]) -> list[str]:
    """The words of an AWS CLI's command from its service on: before it may stand options of the CLI's own."""
    words = [word for word in arguments if word not in ("--no-sign-request",)]
    while words[0].startswith("--"):  # Each with its value.
        words = words[2:]
    return words


def parts_of(command: str) -> list[list[str]]:
    """A line's commands as words: without comment, without the settings before the program, pipes taken apart."""
    lexer = shlex.shlex(_PLACE.sub("PLACE", command), posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    parts: list[list[str]] = [[]]
    for word in lexer:
        if word in ("|", "&&", ";"):
            parts.append([])
        elif parts[-1] or not re.match(r"\w+=", word):
            parts[-1].append(word.removeprefix(".venv/bin/"))
    return [part for part in parts if part and part[0] != "export"]


def check(program: str, *arguments: str) -> None:
    """Fail unless a program takes these arguments."""
    checks = {"make": _make, "airflow": _airflow, "aws": _aws, "docker": _docker, "git": _git}
    if program == "fresh-endpoints":
        is_named_only = len(arguments) == 1 and arguments[0] in subcommands()
        assert is_named_only or not _exits(fresh_endpoints.make_parser(), list(arguments))
    elif program in ("python", "pip"):
        named = [word for word in arguments if "/" in word or word.endswith((".txt", ".py"))]
        assert [word for word in named if not (ROOT / word).exists()] == []
    elif program in ("echo", *RUN_BY_NO_TEST):
        named = [word for word in arguments if word.startswith("include/")]
        assert [word for word in named if not (ROOT / word).exists()] == []
    else:
        assert program in checks, f"no test knows how to hold {program!r}"
        checks[program](*arguments)


def _make(target: str, *variables: str) -> None:
    assert f"\n{target}:" in MAKEFILE
    for variable in variables:
        name = variable.partition("=")[0]
        assert re.search(rf"\$\((if |origin |foreach \w+,\$\(|or \$\()?{name}\b", MAKEFILE), name


def _airflow(*arguments: str) -> None:
    # By its name alone, a command is asked for its help, which wants no arguments.
    is_named_only = not any(word.startswith("-") for word in arguments)
    assert not _exits(get_parser(), list(arguments)) or (is_named_only and _has_help(get_parser(), arguments))


def _docker(*arguments: str) -> None:
    """Hold what concerns docker-compose.yaml against it, and what is built against the files."""
    if arguments[0] != "compose":
        named = [after for option, after in pairwise(arguments) if option == "--file"]
        assert arguments[0] in ("build", "inspect", "pull", "push", "run")
        assert [file for file in named if not (ROOT / file).is_file()] == []
        return
    services = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
    if arguments[1] != "exec":
        assert arguments[1] in ("up", "down", "logs", "build")
        assert {word for word in arguments[2:] if not word.startswith("--")} <= services.keys()
        return
    at = arguments.index("scheduler")
    assert "scheduler" in services
    command = list(arguments[at + 1 :])
    if command[:3] == ["python", "-m", "fresh_endpoints"]:
        assert "PYTHONPATH=plugins" in arguments[:at]
        assert not _exits(fresh_endpoints.make_parser(), command[3:])
    elif command:
        assert command[0] == "airflow"
        assert len(command) == 1 or not _exits(get_parser(), command[1:])


def _aws(*arguments: str) -> None:
    """Hold a command of the AWS CLI against the service's API, after which it is named."""
    service, operation, *options = without_global_options(arguments)
    if service == "s3":
        assert operation in ("cp", "sync")
        return
    session = botocore.session.get_session()
    if operation == "wait":
        assert options[0].replace("-", "_") in map(xform_name, session.get_waiter_model(service).waiter_names)
        return
    model = session.get_service_model(service)
    [name] = [name for name in model.operation_names if xform_name(name, "-") == operation]
    shape = model.operation_model(name).input_shape
    known = {f"--{xform_name(member, '-')}" for member in (shape.members if shape else {})}
    assert {word for word in options if word.startswith("--")} <= known | {"--region", "--query"}


def _git(command: str, *arguments: str) -> None:
    assert command == "archive"
    assert [path for path in arguments[1:] if not (ROOT / path).exists()] == []


@cache
def subcommands() -> frozenset[str]:
    """What the command ``fresh-endpoints`` can do."""
    parser = fresh_endpoints.make_parser()
    [commands] = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return frozenset(commands.choices)


def _has_help(parser: argparse.ArgumentParser, command: Sequence[str]) -> bool:
    try:
        parser.parse_args([*command, "--help"])
    except SystemExit as ended:
        return ended.code == 0
    return False


def _exits(parser: argparse.ArgumentParser, arguments: list[str]) -> bool:
    try:
        parser.parse_args(arguments)
    except SystemExit:
        return True
    return False
