"""Folders that stand in for images, as a command line names them."""

from __future__ import annotations

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
