"""Where a pipeline's data files are in S3."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fresh_endpoints.aws import requests
from fresh_endpoints.pipeline_file.checks.rendered import Rendered
from fresh_endpoints.pipeline_file.templates import Templates, is_unknown, without_templates

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"(?!xn--|\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LONGEST_KEY = 1024
_WILDCARDS = re.compile(r"[*?\[]")
# The provider's sensor takes such a key for a URL, and fails.
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")


def check_data(rendered: Rendered) -> Iterator[str]:
    """Check the bucket, and the S3 keys of the data files and the smoke test.

    Args:
        rendered: The pipeline.

    Yields:
        One sentence for each problem.
    """
    yield from _check_bucket(rendered.bucket)
    folders = []
    for name, key in rendered.keys.items():
        template = getattr(rendered.pipeline.data, name)
        is_folder = _is_read_as_folder(name, rendered)
        if problem := _problem_of_key(key) or _problem_of_day(template, rendered.templates, is_folder):
            yield f"data.{name}: found {template!r}; {problem}"
        elif is_folder:
            folders.append(name)
    test = rendered.pipeline.smoke_test
    if test and test.key and (problem := _problem_of_path(without_templates(test.key))):
        yield f"smoke_test.key: found {test.key!r}; {problem}"
    yield from _check_shared_folders(folders, rendered.keys)


def _check_bucket(bucket: str) -> Iterator[str]:
    if not is_unknown(bucket) and not _BUCKET.fullmatch(bucket):
        yield (
            f"bucket: found {bucket!r}; it must be an S3 bucket's name: 3 to 63 lower-case letters, digits, dots and "
            "hyphens, with a letter or digit at both ends"
        )


def _problem_of_key(key: str) -> str | None:
    if problem := _problem_of_path(without_templates(key)):
        return problem
    if len(key.encode()) > _LONGEST_KEY and not is_unknown(key):
        return f"it has {len(key.encode())} bytes; allowed {_LONGEST_KEY}"
    return None


def _problem_of_path(key: str) -> str | None:
    if "://" in key:
        return "write the key alone, as the bucket is in `bucket`"
    if key.startswith("/"):
        return "S3 keys do not begin with a slash; remove it"
    if key.endswith("/") or not key:
        return "it must be a file's key, not a folder's"
    if key.strip() != key.removesuffix("\n"):  # Jinja drops the line's end
        return "there is white space at its ends, which would be part of the key; remove it"
    if found := _WILDCARDS.search(key):
        return f"S3 knows no wildcards, so no file is ever found; write the whole key, without {found[0]}"
    if found := _SCHEME.match(key):
        return f"{found[0]!r} makes a URL of it, so no file is ever found; let the key begin with something else"
    return None


def _problem_of_day(template: str, templates: Templates, is_folder: bool) -> str | None:
    if is_folder and "/" not in template:
        return "it must be in a folder, because SageMaker reads whole folders"
    if not templates.differs_by_day(template):
        return "every day has a file of its own; put {{ data_date }} where the day stands"
    if is_folder and not _folder_differs_by_day(template, templates):
        example = f"{_folder(template)}{{{{ data_date }}}}/{template[len(_folder(template)) :]}"
        return (
            "SageMaker reads its whole folder, which is the same every day, with the files of all days; put "
            f"{{{{ data_date }}}} into the folder, as in {example}"
        )
    return None


def _is_read_as_folder(name: str, rendered: Rendered) -> bool:
    if name == "prediction":
        return rendered.pipeline.transform is not None
    request = requests.create_training_job(
        rendered.sections["training"], name="sample", bucket=rendered.bucket, data=rendered.keys, tags={}
    )
    channels = request["InputDataConfig"]
    ours = requests.folder_uri(rendered.bucket, rendered.keys[name])
    return isinstance(channels, list) and any(_s3_uri(channel) == ours for channel in channels)


def _folder_differs_by_day(template: str, templates: Templates) -> bool:
    days = templates.on_sample_days(template)
    if days is None:
        return templates.differs_by_day(_folder(template))
    return len({_folder(day) for day in days}) == len(days)


def _folder(key: str) -> str:
    """Return a key, or a template of one, up to its last slash, which is not one inside of a template's braces."""
    return key[: without_templates(key).rfind("/") + 1]


def _check_shared_folders(names: list[str], keys: Mapping[str, str]) -> Iterator[str]:
    for pair in itertools.combinations(names, 2):
        outer, inner = sorted(pair, key=lambda name: len(_folder(keys[name])))
        if _folder(keys[inner]).startswith(_folder(keys[outer])):
            yield (
                f"data.{inner}: found {keys[inner]!r} beside or below data.{outer}, {keys[outer]!r}; SageMaker reads "
                "whole folders, so each needs a folder of its own"
            )


def _s3_uri(channel: Any) -> Any:
    try:
        return channel["DataSource"]["S3DataSource"]["S3Uri"]
    except (KeyError, TypeError):
        return None
