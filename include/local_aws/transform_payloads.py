"""What a transform job sends to the model: whole objects, lines, or as many lines as a payload may hold.

See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html, BatchStrategy.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from local_aws.resources import Request

_DEFAULT_PAYLOAD_MB = 6


class RecordTooLargeError(Exception):
    """A record does not fit into a payload; ``str()`` says how large it is."""


def payloads(content: bytes, request: Request) -> Iterator[bytes]:
    """Cut an object into requests to the model.

    Args:
        content: The object's content.
        request: The CreateTransformJob request: SplitType, BatchStrategy, MaxPayloadInMB.

    Yields:
        The requests' bodies, in order.

    Raises:
        RecordTooLargeError: A record, or the whole object where it is not split, is larger than MaxPayloadInMB.
    """
    megabytes = request.get("MaxPayloadInMB", _DEFAULT_PAYLOAD_MB)
    limit = megabytes * 1024 * 1024 if megabytes else float("inf")  # 0 is no limit
    lines = split_type(request) == "Line"
    records = io.BytesIO(content).readlines() if lines else [content]
    together = lines and request.get("BatchStrategy", "MultiRecord") == "MultiRecord"
    batch = bytearray()
    for record in records:
        if len(record) > limit:
            raise RecordTooLargeError(f"A record of {len(record)} bytes is larger than MaxPayloadInMB={megabytes}.")
        if batch and (not together or len(batch) + len(record) > limit):
            yield bytes(batch)
            batch.clear()
        batch += record
    if batch:
        yield bytes(batch)


def split_type(request: Request) -> str:
    """Tell how objects are cut into records.

    Args:
        request: The CreateTransformJob request.

    Returns:
        SplitType; None, as a word, where the request has none.
    """
    return str(request["TransformInput"].get("SplitType", "None"))
