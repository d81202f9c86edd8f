"""Where training and serving programs run: the images, folders or Docker's, and what stands for /opt/ml."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from local_aws.container import Container, free_port, repository
from local_aws.docker_container import Containers
from local_aws.docker_engine import DockerError, DockerImage
from local_aws.images import Image
from local_aws.janitor import Janitor

# What a process needs of the host. A container sees nothing of it, so no credentials and no Airflow settings get in.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class ContainerStartError(Exception):
    """A container cannot be started; ``str()`` says why and that it is local AWS that says so."""


class ContainerHost:
    """Where programs run.

    Attributes:
        closed: Every program has been or is being killed; what fails from now on fails for that reason.
    """

    def __init__(self, images: Mapping[str, Image]) -> None:
        self.closed = False
        self._images = dict(images)
        self._folder = Path(tempfile.mkdtemp(prefix="local-aws-"))
        self._janitor = Janitor(self._folder)
        needs_docker = any(isinstance(image, DockerImage) for image in images.values())
        self._containers = Containers(self._janitor) if needs_docker else None

    def has_image(self, uri: str) -> bool:
        """Tell whether an image is here.

        Args:
            uri: Image URI.

        Returns:
            Whether its repository stands for a folder or for an image of Docker's.
        """
        return repository(uri).rpartition("/")[2] in self._images

    def advice(self) -> str:
        """Say which images are here, for where AWS's words for one that is not would have people look in ECR."""
        return (
            f"(local AWS: it has the programs of {', '.join(sorted(self._images))}; those of another image are named "
            "with make up IMAGE=NAME=FOLDER or IMAGE=NAME=docker://TAG, or with --image.)"
        )

    def new_base(self, name: str) -> Path:
        """Make a folder to stand for a container's /opt/ml.

        Args:
            name: Whose it is, for people.

        Returns:
            The empty folder; :meth:`discard` it when the container has ended.
        """
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._folder))

    def discard(self, base: Path) -> None:
        """Remove a folder of :meth:`new_base`.

        Args:
            base: The folder.
        """
        shutil.rmtree(base, ignore_errors=True)

    def start(
        self, image: str, program: str, base: Path, environment: Mapping[str, str], *, is_isolated: bool = False
    ) -> Container:
        """Start a program of an image.

        Args:
            image: Image URI; :meth:`has_image` must be true for it.
            program: ``train`` or ``serve``.
            base: Folder that stands for /opt/ml.
            environment: What the container is told.
            is_isolated: Whether a container of Docker's reaches no network; a process reaches it all the same.

        Returns:
            The running program; call its ``watch`` next.

        Raises:
            ContainerStartError: Docker cannot do it.
        """
        found = self._images[repository(image).rpartition("/")[2]]
        if isinstance(found, Path):
            return self._start_process(found / program, base, environment)
        assert self._containers
        try:
            return self._containers.start(found, program, base, environment, is_isolated=is_isolated)
        except DockerError as error:
            raise ContainerStartError(f"local AWS: Docker did not start {found.tag}: {error}") from error

    def _start_process(self, program: Path, base: Path, environment: Mapping[str, str]) -> Container:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        # The interpreter's own folder first, as in an activated virtual environment: serve may start gunicorn.
        inherited["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)])
        ours = {"SAGEMAKER_BASE_DIR": str(base), "PYTHONUNBUFFERED": "1"}
        address = None
        if program.name == "serve":
            address = ("127.0.0.1", free_port())
            ours |= {"SAGEMAKER_BIND_TO_PORT": str(address[1]), "BIND_HOST": address[0]}
        return Container(_command(program), base, inherited | dict(environment) | ours, self._janitor, address)

    def report(self, error: str) -> None:
        """Tell people about a fault of local AWS itself.

        Args:
            error: What happened. Nothing is said once the host is closed: then everything fails.
        """
        if not self.closed:
            sys.stderr.write(error)

    def close(self) -> None:
        """Kill every program that still runs and remove all folders."""
        self.closed = True
        self._janitor.close()


def _command(program: Path) -> list[str]:
    """Run an executable as its first line has it, as a container does; else it is Python."""
    return [str(program)] if os.access(program, os.X_OK) else [sys.executable, str(program)]
