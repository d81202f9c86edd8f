"""What DescribeTrainingJob tells and when, as recorded answers of AWS have it (cloud-custodian's flight recordings of
training jobs, an AWS CLI transcript of 2025), and jobs that wait for capacity."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from local_aws.process import LocalAws
from sagemaker_requests import secondary_statuses, start_training, training_job, wait_for, wait_for_training


def describe(aws: LocalAws, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = aws.client("sagemaker").describe_training_job(TrainingJobName=name)
    return answer


def listed(aws: LocalAws, name: str) -> dict[str, Any]:
    jobs = aws.client("sagemaker").list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    [found] = [job for job in jobs if job["TrainingJobName"] == name]
    return dict(found)


def wait_until(aws: LocalAws, name: str, secondary: str) -> dict[str, Any]:
    return wait_for(lambda: describe(aws, name), lambda job: job["SecondaryStatus"] == secondary)


def metrics_of(aws: LocalAws, bucket: str, said: str) -> dict[str, Any]:
    request = training_job(bucket, {"print": said})
    request["AlgorithmSpecification"]["MetricDefinitions"] = [
        {"Name": name, "Regex": f"{name}: (\\S+)"} for name in ("train:rmse", "validation:rmse", "absent")
    ]
    job = wait_for_training(aws, start_training(aws, request))
    assert job["TrainingJobStatus"] == "Completed"
    return job


def values(job: dict[str, Any]) -> dict[str, Any]:
    return {metric["MetricName"]: metric["Value"] for metric in job.get("FinalMetricDataList", [])}


def test_times_are_told_once_they_are_known_and_an_ended_job_is_modified_after_its_end(
    local_aws: LocalAws, bucket: str
) -> None:
    local_aws.add_faults({"kind": "hold_status", "operation": "training-job:Starting"})
    name = start_training(local_aws, training_job(bucket, {}))
    for told in (describe(local_aws, name), listed(local_aws, name)):
        assert not {"TrainingStartTime", "TrainingEndTime", "ModelArtifacts", "FinalMetricDataList"} & set(told)
        assert not {"FailureReason", "TrainingTimeInSeconds", "BillableTimeInSeconds"} & set(told)
    local_aws.clear_faults()
    job = wait_for_training(local_aws, name)
    assert job["TrainingStartTime"] < job["TrainingEndTime"] < job["LastModifiedTime"]
    last = job["SecondaryStatusTransitions"][-1]
    assert last["StartTime"] == last["EndTime"] == job["TrainingEndTime"]
    summary = listed(local_aws, name)
    assert summary["TrainingEndTime"] == job["TrainingEndTime"]
    assert summary["LastModifiedTime"] == job["LastModifiedTime"]


def test_a_description_has_what_aws_adds_to_the_request(local_aws: LocalAws, bucket: str) -> None:
    job = wait_for_training(local_aws, start_training(local_aws, training_job(bucket, {})))
    output = {"KmsKeyId": "", "S3OutputPath": f"s3://{bucket}/models", "CompressionType": "GZIP"}
    assert job["OutputDataConfig"] == output
    for member in ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining"):
        assert job[member] is False


def test_what_needs_nothing_done_on_a_laptop_is_taken_and_told(local_aws: LocalAws, bucket: str) -> None:
    rule = {"RuleConfigurationName": "rule", "RuleEvaluatorImage": "895741380848.dkr.ecr.x.amazonaws.com/rules:latest"}
    members: dict[str, Any] = {
        "DebugHookConfig": {"S3OutputPath": f"s3://{bucket}/", "CollectionConfigurations": []},
        "DebugRuleConfigurations": [rule],
        "ProfilerRuleConfigurations": [rule],
        "RetryStrategy": {"MaximumRetryAttempts": 2},
        "RemoteDebugConfig": {"EnableRemoteDebug": False},
        "InfraCheckConfig": {"EnableInfraCheck": True},
    }
    job = wait_for_training(local_aws, start_training(local_aws, training_job(bucket, {}, **members)))
    assert job["TrainingJobStatus"] == "Completed"
    assert {member: job[member] for member in members} == members
    assert not {"DebugRuleEvaluationStatuses", "ProfilerRuleEvaluationStatuses", "ProfilingStatus"} & set(job)


def test_profiling_is_told_as_recorded(local_aws: LocalAws, bucket: str) -> None:
    asked = {"S3OutputPath": f"s3://{bucket}/", "DisableProfiler": False}
    job = wait_for_training(local_aws, start_training(local_aws, training_job(bucket, {}, ProfilerConfig=asked)))
    assert job["ProfilerConfig"] == {**asked, "ProfilingIntervalInMilliseconds": 500}
    assert job["ProfilingStatus"] == "Enabled"
    off = wait_for_training(
        local_aws, start_training(local_aws, training_job(bucket, {}, ProfilerConfig={"DisableProfiler": True}))
    )
    assert (off["ProfilerConfig"], off["ProfilingStatus"]) == ({"DisableProfiler": True}, "Disabled")


def test_a_job_that_is_to_stop_says_so_before_its_secondary_status_does(local_aws: LocalAws, bucket: str) -> None:
    local_aws.add_faults({"kind": "hold_status", "operation": "training-job:Downloading"})
    name = start_training(local_aws, training_job(bucket, {}))
    wait_until(local_aws, name, "Downloading")
    local_aws.client("sagemaker").stop_training_job(TrainingJobName=name)
    job = describe(local_aws, name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopping", "Downloading")
    local_aws.clear_faults()
    assert secondary_statuses(wait_for_training(local_aws, name)) == ["Starting", "Downloading", "Stopping", "Stopped"]


def test_metrics_are_32_bit_floats_widened_and_have_whole_seconds(local_aws: LocalAws, bucket: str) -> None:
    job = metrics_of(local_aws, bucket, "train:rmse: 1.19876|validation:rmse: 2.31553")
    assert values(job) == {"train:rmse": 1.1987600326538086, "validation:rmse": 2.3155300617218018}
    assert {metric["Timestamp"].microsecond for metric in job["FinalMetricDataList"]} == {0}
    huge = values(metrics_of(local_aws, bucket, "train:rmse: 1e39|validation:rmse: 12105318"))
    assert huge == {"train:rmse": math.inf, "validation:rmse": 12105318.0}


def test_a_metric_that_is_no_finite_number_is_told_as_it_is(local_aws: LocalAws, bucket: str) -> None:
    told = values(metrics_of(local_aws, bucket, "train:rmse: nan|validation:rmse: -inf"))
    assert math.isnan(told["train:rmse"])
    assert told["validation:rmse"] == -math.inf


def test_cloudwatch_has_every_finite_value_of_a_metric(local_aws: LocalAws, bucket: str) -> None:
    job = metrics_of(local_aws, bucket, "train:rmse: 3|train:rmse: 1|train:rmse: nan|validation:rmse: 2")
    asked: dict[str, Any] = {
        "Namespace": "/aws/sagemaker/TrainingJobs",
        "Dimensions": [{"Name": "TrainingJobName", "Value": job["TrainingJobName"]}],
        "StartTime": job["TrainingStartTime"],
        "EndTime": job["TrainingEndTime"] + timedelta(minutes=1),
        "Period": 60,
        "Statistics": ["Average", "SampleCount"],
    }
    cloudwatch = local_aws.client("cloudwatch")
    [point] = cloudwatch.get_metric_statistics(MetricName="train:rmse", **asked)["Datapoints"]
    assert (point["Average"], point["SampleCount"]) == (2.0, 2.0)
    assert not cloudwatch.get_metric_statistics(MetricName="absent", **asked)["Datapoints"]


def test_a_fault_tells_a_metric_in_another_form_or_not_at_all(local_aws: LocalAws, bucket: str) -> None:
    name = metrics_of(local_aws, bucket, "train:rmse: 1|validation:rmse: 2")["TrainingJobName"]

    def told(form: str) -> dict[str, Any]:
        local_aws.clear_faults()
        local_aws.add_faults({"kind": "final_metric", "metric": "validation:*", "form": form})
        return values(describe(local_aws, name))

    assert math.isnan(told("nan")["validation:rmse"])
    assert told("infinity") == {"train:rmse": 1.0, "validation:rmse": math.inf}
    assert told("-infinity") == {"train:rmse": 1.0, "validation:rmse": -math.inf}
    assert told("text") == {"train:rmse": 1.0, "validation:rmse": "NaN"}
    assert told("absent") == {"train:rmse": 1.0}


def test_a_job_may_wait_for_capacity_before_it_starts_and_its_runtime_does_not_count_that(
    local_aws: LocalAws, bucket: str
) -> None:
    local_aws.add_faults({"kind": "pending", "seconds": 2, "times": 1})
    name = start_training(local_aws, training_job(bucket, {}, StoppingCondition={"MaxRuntimeInSeconds": 1}))
    pending = wait_until(local_aws, name, "Pending")
    assert pending["TrainingJobStatus"] == "InProgress"
    assert "TrainingStartTime" not in pending
    job = wait_for_training(local_aws, name)
    assert job["TrainingJobStatus"] == "Completed"
    assert secondary_statuses(job) == ["Starting", "Pending", "Downloading", "Training", "Uploading", "Completed"]
    assert (job["TrainingStartTime"] - job["CreationTime"]).total_seconds() >= 2
    assert job["TrainingTimeInSeconds"] < 2


def test_a_pending_job_is_stopped_at_once_and_never_starts(local_aws: LocalAws, bucket: str) -> None:
    local_aws.add_faults({"kind": "pending", "seconds": 3600})
    name = start_training(local_aws, training_job(bucket, {}))
    wait_until(local_aws, name, "Pending")
    local_aws.client("sagemaker").stop_training_job(TrainingJobName=name)
    job = wait_for_training(local_aws, name)
    assert (job["TrainingJobStatus"], secondary_statuses(job)) == (
        "Stopped",
        ["Starting", "Pending", "Stopping", "Stopped"],
    )
    assert "TrainingStartTime" not in job
    assert "BillableTimeInSeconds" not in job


def test_a_pending_job_goes_on_when_the_fault_is_removed(local_aws: LocalAws, bucket: str) -> None:
    local_aws.add_faults({"kind": "pending", "seconds": 3600})
    name = start_training(local_aws, training_job(bucket, {}))
    wait_until(local_aws, name, "Pending")
    local_aws.clear_faults()
    assert wait_for_training(local_aws, name)["TrainingJobStatus"] == "Completed"


@pytest.mark.parametrize(
    ("instance_type", "members", "ending"),
    [
        ("ml.g5.xlarge", {"MaxPendingTimeInSeconds": 1800}, ("Stopped", "Stopped")),
        ("ml.m5.large", {"MaxPendingTimeInSeconds": 1800}, ("Completed", "Completed")),
        ("ml.g5.xlarge", {"MaxPendingTimeInSeconds": 7200}, ("Completed", "Completed")),
        ("ml.m5.large", {"MaxWaitTimeInSeconds": 1800}, ("Stopped", "MaxWaitTimeExceeded")),
    ],
)
def test_pending_is_bounded_apart_for_accelerated_instances_and_for_spot(
    local_aws: LocalAws, bucket: str, instance_type: str, members: dict[str, int], ending: tuple[str, str]
) -> None:
    local_aws.add_faults({"kind": "pending", "seconds": 0.4, "stands_for": 3600, "times": 1})
    request = training_job(
        bucket,
        {},
        ResourceConfig={"InstanceType": instance_type, "InstanceCount": 1, "VolumeSizeInGB": 10},
        StoppingCondition={"MaxRuntimeInSeconds": 600, **members},
        EnableManagedSpotTraining="MaxWaitTimeInSeconds" in members,
    )
    job = wait_for_training(local_aws, start_training(local_aws, request))
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ending
