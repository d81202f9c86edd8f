from collections import Counter
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "include" / "sample_data"


def read(name: str) -> np.ndarray:
    return np.loadtxt(FOLDER / name, delimiter=",")


@pytest.fixture
def splits() -> dict[str, np.ndarray]:
    """Label and four measurements of each file."""
    prediction = np.column_stack([read("prediction/labels.csv"), read("prediction/iris.csv")])
    return {"training": read("training/iris.csv"), "validation": read("validation/iris.csv"), "prediction": prediction}


def test_each_file_has_the_species_in_equal_parts(splits):
    assert {name: Counter(rows[:, 0].tolist()) for name, rows in splits.items()} == {
        "training": {0: 30, 1: 30, 2: 30},
        "validation": {0: 10, 1: 10, 2: 10},
        "prediction": {0: 10, 1: 10, 2: 10},
    }


def test_no_flower_is_in_two_files(splits):
    seen = [set(map(tuple, rows[:, 1:].tolist())) for rows in splits.values()]
    assert sum(map(len, seen)) == len(set().union(*seen)) == 149  # one flower of the 150 occurs twice


def test_it_is_fishers_iris(splits):
    """The means of each species as Fisher (1936) gives them."""
    rows = np.concatenate(list(splits.values()))
    means = [rows[rows[:, 0] == species, 1:].mean(axis=0) for species in range(3)]
    assert np.allclose(
        means, [[5.006, 3.428, 1.462, 0.246], [5.936, 2.770, 4.260, 1.326], [6.588, 2.974, 5.552, 2.026]], atol=1e-9
    )


def test_the_files_are_split_as_the_readme_says(splits):
    """Rows 0-2 of every five in training, 3 in validation, 4 in prediction: known rows of Fisher's table."""
    assert splits["training"][:4].tolist() == [
        [0, 5.1, 3.5, 1.4, 0.2],
        [0, 4.9, 3.0, 1.4, 0.2],
        [0, 4.7, 3.2, 1.3, 0.2],
        [0, 5.4, 3.9, 1.7, 0.4],
    ]
    assert splits["validation"][0].tolist() == [0, 4.6, 3.1, 1.5, 0.2]
    assert splits["prediction"][0].tolist() == [0, 5.0, 3.6, 1.4, 0.2]
