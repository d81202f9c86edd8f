"""docs/aws.md names every variable of the stack, and its commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from fresh_endpoints import __main__ as fresh_endpoints

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "aws.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
TEMPLATE = (ROOT / "include" / "cloudformation" / "pipelines.yaml").read_text()
COMMANDS = [
    words
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if (words := shlex.split(line, comments=True))
]
VARIABLES = set(re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.MULTILINE))
OF_PARAMETERS = dict(re.findall(r"(?:\$\(if \$\(|\$\(origin )([A-Z_]+)\)[),,]*?,(?:,)?([A-Z][A-Za-z]+)='", MAKEFILE))


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's tags as nothing."""


_Loader.add_multi_constructor("!", lambda loader, tag, node: None)


def test_every_parameter_of_the_stack_has_a_variable_and_the_page_tells_of_each():
    parameters = yaml.load(TEMPLATE, _Loader)["Parameters"].keys()
    known = {name if not re.fullmatch(r"Target\d", name) else "MoreTargets" for name in parameters}
    assert set(OF_PARAMETERS.values()) == known
    assert {*OF_PARAMETERS, "STACK"} == VARIABLES


@pytest.mark.parametrize("command", COMMANDS, ids=shlex.join)
def test_every_command_exists(command):
    program, *arguments = command
    if program == "make":
        assert f"\n{arguments[0]}:" in MAKEFILE
        assert {argument.partition("=")[0] for argument in arguments[1:]} <= VARIABLES
    else:
        assert program == "fresh-endpoints"
        fresh_endpoints.make_parser().parse_args(arguments)


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(--[a-z-]+)`", PAGE))))
def test_every_option_exists(option, capsys):
    said = ""
    for command in ("iam", "adopt", "remove"):
        with pytest.raises(SystemExit):
            fresh_endpoints.make_parser().parse_args([command, "--help"])
        said += capsys.readouterr().out
    assert option in said
