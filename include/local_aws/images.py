"""Which folders stand in for images: as a command line names them, and as the last one did."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from local_aws.container import repository

# https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-dockerfile.html
_PROGRAMS = ("train", "serve")


def read_image(text: str) -> tuple[str, Path]:
    """Read an image and its folder.

    Args:
        text: ``NAME=FOLDER``; the name is an image URI, or as much of it as its repository's last part.

    Returns:
        The name that local AWS knows the image by, and the folder.

    Raises:
        ValueError: It is no such text, or the folder holds neither program.
    """
    name, _, folder = text.partition("=")
    path = Path(folder).expanduser()
    if not name or not folder or not path.is_dir():
        raise ValueError(f"{text!r}: expected NAME=FOLDER with a folder that exists")
    if not any((path / program).is_file() for program in _PROGRAMS):
        found = ", ".join(sorted(child.name for child in path.iterdir())) or "nothing"
        raise ValueError(f"{text!r}: the folder has neither a program train nor a program serve; it holds {found}")
    return repository(name).rpartition("/")[2], path.resolve()


def keep_images(file: Path, given: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Add images to those of the last time, whose endpoints are brought back with them.

    Args:
        file: Where they are kept.
        given: Names and folders; the last of a name counts.

    Returns:
        All whose folders are still there.
    """
    last = {name: Path(folder) for name, folder in json.loads(file.read_text()).items()} if file.exists() else {}
    images = {name: folder for name, folder in {**last, **dict(given)}.items() if folder.is_dir()}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({name: str(folder) for name, folder in images.items()}, indent=2) + "\n")
    return images
