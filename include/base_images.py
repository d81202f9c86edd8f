"""Keeps the base images by digest: a tag is moved by whoever can push it, a digest is the image's content.

Where an image is used, its default stands as ``name:tag@sha256:…``: in a Dockerfile as ``ARG PYTHON_IMAGE=…``, in
docker-compose.yaml as ``${REDIS_IMAGE:-…}``. The digest is that of the index, from which each machine takes what is
of its own architecture: https://github.com/opencontainers/image-spec/blob/main/image-index.md
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = ("Dockerfile", "include/local_aws/Dockerfile", "include/training_image/Dockerfile", "docker-compose.yaml")

_DEFAULT = re.compile(
    r"(?P<before>(?:^ARG |\$\{)(?P<name>[A-Z]+_IMAGE)(?:=|:-))"
    r"(?P<image>(?P<tag>[a-z0-9./_-]+:[\w.-]+)(?:@sha256:[0-9a-f]{64})?)",
    re.MULTILINE,
)
_SECONDS = 120


class ImageError(Exception):
    """An image whose digest cannot be told; its text is written for a person."""


def images(root: Path = ROOT) -> dict[str, str]:
    """Find the base images.

    Args:
        root: The repository's folder.

    Returns:
        Their defaults, with a digest or without one, by the name that overrides them.

    Raises:
        ImageError: Two files have different defaults for one name.
    """
    found: dict[str, str] = {}
    for file in FILES:
        for match in _DEFAULT.finditer((root / file).read_text(encoding="utf-8")):
            name, image = match["name"], match["image"]
            if found.setdefault(name, image) != image:
                raise ImageError(f"{file}: {name} is {image}, elsewhere {found[name]}. Give it one default.")
    return found


def by_tag(image: str) -> str:
    """Return an image's name and tag without the digest."""
    return image.partition("@")[0]


def digest(tag: str) -> str:
    """Ask an image's registry what the tag stands for now.

    Args:
        tag: Name and tag.

    Returns:
        The digest of the index, ``sha256:…``.

    Raises:
        ImageError: skopeo is missing or got no answer, or the image is of one architecture only.
    """
    if not shutil.which("skopeo"):
        raise ImageError("skopeo is not on the PATH; it asks the registries. Install it (Debian, Homebrew: skopeo).")
    # --raw: the bytes as the registry has them, which are what the digest is of.
    command = ["skopeo", "inspect", "--raw", f"docker://{tag}"]
    try:
        asked = subprocess.run(command, capture_output=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise ImageError(f"{tag}: its registry has not answered within {_SECONDS} s.") from None
    if asked.returncode:
        raise ImageError(f"{tag}: `{' '.join(command)}` says: {asked.stderr.decode().strip()}")
    if "manifests" not in json.loads(asked.stdout):
        raise ImageError(f"{tag}: the registry has it for one architecture only. Name an image that has an index.")
    return f"sha256:{hashlib.sha256(asked.stdout).hexdigest()}"


def renew(root: Path = ROOT) -> list[str]:
    """Write what the tags stand for now; nothing, unless every registry has answered.

    Args:
        root: The repository's folder.

    Returns:
        A line for each image.

    Raises:
        ImageError: A digest cannot be told.
    """
    old = images(root)
    new = {name: f"{by_tag(image)}@{digest(by_tag(image))}" for name, image in old.items()}
    for file in FILES:
        text = (root / file).read_text(encoding="utf-8")
        renewed = _DEFAULT.sub(lambda match: match["before"] + new[match["name"]], text)
        (root / file).write_text(renewed, encoding="utf-8")
    return [f"{new[name]} {'as before' if new[name] == image else 'is new'}" for name, image in old.items()]


def main(arguments: list[str] | None = None) -> int:
    """Renew the digests, or print the images by tag.

    Args:
        arguments: The command line without the program's name; None for the process's own.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(description="Keep the base images by digest.")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository's folder (default: this one)")
    parser.add_argument(
        "command",
        choices=["renew", "tags"],
        help="renew: write what the tags stand for now; tags: print NAME=name:tag lines, the environment of a build"
        " with images that this machine has by tag only",
    )
    options = parser.parse_args(arguments)
    try:
        if options.command == "tags":
            lines = [f"{name}={by_tag(image)}" for name, image in images(options.root).items()]
        else:
            lines = renew(options.root)
    except ImageError as error:
        sys.stderr.write(f"{error}\nThe base images stay as they are.\n")
        return 1
    sys.stdout.write("\n".join([*lines, ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
