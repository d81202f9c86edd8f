"""What a user of the SageMaker Python SDK 2 does from the first training to the deletion.

It runs in .venv-sagemaker-2 and tells what it found as JSON. All that it says of AWS is in the environment, but for the
bucket: to find the default one, the SDK asks STS at an address that it makes up itself, AWS_ENDPOINT_URL or not.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from hasty_clock import HastyClock

clock = HastyClock()
time.sleep, time.time = clock.sleep, clock.time

import sagemaker  # noqa: E402
from sagemaker.analytics import TrainingJobAnalytics  # noqa: E402
from sagemaker.deserializers import CSVDeserializer  # noqa: E402
from sagemaker.estimator import Estimator  # noqa: E402
from sagemaker.inputs import TrainingInput  # noqa: E402
from sagemaker.serializers import CSVSerializer  # noqa: E402

SAMPLE_DATA = Path(__file__).parents[2] / "include/sample_data"
IMAGE = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/sagemaker-repo:latest"
ROLE = "arn:aws:iam::123456789012:role/sagemaker-role"
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.9, 3.1, 5.4, 2.1]]


def trained(session: Any) -> Estimator:
    """Train with what the SDK asks for by default, debugger's hook and profiler included."""
    estimator = Estimator(
        image_uri=IMAGE,
        role=ROLE,
        instance_count=1,
        instance_type="ml.m4.xlarge",
        sagemaker_session=session,
        base_job_name="sdk2",
        hyperparameters={"objective": "multiclass", "num_class": 3},
        metric_definitions=[{"Name": "validation:accuracy", "Regex": "validation:accuracy=([0-9.]+)"}],
        tags=[{"Key": "project", "Value": "sdk2"}],
    )
    inputs = {
        name: TrainingInput(
            session.upload_data(str(SAMPLE_DATA / name / "iris.csv"), key_prefix=f"sdk2/{name}"),
            content_type="text/csv",
        )
        for name in ("training", "validation")
    }
    estimator.fit(inputs, wait=True, logs="All")
    return estimator


def attached(job: str, session: Any) -> dict[str, Any]:
    """What another process finds of a job."""
    estimator = Estimator.attach(job, sagemaker_session=session)
    return {
        "model_data": estimator.model_data,
        "hyperparameters": estimator.hyperparameters(),
        "tags": estimator.tags,
        "image": estimator.training_image_uri(),
    }


def updated(predictor: Any, session: Any) -> dict[str, Any]:
    """Give the endpoint another instance type, and ask it again."""
    before = session.sagemaker_client.describe_endpoint(EndpointName=predictor.endpoint_name)
    predictor.update_endpoint(initial_instance_count=1, instance_type="ml.m5.xlarge")
    after = session.sagemaker_client.describe_endpoint(EndpointName=predictor.endpoint_name)
    config = session.sagemaker_client.describe_endpoint_config(EndpointConfigName=after["EndpointConfigName"])
    return {
        "another_config": before["EndpointConfigName"] != after["EndpointConfigName"],
        "instance_type": config["ProductionVariants"][0]["InstanceType"],
        "labels": predictor.predict(ROWS),
    }


def transformed(estimator: Estimator, session: Any) -> list[str]:
    """Predict a file."""
    transformer = estimator.transformer(
        1, "ml.m4.xlarge", strategy="MultiRecord", assemble_with="Line", accept="text/csv"
    )
    rows = session.upload_data(str(SAMPLE_DATA / "prediction/iris.csv"), key_prefix="sdk2/prediction")
    transformer.transform(rows, content_type="text/csv", split_type="Line", wait=True, logs=True)
    prefix = transformer.output_path.partition(f"{session.default_bucket()}/")[2]
    return session.read_s3_file(session.default_bucket(), f"{prefix}/iris.csv.out").split()


def main(bucket: str, told: str) -> None:
    """Do all of it."""
    session = sagemaker.Session(default_bucket=bucket)
    estimator = trained(session)
    job = estimator.latest_training_job.name
    found = {
        "version": sagemaker.__version__,
        "job": job,
        "description": session.describe_training_job(job),
        "attached": attached(job, session),
        "metrics": TrainingJobAnalytics(job, sagemaker_session=session).dataframe().to_dict("records"),
        "transformed": transformed(estimator, session),
    }
    predictor = estimator.deploy(1, "ml.m4.xlarge", serializer=CSVSerializer(), deserializer=CSVDeserializer())
    predictor.accept = ("text/csv",)
    found["endpoint"] = predictor.endpoint_name
    found["labels"] = predictor.predict(ROWS)
    found["updated"] = updated(predictor, session)
    predictor.delete_model()
    predictor.delete_endpoint()
    Path(told).write_text(json.dumps(found, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
