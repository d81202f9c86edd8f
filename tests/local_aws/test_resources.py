from __future__ import annotations

import pytest

from local_aws.lists import paginate
from local_aws.resources import Resource
from local_aws.unsupported import refuse_unsupported
from local_aws.wire import AwsError


def resource(name: str, created: float = 0.0) -> Resource:
    return Resource(name, f"arn:{name}", {}, creation_time=created)


def test_pages_neither_repeat_nor_hide_what_was_there_when_others_come_and_go() -> None:
    items = [resource("a", 1), resource("c", 2), resource("b", 2), resource("d", 3)]

    def page(token: str | None) -> tuple[list[str], str | None]:
        found, following = paginate(items, key=lambda r: r.creation_time, descending=True, size=2, token=token)
        return [item.name for item in found], following

    first, token = page(None)
    assert first == ["d", "c"]
    items.append(resource("e", 4))
    del items[1]  # "c", the last one shown
    assert page(token) == (["b", "a"], None)


def test_a_last_page_that_is_full_has_no_token() -> None:
    found, token = paginate([resource("a"), resource("b")], key=lambda r: r.name, descending=False, size=2, token=None)
    assert ([item.name for item in found], token) == (["a", "b"], None)


@pytest.mark.parametrize("token", ["%", "bm90IGpzb24=", "e30="])
def test_a_token_that_is_not_ours_is_refused(token: str) -> None:
    with pytest.raises(AwsError, match="Invalid NextToken"):
        paginate([resource("a")], key=lambda r: r.name, descending=False, size=1, token=token)


def test_a_token_of_another_order_is_refused() -> None:
    items = [resource("a", 1), resource("b", 2)]
    _, token = paginate(items, key=lambda r: r.name, descending=False, size=1, token=None)
    with pytest.raises(AwsError, match="another order"):
        paginate(items, key=lambda r: r.creation_time, descending=False, size=1, token=token)


SUPPORTED = {"Name": None, "Mode": {"File"}, "Items": {"Key": None}}


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"Name": "n", "Extra": 1}, "local AWS: Op cannot do Extra (found 1)"),
        ({"Mode": "Pipe"}, "local AWS: Op cannot do Mode 'Pipe', only 'File'."),
        ({"Items": [{"Key": 1}, {"Other": 2}]}, "local AWS: Op cannot do Items[1].Other (found 2)"),
    ],
)
def test_what_is_not_done_is_refused_with_its_place(request_: dict[str, object], said: str) -> None:
    with pytest.raises(AwsError) as refused:
        refuse_unsupported("Op", request_, SUPPORTED)
    assert refused.value.message.startswith(said)


def test_what_is_done_passes() -> None:
    refuse_unsupported("Op", {"Name": "n", "Mode": "File", "Items": [{"Key": 1}]}, SUPPORTED)
