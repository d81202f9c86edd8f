"""Files into a container's /opt/ml, and what a program has left there back out of it.

They are copied, not mounted: a container sees nothing of this machine, what its root user writes becomes this user's,
and the engine may see other folders than this machine does. See
https://docs.docker.com/reference/cli/docker/container/cp/.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO

from local_aws.docker_engine import DockerError, Engine

ML = PurePosixPath("/opt/ml")
_NONE = "could not find the file"


class UnsoundFilesError(Exception):
    """What a program has left cannot be taken; ``str()`` says what and why."""


def put_in(engine: Engine, container: str, base: Path, folder: str = ".") -> None:
    """Copy a folder into a container that has not been started.

    Args:
        engine: The engine.
        container: The container.
        base: The folder that stands for /opt/ml.
        folder: What to copy of it.

    Raises:
        DockerError: The engine refused.
        ValueError: The server is closing.
    """
    with (
        engine.stream("cp", "-", f"{container}:/", stdin=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdin, mode="w|") as archive,
    ):
        archive.add(base / folder, arcname=str(ML / folder).lstrip("/"), filter=_as_root)


def bring_back(engine: Engine, container: str, base: Path, folder: str) -> None:
    """Replace a folder of ours by what a container that has ended has in its place.

    Args:
        engine: The engine.
        container: The container.
        base: The folder that stands for /opt/ml.
        folder: The folder's name below it.

    Raises:
        DockerError: The engine refused.
        UnsoundFilesError: There is a device or a socket, or a link that leads out of the folder.
        ValueError: The server is closing.
    """
    shutil.rmtree(base / folder, ignore_errors=True)
    (base / folder).mkdir()
    try:
        with (
            engine.stream("cp", f"{container}:{ML / folder}", "-", stdout=subprocess.PIPE) as process,
            tarfile.open(fileobj=process.stdout, mode="r|") as archive,
        ):
            _unpack(archive, base, folder)
    except DockerError as error:
        if _NONE not in str(error).lower():
            raise


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Whoever has the file here, SageMaker expects containers to run as root."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member


def _unpack(archive: tarfile.TarFile, base: Path, folder: str) -> None:
    """Unpack what begins with the folder's name. Links come last, so that no file is written through one."""
    links: list[tuple[Path, str]] = []
    for member in archive:
        path = PurePosixPath(member.name)
        if path.parts[:1] != (folder,) or ".." in path.parts:
            raise UnsoundFilesError(f"{member.name!r} leads out of {ML / folder}")
        target = base / path
        if member.isdir():
            target.mkdir(exist_ok=True)
        elif member.isreg():
            _write(archive.extractfile(member), target)
            target.chmod(member.mode & 0o755 | 0o600)
        elif member.issym():
            links.append((target, member.linkname))
        elif member.islnk():
            links.append((target, os.path.relpath(base / member.linkname, target.parent)))
        else:
            raise UnsoundFilesError(f"{ML / path} is neither a file, a folder nor a link")
    for target, link in links:
        target.symlink_to(_relative(target, link, base))
    for target, link in links:
        if not target.resolve().is_relative_to((base / folder).resolve()):
            raise UnsoundFilesError(f"{ML / target.relative_to(base)} links to {link}, which is not in {ML / folder}")


def _relative(target: Path, link: str, base: Path) -> str:
    """Say where a link leads from here; in the container /opt/ml is the folder that is ``base`` here."""
    path = PurePosixPath(link)
    return os.path.relpath(base / path.relative_to(ML), target.parent) if path.is_relative_to(ML) else link


def _write(source: IO[bytes] | None, target: Path) -> None:
    assert source is not None  # a regular file's
    with target.open("wb") as file:
        shutil.copyfileobj(source, file)
