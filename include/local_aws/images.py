"""What stands in for images, as a command line names it: a folder with programs, or an image of Docker's."""

from __future__ import annotations

from pathlib import Path

from local_aws.container import repository
from local_aws.docker_engine import SCHEME, DockerImage, refuse_missing

Image = Path | DockerImage
# https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-dockerfile.html
_PROGRAMS = ("train", "serve")


def read_image(text: str) -> tuple[str, Image]:
    """Read an image and what stands in for it.

    Args:
        text: ``NAME=FOLDER`` or ``NAME=docker://TAG``; the name is an image URI, or as much of it as its repository's
            last part.

    Returns:
        The name that local AWS knows the image by, and the folder or Docker's image.

    Raises:
        ValueError: It is no such text, the folder holds neither program, or Docker has no such image.
    """
    name, _, source = text.partition("=")
    if not name or not source:
        raise ValueError(f"{text!r}: expected NAME=FOLDER, or NAME=docker://TAG for an image of Docker's")
    return repository(name).rpartition("/")[2], read_source(source)


def read_source(text: str) -> Image:
    """Read what stands in for an image.

    Args:
        text: A folder, or ``docker://TAG``.

    Returns:
        The folder or Docker's image.

    Raises:
        ValueError: The folder is not there or holds neither program, or Docker has no such image.
    """
    if text.startswith(SCHEME):
        image = DockerImage(text.removeprefix(SCHEME))
        refuse_missing(image)
        return image
    path = Path(text).expanduser()
    if not path.is_dir():
        raise ValueError(f"{text!r}: expected a folder that exists, or docker://TAG for an image of Docker's")
    if not any((path / program).is_file() for program in _PROGRAMS):
        found = ", ".join(sorted(child.name for child in path.iterdir())) or "nothing"
        raise ValueError(f"{text!r}: the folder has neither a program train nor a program serve; it holds {found}")
    return path.resolve()
