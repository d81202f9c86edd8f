"""Rows of numbers from CSV text, with the place of the first fault: training files and request bodies alike."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator

from container import ContainerError

# LightGBM's own words for a missing value: https://lightgbm.readthedocs.io/en/stable/Advanced-Topics.html
_MISSING = {"", "na", "nan", "n/a", "null"}


def read_rows(lines: Iterable[str], source: str, width: int | None = None) -> Iterator[tuple[int, list[float]]]:
    """Read CSV lines without a header; empty lines are passed over.

    Args:
        lines: The text, line by line.
        source: What the lines come from, for messages: a file name, or "body".
        width: The number of columns that every row must have; None takes the first row's.

    Yields:
        The line number, counted from 1, and the row. A missing value is NaN.

    Raises:
        ContainerError: A cell is not a finite number, a row has another width, or the text is not CSV.
    """
    reader = csv.reader(lines)
    expected = f"{width}" if width else ""
    try:
        for cells in reader:
            if not cells:
                continue
            if width is None:
                width, expected = len(cells), f"{len(cells)} as in line {reader.line_num}"
            if len(cells) != width:
                raise ContainerError(f"{source}:{reader.line_num}: found {len(cells)} columns, expected {expected}.")
            try:
                row = [float(cell) for cell in cells]
            except ValueError:
                row = [_number(cell, f"{source}:{reader.line_num}:{i}") for i, cell in enumerate(cells, start=1)]
            if math.inf in row or -math.inf in row:
                column = next(i for i, value in enumerate(row, start=1) if math.isinf(value))
                raise ContainerError(f"{source}:{reader.line_num}:{column}: infinity is not allowed.")
            yield reader.line_num, row
    except csv.Error as error:
        raise ContainerError(f"{source}:{reader.line_num}: not CSV: {error}.") from error
    except UnicodeDecodeError as error:
        raise ContainerError(f"{source}: not UTF-8 text after line {reader.line_num}: {error.reason}.") from error


def _number(cell: str, place: str) -> float:
    if cell.strip().lower() in _MISSING:
        return math.nan
    try:
        return float(cell)
    except ValueError:
        shown = cell if len(cell) <= 40 else cell[:40] + "…"
        raise ContainerError(
            f"{place}: {shown!r} is not a number. Rows are numbers separated by commas, without a header line."
        ) from None
