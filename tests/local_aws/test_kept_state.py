"""A local AWS with a state folder, stopped in every way and started again."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError
from slack_sdk.webhook import WebhookClient

from local_aws.process import LocalAws
from sagemaker_requests import (
    ask,
    channel,
    new_bucket,
    new_config,
    new_model,
    training_job,
    wait_for,
    wait_for_endpoint,
    wait_for_training,
)

TINY = Path(__file__).parents[1] / "support" / "images" / "tiny"
INTERNAL_ERROR = "InternalServerError: We encountered an internal error. Please try again."
FAULT = "Request to service failed. If failure persists after retry, contact customer support."

Start = Callable[[], LocalAws]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a local AWS on the test's state folder."""
    with ExitStack() as running:
        yield lambda: running.enter_context(
            LocalAws(images={"tiny": TINY}, ping_timeout=20, stop_grace=2, status_seconds=0.1, state=tmp_path / "state")
        )


def without(content: dict[str, Any], *members: str) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in ("ResponseMetadata", *members)}


def test_objects_and_buckets_are_kept(start: Start) -> None:
    aws = start()
    bucket = new_bucket(aws, {"day/iris.csv": b"1,2\n", "日.bin": bytes(range(256)), "empty": b"", "gone": b"x"})
    versioned = new_bucket(aws)
    s3 = aws.client("s3")
    s3.delete_object(Bucket=bucket, Key="gone")
    s3.put_object(
        Bucket=bucket, Key="m", Body=b"m", Metadata={"who": "me"}, ContentType="text/csv", Tagging="team=a&stage=b"
    )
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "owner", "Value": "ml"}]})
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": []}))
    s3.put_bucket_versioning(Bucket=versioned, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"one", b"two"):
        s3.put_object(Bucket=versioned, Key="k", Body=body)
    s3.delete_object(Bucket=versioned, Key="k")

    def seen(s3: Any) -> list[Any]:
        versions = s3.list_object_versions(Bucket=versioned)
        return [
            [(found["Name"], found["CreationDate"]) for found in s3.list_buckets()["Buckets"]],
            s3.get_bucket_location(Bucket=bucket)["LocationConstraint"],
            s3.get_bucket_tagging(Bucket=bucket)["TagSet"],
            s3.get_bucket_policy(Bucket=bucket)["Policy"],
            s3.list_objects_v2(Bucket=bucket)["Contents"],
            [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in ("day/iris.csv", "日.bin", "empty", "m")],
            without(s3.head_object(Bucket=bucket, Key="m")),
            s3.get_object_tagging(Bucket=bucket, Key="m")["TagSet"],
            versions["Versions"],
            versions["DeleteMarkers"],
            [
                s3.get_object(Bucket=versioned, Key="k", VersionId=version["VersionId"])["Body"].read()
                for version in versions["Versions"]
            ],
        ]

    before = seen(s3)
    os.kill(aws.pid, signal.SIGTERM)
    aws.stop()
    s3 = start().client("s3")
    assert seen(s3) == before
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket=bucket, Key="gone")
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket=versioned, Key="k")
    s3.put_object(Bucket=versioned, Key="k", Body=b"three")
    assert len(s3.list_object_versions(Bucket=versioned)["Versions"]) == 3


def test_an_endpoint_answers_after_a_restart_and_can_be_updated(start: Start) -> None:
    aws = start()
    bucket = new_bucket(aws)
    good = new_config(aws, new_model(aws, bucket, "good"))
    better = new_config(aws, new_model(aws, bucket, "better"))
    client = aws.client("sagemaker")
    tags = [{"Key": "data_date", "Value": "2019-03-04"}]
    arn = client.create_endpoint(EndpointName="kept", EndpointConfigName=good, Tags=tags)["EndpointArn"]
    wait_for_endpoint(aws, "kept")
    # AWS serves on without the config and the model that an endpoint was made from; so does the next server.
    model = client.describe_endpoint_config(EndpointConfigName=good)["ProductionVariants"][0]["ModelName"]
    client.delete_endpoint_config(EndpointConfigName=good)
    client.delete_model(ModelName=model)
    [job, _] = client.list_training_jobs(SortOrder="Ascending")["TrainingJobSummaries"]
    before = client.describe_training_job(TrainingJobName=job["TrainingJobName"])
    aws.stop()

    aws = start()
    client = aws.client("sagemaker")
    assert client.describe_endpoint(EndpointName="kept")["EndpointStatus"] in ("SystemUpdating", "InService")
    assert ask(aws, "kept", b"1") == b"good:1"
    endpoint = client.describe_endpoint(EndpointName="kept")
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", good)
    assert [variant["VariantName"] for variant in endpoint["ProductionVariants"]] == ["variant-0"]
    assert "FailureReason" not in endpoint
    assert client.list_tags(ResourceArn=arn)["Tags"] == tags
    assert without(client.describe_training_job(TrainingJobName=job["TrainingJobName"])) == without(before)
    with pytest.raises(ClientError, match=f'Could not find endpoint configuration "arn:.*/{good}"'):
        client.update_endpoint(EndpointName="kept", EndpointConfigName=better)
    variants = client.describe_endpoint_config(EndpointConfigName=better)["ProductionVariants"]
    client.create_endpoint_config(EndpointConfigName=good, ProductionVariants=variants)
    client.update_endpoint(EndpointName="kept", EndpointConfigName=better)
    assert wait_for_endpoint(aws, "kept")["EndpointConfigName"] == better
    assert ask(aws, "kept", b"1") == b"better:1"


def test_a_program_that_cannot_come_back_fails_the_endpoint(start: Start, tmp_path: Path) -> None:
    aws = start()
    config = new_config(aws, new_model(aws, new_bucket(aws), "good"))
    aws.client("sagemaker").create_endpoint(EndpointName="lost", EndpointConfigName=config)
    wait_for_endpoint(aws, "lost")
    aws.stop()
    with LocalAws(state=tmp_path / "state") as other:  # without the image
        endpoint = wait_for_endpoint(other, "lost")
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("Failed", config)
    assert endpoint["FailureReason"].startswith("ClientError: Requested image ")


def test_a_creation_under_way_has_failed_and_an_update_is_on_the_old_config(start: Start) -> None:
    aws = start()
    bucket = new_bucket(aws)
    good = new_config(aws, new_model(aws, bucket, "good"))
    better = new_config(aws, new_model(aws, bucket, "better"))
    client = aws.client("sagemaker")
    client.create_endpoint(EndpointName="updated", EndpointConfigName=good)
    wait_for_endpoint(aws, "updated")
    aws.add_faults(*({"kind": "hold_status", "operation": f"endpoint:{status}"} for status in ("Creating", "Updating")))
    client.create_endpoint(EndpointName="created", EndpointConfigName=better)
    client.update_endpoint(EndpointName="updated", EndpointConfigName=better)
    os.kill(aws.pid, signal.SIGINT)
    aws.stop()

    aws = start()
    created, updated = wait_for_endpoint(aws, "created"), wait_for_endpoint(aws, "updated")
    assert (created["EndpointStatus"], created["FailureReason"]) == ("Failed", FAULT)
    assert [updated[member] for member in ("EndpointStatus", "EndpointConfigName", "FailureReason")] == [
        "InService",
        good,
        FAULT,
    ]
    assert ask(aws, "updated", b"1") == b"good:1"


def test_jobs_under_way_have_failed(start: Start) -> None:
    aws = start()
    bucket = new_bucket(aws, {"in/a.csv": b"1\n"})
    model = new_model(aws, bucket, "good")
    client = aws.client("sagemaker")
    aws.add_faults({"kind": "hold_status", "operation": "transform-job:InProgress"})
    request = training_job(bucket, {"wait": "yes"}, InputDataConfig=[channel("train", f"s3://{bucket}/in/")])
    client.create_training_job(**request)
    client.create_transform_job(
        TransformJobName="transform",
        ModelName=model,
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in/"}}},
        TransformOutput={"S3OutputPath": f"s3://{bucket}/out/"},
        TransformResources={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1},
    )
    name = request["TrainingJobName"]
    running = wait_for(
        lambda: client.describe_training_job(TrainingJobName=name), lambda job: job["SecondaryStatus"] == "Training"
    )
    aws.stop()

    aws = start()
    client = aws.client("sagemaker")
    job = client.describe_training_job(TrainingJobName=name)
    assert (job["TrainingJobStatus"], job["FailureReason"]) == ("Failed", INTERNAL_ERROR)
    statuses = [transition["Status"] for transition in job["SecondaryStatusTransitions"]]
    assert statuses == ["Starting", "Downloading", "Training", "Failed"]
    assert job["LastModifiedTime"] > job["TrainingEndTime"] > running["LastModifiedTime"]
    transform = client.describe_transform_job(TransformJobName="transform")
    assert (transform["TransformJobStatus"], transform["FailureReason"]) == ("Failed", INTERNAL_ERROR)
    with pytest.raises(ClientError, match="Training job names must be unique"):
        client.create_training_job(**request)


def test_what_was_done_a_while_before_a_kill_is_kept(start: Start, tmp_path: Path) -> None:
    aws = start()
    bucket = new_bucket(aws)
    request = training_job(bucket, {"model": "killed"})
    aws.client("sagemaker").create_training_job(**request)
    artifact = wait_for_training(aws, request["TrainingJobName"])["ModelArtifacts"]["S3ModelArtifacts"]
    assert WebhookClient(aws.webhook_url).send(text="hello").status_code == 200
    wait_for(
        lambda: {"saved": (tmp_path / "state" / "state.json").read_text()},
        lambda found: artifact in found["saved"] and '"hello"' in found["saved"],
    )
    os.kill(aws.pid, signal.SIGKILL)
    aws.stop()

    aws = start()
    job = aws.client("sagemaker").describe_training_job(TrainingJobName=request["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Completed"
    key = artifact.removeprefix(f"s3://{bucket}/")
    assert aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()[:2] == b"\x1f\x8b"
    assert [message["text"] for message in aws.slack_messages()] == ["hello"]


def test_what_could_not_be_saved_is_refused_and_what_comes_later_is_kept(start: Start) -> None:
    aws = start()
    bucket = new_bucket(aws)
    for half in (r'{"text": "\ud800"}', r'{"text": "x", "blocks": [{"type": "\udc00"}]}'):
        answer = requests.post(aws.webhook_url, half, timeout=60)
        assert (answer.status_code, answer.text) == (400, "invalid_payload")
        answer = requests.post(aws.webhook_url, {"payload": half}, timeout=60)
        assert (answer.status_code, answer.text) == (400, "invalid_payload")
    client = aws.client("sagemaker")
    for members in ({"HyperParameters": {"a": "\ud800"}}, {"Tags": [{"Key": "a", "Value": "\ud800"}]}):
        with pytest.raises(ClientError, match="SerializationException"):
            client.create_training_job(**{**training_job(bucket, {}), **members})
    with pytest.raises(ValueError, match="half of a surrogate pair"):
        aws.add_faults({"kind": "fail_training", "failure_reason": "\ud800"})
    for policy in ("{", "[]", b"{\xff}".decode("latin-1")):
        with pytest.raises(ClientError, match="MalformedPolicy"):
            aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)
    assert WebhookClient(aws.webhook_url).send(text="later \U0001f600").body == "ok"
    aws.client("s3").put_object(Bucket=bucket, Key="later", Body=b"1")
    aws.stop()

    aws = start()
    assert [message["text"] for message in aws.slack_messages()] == ["later \U0001f600"]
    assert "later \U0001f600" in requests.get(f"{aws.url}/slack", timeout=60).content.decode()
    assert aws.client("s3").get_object(Bucket=bucket, Key="later")["Body"].read() == b"1"


def test_an_unreadable_state_is_refused_with_its_place(start: Start, tmp_path: Path, capfd: Any) -> None:
    start().stop()
    (tmp_path / "state" / "state.json").write_text("{")
    with pytest.raises(RuntimeError, match="exit code 2"):
        start()
    said = capfd.readouterr().err
    assert f"local AWS: the state in {tmp_path}/state cannot be read: state.json is not JSON" in said
    assert "Traceback" not in said


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        with LocalAws() as aws:
            assert aws.client("s3").list_buckets()["Buckets"] == []
            new_bucket(aws, {"a": b"1"})
    assert list(tmp_path.iterdir()) == []
