from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.process import LocalAws
from sagemaker_requests import (
    TINY,
    channel,
    log_lines,
    new_bucket,
    secondary_statuses,
    start_training,
    training_job,
    unique,
    wait_for,
    wait_for_training,
)

GROUP = "/aws/sagemaker/TrainingJobs"


def run(aws: LocalAws, request: dict[str, Any]) -> dict[str, Any]:
    return wait_for_training(aws, start_training(aws, request))


def archive(aws: LocalAws, url: str) -> dict[str, str]:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    content = aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        return {m.name: tar.extractfile(m).read().decode() for m in tar.getmembers()}  # type: ignore[union-attr]


def wait_until_training(aws: LocalAws, name: str) -> None:
    wait_for(lambda: {"log": log_lines_or_none(aws, name)}, lambda found: "waiting" in found["log"])


def log_lines_or_none(aws: LocalAws, name: str) -> list[str]:
    try:
        return log_lines(aws, GROUP, f"{name}/")
    except aws.client("logs").exceptions.ResourceNotFoundException:
        return []


def test_a_job_runs_its_program_with_the_container_contract_and_uploads_the_model(local_aws: LocalAws) -> None:
    bucket = new_bucket(local_aws, {"in/2019-03-04/a.csv": b"1", "in/2019-03-04/deep/b.csv": b"2", "val/one.csv": b"3"})
    request = training_job(
        bucket,
        {"print": "loss: 0.5 accuracy=0.25|loss: 0.125 accuracy=0.75", "model": "m1", "output": "report"},
        InputDataConfig=[
            channel("training", f"s3://{bucket}/in/2019-03-04"),
            channel("validation", f"s3://{bucket}/val/one.csv"),
        ],
        Environment={"COLOUR": "blue"},
        Tags=[{"Key": "pipeline", "Value": "multiclass"}],
    )
    request["AlgorithmSpecification"]["MetricDefinitions"] = [
        {"Name": "loss", "Regex": "loss: ([0-9.]+)"},
        {"Name": "accuracy", "Regex": "accuracy=([0-9.]+)"},
        {"Name": "absent", "Regex": "absent=([0-9.]+)"},
    ]
    job = run(local_aws, request)

    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert secondary_statuses(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert job["SecondaryStatus"] == "Completed"
    ends = [transition["EndTime"] for transition in job["SecondaryStatusTransitions"]]
    starts = [transition["StartTime"] for transition in job["SecondaryStatusTransitions"]]
    assert ends[:-1] == starts[1:]
    assert job["CreationTime"] <= job["TrainingStartTime"] < job["TrainingEndTime"] < job["LastModifiedTime"]
    assert job["BillableTimeInSeconds"] >= 1
    assert {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]} == {"loss": 0.125, "accuracy": 0.75}
    for member in ("HyperParameters", "InputDataConfig", "ResourceConfig", "StoppingCondition"):
        assert job[member] == request[member]
    assert job["Environment"] == {"COLOUR": "blue"}

    url = f"s3://{bucket}/models/{job['TrainingJobName']}/output/model.tar.gz"
    assert job["ModelArtifacts"] == {"S3ModelArtifacts": url}
    assert archive(local_aws, url) == {"model.txt": "m1"}
    assert archive(local_aws, url.replace("model.tar.gz", "output.tar.gz")) == {"report.txt": "report"}

    told, *rest = log_lines(local_aws, GROUP, f"{job['TrainingJobName']}/algo-1-")
    seen = json.loads(told)
    assert rest == ["loss: 0.5 accuracy=0.25", "loss: 0.125 accuracy=0.75"]
    assert seen["files"] == [
        "input/data/training/a.csv",
        "input/data/training/deep/b.csv",
        "input/data/validation/one.csv",
    ]
    assert seen["channels"]["training"] == {
        "ContentType": "text/csv",
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    }
    assert {"COLOUR", "TRAINING_JOB_NAME", "SAGEMAKER_BASE_DIR"} <= set(seen["environment"])
    assert not [
        name for name in seen["environment"] if name.startswith(("AIRFLOW", "PYTEST", "AWS_ACCESS", "AWS_SECRET"))
    ]
    tags = local_aws.client("sagemaker").list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "pipeline", "Value": "multiclass"}]


def test_a_failing_program_gives_its_own_reason(local_aws: LocalAws) -> None:
    job = run(local_aws, training_job(new_bucket(local_aws), {"fail": "bad num_class: 1"}))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: bad num_class: 1, exit code: 1"
    assert secondary_statuses(job) == ["Starting", "Downloading", "Training", "Failed"]
    assert "ModelArtifacts" not in job


def test_a_failing_program_without_a_reason_has_its_exit_code(local_aws: LocalAws) -> None:
    job = run(local_aws, training_job(new_bucket(local_aws), {"exit": "7"}))
    assert (job["TrainingJobStatus"], job["FailureReason"]) == ("Failed", "AlgorithmError: , exit code: 7")


def test_a_long_reason_is_cut_to_what_aws_allows(local_aws: LocalAws) -> None:
    job = run(local_aws, training_job(new_bucket(local_aws), {"fail": "x" * 2000}))
    assert len(job["FailureReason"]) == 1024
    assert job["FailureReason"].endswith(", exit code: 1")


def test_a_stopped_job_keeps_what_it_had_saved(local_aws: LocalAws) -> None:
    client = local_aws.client("sagemaker")
    name = start_training(local_aws, training_job(new_bucket(local_aws), {"wait": "politely", "model": "half"}))
    wait_until_training(local_aws, name)
    client.stop_training_job(TrainingJobName=name)
    job = wait_for_training(local_aws, name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert secondary_statuses(job) == ["Starting", "Downloading", "Training", "Stopping", "Uploading", "Stopped"]
    assert archive(local_aws, job["ModelArtifacts"]["S3ModelArtifacts"]) == {
        "model.txt": "half",
        "stopped.txt": "stopped",
    }
    with pytest.raises(ClientError, match="in status Stopped"):
        client.stop_training_job(TrainingJobName=name)


def test_a_program_that_ignores_sigterm_is_killed(local_aws: LocalAws) -> None:
    name = start_training(local_aws, training_job(new_bucket(local_aws), {"wait": "stubborn"}))
    wait_until_training(local_aws, name)
    local_aws.client("sagemaker").stop_training_job(TrainingJobName=name)
    assert wait_for_training(local_aws, name)["TrainingJobStatus"] == "Stopped"


def test_the_runtime_is_bounded(local_aws: LocalAws) -> None:
    request = training_job(new_bucket(local_aws), {"wait": "politely"}, StoppingCondition={"MaxRuntimeInSeconds": 1})
    job = run(local_aws, request)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert job["ModelArtifacts"]["S3ModelArtifacts"].endswith("/output/model.tar.gz")


def test_no_model_no_artifact(local_aws: LocalAws) -> None:
    job = run(local_aws, training_job(new_bucket(local_aws), {"model": "none"}))
    assert job["TrainingJobStatus"] == "Completed"
    assert "ModelArtifacts" not in job


def test_a_missing_output_bucket_fails_the_upload(local_aws: LocalAws) -> None:
    job = run(local_aws, training_job(unique("nowhere"), {}))
    assert (
        job["FailureReason"]
        == "ClientError: Artifact upload failed:NoSuchBucket (404): The specified bucket does not exist"
    )


def test_a_spot_job_keeps_its_checkpoints(local_aws: LocalAws) -> None:
    bucket = new_bucket(local_aws, {"checkpoints/epoch-1.txt": b"one"})
    request = training_job(
        bucket,
        {},
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120},
        CheckpointConfig={"S3Uri": f"s3://{bucket}/checkpoints"},
    )
    job = run(local_aws, request)
    assert job["TrainingJobStatus"] == "Completed"
    assert job["EnableManagedSpotTraining"] is True
    keys = [o["Key"] for o in local_aws.client("s3").list_objects_v2(Bucket=bucket, Prefix="checkpoints/")["Contents"]]
    assert keys == ["checkpoints/epoch-1.txt"]


def test_names_are_unique_and_the_first_job_stays(local_aws: LocalAws) -> None:
    request = training_job(new_bucket(local_aws), {"model": "first"})
    run(local_aws, request)
    again = {**request, "HyperParameters": {"model": "second"}}
    with pytest.raises(ClientError) as refused:
        local_aws.client("sagemaker").create_training_job(**again)
    assert refused.value.response["Error"]["Code"] == "ResourceInUse"
    assert "a training job with this name already exists (arn:aws:sagemaker:" in str(refused.value)
    job = local_aws.client("sagemaker").describe_training_job(TrainingJobName=request["TrainingJobName"])
    assert job["HyperParameters"] == {"model": "first"}


def test_an_unknown_job_is_not_found_in_awss_words(local_aws: LocalAws) -> None:
    client = local_aws.client("sagemaker")
    for operation in (client.describe_training_job, client.stop_training_job):
        with pytest.raises(ClientError) as refused:
            operation(TrainingJobName=unique("nobody"))
        assert refused.value.response["Error"] == {
            "Code": "ValidationException",
            "Message": "Requested resource not found.",
        }


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (
            {"TrainingJobName": "bad_name"},
            "Value 'bad_name' at 'trainingJobName' failed to satisfy constraint: Member must",
        ),
        (
            {"RoleArn": "arn:aws:iam::1:user/me-or-another"},
            "at 'roleArn' failed to satisfy constraint: Member must satisfy",
        ),
        (
            {"ResourceConfig": {"InstanceType": "ml.m4.tiny", "InstanceCount": 1, "VolumeSizeInGB": 1}},
            "Value 'ml.m4.tiny' at 'resourceConfig.instanceType' failed to satisfy constraint: Member must",
        ),
        (
            {"ResourceConfig": {"InstanceType": "ml.m4.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 1}},
            "local AWS: CreateTrainingJob cannot do ResourceConfig.InstanceCount 2, only 1",
        ),
        (
            {"TensorBoardOutputConfig": {"S3OutputPath": "s3://some-bucket/boards"}},
            "local AWS: CreateTrainingJob cannot do TensorBoardOutputConfig",
        ),
        (
            {"ProfilerConfig": {"ProfilingParameters": {"LocalPath": "/opt/ml/output/profiler"}}},
            "local AWS: CreateTrainingJob cannot do ProfilerConfig.ProfilingParameters",
        ),
        (
            {"RemoteDebugConfig": {"EnableRemoteDebug": True}},
            "local AWS: CreateTrainingJob cannot do RemoteDebugConfig.EnableRemoteDebug True, only False",
        ),
        (
            {"AlgorithmSpecification": {"TrainingImage": "tiny", "TrainingInputMode": "Pipe"}},
            "local AWS: CreateTrainingJob cannot do AlgorithmSpecification.TrainingInputMode 'Pipe', only 'File'",
        ),
        (
            {"AlgorithmSpecification": {"TrainingImage": "r.example.com/none:1", "TrainingInputMode": "File"}},
            "Cannot find repository: none in registry ID: 123456789012 Please check if your ECR repository exists",
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 9}},
            "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true",
        ),
        (
            {
                "EnableManagedSpotTraining": True,
                "StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 8},
            },
            "It must be present and be greater than or equal to MaxRuntimeInSeconds",
        ),
        (
            {"InputDataConfig": [channel("training", "s3://no-such-bucket-here/in/")]},
            'No S3 objects found under S3 URL "s3://no-such-bucket-here/in/" given in input data source. Please',
        ),
    ],
)
def test_bad_requests_are_refused_in_awss_words(local_aws: LocalAws, members: dict[str, Any], said: str) -> None:
    request = {**training_job("some-bucket", {}), **members}
    client = local_aws.client("sagemaker")
    with pytest.raises(ClientError) as refused:
        client.create_training_job(**request)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert said in refused.value.response["Error"]["Message"]


def test_what_aws_requires_beyond_its_model_is_required(local_aws: LocalAws) -> None:
    request = training_job("some-bucket", {})
    del request["StoppingCondition"]
    with pytest.raises(
        ClientError, match="Value null at 'stoppingCondition' failed to satisfy constraint: Member must not"
    ):
        local_aws.client("sagemaker").create_training_job(**request)


def test_an_operation_that_is_not_there_says_what_is(local_aws: LocalAws) -> None:
    with pytest.raises(
        ClientError, match=r"local AWS: SageMaker CreateNotebookInstance is not there; it answers AddTags"
    ) as e:
        local_aws.client("sagemaker").create_notebook_instance(
            NotebookInstanceName="n", InstanceType="ml.t3.medium", RoleArn="arn:aws:iam::123456789012:role/r"
        )
    assert e.value.response["Error"]["Code"] == "UnknownOperationException"


def test_tags_are_added_overwritten_and_deleted(local_aws: LocalAws) -> None:
    client = local_aws.client("sagemaker")
    arn = run(local_aws, training_job(new_bucket(local_aws), {}))["TrainingJobArn"]
    client.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    added = client.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "3"}])["Tags"]
    assert added == [{"Key": "a", "Value": "3"}], "what was added, not what was there"
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "3"}, {"Key": "b", "Value": "2"}]
    client.delete_tags(ResourceArn=arn, TagKeys=["b", "c"])
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "3"}]
    with pytest.raises(ClientError, match="Could not find resource"):
        client.list_tags(ResourceArn=f"{arn}x")


def test_regions_are_apart(local_aws: LocalAws) -> None:
    name = run(local_aws, training_job(new_bucket(local_aws), {}))["TrainingJobName"]
    elsewhere = local_aws.client("sagemaker", region_name="eu-west-1")
    with pytest.raises(ClientError, match=r"Requested resource not found\."):
        elsewhere.describe_training_job(TrainingJobName=name)


def test_a_file_name_that_is_not_utf_8_leaves_its_bucket_readable(tmp_path: Path) -> None:
    program = tmp_path / "train"
    program.write_text(
        "#!/usr/bin/env python\n"
        "import os\n"
        "open(os.environb[b'SAGEMAKER_BASE_DIR'] + b'/model/\\xff.txt', 'w').write('m')\n"
    )
    program.chmod(0o755)
    with LocalAws(images={"odd": tmp_path}) as aws:
        bucket = new_bucket(aws)
        request = training_job(
            bucket, {}, OutputDataConfig={"S3OutputPath": f"s3://{bucket}/out", "CompressionType": "NONE"}
        )
        request["AlgorithmSpecification"]["TrainingImage"] = TINY.replace("tiny", "odd")
        job = run(aws, request)
        assert job["TrainingJobStatus"] == "Completed"
        [found] = aws.client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    assert found["Key"] == f"out/{request['TrainingJobName']}/output/model/\ufffd.txt"
