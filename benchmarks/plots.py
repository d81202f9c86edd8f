"""Two plots as SVG: bars with a logarithmic axis, and lines."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Text stays text, and the same figures give the same file.
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "benchmarks",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def bars(title: str, values: Mapping[str, float], unit: str) -> str:
    """Draw one horizontal bar a value, on a logarithmic axis from 1.

    Args:
        title: What is shown.
        values: By label; at least 1 each.
        unit: Written after each value.

    Returns:
        An SVG document.
    """
    with mpl.rc_context(_STYLE):
        figure, axes = _plot(title, 0.4 * len(values) + 1.2)
        drawn = axes.barh(list(values), list(values.values()), color=[f"C{row}" for row in range(len(values))])
        axes.bar_label(drawn, [f"{value:.3g} {unit}" for value in values.values()], padding=4)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlim(left=1)
        axes.set_xlabel("logarithmic scale from 1")
        axes.invert_yaxis()
        return _svg(figure)


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
    with mpl.rc_context(_STYLE):
        figure, axes = _plot(title, 4)
        for label, points in series.items():
            axes.plot(*zip(*points, strict=True), marker="o", label=label)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.legend(frameon=False)
        return _svg(figure)


def _plot(title: str, inches: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.2, inches), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontweight="bold")
    return figure, axes


def _svg(figure: Figure) -> str:
    document = io.StringIO()
    figure.savefig(document, format="svg", metadata={"Date": None, "Creator": None})
    return document.getvalue()
