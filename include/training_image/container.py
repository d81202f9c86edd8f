"""What training and serving share: SageMaker's folders and the model artifact that one leaves for the other."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import lightgbm


class ContainerError(Exception):
    """A fault of the input, not of the program: its text is written for the person who sent the input."""


@dataclass(frozen=True)
class ModelMetadata:
    """What serving must know of a model besides its trees.

    Attributes:
        objective: The hyperparameter ``objective`` that the model was trained with.
        num_class: The number of classes; 1 for binary classification and regression, as LightGBM counts.
        feature_count: The number of columns that a row to predict has.
    """

    objective: str
    num_class: int
    feature_count: int


def base_dir() -> Path:
    """Return the folder that SageMaker mounts into the container.

    It is ``/opt/ml`` unless the environment variable ``SAGEMAKER_BASE_DIR`` names another, as local AWS does. Rule:
    https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
    """
    return Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def save_model(booster: lightgbm.Booster, metadata: ModelMetadata) -> None:
    """Write the model to ``model/``, which SageMaker packs into model.tar.gz.

    Args:
        booster: The trained model.
        metadata: What serving must know of it.
    """
    folder = base_dir() / "model"
    folder.mkdir(parents=True, exist_ok=True)
    booster.save_model(folder / "model.txt")
    (folder / "metadata.json").write_text(json.dumps(asdict(metadata), indent=2) + "\n", encoding="utf-8")


def load_model() -> tuple[lightgbm.Booster, ModelMetadata]:
    """Read the model from ``model/``, where SageMaker unpacks model.tar.gz.

    Returns:
        The model and what ``save_model`` wrote beside it.

    Raises:
        ContainerError: A file is missing, cannot be read, or does not fit the other.
    """
    folder = base_dir() / "model"
    for name in ("model.txt", "metadata.json"):
        if not (folder / name).is_file():
            found = ", ".join(sorted(path.name for path in folder.glob("*"))) or "nothing"
            raise ContainerError(
                f"no model to serve: {folder / name} is missing, the folder holds {found}."
                " The artifact must be the model.tar.gz of a training job of this image."
            )
    try:
        metadata = ModelMetadata(**json.loads((folder / "metadata.json").read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ContainerError(f"{folder / 'metadata.json'} is not what train writes: {error}") from error
    try:
        booster = lightgbm.Booster(model_file=folder / "model.txt")
    except lightgbm.basic.LightGBMError as error:
        raise ContainerError(f"{folder / 'model.txt'} is not a LightGBM model: {error}") from error
    found_shape = (booster.num_feature(), booster.num_model_per_iteration())
    if found_shape != (metadata.feature_count, metadata.num_class):
        raise ContainerError(
            f"{folder}: model.txt has {found_shape[0]} features and {found_shape[1]} classes, metadata.json says"
            f" {metadata.feature_count} and {metadata.num_class}: they are not of one training job."
        )
    return booster, metadata
