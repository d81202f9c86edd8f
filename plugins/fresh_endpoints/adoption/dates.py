"""The day that stands in an S3 URL, and the template that puts every run's day in its place."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable

# As people write days into keys, and what makes that of data_date.
_FORMS = (
    (re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)"), "{{ data_date }}"),
    (re.compile(r"(?<!\d)(\d{4})/(\d{2})/(\d{2})(?!\d)"), "{{ data_date.replace('-', '/') }}"),
    (re.compile(r"(?<!\d)(\d{4})(\d{2})(\d{2})(?!\d)"), "{{ data_date.replace('-', '') }}"),
    (
        re.compile(r"year=(\d{4})/month=(\d{2})/day=(\d{2})(?!\d)"),
        "year={{ data_date[:4] }}/month={{ data_date[5:7] }}/day={{ data_date[8:] }}",
    ),
)
# From the training's day, by AWS's clock: the same day; the day before; and that of a zone in which it was earlier.
_DAYS_BEFORE = range(3)


def find_day(uris: Iterable[str], created: dt.datetime) -> dt.date | None:
    """Find the day whose files a training has read.

    Args:
        uris: The S3 URLs that it has read.
        created: When it was created.

    Returns:
        The latest of the days in the URLs that are the training's, or just before it; None where there is none.
    """
    days = [day for uri in uris for day, _, _ in _found(uri)]
    today = created.astimezone(dt.timezone.utc).date()
    return max((day for day in days if (today - day).days in _DAYS_BEFORE), default=None)


def with_data_date(text: str, day: dt.date | None) -> str:
    """Put data_date in the place of a day.

    Args:
        text: An S3 URL, or a key.
        day: The day; None for none.
    """
    for found, (start, end), template in sorted(_found(text), key=lambda each: each[1], reverse=True):
        if found == day:
            text = text[:start] + template + text[end:]
    return text


def _found(text: str) -> list[tuple[dt.date, tuple[int, int], str]]:
    found = []
    for form, template in _FORMS:
        for match in form.finditer(text):
            try:
                found.append((dt.date(*map(int, match.groups())), match.span(), template))
            except ValueError:  # Digits that are no day.
                continue
    return found
