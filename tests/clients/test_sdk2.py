"""The SageMaker Python SDK 2 drives local AWS with what it asks for by default."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from local_aws.process import LocalAws
from sagemaker_requests import wait_for


def test_fit_asks_for_the_debugger_and_the_profiler_and_is_told_of_them(sdk2):
    assert sdk2.found["version"].startswith("2.")
    job = sdk2.found["description"]
    assert job["TrainingJobStatus"] == "Completed"
    assert job["DebugHookConfig"] == {"S3OutputPath": f"s3://{sdk2.bucket}/", "CollectionConfigurations": []}
    assert job["ProfilerConfig"]["ProfilingIntervalInMilliseconds"] == 500
    assert job["ProfilingStatus"] == "Enabled"


def test_fit_prints_the_containers_log_and_the_seconds_to_pay_for(sdk2):
    assert "training: 90 rows, validation: 30 rows, 4 features" in sdk2.printed
    assert "Completed - Training job completed" in sdk2.printed
    assert "Billable seconds:" in sdk2.printed


def test_another_process_attaches_to_the_job(sdk2):
    assert sdk2.found["attached"] == {
        "model_data": f"s3://{sdk2.bucket}/{sdk2.found['job']}/output/model.tar.gz",
        "hyperparameters": {"objective": "multiclass", "num_class": "3"},
        "tags": [{"Key": "project", "Value": "sdk2"}],
        "image": "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/sagemaker-repo:latest",
    }


def test_analytics_finds_the_jobs_metrics_in_cloudwatch(sdk2):
    [metric] = sdk2.found["metrics"]
    [final] = sdk2.found["description"]["FinalMetricDataList"]
    assert (metric["metric_name"], metric["value"]) == (final["MetricName"], pytest.approx(final["Value"]))


def test_an_endpoint_is_deployed_asked_and_updated(sdk2):
    assert sdk2.found["labels"] == [["0"], ["2"]]
    assert sdk2.found["updated"] == {
        "another_config": True,
        "instance_type": "ml.m5.xlarge",
        "labels": [["0"], ["2"]],
    }


def test_a_file_is_transformed_and_the_containers_log_printed(sdk2):
    assert len(sdk2.found["transformed"]) == 30
    assert set(sdk2.found["transformed"]) == {"0", "1", "2"}
    assert "Listening at: http://127.0.0.1" in sdk2.printed


def test_what_is_deleted_is_gone(sdk2, local_aws: LocalAws):
    sagemaker = local_aws.client("sagemaker")

    def found() -> dict[str, bool]:
        try:
            sagemaker.describe_endpoint(EndpointName=sdk2.found["endpoint"])
        except ClientError:
            return {"found": False}
        return {"found": True}

    wait_for(found, lambda answer: not answer["found"])


def test_nothing_that_it_called_was_refused(sdk2):
    # A log stream that has not begun is not there, as on AWS.
    assert {operation for operation, _ in sdk2.refused} <= {"DescribeLogStreams"}
