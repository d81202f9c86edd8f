"""Train a LightGBM model as a SageMaker training job.

The contract with SageMaker (folders, hyperparameters.json, output/failure, exit codes, SIGTERM):
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
"""

from __future__ import annotations

import difflib
import json
import logging
import signal
import sys
import traceback
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import lightgbm
import numpy as np
from container import ContainerError, ModelMetadata, base_dir, save_model
from lightgbm.basic import LightGBMError, _ConfigAliases
from rows import read_rows

logger = logging.getLogger("train")

# SageMaker shows this much of output/failure as FailureReason.
_FAILURE_CHARACTERS = 1024

# https://lightgbm.readthedocs.io/en/stable/Parameters.html#objective
_MULTICLASS = {"multiclass", "softmax", "multiclassova", "multiclass_ova", "ova", "ovr"}
_REGRESSION = {
    *("regression", "regression_l2", "l2", "mean_squared_error", "mse", "l2_root", "root_mean_squared_error", "rmse"),
    *("regression_l1", "l1", "mean_absolute_error", "mae", "mape", "mean_absolute_percentage_error"),
    *("huber", "fair", "poisson", "quantile", "gamma", "tweedie", "cross_entropy", "xentropy"),
}
_OBJECTIVES = {"binary", *_MULTICLASS, *_REGRESSION}

# Parameters of LightGBM's command line and of its distributed training: here they would be ignored without a word.
_NOT_OURS = {
    *("config", "task", "data", "valid", "input_model", "output_model", "output_result", "snapshot_freq"),
    *("header", "label_column", "weight_column", "group_column", "ignore_column", "save_binary"),
    *("machines", "num_machines", "machine_list_filename", "local_listen_port"),
}

# The same files and hyperparameters give the same model, byte for byte, on any number of cores:
# https://lightgbm.readthedocs.io/en/stable/Parameters.html#deterministic
# LightGBM's warnings, of every tree that stops growing early, would bury the metrics.
_DEFAULTS = {"seed": "0", "deterministic": "true", "force_row_wise": "true", "verbosity": "-1"}


def _at_least_one(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


# lightgbm.train reads these itself and takes no text; the others go to LightGBM's own parser.
_READ_BY_PYTHON: dict[str, tuple[Callable[[str], object], str]] = {
    "num_iterations": (_at_least_one, "a whole number of at least 1"),
    "early_stopping_round": (int, "a whole number"),
    "early_stopping_min_delta": (float, "a number"),
    "first_metric_only": (json.loads, "true or false"),
    "verbosity": (int, "a whole number"),
}


@dataclass(frozen=True)
class Hyperparameters:
    """A training job's hyperparameters, checked.

    Attributes:
        objective: What is learned, in LightGBM's words.
        num_class: The number of classes; 1 unless the objective is a multiclass one.
        params: All parameters under LightGBM's main names, as ``lightgbm.train`` takes them.
    """

    objective: str
    num_class: int
    params: dict[str, object] = field(default_factory=dict)

    @property
    def classifies(self) -> bool:
        """Whether labels are class numbers."""
        return self.objective == "binary" or self.objective in _MULTICLASS

    def check_label(self, label: float, place: str) -> None:
        """Refuse a label that the objective cannot have.

        Args:
            label: The first cell of a row.
            place: The row's file and line, for the message.

        Raises:
            ContainerError: The label is missing or no class number.
        """
        if np.isnan(label):
            raise ContainerError(f"{place}:1: the label is missing. Every row starts with its label.")
        classes = max(self.num_class, 2)
        if self.classifies and not (label.is_integer() and 0 <= label < classes):
            raise ContainerError(
                f"{place}:1: label {label:g} is out of range: with objective {self.objective!r} and"
                f" {classes} classes a label is a whole number from 0 to {classes - 1}."
            )


class _Stop:
    """Ends training after the current iteration once SageMaker has sent SIGTERM.

    SageMaker sends it on StopTrainingJob, at the end of MaxRuntimeInSeconds and when it takes a spot instance back,
    then waits 120 seconds: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StopTrainingJob.html
    """

    order = 100  # after LightGBM's own callbacks

    def __init__(self) -> None:
        self.requested = False

    def request(self, _signal: int, _frame: FrameType | None) -> None:
        self.requested = True

    def __call__(self, env: lightgbm.callback.CallbackEnv) -> None:
        if self.requested:
            logger.info("SIGTERM: stopped after %d iterations; the model so far is saved.", env.iteration + 1)
            raise lightgbm.callback.EarlyStopException(env.iteration, env.evaluation_result_list or [])


def main() -> int:
    """Run one training job.

    Returns:
        The exit code: 0, or 1 with the reason in output/failure.
    """
    stop = _Stop()
    signal.signal(signal.SIGTERM, stop.request)
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    lightgbm.register_logger(logging.getLogger("lightgbm"))
    try:
        train(stop)
    except ContainerError as error:
        return _fail(str(error))
    except LightGBMError as error:
        return _fail(f"LightGBM refused the hyperparameters or the data: {error}")
    except Exception as error:
        logger.exception("Unexpected error")
        where = traceback.extract_tb(error.__traceback__)[-1]
        return _fail(
            f"unexpected {type(error).__name__} in {Path(where.filename).name}:{where.lineno}: {error}."
            " The training job's log has the traceback."
        )
    return 0


def _fail(reason: str) -> int:
    logger.error("%s", reason)
    output = base_dir() / "output"
    output.mkdir(parents=True, exist_ok=True)
    (output / "failure").write_text(reason[:_FAILURE_CHARACTERS], encoding="utf-8")
    return 1


def train(stop: _Stop) -> None:
    """Read the input, train, log the metrics and save the model.

    Metrics are logged as ``<channel>:<metric>=<value>``, one a line, for the MetricDefinitions of a training job:
    https://docs.aws.amazon.com/sagemaker/latest/dg/training-metrics.html

    Args:
        stop: Says when to stop early.

    Raises:
        ContainerError: The hyperparameters or the files are wrong.
        LightGBMError: LightGBM refused a value.
    """
    hyperparameters = read_hyperparameters(base_dir() / "input" / "config" / "hyperparameters.json")
    data = base_dir() / "input" / "data"
    training = read_channel(data / "training", hyperparameters)
    validation = read_channel(data / "validation", hyperparameters, width=training.shape[1])
    logger.info("training: %d rows, validation: %d rows, %d features", *_sizes(training, validation))

    training_set = lightgbm.Dataset(training[:, 1:], label=training[:, 0])
    validation_set = training_set.create_valid(validation[:, 1:], label=validation[:, 0])
    booster = lightgbm.train(
        dict(hyperparameters.params),
        training_set,
        valid_sets=[training_set, validation_set],
        valid_names=["training", "validation"],
        callbacks=[lightgbm.log_evaluation(period=10), stop],
    )
    for channel, rows in (("training", training), ("validation", validation)):
        if hyperparameters.classifies:
            logger.info("%s:accuracy=%.6f", channel, _accuracy(booster, rows))
        for metric, value in booster.best_score[channel].items():
            logger.info("%s:%s=%.6f", channel, metric, value)
    save_model(
        booster,
        ModelMetadata(
            objective=hyperparameters.objective,
            num_class=hyperparameters.num_class,
            feature_count=training.shape[1] - 1,
        ),
    )


def _sizes(training: np.ndarray, validation: np.ndarray) -> tuple[int, int, int]:
    return len(training), len(validation), training.shape[1] - 1


def _accuracy(booster: lightgbm.Booster, rows: np.ndarray) -> float:
    scores = np.asarray(booster.predict(rows[:, 1:]))
    predicted = scores.argmax(axis=1) if scores.ndim == 2 else scores >= 0.5
    return float(np.mean(predicted == rows[:, 0]))


def read_hyperparameters(path: Path) -> Hyperparameters:
    """Read and check hyperparameters.json.

    Args:
        path: The file; SageMaker writes every value as a string.

    Returns:
        The hyperparameters, with defaults that make training repeatable.

    Raises:
        ContainerError: The file is missing, a name is none of LightGBM's, or a value is wrong.
    """
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ContainerError(f"{path} is missing: the training job has no hyperparameters.") from None
    except ValueError as error:
        raise ContainerError(f"{path} is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise ContainerError(f"{path} holds no JSON object.")

    params: dict[str, object] = dict(_by_main_name(given))
    for name, value in _DEFAULTS.items():
        params.setdefault(name, value)
    if "force_col_wise" in params:
        del params["force_row_wise"]
    objective = _objective(params)
    num_class = _num_class(params, objective)
    for name, (read, wanted) in _READ_BY_PYTHON.items():
        if name in params:
            try:
                params[name] = read(str(params[name]))
            except ValueError:
                raise ContainerError(f"hyperparameter {name} is {params[name]!r}: it must be {wanted}.") from None
    return Hyperparameters(objective=objective, num_class=num_class, params=params)


def _by_main_name(given: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Yield each parameter under LightGBM's main name; LightGBM itself only warns of a name that it does not know."""
    table = _ConfigAliases._get_all_param_aliases()  # from the LightGBM library itself
    main_names = {alias: name for name, aliases in table.items() for alias in aliases}
    seen: dict[str, str] = {}
    for name, value in given.items():
        if name.startswith("_tuning_"):  # a hyperparameter tuning job's own
            continue
        if name not in main_names:
            near = difflib.get_close_matches(name, main_names, n=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise ContainerError(
                f"hyperparameter {name!r} is not a LightGBM parameter.{hint}"
                " Allowed: https://lightgbm.readthedocs.io/en/stable/Parameters.html"
            )
        main_name = main_names[name]
        if main_name in _NOT_OURS:
            raise ContainerError(f"hyperparameter {name!r} has no effect in this training image: remove it.")
        if main_name in seen:
            raise ContainerError(f"hyperparameters {seen[main_name]!r} and {name!r} are the same parameter: keep one.")
        seen[main_name] = name
        yield main_name, str(value)


def _objective(params: dict[str, object]) -> str:
    objective = str(params.get("objective", ""))
    if objective not in _OBJECTIVES:
        near = difflib.get_close_matches(objective, _OBJECTIVES, n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        found = f"is {objective!r}" if objective else "is missing"
        raise ContainerError(f"hyperparameter objective {found}.{hint} Allowed: {', '.join(sorted(_OBJECTIVES))}.")
    return objective


def _num_class(params: dict[str, object], objective: str) -> int:
    found = str(params.get("num_class", 1))
    number = int(found) if found.isdecimal() else 0
    if objective in _MULTICLASS and number < 2:
        raise ContainerError(
            f"hyperparameter num_class is {params.get('num_class', 'missing')!r}: objective {objective!r} needs"
            " the number of classes, a whole number of at least 2."
        )
    if objective not in _MULTICLASS and number != 1:
        raise ContainerError(
            f"hyperparameter num_class is {found!r}: with objective {objective!r} it can only be 1; leave it out."
        )
    return number


def read_channel(folder: Path, hyperparameters: Hyperparameters, width: int | None = None) -> np.ndarray:
    """Read all .csv files of a channel, in the order of their names.

    Args:
        folder: The channel's folder; SageMaker keeps the key structure below the channel's S3 prefix.
        hyperparameters: They decide which labels are allowed.
        width: The number of columns that every file must have; None takes the first row's.

    Returns:
        One row for each line: the label, then the features.

    Raises:
        ContainerError: The channel is missing or empty, or a file is wrong.
    """
    if not folder.is_dir():
        found = ", ".join(sorted(path.name for path in folder.parent.glob("*"))) or "none"
        raise ContainerError(
            f"channel {folder.name!r} is missing; channels of this job: {found}. InputDataConfig needs the channels"
            " training and validation."
        )
    files = sorted(folder.rglob("*.csv"))
    if not files:
        found = ", ".join(sorted(path.name for path in folder.rglob("*"))[:10]) or "nothing"
        raise ContainerError(f"channel {folder.name!r} holds no .csv file; it holds {found}.")
    values = array("d")
    for file in files:
        name = f"{folder.name}/{file.relative_to(folder).as_posix()}"
        with file.open(encoding="utf-8-sig", newline="") as lines:
            for line, row in read_rows(lines, name, width):
                if width is None:
                    width = len(row)
                    if width < 2:
                        raise ContainerError(f"{name}:{line}: found 1 column, expected a label and its features.")
                hyperparameters.check_label(row[0], f"{name}:{line}")
                values.extend(row)
    if width is None or not values:
        raise ContainerError(f"channel {folder.name!r} has no rows: {', '.join(file.name for file in files)} is empty.")
    return np.frombuffer(values, dtype=np.float64).reshape(-1, width)
