"""Programs of the SageMaker Python SDKs, each run once in an environment of its own against local AWS."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local_aws.process import LocalAws
from sagemaker_requests import new_bucket

ROOT = Path(__file__).parents[2]
# https://sagemaker.readthedocs.io/en/stable/overview.html, "Configuring and using defaults"
DEFAULTS = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}


@dataclass(frozen=True)
class Ran:
    """What a program did.

    Attributes:
        found: What it tells of each step.
        printed: All that it and the SDK have printed.
        bucket: The bucket that it was given.
        refused: Calls that were not answered with success: operation and error code, and how many.
    """

    found: dict[str, Any]
    printed: str
    bucket: str
    refused: Counter[tuple[str, str | None]]


def run_program(aws: LocalAws, version: int, folder: Path) -> Ran:
    """Run ``sdk<version>_program.py`` with the SDK of that version.

    Args:
        aws: Where its AWS is.
        version: The SDK's major version.
        folder: Where it may write.

    Returns:
        What it did.
    """
    python = ROOT / f".venv-sagemaker-{version}/bin/python"
    assert python.exists(), f"{python} is not there; `make test-clients` sets it up"
    (folder / "defaults.yaml").write_text(json.dumps(DEFAULTS))
    bucket = new_bucket(aws)
    before = aws.calls()[-1]["number"]
    environment = {
        **os.environ,
        **aws.environment(),
        "AWS_CONFIG_FILE": os.devnull,
        "PYTHONPATH": str(ROOT / "tests/support"),
        "SAGEMAKER_ADMIN_CONFIG_OVERRIDE": str(folder / "defaults.yaml"),
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(folder / "defaults.yaml"),
        "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
    }
    done = subprocess.run(
        [python, Path(__file__).with_name(f"sdk{version}_program.py"), bucket, folder / "found.json"],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    refused = Counter(
        (call["operation"], call["error"])
        for call in aws.calls()
        if call["number"] > before and (call["status"] or 500) >= 400
    )
    return Ran(json.loads((folder / "found.json").read_text()), done.stdout, bucket, refused)


@pytest.fixture(scope="session")
def sdk2(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Version 2's program."""
    return run_program(local_aws, 2, tmp_path_factory.mktemp("sdk2"))


@pytest.fixture(scope="session")
def sdk3(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Version 3's program."""
    return run_program(local_aws, 3, tmp_path_factory.mktemp("sdk3"))
