"""Where a pipeline's data files are in S3: its channels' and the one to predict on."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from fresh_endpoints.pipeline_file.checks.rendered import Rendered
from fresh_endpoints.pipeline_file.data import Channel
from fresh_endpoints.pipeline_file.templates import Templates, is_unknown, without_templates
from fresh_endpoints.problems import near_misses

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"(?!xn--|\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LONGEST_KEY = 1024
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Channel.html, ChannelName
_CHANNEL = re.compile(r"[A-Za-z0-9.\-_]{1,64}")
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
    for name, channel in rendered.pipeline.data.channels.items():
        yield from _check_channel(name, channel, rendered)
    template, is_read = rendered.pipeline.data.prediction, rendered.pipeline.transform is not None
    if template is not None and rendered.prediction is not None:
        problem = _problem_of_key(rendered.prediction)
        if problem := problem or (_problem_of_folder(template, rendered.templates) if is_read else None):
            yield f"data.prediction: found {template!r}; {problem}"
    test = rendered.pipeline.smoke_test
    if test and test.key and (problem := _problem_of_path(without_templates(test.key))):
        yield f"smoke_test.key: found {test.key!r}; {problem}"
    yield from _check_shared_folders(rendered)


def warn_data(rendered: Rendered) -> Iterator[str]:
    """Find what is allowed of the data files, but seldom meant.

    Args:
        rendered: The pipeline, in which there are no problems.

    Yields:
        One sentence for each.
    """
    data = rendered.pipeline.data
    for name, channel in data.channels.items():
        if near_misses(name, ["prediction"]):
            yield f"data.{name}: found another key than 'prediction', so it is a channel; did you mean 'prediction'?"
        waited = channel.wait if isinstance(channel.wait, str) else channel.key
        if channel.wait and not rendered.templates.differs_by_day(waited):
            yield (
                f"data.{name}: found {waited!r}, which is not another one each day, so a run may train on what an "
                "earlier one has trained on; put {{ data_date }} where the day stands, or write wait: false if it is "
                "meant"
            )
    if data.prediction is not None and not rendered.templates.differs_by_day(data.prediction):
        yield (
            f"data.prediction: found {data.prediction!r}, which is not another one each day; put {{{{ data_date }}}} "
            "where the day stands, unless each model is to predict on the same file"
        )
    if not any(channel.wait for channel in data.channels.values()):
        yield (
            "data: found no channel that a run waits for, so it trains whether there is new data or not; write the key "
            "of a file that each day brings"
        )


def _check_bucket(bucket: str) -> Iterator[str]:
    if not is_unknown(bucket) and not _BUCKET.fullmatch(bucket):
        yield (
            f"bucket: found {bucket!r}; it must be an S3 bucket's name: 3 to 63 lower-case letters, digits, dots and "
            "hyphens, with a letter or digit at both ends"
        )


def _check_channel(name: str, channel: Channel, rendered: Rendered) -> Iterator[str]:
    if not _CHANNEL.fullmatch(name):
        yield (
            f"data.{name}: found a channel's name that SageMaker does not take; allowed letters, digits, dots, hyphens "
            "and underscores, 64 at most"
        )
    told = rendered.channels[name]
    # What SageMaker reads may be all that begins so, and what is waited for is one file.
    is_prefix = channel.file and channel.wait is not True
    problem = _problem_of_key(told["key"].rstrip("/") if is_prefix else told["key"])
    if problem := problem or (None if channel.file else _problem_of_folder(channel.key, rendered.templates)):
        yield f"data.{name}: found {channel.key!r}; {problem}"
    if isinstance(channel.wait, str) and (problem := _problem_of_key(told["wait"])):
        yield f"data.{name}.wait: found {channel.wait!r}; {problem}"


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
        return (
            f"S3 knows no wildcards, so no file is ever found; write a whole key, without {found[0]}, such as that of "
            "the file _SUCCESS that is written last: SageMaker reads the files beside it, too"
        )
    if found := _SCHEME.match(key):
        return f"{found[0]!r} makes a URL of it, so no file is ever found; let the key begin with something else"
    return None


def _problem_of_folder(template: str, templates: Templates) -> str | None:
    if "/" not in template:
        return "it must be in a folder, because SageMaker reads whole folders"
    # One that is the same every day is meant to be, or is warned of.
    if templates.differs_by_day(template) and not _folder_differs_by_day(template, templates):
        example = f"{_folder(template)}{{{{ data_date }}}}/{template[len(_folder(template)) :]}"
        return (
            "SageMaker reads its whole folder, which is the same every day, with the files of all days; put "
            f"{{{{ data_date }}}} into the folder, as in {example}"
        )
    return None


def _folder_differs_by_day(template: str, templates: Templates) -> bool:
    days = templates.on_sample_days(template)
    if days is None:
        return templates.differs_by_day(_folder(template))
    return len({_folder(day) for day in days}) == len(days)


def _folder(key: str) -> str:
    """Return a key, or a template of one, up to its last slash, which is not one inside of a template's braces."""
    return key[: without_templates(key).rfind("/") + 1]


def _check_shared_folders(rendered: Rendered) -> Iterator[str]:
    keys = {name: str(channel["key"]) for name, channel in rendered.channels.items()}
    read = {name: keys[name] if channel["file"] else _folder(keys[name]) for name, channel in rendered.channels.items()}
    if rendered.prediction is not None and rendered.pipeline.transform is not None:
        keys["prediction"], read["prediction"] = rendered.prediction, _folder(rendered.prediction)
    # What is in no folder is told already.
    for pair in itertools.combinations((name for name, prefix in read.items() if prefix), 2):
        outer, inner = sorted(pair, key=lambda name: len(read[name]))
        if not read[inner].startswith(read[outer]):
            continue
        found = f"data.{inner}: found {keys[inner]!r}"
        if read[outer].endswith("/"):
            yield (
                f"{found} beside or below data.{outer}, {keys[outer]!r}; SageMaker reads whole folders, so each needs "
                "a folder of its own"
            )
        else:
            yield (
                f"{found}, which begins with data.{outer}, {keys[outer]!r}; SageMaker reads each object whose key "
                "begins so; give one of them another key"
            )
