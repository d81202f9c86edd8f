"""Folders that stand in for images: how they are named and run."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from local_aws.images import read_image
from local_aws.process import LocalAws
from sagemaker_requests import new_bucket, training_job, wait_for_training


def image(folder: Path, **programs: str) -> Path:
    """A folder with executable programs."""
    folder.mkdir()
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def algorithm(name: str) -> dict[str, str]:
    return {"TrainingImage": f"r.example.com/{name}:1", "TrainingInputMode": "File"}


@pytest.mark.parametrize(
    "name", ["xgboost", "team/xgboost", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/x/xgboost:1.7-1"]
)
def test_an_image_is_named_by_its_repositorys_last_part_or_its_whole_uri(tmp_path: Path, name: str) -> None:
    folder = image(tmp_path / "mine", train="", serve="")
    assert read_image(f"{name}={folder}") == ("xgboost", folder)


def test_what_is_no_image_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'xgboost': expected NAME=FOLDER, or NAME=docker://TAG for an image"):
        read_image("xgboost")
    with pytest.raises(ValueError, match=r"'/none': expected a folder that exists, or docker://TAG"):
        read_image("xgboost=/none")
    folder = image(tmp_path / "mine", **{"train.py": ""})
    with pytest.raises(ValueError, match=r"neither a program train nor a program serve; it holds train\.py"):
        read_image(f"xgboost={folder}")


def test_an_executable_program_is_run_as_its_first_line_has_it_and_another_as_python(tmp_path: Path) -> None:
    shell = image(tmp_path / "shell", train='#!/bin/sh\necho by sh > "$SAGEMAKER_BASE_DIR/output/failure"\nexit 1\n')
    python = image(tmp_path / "python", train="import sys\nsys.exit('by python')\n")
    (python / "train").chmod(0o644)
    with LocalAws(images={"shell": shell, "python": python}) as aws:
        bucket, reasons = new_bucket(aws), {}
        for name in ("shell", "python"):
            request = training_job(bucket, {}, AlgorithmSpecification=algorithm(name))
            aws.client("sagemaker").create_training_job(**request)
            reasons[name] = wait_for_training(aws, request["TrainingJobName"])["FailureReason"]
    assert reasons == {"shell": "AlgorithmError: by sh, exit code: 1", "python": "AlgorithmError: , exit code: 1"}


def test_an_image_that_is_not_there_is_refused_with_aws_words_and_what_to_do_here(aws: LocalAws) -> None:
    request = training_job(new_bucket(aws), {}, AlgorithmSpecification=algorithm("none"))
    advice = (
        r"\(local AWS: it has the programs of sagemaker-repo, .*tiny; those of another image are named with make up"
    )
    with pytest.raises(ClientError, match=rf"Cannot find repository: none in registry ID: 1.* {advice}"):
        aws.client("sagemaker").create_training_job(**request)
