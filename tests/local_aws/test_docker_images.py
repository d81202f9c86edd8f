"""Images of Docker's where no engine is needed to tell: how they are named, refused and told their environment."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

import pytest

from local_aws.container_host import ContainerHost, ContainerStartError
from local_aws.docker_engine import DockerImage
from local_aws.images import read_image
from local_aws.own_model import OwnModel, add_options

# Notes its arguments and its own environment, and acts as if a container had run and left nothing.
_RECORDER = """#!/bin/sh
echo "$@" >> "{folder}/arguments"
[ "$1 $2" = "cp -" ] && cat > /dev/null
while [ $# -gt 0 ]; do [ "$1" = --env-file ] && cat "$2" >> "{folder}/told"; last=$1; shift; done
[ -n "$SEVERAL" ] && echo "$SEVERAL" >> "{folder}/told"
[ "$last" = - ] && {{ echo "Could not find the file" >&2; exit 1; }}
echo '{{"Running": false, "ExitCode": 0}}'
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a program in the place of the command docker."""

    def command(text: str) -> None:
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / "docker").write_text(text)
        (tmp_path / "bin" / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")

    return command


def test_without_docker_it_is_said_what_is_missing_and_what_else_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match=r"local AWS: docker://mine:1 needs Docker, .*IMAGE=NAME=FOLDER$"):
        read_image("churn-image=docker://mine:1")


def test_an_image_that_docker_does_not_have_is_said_with_how_to_get_it(command) -> None:
    command("#!/bin/sh\n[ $1 = version ] || { echo 'No such image: mine:1' >&2; exit 1; }\n")
    said = r"no image 'mine:1' here \(No such image: mine:1\)\. Build it \(docker build --tag mine:1 FOLDER\) or fetch"
    with pytest.raises(ValueError, match=said):
        read_image("churn-image=docker://mine:1")


def test_a_name_for_docker_is_the_repositorys_last_part(command) -> None:
    command("#!/bin/sh\n")
    uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/x/churn-image:1"
    assert read_image(f"{uri}=docker://r.example.com/mine:1") == ("churn-image", DockerImage("r.example.com/mine:1"))


def test_an_image_of_the_last_time_is_used_again_and_one_that_has_gone_is_said(command, tmp_path: Path) -> None:
    def own(*arguments: str) -> OwnModel:
        parser = argparse.ArgumentParser()
        add_options(parser)
        return OwnModel(parser.parse_args(arguments), tmp_path / "memory.json")

    command("#!/bin/sh\n")
    own("--image", "a=docker://mine:1").remember()
    assert own().images == {"a": DockerImage("mine:1")}
    command("#!/bin/sh\necho 'Cannot connect' >&2; exit 1\n")
    with pytest.raises(ValueError, match=r"docker://mine:1 needs Docker, and no engine answers"):
        own()
    (tmp_path / "train").write_text("")
    assert own("--image", f"a={tmp_path}").images == {"a": tmp_path}


def test_where_an_isolated_container_could_not_be_asked_it_is_said(command) -> None:
    # As on a Mac: the engine's networks are those of another machine.
    command('#!/bin/sh\n[ "$1 $2" = \'network inspect\' ] && echo \'[{"Subnet": "203.0.113.0/24"}]\' || true\n')
    host = ContainerHost({"mine": DockerImage("mine:1")})
    try:
        with pytest.raises(
            ContainerStartError, match="did not start mine:1: with EnableNetworkIsolation a container that"
        ):
            host.start("mine", "serve", host.new_base("test"), {}, is_isolated=True)
    finally:
        host.close()


def test_no_argument_of_a_process_holds_what_a_container_is_told(command, tmp_path: Path) -> None:
    command(_RECORDER.format(folder=tmp_path))
    host = ContainerHost({"mine": DockerImage("mine:1")})
    try:
        base, ended = host.new_base("test"), threading.Event()
        (base / "model").mkdir()
        container = host.start("mine", "train", base, {"TOKEN": "secret-1", "SEVERAL": "secret-2\nsecret-3"})
        container.watch(lambda lines: None, ended.set)
        assert ended.wait(30)
        assert (container.exit_code, container.fault, list((base / "model").iterdir())) == (0, None, [])
        assert list(base.parent.glob("*.env")) == []
    finally:
        host.close()
    arguments = (tmp_path / "arguments").read_text()
    assert "container create" in arguments
    assert "--env SEVERAL" in arguments
    assert "secret" not in arguments
    told = (tmp_path / "told").read_text()
    assert "TOKEN=secret-1\n" in told
    assert "secret-2\nsecret-3\n" in told
