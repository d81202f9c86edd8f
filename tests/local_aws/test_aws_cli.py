"""The AWS CLI, which knows nothing of this project, drives local AWS from training to an answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from local_aws.process import LocalAws
from sagemaker_requests import ROLE, channel, new_bucket, training_job, unique, wait_for_endpoint, wait_for_training

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/sagemaker-repo:latest"


def test_the_aws_cli_trains_deploys_and_asks(local_aws: LocalAws, tmp_path: Path) -> None:
    environment = {**os.environ, **local_aws.environment(), "AWS_PAGER": "", "AWS_CONFIG_FILE": os.devnull}

    def aws(*words: str, **options: Any) -> Any:
        arguments = [str(Path(sys.executable).with_name("aws")), *words]
        for option, value in options.items():
            text = value if isinstance(value, str) else json.dumps(value)
            arguments += [f"--{option.replace('_', '-')}", text]
        done = subprocess.run(arguments, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout

    splits = ("training", "validation")
    sample_data = {f"{name}/iris.csv": (ROOT / f"include/sample_data/{name}/iris.csv").read_bytes() for name in splits}
    bucket = new_bucket(local_aws, sample_data)
    request = training_job(
        bucket,
        {"objective": "multiclass", "num_class": "3", "max_leaf_nodes": "15"},
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        InputDataConfig=[channel(name, f"s3://{bucket}/{name}/iris.csv") for name in splits],
    )
    job = request["TrainingJobName"]
    aws("sagemaker", "create-training-job", cli_input_json=request)
    # The CLI's waiters look once, then sleep 120 s and 30 s, which cannot be set: let them look when there is something
    # to see.
    wait_for_training(local_aws, job)
    aws("sagemaker", "wait", "training-job-completed-or-stopped", training_job_name=job)
    described = aws("sagemaker", "describe-training-job", training_job_name=job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")

    artifact = described["ModelArtifacts"]["S3ModelArtifacts"]
    container = {"Image": IMAGE, "ModelDataUrl": artifact}
    aws("sagemaker", "create-model", model_name=job, execution_role_arn=ROLE, primary_container=container)
    variant = {"VariantName": "all", "ModelName": job, "InitialInstanceCount": 1, "InstanceType": "ml.m4.xlarge"}
    aws("sagemaker", "create-endpoint-config", endpoint_config_name=job, production_variants=[variant])
    endpoint = unique("endpoint")
    aws("sagemaker", "create-endpoint", endpoint_name=endpoint, endpoint_config_name=job)
    wait_for_endpoint(local_aws, endpoint)
    aws("sagemaker", "wait", "endpoint-in-service", endpoint_name=endpoint)
    (tmp_path / "rows.csv").write_text("5.1,3.5,1.4,0.2\n6.9,3.1,5.4,2.1\n")
    aws(
        "sagemaker-runtime",
        "invoke-endpoint",
        "answer.csv",
        endpoint_name=endpoint,
        content_type="text/csv",
        body="fileb://rows.csv",
    )
    assert (tmp_path / "answer.csv").read_text().split() == ["0", "2"]
    aws("sagemaker", "delete-endpoint", endpoint_name=endpoint)
