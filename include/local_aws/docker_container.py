"""One training or serving program in a real container, as SageMaker runs it: ``docker run IMAGE train`` or ``serve``.

See https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-dockerfile.html and
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html for the contract.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path

from local_aws.container import Address, Container
from local_aws.docker_engine import DockerError, DockerImage, Engine, docker
from local_aws.docker_files import ML, UnsoundFilesError, bring_back, put_in
from local_aws.janitor import Janitor

_PORT = 8080  # where ``serve`` listens
# What images need that begin as root and go on as another user, such as nginx; the other rights of root are taken away.
_RIGHTS = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")
# What a training has left of /opt/ml when it ends.
_RESULTS = ("model", "output", "checkpoints")
_HOST = "algo-1"  # as resourceconfig.json has it
_KILLED = 137  # 128 + SIGKILL
_PAUSE = 0.1


class DockerContainer(Container):
    """A program in a container of the engine's. Its log comes through a ``docker start --attach``."""

    def __init__(self, name: str, base: Path, program: str, engine: Engine, janitor: Janitor) -> None:
        self._name = name
        self._base = base
        self._engine = engine
        self._results = [f for f in _RESULTS if (base / f).exists()] if program == "train" else []
        super().__init__(["docker", "start", "--attach", name], base, os.environ, janitor)

    @property
    def address(self) -> Address | None:
        """Where it can be asked; None while that is not known."""
        with contextlib.suppress(DockerError):
            found = json.loads(docker("container", "inspect", "--format", "{{json .NetworkSettings}}", self._name))
            if published := (found["Ports"] or {}).get(f"{_PORT}/tcp"):
                return "127.0.0.1", int(published[0]["HostPort"])
            for network in found["Networks"].values():
                if network["IPAddress"]:
                    return network["IPAddress"], _PORT
        return None

    def _terminate(self, grace: float) -> None:
        deadline = time.monotonic() + grace
        while not self.exited.is_set():
            try:
                docker("container", "kill", "--signal", "TERM", self._name)
                return
            except DockerError:  # it has not begun, or has ended
                if time.monotonic() > deadline:
                    return
                self.exited.wait(_PAUSE)

    def _kill(self) -> None:
        try:
            docker("container", "kill", self._name)
        except DockerError:  # it does not run; the command that waits for it may
            super()._kill()

    def _conclude(self, exit_code: int) -> int:
        try:
            state = json.loads(docker("container", "inspect", "--format", "{{json .State}}", self._name))
            if state["Running"]:  # only the command that passes on its log has ended
                self.fault = "local AWS: the connection to the container was lost"
                return _KILLED
            for folder in self._results:
                bring_back(self._engine, self._name, self._base, folder)
            return int(state["ExitCode"])
        except (DockerError, OSError, ValueError) as error:
            self.fault = f"local AWS: what the container has left is lost: {error}"
            return exit_code or _KILLED
        except UnsoundFilesError as error:
            self.fault = f"local AWS: {error}"
            return exit_code
        finally:
            remove(self._name)


class Containers:
    """The containers of one server. Everything it makes in the engine has a label that nothing else has."""

    def __init__(self, janitor: Janitor) -> None:
        self._janitor = janitor
        self._engine = Engine(janitor)
        self._label = f"local-aws.server={secrets.token_hex(8)}"
        self._networks: dict[bool, str] = {}
        self._lock = threading.Lock()
        janitor.note_label(self._label)

    def start(
        self, image: DockerImage, program: str, base: Path, environment: Mapping[str, str], *, is_isolated: bool
    ) -> DockerContainer:
        """Start a program of an image.

        Args:
            image: The image.
            program: ``train`` or ``serve``.
            base: The folder that stands for /opt/ml.
            environment: What the program is told.
            is_isolated: Whether it reaches no network.

        Returns:
            The running program.

        Raises:
            DockerError: The engine cannot do it.
            ValueError: The server is closing.
        """
        name = f"local-aws-{program}-{secrets.token_hex(6)}"
        options = [*self._network_options(program, is_isolated), *_rights()]
        try:
            if program == "serve":
                options += self._model_volume(name, image, base)
            with _environment_options(base.parent / f"{name}.env", environment) as (given, own):
                self._create(name, image, program, *options, *given, environment=own)
            if program == "train":
                put_in(self._engine, name, base)
            return DockerContainer(name, base, program, self._engine, self._janitor)
        except BaseException:
            remove(name)
            raise

    def _create(
        self, name: str, image: DockerImage, program: str, *options: str, environment: Mapping[str, str] | None = None
    ) -> None:
        ours = ["--name", name, "--label", self._label, "--pull", "never", "--log-driver", "none"]
        self._engine.make("container", "create", *ours, *options, image.tag, program, environment=environment)

    def _model_volume(self, name: str, image: DockerImage, base: Path) -> list[str]:
        """Make a volume that holds the model, and say how it is mounted: ``serve`` may only read it."""
        mount = f"type=volume,source={name},target={ML}/model,volume-nocopy"
        self._engine.make("volume", "create", "--label", self._label, name)
        filler = f"{name}-model"  # never started: it is how files get into a volume
        try:
            self._create(filler, image, "serve", "--mount", mount)
            put_in(self._engine, filler, base, "model")
        finally:
            remove(filler, has_volume=False)
        return ["--mount", f"{mount},readonly"]

    def _network_options(self, program: str, is_isolated: bool) -> list[str]:
        if program == "train":
            # Without a network nothing would know the name, which programs look up.
            alone = ["--network", "none", "--add-host", f"{_HOST}:127.0.0.1"]
            return ["--hostname", _HOST, *(alone if is_isolated else ["--network", self._network(is_isolated)])]
        published = [] if is_isolated else ["--publish", f"127.0.0.1::{_PORT}"]
        return ["--network", self._network(is_isolated), *published]

    def _network(self, is_isolated: bool) -> str:
        """Find the network for containers that reach the world, or for those that do not; neither reach each other."""
        with self._lock:
            if is_isolated not in self._networks:
                name = f"local-aws-{secrets.token_hex(6)}"
                options = ["--label", self._label, "--opt", "com.docker.network.bridge.enable_icc=false"]
                self._engine.make("network", "create", *options, *(["--internal"] if is_isolated else []), name)
                if is_isolated:
                    _refuse_unreachable(name)
                self._networks[is_isolated] = name
            return self._networks[is_isolated]


def remove(container: str, *, has_volume: bool = True) -> None:
    """Remove a container, which is killed if it runs, and the volume of its name.

    Args:
        container: Its name; nothing happens where there is none.
        has_volume: Whether a volume of its name goes with it.
    """
    with contextlib.suppress(DockerError):
        docker("container", "rm", "--force", "--volumes", container)
    if has_volume:
        with contextlib.suppress(DockerError):
            docker("volume", "rm", "--force", container)


def _rights() -> list[str]:
    added = [option for right in _RIGHTS for option in ("--cap-add", right)]
    return ["--security-opt", "no-new-privileges", "--cap-drop", "ALL", *added]


@contextlib.contextmanager
def _environment_options(file: Path, environment: Mapping[str, str]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Say how a container is told its environment. No argument holds a value: arguments can be seen by other users.

    Yields:
        Options for ``docker container create``, and the environment to run that with.
    """
    several = {name: value for name, value in environment.items() if {"\n", "\r"} & set(value)}  # a file holds lines
    lines = "".join(f"{name}={value}\n" for name, value in environment.items() if name not in several)
    file.touch(mode=0o600, exist_ok=False)
    try:
        file.write_text(lines, encoding="utf-8")
        named = [option for name in several for option in ("--env", name)]
        yield ["--env-file", str(file), *named], {**os.environ, **several}
    finally:
        file.unlink()


def _refuse_unreachable(network: str) -> None:
    """Refuse to serve in isolation where this machine has no address in the engine's networks, such as on a Mac."""
    told = json.loads(docker("network", "inspect", "--format", "{{json .IPAM.Config}}", network))
    try:
        with socket.socket() as probe:
            probe.bind((str(ip_network(told[0]["Subnet"])[1]), 0))  # the first address is this machine's
    except OSError as error:
        docker("network", "rm", network)
        raise DockerError(
            "with EnableNetworkIsolation a container that serves can be asked only where the engine runs on this Linux "
            "itself; leave it out of the model here, or name a folder: IMAGE=NAME=FOLDER"
        ) from error
