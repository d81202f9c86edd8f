"""docs/own-container.md: a training finds the folders that the page names, and its examples can be used."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

import pytest
import yaml

from fresh_endpoints.pipeline_file.loading import load_pipelines
from local_aws.process import LocalAws
from pipeline_files import BASE
from sagemaker_requests import channel, new_bucket, start_training, training_job, wait_for_training

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "own-container.md").read_text()
PATHS = re.findall(r"^\| `([\w./<>]+)` \|", PAGE, re.MULTILINE)
# Tells what there is, or fails as it is asked to.
PROGRAM = """#!/bin/sh
cd "$SAGEMAKER_BASE_DIR"
if grep -q '"fail"' input/config/hyperparameters.json; then echo "no rows" > output/failure; exit 1; fi
find . > model/found
"""


@pytest.fixture
def aws(tmp_path, monkeypatch):
    # What this bucket and role may is no matter of the stack's policies.
    monkeypatch.delenv("LOCAL_AWS_RECORD_PERMISSIONS", raising=False)
    (tmp_path / "train").write_text(PROGRAM)
    (tmp_path / "train").chmod(0o755)
    with LocalAws(images={"tiny": tmp_path}) as aws:
        yield aws


def test_a_training_finds_what_the_page_says_and_its_failure_is_told(aws):
    bucket = new_bucket(aws, {"in/rows.csv": b"1", "checkpoints/step-1": b"1"})
    members = {
        "InputDataConfig": [channel("training", f"s3://{bucket}/in/")],
        "CheckpointConfig": {"S3Uri": f"s3://{bucket}/checkpoints/"},
    }
    job = wait_for_training(aws, start_training(aws, training_job(bucket, {"rate": "0.1"}, **members)))
    assert job["TrainingJobStatus"] == "Completed", job
    key = job["ModelArtifacts"]["S3ModelArtifacts"].partition(f"{bucket}/")[2]
    artifact = aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(artifact)) as tar:
        found = tar.extractfile(next(name for name in tar.getnames() if name.endswith("found"))).read().decode().split()
    named = [path.replace("<channel>", "training").rstrip("/") for path in PATHS if path != "output/failure"]
    assert len(named) == 7
    assert [path for path in named if f"./{path}" not in found] == []

    failed = wait_for_training(aws, start_training(aws, training_job(bucket, {"fail": "yes"}, **members)))
    assert "no rows" in failed["FailureReason"]


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_every_example_can_be_used(example, tmp_path):
    file = yaml.safe_load(BASE)
    for section, members in yaml.safe_load(example).items():
        for name, value in members.items():
            both = isinstance(value, dict) and isinstance(file[section].get(name), dict)
            file[section][name] = {**file[section][name], **value} if both else value
    (tmp_path / "iris.yaml").write_text(yaml.safe_dump(file))
    assert load_pipelines(tmp_path).errors == []
