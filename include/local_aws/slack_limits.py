"""What of Block Kit a webhook refuses: the limits of the blocks that messages are made of.

They are at https://docs.slack.dev/reference/block-kit/blocks, each on its block's page; a webhook's answer to all of
them is ``invalid_blocks``. A block of another type is taken as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

_MOST_BLOCKS = 50
_MOST_FIELDS = 10
_MOST_ELEMENTS = 10
_HEADER, _FIELD, _TEXT = 150, 2000, 3000  # characters


def problem_of_blocks(blocks: Any) -> str | None:
    """Say in Slack's word what is wrong with a message's blocks.

    Args:
        blocks: The payload's member, as it came.

    Returns:
        The word; None for good or no blocks.
    """
    if not blocks:
        return None
    if not isinstance(blocks, list):
        return "invalid_blocks_format"
    if len(blocks) > _MOST_BLOCKS or not all(map(_is_block, blocks)):
        return "invalid_blocks"
    return None


def _is_block(block: Any) -> bool:
    if not isinstance(block, Mapping) or not isinstance(block.get("type"), str):
        return False
    if block["type"] == "header":
        return _is_text(block.get("text"), _HEADER, ("plain_text",))
    if block["type"] == "section":
        return _is_section(block)
    if block["type"] == "context":
        elements = block.get("elements")
        return _is_some(elements, _MOST_ELEMENTS) and all(_is_element(element) for element in elements)
    return True


def _is_section(block: Mapping[str, Any]) -> bool:
    text, fields = block.get("text"), block.get("fields")
    if text is None and fields is None:
        return False
    if fields is not None and not (_is_some(fields, _MOST_FIELDS) and all(_is_text(field, _FIELD) for field in fields)):
        return False
    return text is None or _is_text(text, _TEXT)


def _is_element(element: Any) -> bool:
    return isinstance(element, Mapping) and (element.get("type") == "image" or _is_text(element, _TEXT))


def _is_some(items: Any, most: int) -> TypeGuard[list[Any]]:
    return isinstance(items, list) and 1 <= len(items) <= most


def _is_text(item: Any, most: int, types: tuple[str, ...] = ("plain_text", "mrkdwn")) -> bool:
    """Tell whether it is a text object: https://docs.slack.dev/reference/block-kit/composition-objects/text-object."""
    if not isinstance(item, Mapping) or item.get("type") not in types:
        return False
    if ("verbatim" if item["type"] == "plain_text" else "emoji") in item:
        return False
    text = item.get("text")
    return isinstance(text, str) and bool(text.strip()) and len(text) <= most
