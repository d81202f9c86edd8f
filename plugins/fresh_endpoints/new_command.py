"""The command ``new``: a pipeline file like one that exists, under a name of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import yaml
from pydantic import ValidationError

from fresh_endpoints.pipeline_file import bounds
from fresh_endpoints.pipeline_file.lines import lines_of
from fresh_endpoints.pipeline_file.loading import load_among_others, load_pipeline, path_of, pipelines_dir
from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.problems import PipelineFileError

SAMPLE = "multiclass"
_DESCRIPTION = "Say here what the model is for."
# More are not read.
_MOST_LINES = 20


def add_parser(commands: Any) -> None:
    """Add the command to the command line.

    Args:
        commands: argparse's sub-commands.
    """
    parser = commands.add_parser("new", help="write a pipeline file like one that exists")
    parser.add_argument("name", help="the new pipeline's name")
    like = f"the file that it is to be like, or that file's pipeline; default: {SAMPLE}, the sample"
    parser.add_argument("--like", metavar="FILE", default=SAMPLE, help=like)


def write_new(name: str, like: str, *, out: TextIO, err: TextIO) -> bool:
    """Write a pipeline file like one that exists, and say what is left to do.

    Args:
        name: The new pipeline's name.
        like: The file that it is to be like, or that file's pipeline.
        out: Where to say what is left to do.
        err: Where to say what is wrong.

    Returns:
        Whether it was written. Nothing that is there is ever written over.
    """
    source = Path(like) if like.endswith(".yaml") else path_of(like)
    # Beside a pipeline that shares what its folder does; all else may be anywhere.
    path = (source.parent if source == path_of(source.stem) else pipelines_dir()) / f"{name}.yaml"
    try:
        old = load_pipeline(source)
        _refuse_name(name, path)
        text = _renamed(bounds.read(source).decode(), old, name)
        pipeline = _written(path, text)
    except PipelineFileError as error:
        err.write(f"{error}\nNothing was written.\n")
        return False
    out.write(f"Wrote {path}, like {source}. What is left to do:\n")
    out.writelines(f"- {line}\n" for line in _left(pipeline, old, text))
    return True


def _renamed(text: str, old: Pipeline, name: str) -> str:
    """Change the name, the description and an endpoint's own name where they stand; all else stays, comments, too."""
    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    new = {"name": name, "description": _DESCRIPTION}
    values = [(key.value, value) for key, value in root.value if key.value in new]
    for key, value in sorted(values, key=lambda pair: -pair[1].start_mark.index):  # From the end: places stay.
        start, end = value.start_mark.index, value.end_mark.index
        # The end of a text of several lines is after its last line's.
        ending = "\n" if text[start:end].endswith("\n") else ""
        text = text[:start] + _as_yaml(new[key]) + ending + text[end:]
    return _with_own_endpoint(_without_former_names(text), old, name)


def _without_former_names(text: str) -> str:
    """Leave out ``renamed_from``: what a name has left is one pipeline's."""
    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    lines = text.splitlines(keepends=True)
    for key, value in root.value:
        if key.value == "renamed_from":
            is_block = isinstance(value, yaml.SequenceNode) and not value.flow_style
            last = value.value[-1] if is_block else value
            del lines[key.start_mark.line : last.end_mark.line + 1]
    return "".join(lines)


def _as_yaml(value: str) -> str:
    return value if yaml.safe_load(value) == value else f'"{value}"'  # 2019 is a number.


def _with_own_endpoint(text: str, old: Pipeline, name: str) -> str:
    number = lines_of(text.encode()).get("endpoint.EndpointName")
    if number is None:
        return text
    lines = text.splitlines(keepends=True)
    endpoint = re.escape(str(old.endpoint["EndpointName"]))
    lines[number - 1] = re.sub(rf"(EndpointName:\s*)([\"']?){endpoint}\2", rf"\g<1>{_as_yaml(name)}", lines[number - 1])
    return "".join(lines)


def _refuse_name(name: str, path: Path) -> None:
    """Refuse a name before anything is made of it, such as a path."""
    try:
        Pipeline.model_validate({"name": name})
    except ValidationError as error:
        for wrong in error.errors():
            if wrong["loc"] == ("name",):
                raise PipelineFileError(path, [f"name: found {name!r}; {wrong['ctx']['error']}"]) from None
    path = path_of(name) if path_of(name).exists() else path
    if path.exists() or path.is_symlink():
        raise PipelineFileError(path, ["it exists; give the new pipeline another name, or edit that file"])


def _written(path: Path, text: str) -> Pipeline:
    """Write the file, never over another, and leave it only where it can be used beside the others."""
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise PipelineFileError(path, [f"cannot be written: {error.strerror}"]) from error
    try:
        return load_among_others(path, is_new=True)
    except PipelineFileError:
        path.unlink()
        raise


def _left(pipeline: Pipeline, old: Pipeline, text: str) -> Iterator[str]:
    name, lines = pipeline.name, lines_of(text.encode())
    if number := lines.get("description"):
        yield f"Line {number}: say what the model is for."
    said = re.compile(rf"(?<![\w-]){re.escape(old.name)}(?![\w-])")
    still = [number for number, line in enumerate(text.splitlines(), 1) if said.search(line.partition("#")[0])]
    if still:
        numbers = ", ".join(map(str, still[:_MOST_LINES])) + (", …" if len(still) > _MOST_LINES else "")
        yield f"They still say {old.name}, so look whether the new one is to share it: lines {numbers}."
    yield "Change what else differs: image, hyperparameters, instances."
    keys = "".join(f"\n    {key.replace('{{ pipeline }}', name)}" for key in _keys(pipeline))
    yield f"Put each day's files where it looks for them:{keys}"
    yield f"See what a run will ask of AWS: fresh-endpoints plan {name}"
    yield f"On AWS, let the workers' policy reach {name}-…; docs/production.md says how."
    yield f"Unpause train_and_deploy_{name}" + (f" and batch_predict_{name}." if pipeline.transform else ".")


def _keys(pipeline: Pipeline) -> list[str]:
    prediction = [pipeline.data.prediction] if pipeline.data.prediction else []
    return [*(channel.key for channel in pipeline.data.channels.values()), *prediction]
