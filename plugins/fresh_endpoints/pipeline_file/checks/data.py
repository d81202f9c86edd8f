"""Where a pipeline's data files are in S3."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.pipeline_file.templates import SAMPLE_DATES, Templates, is_unknown

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"(?!xn--|\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LONGEST_KEY = 1024


def data_keys(pipeline: Pipeline) -> dict[str, str]:
    """Return the templates of the S3 keys that the file gives, by their names under ``data``.

    Args:
        pipeline: The pipeline.
    """
    return {name: key for name, key in dict(pipeline.data).items() if key is not None}


def check_bucket(bucket: str) -> Iterator[str]:
    """Check the bucket's name.

    Args:
        bucket: The name, rendered.

    Yields:
        One sentence for each problem.
    """
    if not is_unknown(bucket) and not _BUCKET.fullmatch(bucket):
        yield (
            f"bucket: found {bucket!r}; it must be an S3 bucket's name: 3 to 63 lower-case letters, digits, dots and "
            "hyphens, with a letter or digit at both ends"
        )


def check_keys(pipeline: Pipeline, keys: Mapping[str, str], templates: Templates) -> Iterator[str]:
    """Check the S3 keys of the data files.

    Args:
        pipeline: The pipeline.
        keys: The keys of data_keys(), rendered.
        templates: What has rendered them.

    Yields:
        One sentence for each problem.
    """
    for name, template in data_keys(pipeline).items():
        key = keys[name]
        if is_unknown(key):
            continue
        where = f"data.{name}: found {template!r}"
        if "://" in key:
            yield f"{where}; write the key alone, as the bucket is in `bucket`"
        elif key.startswith("/"):
            yield f"{where}; S3 keys do not begin with a slash; remove it"
        elif key.endswith("/") or not key:
            yield f"{where}; it must be a file's key, not a folder's"
        elif "/" not in key:
            yield f"{where}; it must be in a folder, because SageMaker reads whole folders"
        elif len(key.encode()) > _LONGEST_KEY:
            yield f"{where}; it has {len(key.encode())} bytes; allowed {_LONGEST_KEY}"
        elif not templates.names(template) & SAMPLE_DATES.keys():
            yield f"{where}; every day has a file of its own; put {{{{ data_date }}}} where the day stands"
