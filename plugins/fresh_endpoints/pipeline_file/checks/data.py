"""Where a pipeline's data files are in S3."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fresh_endpoints.aws import requests
from fresh_endpoints.pipeline_file.checks.rendered import Rendered
from fresh_endpoints.pipeline_file.templates import SAMPLE_DATES, is_unknown

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"(?!xn--|\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LONGEST_KEY = 1024


def check_data(rendered: Rendered) -> Iterator[str]:
    """Check the bucket, and the S3 keys of the data files.

    Args:
        rendered: The pipeline.

    Yields:
        One sentence for each problem.
    """
    yield from _check_bucket(rendered.bucket)
    yield from _check_keys(rendered)
    yield from _check_folders(rendered)


def _check_bucket(bucket: str) -> Iterator[str]:
    if not is_unknown(bucket) and not _BUCKET.fullmatch(bucket):
        yield (
            f"bucket: found {bucket!r}; it must be an S3 bucket's name: 3 to 63 lower-case letters, digits, dots and "
            "hyphens, with a letter or digit at both ends"
        )


def _check_keys(rendered: Rendered) -> Iterator[str]:
    for name, key in rendered.keys.items():
        template = getattr(rendered.pipeline.data, name)
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
        elif not rendered.templates.names(template) & SAMPLE_DATES.keys():
            yield f"{where}; every day has a file of its own; put {{{{ data_date }}}} where the day stands"


def _check_folders(rendered: Rendered) -> Iterator[str]:
    section, bucket, keys = rendered.sections["training"], rendered.bucket, rendered.keys
    request = requests.create_training_job(section, name="sample", bucket=bucket, data=keys, tags={})
    channels = request["InputDataConfig"]
    uris = [_s3_uri(channel) for channel in channels] if isinstance(channels, list) else []
    ours = [requests.folder_uri(bucket, keys[channel]) for channel in ("training", "validation")]
    short, long = sorted((keys[channel].rpartition("/")[0] + "/" for channel in ("training", "validation")), key=len)
    if long.startswith(short) and not is_unknown(long) and all(uri in uris for uri in ours):
        yield (
            f"data.validation: found {keys['validation']!r} beside or below data.training, {keys['training']!r}; "
            "SageMaker gives a channel its whole folder, so each needs a folder of its own"
        )


def _s3_uri(channel: Any) -> Any:
    try:
        return channel["DataSource"]["S3DataSource"]["S3Uri"]
    except (KeyError, TypeError):
        return None
