"""Images of Docker's, really run: what programs in containers get, may do and leave."""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest

from docker_under_test import containers_of, docker, label_of, left_of
from local_aws.docker_engine import DockerImage
from local_aws.process import LocalAws
from sagemaker_requests import (
    ROLE,
    ask,
    channel,
    deploy,
    log_lines,
    new_bucket,
    new_config,
    new_model,
    start_training,
    training_job,
    unique,
    wait_for,
    wait_for_endpoint,
    wait_for_training,
)

DAY = date(2019, 3, 4)
TRAINING_LOG = "/aws/sagemaker/TrainingJobs"
# CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE: see linux/capability.h.
RIGHTS = sum(1 << bit for bit in (0, 1, 3, 4, 5, 6, 7, 10))


@pytest.fixture(scope="module")
def bucket(local_aws: LocalAws) -> str:
    return new_bucket(local_aws, {"in/a.csv": b"1", "in/deep/b.csv": b"2", "checkpoints/saved.txt": b"1"})


@pytest.fixture
def elsewhere(engine: None) -> Iterator[str]:
    """The address of another machine, so to speak, that takes connections: a network namespace beside this one."""
    if os.geteuid() or not shutil.which("ip"):
        pytest.skip("needs root and the command ip, for a network namespace that stands for another machine")
    name, third = f"elsewhere-{secrets.token_hex(4)}", secrets.randbelow(256)
    ours, theirs = f"198.18.{third}.1", f"198.18.{third}.2"  # a range that RFC 2544 keeps for tests
    try:
        for command in (
            f"netns add {name}",
            f"link add ve{name[-8:]} type veth peer name eth0 netns {name}",
            f"addr add {ours}/30 dev ve{name[-8:]}",
            f"link set ve{name[-8:]} up",
            f"-n {name} addr add {theirs}/30 dev eth0",
            f"-n {name} link set eth0 up",
        ):
            subprocess.run(["ip", *command.split()], check=True, capture_output=True)
        with listening(name, theirs):
            yield f"{theirs}:8000"
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


@contextmanager
def listening(namespace: str, host: str) -> Iterator[None]:
    """A server in a network namespace, which answers."""
    server = [sys.executable, "-m", "http.server", "--bind", host, "8000"]
    process = subprocess.Popen(
        ["ip", "netns", "exec", namespace, *server], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: {"answers": answers(host)}, lambda found: found["answers"])
        yield
    finally:
        process.kill()
        process.wait()


def answers(host: str) -> bool:
    try:
        socket.create_connection((host, 8000), 3).close()
    except OSError:
        return False
    return True


def trained(aws: LocalAws, request: dict[str, Any]) -> dict[str, Any]:
    return wait_for_training(aws, start_training(aws, request))


def seen(aws: LocalAws, job: dict[str, Any]) -> dict[str, Any]:
    """What a training program has told of itself."""
    told: dict[str, Any] = json.loads(log_lines(aws, TRAINING_LOG, f"{job['TrainingJobName']}/algo-1-")[0])
    return told


def archive(aws: LocalAws, job: dict[str, Any], name: str = "model.tar.gz") -> tarfile.TarFile:
    bucket, _, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    key = key.replace("model.tar.gz", name)
    content = aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return tarfile.open(fileobj=io.BytesIO(content))


def wait_until_it_waits(aws: LocalAws, name: str) -> None:
    wait_for(lambda: {"lines": lines_of(aws, name)}, lambda found: "waiting" in found["lines"])


def lines_of(aws: LocalAws, name: str) -> list[str]:
    groups = aws.client("logs").describe_log_groups(logGroupNamePrefix=TRAINING_LOG)["logGroups"]
    return log_lines(aws, TRAINING_LOG, f"{name}/algo-1-") if groups else []


def test_a_pipeline_trains_deploys_answers_and_predicts_in_containers(pipeline) -> None:
    pipeline.use_tiny_image(model="of containers")
    pipeline.upload(DAY)

    ended = pipeline.run(DAY)

    assert ended.tasks == dict.fromkeys(("wait_for_data", "train", "deploy", "publish"), "success")
    assert pipeline.invoke(b"1,2", ContentType="text/csv") == b"of containers:1,2\n"
    assert pipeline.predict(data_date=str(DAY)).tasks["predict"] == "success"
    key = f"output-prediction/{DAY}/{pipeline.name}/iris.csv.out"
    rows = pipeline.s3.get_object(Bucket="sample-bucket", Key=key)["Body"].read().splitlines()
    assert len(rows) == 30
    assert all(row.startswith(b"of containers:") for row in rows)


def test_a_training_program_gets_what_sagemakers_contract_says_and_its_results_are_brought_back(
    local_aws: LocalAws, bucket: str
) -> None:
    told = {"COLOUR": "blue = green", "SEVERAL": "one\ntwo", "PATH_OF": "/a"}
    request = training_job(
        bucket,
        {"model": "m1", "save": "2", "link": "/opt/ml/model/model.txt"},
        InputDataConfig=[channel("training", f"s3://{bucket}/in/")],
        Environment=told,
        CheckpointConfig={"S3Uri": f"s3://{bucket}/checkpoints/"},
    )
    job = trained(local_aws, request)

    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    found = seen(local_aws, job)
    assert found["config"].keys() == {"hyperparameters", "inputdataconfig", "resourceconfig"}
    assert found["config"]["hyperparameters"] == request["HyperParameters"]
    assert found["config"]["inputdataconfig"]["training"]["TrainingInputMode"] == "File"
    assert found["config"]["resourceconfig"]["current_host"] == "algo-1"
    files = {name for name in found["files"] if not name.startswith("input/config/")}
    assert files == {"input/data/training/a.csv", "input/data/training/deep/b.csv", "checkpoints/saved.txt"}
    given = {"TRAINING_JOB_NAME": job["TrainingJobName"], "AWS_REGION": local_aws.region, "HOSTNAME": "algo-1"}
    assert found["environment"].items() >= {**told, **given, "TRAINING_JOB_ARN": job["TrainingJobArn"]}.items()
    ours = ("SAGEMAKER_BASE_DIR", "BIND_HOST", "AIRFLOW", "PYTEST", "AWS_ACCESS", "AWS_SECRET")
    assert not [name for name in found["environment"] if name.startswith(ours)]
    assert (found["user"], found["rights"], found["no new privileges"]) == (0, RIGHTS, "1")
    assert found["host"]

    with archive(local_aws, job) as model:
        assert sorted(model.getnames()) == ["deep", "deep/link", "model.txt"]
        read = model.extractfile("model.txt")
        assert read
        assert read.read() == b"m1"
        assert model.getmember("deep/link").linkname == "../model.txt"
        assert {(member.uid, member.gid) for member in model.getmembers()} == {(os.getuid(), os.getgid())}
    assert archive(local_aws, job, "output.tar.gz").getnames() == ["report.txt"]
    saved = local_aws.client("s3").get_object(Bucket=bucket, Key="checkpoints/saved.txt")["Body"].read()
    assert saved == b"12"


def test_what_a_failing_program_has_written_is_the_failure_reason(local_aws: LocalAws, bucket: str) -> None:
    job = trained(local_aws, training_job(bucket, {"fail": "bad num_class: 1"}))
    assert (job["TrainingJobStatus"], job["FailureReason"]) == (
        "Failed",
        "AlgorithmError: bad num_class: 1, exit code: 1",
    )


@pytest.mark.parametrize(("wait", "is_saved"), [("patient", True), ("stubborn", False)])
def test_a_stopped_job_gets_sigterm_and_later_sigkill_and_keeps_what_it_has_saved(
    local_aws: LocalAws, bucket: str, wait: str, is_saved: bool
) -> None:
    name = start_training(local_aws, training_job(bucket, {"wait": wait}))
    wait_until_it_waits(local_aws, name)
    local_aws.client("sagemaker").stop_training_job(TrainingJobName=name)
    job = wait_for_training(local_aws, name)
    assert job["TrainingJobStatus"] == "Stopped", job.get("FailureReason")
    with archive(local_aws, job) as model:
        assert ("stopped.txt" in model.getnames()) is is_saved


@pytest.mark.parametrize("link", ["/etc/passwd", "../../../../etc/passwd"])
def test_a_link_that_leads_out_of_the_model_reads_no_file_of_this_machine(
    local_aws: LocalAws, bucket: str, link: str
) -> None:
    request = training_job(bucket, {"link": link})
    request["OutputDataConfig"]["CompressionType"] = "NONE"  # links are followed, file by file
    job = trained(local_aws, request)
    assert job["TrainingJobStatus"] == "Failed"
    assert f"local AWS: /opt/ml/model/deep/link links to {link}, which is not in /opt/ml/model" in job["FailureReason"]
    keys = local_aws.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"models/{job['TrainingJobName']}/")
    assert keys["KeyCount"] == 0


def test_network_isolation_holds_for_training(local_aws: LocalAws, bucket: str, elsewhere: str) -> None:
    reached = {}
    for is_isolated in (False, True):
        request = training_job(bucket, {"reach": elsewhere}, EnableNetworkIsolation=is_isolated)
        reached[is_isolated] = seen(local_aws, trained(local_aws, request))["reached"]
    assert reached == {False: [elsewhere], True: []}


@pytest.mark.parametrize("is_isolated", [False, True])
def test_an_endpoints_container_reads_its_model_and_reaches_the_network_only_where_it_may(
    local_aws: LocalAws, bucket: str, elsewhere: str, is_isolated: bool
) -> None:
    trained_model = new_model(local_aws, bucket, "m")
    client, model = local_aws.client("sagemaker"), unique("model")
    described = client.describe_model(ModelName=trained_model)["PrimaryContainer"]
    container = {member: described[member] for member in ("Image", "ModelDataUrl")} | {"Environment": {"MARK": model}}
    client.create_model(
        ModelName=model, ExecutionRoleArn=ROLE, PrimaryContainer=container, EnableNetworkIsolation=is_isolated
    )
    endpoint = deploy(local_aws, new_config(local_aws, model))
    found = json.loads(ask(local_aws, endpoint, f"look {elsewhere}".encode()))

    assert found["arguments"] == []
    assert found["files"] == ["model/model.txt"]
    assert not found["may write to the model"]
    assert found["reached"] == ([] if is_isolated else [elsewhere])
    assert found["environment"].items() >= {"AWS_REGION": local_aws.region, "MARK": model}.items()
    assert (found["user"], found["rights"], found["no new privileges"]) == (0, RIGHTS, "1")
    [inspected] = containers_of(f"MARK={model}")
    assert (inspected["HostConfig"]["Binds"], inspected["HostConfig"]["Privileged"]) == (None, False)
    assert [mount["Type"] for mount in inspected["Mounts"]] == ["volume"]
    published = inspected["NetworkSettings"]["Ports"].get("8080/tcp") or []
    assert [binding["HostIp"] for binding in published] == ([] if is_isolated else ["127.0.0.1"])
    client.delete_endpoint(EndpointName=endpoint)
    wait_for(lambda: {"left": containers_of(f"MARK={model}")}, lambda now: now["left"] == [])


def test_a_container_that_dies_is_replaced(local_aws: LocalAws, bucket: str) -> None:
    endpoint = deploy(local_aws, new_config(local_aws, new_model(local_aws, bucket, "m")))
    with pytest.raises(local_aws.client("sagemaker-runtime").exceptions.ClientError):
        ask(local_aws, endpoint, b"die")
    wait_for(lambda: {"answer": asked(local_aws, endpoint)}, lambda found: found["answer"] == b"m:1,2\n")
    local_aws.client("sagemaker").delete_endpoint(EndpointName=endpoint)


def asked(aws: LocalAws, endpoint: str) -> bytes:
    try:
        return ask(aws, endpoint)
    except aws.client("sagemaker-runtime").exceptions.ClientError:
        return b""


def test_an_image_that_has_gone_since_is_said_in_the_failure_reason(engine: None, image: str) -> None:
    gone = f"{image}-gone"
    docker("image", "tag", image, gone)
    with LocalAws(images={"tiny": DockerImage(gone)}, status_seconds=0.1) as aws:
        bucket = new_bucket(aws)
        model = new_model(aws, bucket, "m")
        docker("image", "rm", gone)
        job = trained(aws, training_job(bucket, {}))
        assert f"ClientError: local AWS: Docker did not start {gone}: " in job["FailureReason"]
        assert "No such image" in job["FailureReason"]
        endpoint = unique("endpoint")
        client = aws.client("sagemaker")
        client.create_endpoint(EndpointName=endpoint, EndpointConfigName=new_config(aws, model))
        assert f"Docker did not start {gone}" in wait_for_endpoint(aws, endpoint)["FailureReason"]


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_nothing_is_left_of_a_server_and_what_is_another_servers_stays(image: str, is_killed: bool) -> None:
    other = unique("other")
    docker("container", "create", "--name", other, "--label", f"local-aws.server={other}", image, "train")
    try:
        label = end_in_the_middle(image, is_killed=is_killed)
        wait_for(lambda: {"left": left_of(label)}, lambda found: found["left"] == [])
        assert len(left_of(f"local-aws.server={other}")) == 1
    finally:
        docker("container", "rm", "--force", other)


def end_in_the_middle(image: str, *, is_killed: bool) -> str:
    """End a server whose containers train and serve; returns what all that it has made is labelled with."""
    aws = LocalAws(images={"tiny": DockerImage(image)}, status_seconds=0.1)
    try:
        bucket = new_bucket(aws)
        deploy(aws, new_config(aws, new_model(aws, bucket, "m")))
        name = start_training(aws, training_job(bucket, {"wait": "stubborn"}))
        wait_until_it_waits(aws, name)
        [training] = containers_of(f"TRAINING_JOB_NAME={name}")
        label = label_of(training)
        kinds = {line.split()[0] for line in left_of(label)}
        assert kinds == {"container", "volume", "network"}
        if is_killed:
            os.kill(aws.pid, signal.SIGKILL)
    finally:
        aws.stop()
    return label
