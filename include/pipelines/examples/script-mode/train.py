"""Trains in a framework container (script mode): of each class the mean of its rows is the model.

The container starts it with the hyperparameters as arguments, and tells the folders by SM_ variables:
https://github.com/aws/sagemaker-training-toolkit#list-of-provided-environment-variables-by-sagemaker-training-toolkit
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

Row = tuple[str, list[float]]


def read(folder: Path) -> list[Row]:
    """Read a channel's CSV files: the label first, then the measurements.

    Args:
        folder: The channel's folder.
    """
    lines = [line for path in sorted(folder.glob("*.csv")) for line in csv.reader(path.open(newline=""))]
    return [(label, [float(cell or "nan") for cell in cells]) for label, *cells in lines]


def fit(rows: Sequence[Row], decimals: int) -> dict[str, list[float]]:
    """Find the mean of each class.

    Args:
        rows: The rows.
        decimals: How exact it is to be.

    Returns:
        The means by label. What is missing in a row counts as nothing.
    """
    of_label: dict[str, list[list[float]]] = defaultdict(list)
    for label, cells in rows:
        of_label[label].append(cells)
    return {
        label: [_mean(column, decimals) for column in zip(*found, strict=True)]
        for label, found in sorted(of_label.items())
    }


def _mean(column: Sequence[float], decimals: int) -> float:
    known = [cell for cell in column if cell == cell]
    return round(sum(known) / len(known), decimals)


def main() -> None:
    """Train, say how well, and leave the model with the code that serves it."""
    from inference import nearest

    parser = argparse.ArgumentParser()
    parser.add_argument("--decimals", type=int, default=4)
    options, _ = parser.parse_known_args()
    model_folder = Path(os.environ["SM_MODEL_DIR"])
    rows = read(Path(os.environ["SM_CHANNEL_TRAIN"]))
    means = fit(rows, options.decimals)
    right = sum(nearest(means, cells) == label for label, cells in rows)
    print(f"train:accuracy={right / len(rows):.4f}")  # noqa: T201 - SageMaker reads metrics from the log
    (model_folder / "means.json").write_text(json.dumps(means))
    (model_folder / "code").mkdir()
    shutil.copy(Path(__file__).with_name("inference.py"), model_folder / "code")


if __name__ == "__main__":
    main()
