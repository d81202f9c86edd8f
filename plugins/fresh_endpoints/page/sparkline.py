"""A metric's history as a small line, in SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

WIDTH, HEIGHT, MARGIN = 96, 22, 2


def points(values: Sequence[float]) -> str:
    """Return the points of a polyline through values, oldest first, within WIDTH times HEIGHT pixels.

    Args:
        values: The values; what is no finite number is left out.

    Returns:
        The points as SVG has them; empty where there are fewer than two.
    """
    numbers = [float(value) for value in values if math.isfinite(value)]
    if len(numbers) < 2:
        return ""
    low, high = min(numbers), max(numbers)
    step = (WIDTH - 2 * MARGIN) / (len(numbers) - 1)
    # A metric that never changes is a line through the middle.
    scale = (HEIGHT - 2 * MARGIN) / (high - low) if high > low else 0
    base = HEIGHT - MARGIN if scale else HEIGHT / 2
    return " ".join(
        f"{MARGIN + position * step:.1f},{base - (value - low) * scale:.1f}" for position, value in enumerate(numbers)
    )
