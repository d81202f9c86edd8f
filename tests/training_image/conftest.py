import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

INCLUDE = Path(__file__).parents[2] / "include"


class Container:
    """SageMaker's folder tree, and the two programs run on it as SageMaker runs them."""

    def __init__(self, base_dir: Path) -> None:
        self.base_dir = base_dir
        self.environment = {**os.environ, "SAGEMAKER_BASE_DIR": str(base_dir), "PYTHONUNBUFFERED": "1"}

    def prepare(self, hyperparameters: dict[str, str], channels: dict[str, dict[str, str]] | None = None) -> None:
        config = self.base_dir / "input" / "config"
        config.mkdir(parents=True)
        (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
        data = self.base_dir / "input" / "data"
        if channels is None:
            for channel in ("training", "validation"):
                shutil.copytree(INCLUDE / "sample_data" / channel, data / channel)
            return
        for channel, files in channels.items():
            (data / channel).mkdir(parents=True)
            for name, text in files.items():
                (data / channel / name).write_text(text)

    def start(self, program: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(INCLUDE / "training_image" / program)],
            cwd="/",
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def train(self) -> tuple[int, str]:
        process = self.start("train")
        log, _ = process.communicate(timeout=60)
        return process.returncode, log

    @property
    def failure(self) -> str:
        return (self.base_dir / "output" / "failure").read_text()


@pytest.fixture(scope="session")
def seed_hyperparameters() -> dict[str, str]:
    return {"objective": "multiclass", "num_class": "3", "max_leaf_nodes": "5"}


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, seed_hyperparameters: dict[str, str]
) -> Callable[[str], Container]:
    """A container after a training job with the given objective, trained once."""
    done: dict[str, Container] = {}

    def train(objective: str) -> Container:
        if objective not in done:
            container = Container(tmp_path_factory.mktemp(objective))
            if objective == "multiclass":
                container.prepare(seed_hyperparameters)
            else:
                rows = "".join(f"{int(i > 30)},{i},{i % 7}\n" for i in range(60))
                container.prepare({"objective": objective}, {c: {"x.csv": rows} for c in ("training", "validation")})
            code, log = container.train()
            assert code == 0, log
            done[objective] = container
        return done[objective]

    return train
