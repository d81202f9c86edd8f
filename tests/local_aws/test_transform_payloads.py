from __future__ import annotations

from typing import Any

import pytest

from local_aws.transform_payloads import payloads

CONTENT = b"1,2\r\n3,4\n\n5,6"


def request(split: str | None = None, **members: Any) -> dict[str, Any]:
    return {"TransformInput": {"SplitType": split} if split else {}, **members}


@pytest.mark.parametrize(
    ("members", "bodies"),
    [
        (request(), [CONTENT]),
        (request("None"), [CONTENT]),
        (request("Line"), [CONTENT]),
        (request("Line", BatchStrategy="SingleRecord"), [b"1,2\r\n", b"3,4\n", b"\n", b"5,6"]),
        (request("Line", BatchStrategy="MultiRecord", MaxPayloadInMB=0), [CONTENT]),
    ],
)
def test_objects_are_cut_as_the_request_says(members: dict[str, Any], bodies: list[bytes]) -> None:
    assert list(payloads(CONTENT, members)) == bodies


def test_a_record_beyond_the_payload_is_an_error() -> None:
    with pytest.raises(Exception, match="A record of 1048577 bytes is larger than MaxPayloadInMB=1"):
        list(payloads(b"x" * (1024 * 1024 + 1), request(MaxPayloadInMB=1)))


def test_an_empty_object_asks_nothing() -> None:
    assert list(payloads(b"", request("Line"))) == []
