"""Pages of the List operations, cut as AWS cuts them: first the page, then the filters.

Of all resources, in the order asked for, only CreationTimeAfter and CreationTimeBefore bound what is paged through.
MaxResults of them make the page, and NameContains, StatusEquals and LastModifiedTimeAfter/Before leave out of that page
what does not fit: it may be empty and still have a NextToken. The API reference says so of StatusEquals
(https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListTrainingJobs.html, MaxResults); answers recorded in
aws/aws-cli issue 7596 and boto/boto3 issues 2521 and 2838 show it of the others.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from local_aws.wire import validation_error

DEFAULT_PAGE = 10
# Whatever the operation: the API reference has ListTrainingJobs ascend, but recorded answers have the newest first.
DEFAULT_ORDER = "Descending"
FILTERS = (
    "NextToken",
    "MaxResults",
    "SortBy",
    "SortOrder",
    "NameContains",
    "StatusEquals",
    "CreationTimeAfter",
    "CreationTimeBefore",
    "LastModifiedTimeAfter",
    "LastModifiedTimeBefore",
)
_FOREIGN_TOKEN = "Invalid NextToken: it is not one that a List operation returned."  # noqa: S105 - no secret


class Listed(Protocol):
    """What a list tells resources apart by."""

    @property
    def name(self) -> str:
        """The resource's name."""

    @property
    def status(self) -> str:
        """Its status; empty for what has none."""

    @property
    def creation_time(self) -> float:
        """Epoch seconds."""

    @property
    def last_modified_time(self) -> float:
        """Epoch seconds."""


L = TypeVar("L", bound=Listed)


def list_page(items: Iterable[L], request: dict[str, Any]) -> tuple[list[L], str | None]:
    """Find what one List request answers.

    Args:
        items: All resources of the kind.
        request: The List operation's input.

    Returns:
        What is left of the page, and the token of the next one where there is more.

    Raises:
        AwsError: NextToken is not one of ours.
    """
    page, token = paginate(
        [item for item in items if _is_between(item.creation_time, request, "CreationTime")],
        key=_SORT_KEYS[request.get("SortBy", "CreationTime")],
        descending=request.get("SortOrder", DEFAULT_ORDER) == "Descending",
        size=request.get("MaxResults", DEFAULT_PAGE),
        token=request.get("NextToken"),
    )
    return [item for item in page if _is_wanted(item, request)], token


def paginate(
    items: list[L], *, key: Callable[[L], Any], descending: bool, size: int, token: str | None
) -> tuple[list[L], str | None]:
    """Cut one page.

    A token holds the sort key of the last item of its page, so that what is created or deleted between two calls
    neither repeats nor hides others.

    Args:
        items: All that is paged through.
        key: The value to sort by.
        descending: Whether the highest comes first.
        size: Items per page.
        token: Where the last page ended.

    Returns:
        The page, and the token of the next one where there is more.

    Raises:
        AwsError: The token is not one of ours.
    """

    def place(item: L) -> list[Any]:
        return [key(item), item.name]

    ordered = sorted(items, key=place, reverse=descending)
    if token:
        last = _read_token(token)
        try:
            ordered = [item for item in ordered if (place(item) < last if descending else place(item) > last)]
        except TypeError as error:
            raise validation_error("Invalid NextToken: it belongs to a list in another order.") from error
    page = ordered[:size]
    if len(ordered) <= size:
        return page, None
    return page, base64.urlsafe_b64encode(json.dumps(place(page[-1])).encode()).decode()


def _read_token(token: str) -> list[Any]:
    try:
        place = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, binascii.Error) as error:
        raise validation_error(_FOREIGN_TOKEN) from error
    if not isinstance(place, list):
        raise validation_error(_FOREIGN_TOKEN)
    return place


def _is_wanted(item: Listed, request: dict[str, Any]) -> bool:
    if request.get("NameContains", "").lower() not in item.name.lower():
        return False
    if request.get("StatusEquals", item.status) != item.status:
        return False
    return _is_between(item.last_modified_time, request, "LastModifiedTime")


def _is_between(moment: float, request: dict[str, Any], member: str) -> bool:
    after, before = request.get(f"{member}After", float("-inf")), request.get(f"{member}Before", float("inf"))
    return bool(after < moment < before)


_SORT_KEYS: dict[str, Callable[[Listed], Any]] = {
    "Name": lambda item: item.name,
    "CreationTime": lambda item: item.creation_time,
    "Status": lambda item: item.status,
}
