"""A person's own files in S3, where a pipeline's ``data`` wants them on a data date.

A file belongs to a channel (a key of ``data``) when it lies in a folder of the channel's name, when it is named as the
channel is, or when it has the file name of the channel's S3 key and of no other's. What a run waits for is put last, so
that no run begins with half of it.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from fresh_endpoints.pipeline_file.loading import load_pipelines
from fresh_endpoints.pipeline_file.schedule import newest_due
from local_aws.sample_data import ensure_bucket

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline

PIPELINES = Path(__file__).resolve().parent.parent / "pipelines"
SAMPLE = "multiclass"
# What says that a folder is whole, and holds nothing itself: Hadoop's and Spark's marker.
_MARKER = "_SUCCESS"


@dataclass(frozen=True)
class Place:
    """Where a pipeline's files of one data date are.

    Attributes:
        bucket: The bucket.
        keys: S3 key by channel.
        markers: By channel, the S3 key that a run waits for in that one's place.
    """

    bucket: str
    keys: Mapping[str, str]
    markers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Matched:
    """Which files go where.

    Attributes:
        puts: Local file (None for an empty marker) and S3 key, in the order in which they are put.
        missing: S3 key by channel, for those channels that no file belongs to.
        left: Files that belong to no channel.
    """

    puts: list[tuple[Path | None, str]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    left: list[Path] = field(default_factory=list)


def choose_pipeline(text: str) -> tuple[Pipeline, Path]:
    """Find a pipeline.

    Args:
        text: Its name, if its file is in ``include/pipelines``; else the file.

    Returns:
        The pipeline, and the folder of pipeline files that it is of.

    Raises:
        ValueError: There is none, or its file cannot be used.
    """
    path = Path(text).expanduser()
    is_file = path.suffix.lower() in (".yaml", ".yml")
    folder, name = (path.parent.resolve(), path.stem) if is_file else (PIPELINES, text)
    loaded = load_pipelines(folder)
    for pipeline in loaded.pipelines:
        if pipeline.name == name:
            return pipeline, folder
    for error in loaded.errors:
        if error.path.stem == name:
            raise ValueError(str(error))
    names = ", ".join(pipeline.name for pipeline in loaded.pipelines) or "none"
    raise ValueError(f"There is no pipeline {name!r} in {folder}; there are: {names}")


def newest_data_date(pipeline: Pipeline, now: dt.datetime) -> dt.date:
    """Return the day that the pipeline's newest run trains on; without a schedule, one that is triggered now.

    Args:
        pipeline: The pipeline.
        now: The moment, with a time zone.
    """
    due = newest_due(pipeline, now) or now.astimezone(ZoneInfo(pipeline.timezone))
    return due.date() - dt.timedelta(days=1)


def place_of(pipeline: Pipeline, data_date: dt.date) -> Place:
    """Render where the files of a data date are.

    Args:
        pipeline: The pipeline.
        data_date: The data date.

    Raises:
        ValueError: A template needs what only a run knows, such as an Airflow Variable without a default.
    """
    names: dict[str, Any] = {
        "pipeline": pipeline.name,
        "data_date": data_date.isoformat(),
        "date": (data_date + dt.timedelta(days=1)).isoformat(),
        "var": {"value": {}, "json": {}},  # nobody has set any
    }
    names["bucket"] = _render("bucket", pipeline.bucket, names)
    keys, markers = (
        {channel: _render(f"data.{channel}", key, names) for channel, key in _data_keys(pipeline, member).items()}
        for member in ("key", "wait")
    )
    return Place(names["bucket"], keys, markers)


def match(folder: Path, keys: Mapping[str, str], markers: Mapping[str, str] | None = None) -> Matched:
    """Find out which files of a folder go where.

    Args:
        folder: The folder.
        keys: S3 key by channel.
        markers: By channel, the S3 key that is waited for in that one's place.

    Raises:
        ValueError: There is no such folder, nothing in it belongs to a channel, or a channel's folder has files and
            not the one that is waited for.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder")
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    found = Matched()
    for channel, key in keys.items():
        puts = _of_folder(folder / channel, key) or _of_file(channel, key, files, keys)
        found.puts += puts
        if not puts:
            found.missing[channel] = key
        elif (marker := (markers or {}).get(channel)) and marker not in [key for _, key in puts]:
            found.puts.append((None, marker))
    taken = {file for file, _ in found.puts}
    found.left = [file for file in files if file not in taken]
    if not found.puts:
        wanted = "; ".join(f"{channel}: {channel}/, {channel}.* or {_name(key)}" for channel, key in keys.items())
        raise ValueError(f"{folder} holds nothing for the pipeline's data. It may hold, by channel, {wanted}")
    return found


def put(s3: Any, region: str, place: Place, found: Matched) -> list[str]:
    """Put files into S3, in a bucket that is made if missing.

    Args:
        s3: A boto3 S3 client of the region.
        region: The bucket's region.
        place: Where they go.
        found: The files.

    Returns:
        What was done, a line each.
    """
    ensure_bucket(s3, region, place.bucket)
    lines = []
    for file, key in found.puts:
        if file is None:
            s3.put_object(Bucket=place.bucket, Key=key, Body=b"")
        else:
            s3.upload_file(str(file), place.bucket, key)
        lines.append(f"Put {file or 'an empty marker'} at s3://{place.bucket}/{key}")
    for channel, key in found.missing.items():
        lines.append(f"No file for {channel}, so s3://{place.bucket}/{key} is left as it is")
    return lines + [f"No channel for {file}, so it is not put" for file in found.left]


def _data_keys(pipeline: Pipeline, member: str) -> dict[str, str]:
    """Return the S3 key of each channel that has one; a channel's value is its key, or a mapping with it."""
    data = pipeline.model_dump(mode="json")["data"]
    mappings = {channel: value if isinstance(value, dict) else {"key": value} for channel, value in data.items()}
    return {channel: value[member] for channel, value in mappings.items() if isinstance(value.get(member), str)}


def _render(field_name: str, template: str, names: Mapping[str, Any]) -> str:
    try:
        return SandboxedEnvironment(undefined=StrictUndefined).from_string(template).render(names)
    except TemplateError as error:
        raise ValueError(f"{field_name}: found {template!r}, which only a run can render: {error}") from error


def _of_folder(folder: Path, key: str) -> list[tuple[Path | None, str]]:
    """Return the files of a channel's folder with their keys, what is waited for last."""
    if not folder.is_dir():
        return []
    prefix, name = key[: -len(_name(key))] if _name(key) else key, _name(key)
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if _is_data(path, folder)}
    puts: list[tuple[Path | None, str]] = [(path, prefix + below) for below, path in files.items() if below != name]
    if not files or not name:
        return puts
    if name in files:
        return [*puts, (files[name], key)]
    if name == _MARKER:
        return [*puts, (None, key)]
    only = next(iter(files.values()))
    if len(files) == 1 and only.suffix == Path(name).suffix:
        return [(only, key)]
    raise ValueError(
        f"{folder} holds {', '.join(files)} and no {name}, which a run waits for: {key}. Give one of them that name"
    )


def _of_file(channel: str, key: str, files: list[Path], keys: Mapping[str, str]) -> list[tuple[Path | None, str]]:
    named = [file for file in files if file.stem == channel]
    if len(named) == 1:
        return [(named[0], key)]
    if Counter(map(_name, keys.values()))[_name(key)] > 1:
        return []
    return [(file, key) for file in files if file.name == _name(key)]


def _is_data(path: Path, folder: Path) -> bool:
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _name(key: str) -> str:
    return key.rpartition("/")[2]
