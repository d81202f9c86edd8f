"""The command ``show``: what a pipeline's files say together, and where each value is from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from fresh_endpoints.pipeline_file.environment import aws_name, current_environment
from fresh_endpoints.pipeline_file.layers import Layer
from fresh_endpoints.pipeline_file.loading import layers_of, load_among_others, path_of, pipelines_dir
from fresh_endpoints.pipeline_file.merging import Place, places
from fresh_endpoints.pipeline_file.model import KEYS
from fresh_endpoints.pipeline_file.reading import read_values
from fresh_endpoints.pipeline_file.yaml_text import with_comments
from fresh_endpoints.problems import PipelineFileError, Where


def add_parser(commands: Any) -> None:
    """Add the command to the command line.

    Args:
        commands: argparse's sub-commands.
    """
    parser = commands.add_parser("show", help="show what a pipeline's files say together, and where each value is from")
    parser.add_argument("pipeline", help="the pipeline, or its file")


def show(pipeline: str, *, out: TextIO, err: TextIO) -> bool:
    """Print what a pipeline's files say together as one file, with the file and line of each value.

    Args:
        pipeline: The pipeline's name, or its file.
        out: Where to.
        err: Where to say what is wrong with it.

    Returns:
        Whether it can be used. Also of one that cannot all is printed, as far as it is YAML.
    """
    path = Path(pipeline) if pipeline.endswith(".yaml") else path_of(pipeline)
    parsed: dict[Path, Any] = {}
    try:
        layers = layers_of(path)
        values = read_values(path, layers, parsed)
        out.writelines(f"{line}\n" for line in _written(path, values, layers, parsed))
        out.flush()  # Before what is wrong with it, where both are one terminal.
        load_among_others(path)
    except PipelineFileError as error:
        err.write(f"{error}\n")
        return False
    return True


def _written(path: Path, values: Any, layers: Sequence[Layer], parsed: Mapping[Path, Any]) -> Iterator[str]:
    environment = current_environment()
    where = f" in the environment {environment}; in AWS: {aws_name(environment, path.stem)}" if environment else ""
    yield f"# {path.stem}{where}"
    yield f"# Nearest first: {', '.join(_shown(layer.path) for layer in reversed(layers))}"
    found = places(layers, parsed)
    if isinstance(values, dict):  # In the order of the reference; merged, what is shared would come before the name.
        values = {**{key: values[key] for key in KEYS if key in values}, **values}
    yield from with_comments(values, {way: _place(found[way]) for way in _said(values, ()) if way in found})


def _said(value: Any, path: Where) -> Iterator[Where]:
    """Yield the paths of what is said by itself: all but mappings, which several files may say together."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _said(item, (*path, str(key)))
    else:
        yield path
        for position, item in enumerate(value if isinstance(value, list) else ()):
            yield from _said(item, (*path, position))


def _place(place: Place) -> str:
    layer, line = place
    return f"{_shown(layer.path)}:{line}"


def _shown(path: Path) -> str:
    """Return a file's path from the pipelines folder, where it lies in that."""
    folder, file = pipelines_dir().resolve(), path.parent.resolve() / path.name
    return file.relative_to(folder).as_posix() if folder in file.parents else os.path.normpath(path)
