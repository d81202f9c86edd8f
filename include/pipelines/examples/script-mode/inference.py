"""Serves the model of train.py in a framework container, by the functions that such a container calls.

https://sagemaker.readthedocs.io/en/stable/frameworks/sklearn/using_sklearn.html#deploy-a-scikit-learn-model
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

Means = dict[str, list[float]]


def model_fn(model_dir: str) -> Means:
    """Load the model.

    Args:
        model_dir: Where the container has unpacked it.
    """
    means: Means = json.loads((Path(model_dir) / "means.json").read_text())
    return means


def input_fn(body: str | bytes, content_type: str) -> list[list[float]]:
    """Read a request.

    Args:
        body: Rows of measurements as CSV.
        content_type: What the request says that it is.

    Raises:
        ValueError: It is another content type.
    """
    if content_type != "text/csv":
        raise ValueError(f"found the content type {content_type!r}; allowed text/csv")
    text = body.decode() if isinstance(body, bytes) else body
    return [[float(cell or "nan") for cell in row] for row in csv.reader(text.splitlines())]


def predict_fn(rows: Sequence[Sequence[float]], means: Means) -> list[str]:
    """Find the label of each row."""
    return [nearest(means, row) for row in rows]


def output_fn(labels: Sequence[str], accept: str) -> str:
    """Write the answer: a label a line."""
    return "".join(f"{label}\n" for label in labels)


def nearest(means: Means, row: Sequence[float]) -> str:
    """Find the label whose mean is nearest; a measurement that is missing does not count.

    Args:
        means: The model.
        row: The measurements.
    """

    def distance(label: str) -> float:
        return sum((cell - mean) ** 2 for cell, mean in zip(row, means[label], strict=True) if cell == cell)

    return min(means, key=distance)
