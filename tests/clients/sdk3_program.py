"""What a user of the SageMaker Python SDK 3 does from the first training to the deletion: resources, trainer, builder.

It runs in .venv-sagemaker-3 and tells what it found as JSON. All that it says of AWS is in the environment, but for the
bucket, as in sdk2_program.py.
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

import boto3  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402
from sagemaker.core import shapes  # noqa: E402
from sagemaker.core.helper.session_helper import Session  # noqa: E402
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, TrainingJob, TransformJob  # noqa: E402
from sagemaker.serve import ModelBuilder  # noqa: E402
from sagemaker.train import ModelTrainer  # noqa: E402
from sagemaker.train.configs import Compute, InputData, SourceCode  # noqa: E402

SAMPLE_DATA = Path(__file__).parents[2] / "include/sample_data"
IMAGE = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/sagemaker-repo:latest"
ROLE = "arn:aws:iam::123456789012:role/sdk3"
TRUST = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
ROWS = "5.1,3.5,1.4,0.2\n6.9,3.1,5.4,2.1\n"


def trainer(session: Any, **options: Any) -> ModelTrainer:
    """A training of the image."""
    return ModelTrainer(
        training_image=IMAGE,
        role=ROLE,
        sagemaker_session=session,
        base_job_name="sdk3",
        compute=Compute(instance_type="ml.m4.xlarge", instance_count=1),
        hyperparameters={"objective": "multiclass", "num_class": 3},
        **options,
    )


def trained(session: Any) -> ModelTrainer:
    """Train on local files, which the SDK uploads."""
    asked = trainer(session)
    asked.train(
        [
            InputData(channel_name=name, data_source=str(SAMPLE_DATA / name / "iris.csv"), content_type="text/csv")
            for name in ("training", "validation")
        ]
    )
    return asked


def refused(session: Any, folder: Path) -> str:
    """In which words a script of the user's own is refused, which has to be run instead of the image's program."""
    (folder / "train.py").write_text("print('training')\n")
    try:
        trainer(session, source_code=SourceCode(source_dir=str(folder), entry_script="train.py")).train()
    except ClientError as error:
        return error.response["Error"]["Message"]
    return ""


def asked(endpoint: Endpoint) -> list[str]:
    """The labels of two rows."""
    return endpoint.invoke(body=ROWS, content_type="text/csv", accept="text/csv").body.read().decode().split()


def deployed(name: str, artifact: str) -> Endpoint:
    """Deploy with resources alone; there is a second config for later."""
    container = shapes.ContainerDefinition(image=IMAGE, model_data_url=artifact)
    Model.create(model_name=name, primary_container=container, execution_role_arn=ROLE)
    for config, instance_type in ((name, "ml.m4.xlarge"), (f"{name}-2", "ml.m5.xlarge")):
        variant = shapes.ProductionVariant(
            variant_name="all", model_name=name, initial_instance_count=1, instance_type=instance_type
        )
        EndpointConfig.create(endpoint_config_name=config, production_variants=[variant])
    endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
    endpoint.wait_for_status("InService")
    return endpoint


def updated(endpoint: Endpoint) -> str:
    """Update to the second config."""
    endpoint.endpoint_config_name = f"{endpoint.endpoint_name}-2"
    endpoint.update()
    endpoint.wait_for_status("InService")
    return endpoint.endpoint_config_name


def transformed(name: str, session: Any) -> list[str]:
    """Predict a file."""
    rows = session.upload_data(str(SAMPLE_DATA / "prediction/iris.csv"), key_prefix="sdk3/prediction")
    source = shapes.TransformS3DataSource(s3_data_type="S3Prefix", s3_uri=rows)
    job = TransformJob.create(
        transform_job_name=name,
        model_name=name,
        transform_input=shapes.TransformInput(
            data_source=shapes.TransformDataSource(s3_data_source=source), content_type="text/csv", split_type="Line"
        ),
        transform_output=shapes.TransformOutput(
            s3_output_path=f"s3://{session.default_bucket()}/sdk3/out", accept="text/csv", assemble_with="Line"
        ),
        transform_resources=shapes.TransformResources(instance_type="ml.m4.xlarge", instance_count=1),
    )
    job.wait(logs=True)
    return session.read_s3_file(session.default_bucket(), "sdk3/out/iris.csv.out").split()


def built(trained_with: ModelTrainer, session: Any, name: str) -> dict[str, Any]:
    """Deploy with the model builder, which takes the trainer."""
    builder = ModelBuilder(
        model=trained_with, image_uri=IMAGE, role_arn=ROLE, sagemaker_session=session, instance_type="ml.m4.xlarge"
    )
    model = builder.build(model_name=name)
    endpoint = builder.deploy(endpoint_name=name, initial_instance_count=1)
    labels = asked(endpoint)
    endpoint.delete()
    endpoint.wait_for_delete()
    return {"model": model.model_name, "labels": labels}


def main(bucket: str, told: str) -> None:
    """Do all of it."""
    # The SDK looks at the role and who may assume it.
    policy = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    boto3.client("iam").create_role(RoleName="sdk3", AssumeRolePolicyDocument=policy)
    session = Session(default_bucket=bucket)
    model_trainer = trained(session)
    job = TrainingJob.get(model_trainer._latest_training_job.training_job_name)
    name = job.training_job_name
    found: dict[str, Any] = {
        "job": name,
        "status": job.training_job_status,
        "artifact": job.model_artifacts.s3_model_artifacts,
        "listed": [listed.training_job_name for listed in TrainingJob.get_all(name_contains="sdk3")],
        "refused": refused(session, Path(told).parent),
    }
    endpoint = deployed(name, found["artifact"])
    found["labels"] = asked(endpoint)
    found["updated"] = updated(endpoint)
    found["labels_after"] = asked(endpoint)
    found["transformed"] = transformed(name, session)
    found["built"] = built(model_trainer, session, f"{name}-built")
    endpoint.delete()
    endpoint.wait_for_delete()
    for config in (name, f"{name}-2"):
        EndpointConfig.get(config).delete()
    Model.get(name).delete()
    Path(told).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
