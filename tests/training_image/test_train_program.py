import json
import re
import signal

import pytest
from lightgbm import Booster

ROWS = "".join(f"{i % 3},{i},{i % 5}\n" for i in range(30))
GOOD = {"training": {"a.csv": ROWS}, "validation": {"a.csv": ROWS}}


def metrics(log: str) -> dict[str, float]:
    """Read the log as CloudWatch does by a training job's MetricDefinitions; the last value counts."""
    return {name: float(value) for name, value in re.findall(r"(\w+:\w+)=([0-9.]+)", log)}


def test_trains_the_seeds_model_on_iris_and_repeats_it_byte_for_byte(container, trained, seed_hyperparameters):
    container.prepare(seed_hyperparameters)
    code, log = container.train()
    assert code == 0, log

    found = metrics(log)
    assert found.keys() == {f"{c}:{m}" for c in ("training", "validation") for m in ("accuracy", "multi_logloss")}
    assert found["validation:accuracy"] > 0.9
    assert 0 < found["validation:multi_logloss"] < 0.5
    model = container.base_dir / "model"
    assert json.loads((model / "metadata.json").read_text()) == {
        "objective": "multiclass",
        "num_class": 3,
        "feature_count": 4,
    }
    trees = (model / "model.txt").read_text()
    assert {int(n) for n in re.findall(r"^num_leaves=(\d+)", trees, re.MULTILINE)} <= {1, 2, 3, 4, 5}
    assert trees == (trained("multiclass").base_dir / "model" / "model.txt").read_text()
    assert not (container.base_dir / "output" / "failure").exists()


@pytest.mark.parametrize(
    ("objective", "names"),
    [("binary", {"accuracy", "binary_logloss"}), ("regression", {"l2"}), ("quantile", {"quantile"})],
)
def test_metrics_fit_the_objective(container, objective, names):
    rows = "".join(f"{int(i > 30)},{i}\n" for i in range(60))
    container.prepare({"objective": objective}, {c: {"x.csv": rows} for c in ("training", "validation")})
    code, log = container.train()
    assert code == 0, log
    assert metrics(log).keys() == {f"{channel}:{name}" for channel in ("training", "validation") for name in names}


def test_reads_all_files_of_a_channel_and_missing_values(container, seed_hyperparameters):
    container.prepare(
        seed_hyperparameters,
        {
            "training": {"b.csv": "\ufeff0,1,\n", "a.csv": ROWS + "\n2,NA,3.5", "ignored.txt": "x"},
            "validation": {"a.csv": ROWS},
        },
    )
    code, log = container.train()
    assert code == 0, log
    assert "training: 32 rows, validation: 30 rows, 2 features" in log


def test_any_lightgbm_parameter_is_a_hyperparameter(container, seed_hyperparameters):
    container.prepare(seed_hyperparameters | {"num_boost_round": "7", "learning_rate": "0.2", "metric": "multi_error"})
    code, log = container.train()
    assert code == 0, log
    model = Booster(model_file=container.base_dir / "model" / "model.txt")
    assert model.current_iteration() == 7
    assert "[learning_rate: 0.2]" in (container.base_dir / "model" / "model.txt").read_text()
    assert "validation:multi_error" in metrics(log)


def test_early_stopping_saves_the_best_iteration(container, seed_hyperparameters):
    container.prepare(seed_hyperparameters | {"early_stopping_rounds": "5"})
    code, log = container.train()
    assert code == 0, log
    model = Booster(model_file=container.base_dir / "model" / "model.txt")
    assert 1 < model.current_iteration() < 50
    assert metrics(log)["validation:multi_logloss"] < 0.2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"max_leaf_node": "5"}, "'max_leaf_node' is not a LightGBM parameter. Did you mean max_leaf_nodes"),
        ({"max_leaf_nodes": "five"}, 'num_leaves should be of type int, got "five"'),
        ({"num_leaves": "7"}, "'max_leaf_nodes' and 'num_leaves' are the same parameter"),
        ({"num_class": "many"}, "num_class is 'many': objective 'multiclass' needs the number of classes"),
        ({"objective": "multiclas"}, "objective is 'multiclas'. Did you mean multiclass"),
        ({"objective": "binary"}, "num_class is '3': with objective 'binary' it can only be 1"),
        ({"num_boost_round": "ten"}, "num_iterations is 'ten': it must be a whole number"),
        ({"num_boost_round": "0"}, "num_iterations is '0': it must be"),
        ({"header": "true"}, "'header' has no effect in this training image"),
    ],
)
def test_refuses_a_bad_hyperparameter(container, change, reason, seed_hyperparameters):
    container.prepare(seed_hyperparameters | change, GOOD)
    assert_fails(container, reason)


@pytest.mark.parametrize(
    ("channels", "reason"),
    [
        ({"training": {"a.csv": ROWS}}, "channel 'validation' is missing; channels of this job: training."),
        ({**GOOD, "training": {"a.txt": ROWS}}, "channel 'training' holds no .csv file; it holds a.txt."),
        ({**GOOD, "training": {"a.csv": "\n"}}, "channel 'training' has no rows"),
        ({**GOOD, "training": {"a.csv": "0,1,2\n1,x,2\n"}}, "training/a.csv:2:2: 'x' is not a number"),
        ({**GOOD, "training": {"a.csv": "0,1,2\n1,2,inf\n"}}, "training/a.csv:2:3: infinity is not allowed"),
        (
            {**GOOD, "training": {"a.csv": "0,1,2\n\n1,2\n"}},
            "training/a.csv:3: found 2 columns, expected 3 as in line 1",
        ),
        ({**GOOD, "validation": {"a.csv": "0,1\n"}}, "validation/a.csv:1: found 2 columns, expected 3"),
        ({**GOOD, "training": {"a.csv": "0\n"}}, "training/a.csv:1: found 1 column"),
        ({**GOOD, "training": {"a.csv": "0,1,2\n3,1,2\n"}}, "training/a.csv:2:1: label 3 is out of range"),
        ({**GOOD, "validation": {"a.csv": "0.5,1,2\n"}}, "validation/a.csv:1:1: label 0.5 is out of range"),
        ({**GOOD, "validation": {"a.csv": ",1,2\n"}}, "validation/a.csv:1:1: the label is missing"),
    ],
)
def test_refuses_bad_data(container, channels, reason, seed_hyperparameters):
    container.prepare(seed_hyperparameters, channels)
    assert_fails(container, reason)


def assert_fails(container, reason: str) -> None:
    code, log = container.train()
    assert code == 1, log
    assert reason in container.failure
    assert len(container.failure) <= 1024
    assert container.failure in log
    assert "Traceback" not in log
    assert not (container.base_dir / "model").exists()


def test_a_failure_reason_is_cut_to_what_sagemaker_shows(container, seed_hyperparameters):
    container.prepare(seed_hyperparameters | {"x" * 3000: "1"}, GOOD)
    code, _ = container.train()
    assert code == 1
    assert len(container.failure) == 1024


def test_an_unexpected_error_leaves_its_traceback_in_the_log(container, seed_hyperparameters):
    container.prepare(seed_hyperparameters, GOOD)
    (container.base_dir / "model").write_text("a file where the folder should be")
    code, log = container.train()
    assert code == 1
    assert "Traceback (most recent call last)" in log
    assert container.failure.startswith("unexpected FileExistsError in ")


def test_sigterm_saves_the_model_so_far(container, seed_hyperparameters):
    container.prepare(seed_hyperparameters | {"num_boost_round": "100000000"})
    process = container.start("train")
    try:
        for line in process.stdout:
            if line.startswith("[10]"):
                break
        process.send_signal(signal.SIGTERM)
        log, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, log
    iterations = int(re.search(r"SIGTERM: stopped after (\d+) iterations", log).group(1))
    assert iterations >= 10
    assert Booster(model_file=container.base_dir / "model" / "model.txt").current_iteration() == iterations
