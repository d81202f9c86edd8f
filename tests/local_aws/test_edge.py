"""Faults, the record of calls, Slack, moto behind, and the life of the server process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from slack_sdk.webhook import WebhookClient

from local_aws.process import LocalAws
from processes import is_running
from sagemaker_requests import ROLE, TIMEOUT, new_bucket, training_job, unique, wait_for, wait_for_training

ROOT = Path(__file__).resolve().parents[2]
ONCE = Config(retries={"total_max_attempts": 1})
TWICE = Config(retries={"total_max_attempts": 2})


def error_of(raised: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    answer = raised.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_every_answer_says_that_it_is_of_local_aws(aws: LocalAws) -> None:
    for service, operation in (("sagemaker", "list_models"), ("s3", "list_buckets"), ("sts", "get_caller_identity")):
        answer = getattr(aws.client(service), operation)()
        assert answer["ResponseMetadata"]["HTTPHeaders"]["server"] == "local AWS"
    with pytest.raises(ClientError) as refused:
        aws.client("sagemaker-runtime").invoke_endpoint(EndpointName="none", Body=b"1")
    assert refused.value.response["ResponseMetadata"]["HTTPHeaders"]["server"] == "local AWS"


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("sagemaker", "list_models", ("ThrottlingException", 400)),
        ("logs", "describe_log_groups", ("ThrottlingException", 400)),
        ("s3", "list_buckets", ("SlowDown", 503)),
        ("sts", "get_caller_identity", ("Throttling", 400)),
    ],
)
def test_throttling_is_said_in_each_services_words(
    aws: LocalAws, service: str, operation: str, expected: tuple[str, int]
) -> None:
    client = aws.client(service, config=ONCE)
    aws.add_faults({"operation": f"{service}:*", "kind": "throttle", "times": 1})
    with pytest.raises(ClientError) as refused:
        getattr(client, operation)()
    assert error_of(refused) == expected
    getattr(client, operation)()


def test_server_errors_have_no_effect(aws: LocalAws) -> None:
    request = training_job(new_bucket(aws), {})
    client = aws.client("sagemaker", config=ONCE)
    for status, code in ((500, "InternalFailure"), (503, "ServiceUnavailable")):
        aws.add_faults({"operation": "CreateTrainingJob", "kind": "error", "status": status, "times": 1})
        with pytest.raises(ClientError) as refused:
            client.create_training_job(**request)
        assert error_of(refused) == (code, status)
    with pytest.raises(ClientError, match="Requested resource not found"):
        client.describe_training_job(TrainingJobName=request["TrainingJobName"])


def test_a_lost_answer_has_its_effect(aws: LocalAws) -> None:
    request = training_job(new_bucket(aws), {})
    aws.add_faults({"operation": "CreateTrainingJob", "kind": "lost_answer", "times": 1})
    with pytest.raises(ConnectionClosedError):
        aws.client("sagemaker", config=ONCE).create_training_job(**request)
    assert wait_for_training(aws, request["TrainingJobName"])["TrainingJobStatus"] == "Completed"


def test_botocores_own_retry_meets_the_job_that_it_made(aws: LocalAws) -> None:
    request = training_job(new_bucket(aws), {})
    aws.add_faults({"operation": "CreateTrainingJob", "kind": "lost_answer", "times": 1})
    with pytest.raises(ClientError) as refused:
        aws.client("sagemaker", config=TWICE).create_training_job(**request)
    assert error_of(refused) == ("ResourceInUse", 400)
    mine = [
        c for c in aws.calls("CreateTrainingJob") if c["parameters"]["TrainingJobName"] == request["TrainingJobName"]
    ]
    assert [(c["answered"], c["status"], c["error"]) for c in mine] == [
        (False, None, None),
        (True, 400, "ResourceInUse"),
    ]


def test_latency_delays_the_answer(aws: LocalAws) -> None:
    client = aws.client("sagemaker", config=Config(read_timeout=0.2, retries={"total_max_attempts": 1}))
    aws.add_faults({"operation": "ListModels", "kind": "latency", "seconds": 30})
    with pytest.raises(ReadTimeoutError):
        client.list_models()


def test_a_held_call_waits_for_its_release(aws: LocalAws) -> None:
    request = training_job(new_bucket(aws), {})
    client = aws.client("sagemaker", config=ONCE)
    for when, exists in (("before", False), ("after", True)):
        request = {**request, "TrainingJobName": unique("held")}
        with aws.hold("CreateTrainingJob", when=when) as hold:
            caller = threading.Thread(target=lambda r=request: client.create_training_job(**r))
            caller.start()
            hold.wait()
            found = [
                j["TrainingJobName"]
                for j in client.list_training_jobs(NameContains=request["TrainingJobName"])["TrainingJobSummaries"]
            ]
            assert (found == [request["TrainingJobName"]]) is exists
            hold.release()
            caller.join(TIMEOUT)
        assert wait_for_training(aws, request["TrainingJobName"])["TrainingJobStatus"] == "Completed"


def test_a_caller_killed_before_the_effect_never_called(aws: LocalAws) -> None:
    code = "import os, boto3; boto3.client('sagemaker').list_models()"
    environment = {**os.environ, **aws.environment(), "AWS_ACCESS_KEY_ID": unique("killed")}
    with aws.hold("ListModels") as hold:
        caller = subprocess.Popen([sys.executable, "-c", code], env=environment)
        hold.wait()
        caller.kill()
        caller.wait()
    calls = wait_for(
        lambda: {
            "mine": [c for c in aws.calls("ListModels") if c["access_key_id"] == environment["AWS_ACCESS_KEY_ID"]]
        },
        lambda found: found["mine"][0]["answered"] is not None,
    )
    assert [(c["answered"], c["status"]) for c in calls["mine"]] == [(False, None)]


def test_training_can_be_made_to_fail_as_aws_itself_fails(aws: LocalAws) -> None:
    bucket = new_bucket(aws)
    reason = (
        "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different instance."
    )
    aws.add_faults({"kind": "fail_training", "failure_reason": reason, "times": 1})
    ends = []
    for _ in range(2):
        request = training_job(bucket, {})
        aws.client("sagemaker").create_training_job(**request)
        job = wait_for_training(aws, request["TrainingJobName"])
        ends.append((job["TrainingJobStatus"], job.get("FailureReason")))
    assert ends == [("Failed", reason), ("Completed", None)]


def test_the_same_seed_gives_the_same_faults(aws: LocalAws) -> None:
    client = aws.client("sts", config=ONCE)

    def outcomes() -> list[bool]:
        aws.clear_faults()
        aws.add_faults({"operation": "GetCallerIdentity", "kind": "throttle", "rate": 0.5, "seed": 7})
        results = []
        for _ in range(20):
            try:
                client.get_caller_identity()
                results.append(True)
            except ClientError:
                results.append(False)
        return results

    first = outcomes()
    assert set(first) == {True, False}
    assert outcomes() == first


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"operation": "ListModels", "kind": "sabotage"}, "'kind' must be one of throttle, error"),
        ({"operation": "ListModels", "kind": "throttle", "often": 3}, "throttle has no 'often'; it has operation"),
        ({"kind": "throttle"}, "'operation' is missing"),
        ({"operation": "ListModels", "kind": "error", "status": 404}, "'status' must be 500 or 503"),
        ({"operation": "ListModels", "kind": "hold", "when": "never"}, "'when' must be 'before' or 'after'"),
        ({"operation": "ListModels", "kind": "throttle", "times": "once"}, "'times' has the wrong type: 'once'"),
    ],
)
def test_a_fault_that_is_not_understood_is_refused(aws: LocalAws, fault: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        aws.add_faults(fault)
    assert aws.faults() == []


def test_calls_are_recorded_with_who_and_what(aws: LocalAws) -> None:
    key = unique("AKID")
    bucket = new_bucket(aws, {"a/b.csv": b"1"})
    aws.client("s3", aws_access_key_id=key).head_object(Bucket=bucket, Key="a/b.csv")
    aws.client("s3", aws_access_key_id=key).list_objects_v2(Bucket=bucket)
    aws.client("sts", aws_access_key_id=key).get_caller_identity()
    with pytest.raises(ClientError):
        aws.client("sagemaker", aws_access_key_id=key).describe_model(ModelName="nothing")
    mine = [call for call in aws.calls() if call["access_key_id"] == key]
    assert [(c["service"], c["operation"], c["status"], c["parameters"]) for c in mine] == [
        ("s3", "HeadObject", 200, {"Bucket": bucket, "Key": "a/b.csv"}),
        ("s3", "ListObjectsV2", 200, {"Bucket": bucket}),
        ("sts", "GetCallerIdentity", 200, {}),
        ("sagemaker", "DescribeModel", 400, {"ModelName": "nothing"}),
    ]
    assert mine[-1]["error"] == "ValidationException"


def test_moto_serves_the_rest(aws: LocalAws) -> None:
    role = unique("role")
    iam = aws.client("iam")
    iam.create_role(RoleName=role, AssumeRolePolicyDocument="{}")
    assert iam.get_role(RoleName=role)["Role"]["Arn"] == f"arn:aws:iam::123456789012:role/{role}"
    assert aws.client("sts").get_caller_identity()["Account"] == "123456789012"


def test_what_moto_does_not_do_is_refused_and_no_fault_of_the_server(aws: LocalAws) -> None:
    with pytest.raises(ClientError, match="local AWS: iam GetServiceLastAccessedDetails is not there") as refused:
        aws.client("iam").get_service_last_accessed_details(JobId="x" * 36)
    assert refused.value.response["Error"]["Code"] == "InvalidAction"
    # Clients go on without a simulation that they may not have, as the SageMaker Python SDK does.
    with pytest.raises(ClientError, match="local AWS: iam SimulatePrincipalPolicy is not there") as denied:
        aws.client("iam").simulate_principal_policy(PolicySourceArn=ROLE, ActionNames=["s3:GetObject"])
    assert denied.value.response["Error"]["Code"] == "AccessDenied"
    assert [call["status"] for call in aws.calls("SimulatePrincipalPolicy")] == [403]


def test_slack_takes_what_slack_takes(aws: LocalAws) -> None:
    channel = unique("channel")
    client = WebhookClient(aws.webhook_url)
    assert client.send_dict({"text": "*Training* <started>", "channel": channel}).body == "ok"
    refusal = client.send_dict({"channel": channel})
    assert (refusal.status_code, refusal.body) == (400, "no_text")
    assert [m["text"] for m in aws.slack_messages() if m["channel"] == channel] == ["*Training* <started>"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(aws.webhook_url, b"not json")
    assert (refused.value.code, refused.value.read()) == (400, b"invalid_payload")
    with urllib.request.urlopen(f"{aws.url}/slack") as page:
        text = page.read().decode()
    assert f"# {channel}" in text
    assert "<b>Training</b>" in text
    secret = aws.webhook_url.rpartition("/services/")[2]
    assert secret not in text + json.dumps(aws.calls("slack"))


def test_slack_can_fail(aws: LocalAws) -> None:
    client = WebhookClient(aws.webhook_url)
    aws.add_faults({"operation": "slack", "kind": "throttle", "times": 1})
    answer = client.send_dict({"text": "x"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    aws.add_faults({"operation": "slack", "kind": "error", "status": 503, "times": 1})
    assert client.send_dict({"text": "x"}).status_code == 503


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has ended since
            found += map(int, (task / "children").read_text().split())
    return found


def start_with_running_training(tiny: Path) -> tuple[LocalAws, list[int]]:
    aws = LocalAws(images={"tiny": tiny})
    request = training_job(new_bucket(aws), {"wait": "stubborn"})
    aws.client("sagemaker").create_training_job(**request)
    wait_for(
        lambda: aws.client("sagemaker").describe_training_job(TrainingJobName=request["TrainingJobName"]),
        lambda job: job["SecondaryStatus"] == "Training",
    )
    started = wait_for(lambda: {"pids": children(aws.pid)}, lambda found: len(found["pids"]) == 2)["pids"]
    return aws, started


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")
@pytest.mark.parametrize("end", ["stop", "SIGTERM", "SIGINT", "SIGKILL"])
def test_however_the_server_ends_its_processes_and_folders_go_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    aws, started = start_with_running_training(ROOT / "tests/support/images/tiny")
    assert list(tmp_path.iterdir())
    if end == "stop":
        aws.stop()
    else:
        os.kill(aws.pid, getattr(signal, end))
    wait_for(lambda: {"left": [p for p in started if is_running(p)]}, lambda found: not found["left"])
    wait_for(lambda: {"left": list(tmp_path.glob("local-aws-*"))}, lambda found: not found["left"])
    aws.stop()
    with pytest.raises(EndpointConnectionError):
        aws.client("sagemaker", config=ONCE).list_models()


def test_the_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = f"""
import os, sys
sys.path[:0] = [{str(ROOT / "include")!r}]
from local_aws.process import LocalAws
print(LocalAws().pid, flush=True)
os.kill(os.getpid(), 9)
"""
    starter = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=False)
    pid = int(starter.stdout)
    wait_for(lambda: {"running": is_running(pid)}, lambda found: not found["running"])


def test_a_reset_forgets_everything() -> None:
    with LocalAws(images={"tiny": ROOT / "tests/support/images/tiny"}) as aws:
        request = training_job(new_bucket(aws), {})
        aws.client("sagemaker").create_training_job(**request)
        WebhookClient(aws.webhook_url).send_dict({"text": "x"})
        aws.add_faults({"operation": "nothing", "kind": "throttle"})
        aws.reset()
        assert (aws.slack_messages(), aws.faults(), aws.calls()) == ([], [], [])
        assert aws.client("s3").list_buckets()["Buckets"] == []
        assert aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []
        request = training_job(new_bucket(aws), {})
        aws.client("sagemaker").create_training_job(**request)
        assert wait_for_training(aws, request["TrainingJobName"])["TrainingJobStatus"] == "Completed"


def test_the_command_prints_its_address_and_ends_on_sigterm() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "include"), str(ROOT / "plugins")])}
    server = subprocess.Popen(
        [sys.executable, "-m", "local_aws", "--port", "0"], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout
        url = server.stdout.readline().split()[-1]
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{url}/_local_aws/health") as answer:
            assert json.load(answer) == {"status": "ok"}
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(TIMEOUT) == 0
        server.stdout.close()
