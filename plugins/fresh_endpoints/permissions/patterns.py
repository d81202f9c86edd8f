"""Texts as IAM policies match them: what differs by day, or only a run knows, is a star; all else stands for itself.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from fresh_endpoints.pipeline_file.templates import is_unknown, without_templates

# No digit is the same in all of them, so that no part of a date looks as if every day had it.
DAYS = (
    {"data_date": "2019-03-04", "date": "2020-04-15"},
    {"data_date": "3456-12-21", "date": "4567-11-30"},
    {"data_date": "9801-01-10", "date": "8792-12-09"},
)
ANY = "*"
_SPECIAL = re.compile(r"[*?]|\$(?={)")


def literal(text: str) -> str:
    """Write a text so that a policy takes each of its characters for itself.

    Args:
        text: The text.
    """
    return _SPECIAL.sub(lambda found: f"${{{found[0]}}}", text)


def common(texts: Sequence[str]) -> str:
    """Return the pattern that all texts match: stars where their parts, between slashes, differ.

    Args:
        texts: What a template gives on each of DAYS; one that only a run can render is still a template.
    """
    parts = [text.split("/") for text in map(_without_braces, texts)]
    if len({len(one) for one in parts}) == 1:
        return "/".join(_common_part(part) for part in zip(*parts, strict=True))
    head = itertools.takewhile(lambda part: len(set(part)) == 1, zip(*parts, strict=False))
    return "/".join([*(literal(part[0]) for part in head), ANY])


def is_all(pattern: str) -> bool:
    """Tell whether nothing in a pattern stands for itself.

    Args:
        pattern: The pattern of an S3 key, or of a bucket.
    """
    return not pattern.strip(f"{ANY}/")


def _without_braces(text: str) -> str:
    """Blank out what only a run knows; no text of S3's or SageMaker's has this character."""
    return re.sub("…+", "\0", without_templates(text)) if is_unknown(text) else text


def _common_part(texts: tuple[str, ...]) -> str:
    if len(set(texts)) == 1:
        return ANY.join(literal(piece) for piece in texts[0].split("\0"))
    start = _common_start(texts)
    rest = [text[len(start) :] for text in texts]
    end = _common_start([text[::-1] for text in rest])[::-1]
    return ANY.join(literal(piece) for piece in (start, end)).replace("\0", ANY)


def _common_start(texts: Sequence[str]) -> str:
    same = itertools.takewhile(lambda signs: len(set(signs)) == 1, zip(*texts, strict=False))
    return "".join(signs[0] for signs in same)
