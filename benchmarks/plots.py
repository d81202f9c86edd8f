"""Two plots as SVG: bars with a logarithmic axis, and lines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

_STYLE = "font-family: sans-serif; font-size: 13px; fill: #333"
_COLOURS = ("#1f77b4", "#d95f02", "#7f7f7f", "#b8860b", "#5a9e6f")
_WIDTH = 720


def bars(title: str, values: Mapping[str, float], unit: str) -> str:
    """Draw one horizontal bar a value, on a logarithmic axis from 1.

    Args:
        title: What is shown.
        values: By label; at least 1 each.
        unit: Written after each value.

    Returns:
        An SVG document.
    """
    longest = math.log10(max(values.values()))
    parts = [_text(20, 28, title, "font-weight: bold")]
    for row, (label, value) in enumerate(values.items()):
        y = 50 + row * 34
        width = max(math.log10(max(value, 1.0)) / longest * 400, 2)
        parts.append(_text(20, y + 16, label))
        parts.append(f'<rect x="230" y="{y}" width="{width:.1f}" height="22" fill="{_COLOURS[row % len(_COLOURS)]}"/>')
        parts.append(_text(236 + width, y + 16, f"{value:.3g} {unit}"))
    height = 50 + len(values) * 34 + 30
    parts.append(_text(230, height - 14, "logarithmic scale from 1", "fill: #777"))
    return _document(height, parts)


def lines(title: str, series: Mapping[str, Sequence[tuple[float, float]]], x_label: str, y_label: str) -> str:
    """Draw one line a series, with linear axes from 0.

    Args:
        title: What is shown.
        series: Points by label, in the order of x.
        x_label: What x is.
        y_label: What y is.

    Returns:
        An SVG document.
    """
    left, top, width, height = 70.0, 50.0, 600.0, 280.0
    most_x = _round_up(max(x for points in series.values() for x, _ in points))
    most_y = _round_up(max(y for points in series.values() for _, y in points))

    def at(x: float, y: float) -> tuple[float, float]:
        return left + x / most_x * width, top + height - max(y, 0.0) / most_y * height

    parts = [_text(20, 28, title, "font-weight: bold")]
    parts.append(f'<path d="M {left} {top} V {top + height} H {left + width}" fill="none" stroke="#999"/>')
    for share in (0.25, 0.5, 0.75, 1.0):
        x, y = at(most_x * share, most_y * share)
        parts.append(_text(x - 14, top + height + 20, f"{most_x * share:.4g}"))
        parts.append(_text(left - 50, y + 4, f"{most_y * share:.4g}"))
    for number, (label, points) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        spots = [at(x, y) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.extend(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in spots)
        x, y = spots[-1]
        is_right = x > left + width / 2
        anchor = "end" if is_right else "start"
        parts.append(_text(x + (0 if is_right else 10), y - 10, label, f"fill: {colour}; text-anchor: {anchor}"))
    parts.append(_text(left, top + height + 42, f"{x_label}; upwards: {y_label}", "fill: #777"))
    return _document(int(top + height + 60), parts)


def _round_up(value: float) -> float:
    """Round to a number whose quarters are short, too."""
    power = 10 ** math.floor(math.log10(value))
    return next(power * factor for factor in (1.0, 2.0, 4.0, 6.0, 8.0, 10.0) if power * factor >= value)


def _text(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" style="{_STYLE}; {style}">{escape(text)}</text>'


def _document(height: int, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )
