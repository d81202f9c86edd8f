"""Whom local AWS refuses before it looks at what is asked: other hosts, and pages of other origins. And whom not."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError
from slack_sdk.webhook import WebhookClient

from local_aws.process import LocalAws
from local_aws.strangers import LOOPBACK, host_names
from sagemaker_requests import ask, deploy, new_bucket, new_config, new_model, training_job

TINY = Path(__file__).parents[1] / "support" / "images" / "tiny"
SECRET = b"what only this machine may read"
SIGNED = "AWSAccessKeyId=any&Signature=any&Expires=9999999999"  # moto reads no signature, but wants one
HTML = b"<script>document.title = 'ran'</script>"


@dataclass(frozen=True)
class Stage:
    """A server with something to lose, and what it has."""

    aws: LocalAws
    bucket: str

    def state(self) -> dict[str, Any]:
        s3, sagemaker = self.aws.client("s3"), self.aws.client("sagemaker")
        found = {
            "buckets": [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]],
            "objects": [found["Key"] for found in s3.list_objects_v2(Bucket=self.bucket)["Contents"]],
            "jobs": sagemaker.list_training_jobs()["TrainingJobSummaries"],
            "users": [user["UserName"] for user in self.aws.client("iam").list_users()["Users"]],
            "slack": self.aws.slack_messages(),
            "faults": self.aws.faults(),
        }
        looked = ("ListBuckets", "ListObjectsV2", "ListTrainingJobs", "ListUsers")
        calls = [(call["operation"], call["answered"]) for call in self.aws.calls()]
        return {**found, "calls": [call for call in calls if call[0] not in looked]}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with LocalAws(images={"tiny": TINY}, lists_per_second=float("inf")) as aws:
        WebhookClient(aws.webhook_url).send(text="hello")
        aws.add_faults({"operation": "nothing", "kind": "throttle"})
        yield Stage(aws, new_bucket(aws, {"secret": SECRET}))


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JOB = json.dumps(training_job("{bucket}", {}, Environment={"PATH": "/evil"})).encode()
ROUTES = {
    "a training job": Route(
        "POST", "/", JOB, {"X-Amz-Target": "SageMaker.CreateTrainingJob", "Content-Type": "text/plain"}
    ),
    "an invocation": Route("POST", "/endpoints/any/invocations", b"1,2"),
    "an asynchronous invocation": Route("POST", "/endpoints/any/async-invocations"),
    "a bucket": Route("PUT", "/new-bucket"),
    "an object": Route("PUT", "/{bucket}/page.html", HTML),
    "an object's form": Route("POST", "/{bucket}", b"key=page.html&file=x", FORM),
    "an object's end": Route("DELETE", "/{bucket}/secret"),
    "an object's content": Route("GET", f"/{{bucket}}/secret?{SIGNED}"),
    "moto's IAM": Route("POST", "/", b"Action=CreateUser&UserName=evil&Version=2010-05-08", FORM),
    "moto's own reset": Route("POST", "/moto-api/reset"),
    "moto's instance metadata": Route("GET", "/latest/meta-data/iam/security-credentials/"),
    "a webhook": Route("POST", "/slack/services/T000/B000/local", b'{"text": "evil"}'),
    "Slack's messages": Route("GET", "/slack/messages"),
    "reset": Route("POST", "/_local_aws/reset"),
    "a fault": Route("POST", "/_local_aws/faults", b'[{"operation": "*", "kind": "throttle"}]'),
    "other faults": Route("PUT", "/_local_aws/faults", b"[]"),
    "the faults' end": Route("DELETE", "/_local_aws/faults"),
    "the calls": Route("GET", "/_local_aws/calls"),
    "the calls' end": Route("DELETE", "/_local_aws/calls"),
    "health": Route("GET", "/_local_aws/health"),
}
STRANGERS = {
    "a rebound name": {"Host": "evil.example"},
    "a rebound name with the port": {"Host": "evil.example:{port}"},
    "a name that begins as an allowed one": {"Host": "127.0.0.1.evil.example:{port}"},
    "a name with an allowed one as its user": {"Host": "127.0.0.1@evil.example"},
    "no host": {"Host": ""},
    "a rebound name of its own origin": {
        "Host": "evil.example:{port}",
        "Origin": "http://evil.example:{port}",
        "Sec-Fetch-Site": "same-origin",
    },
    "another origin": {"Origin": "http://evil.example"},
    "another port of this machine": {"Origin": "http://127.0.0.1:8080", "Sec-Fetch-Site": "same-site"},
    "another name of this machine": {"Origin": "http://localhost:{port}"},
    "a sandboxed page": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "another site": {"Sec-Fetch-Site": "cross-site"},
    "another site's link": {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    },
    "the same site": {"Sec-Fetch-Site": "same-site"},
    "a site of tomorrow": {"Sec-Fetch-Site": "who-knows"},
}


def send(stage: Stage, route: Route, headers: dict[str, str], method: str | None = None) -> requests.Response:
    port = stage.aws.url.rpartition(":")[2]
    return requests.request(
        method or route.method,
        stage.aws.url + route.path.replace("{bucket}", stage.bucket),
        data=route.body.replace(b"{bucket}", stage.bucket.encode()),
        headers={**route.headers, **{name: value.replace("{port}", port) for name, value in headers.items()}},
        timeout=60,
        allow_redirects=False,
    )


@pytest.mark.parametrize("what", ROUTES)
def test_no_stranger_reaches_any_route_and_nothing_has_changed(stage: Stage, what: str) -> None:
    before = stage.state()
    for who, headers in STRANGERS.items():
        answer = send(stage, ROUTES[what], headers)
        assert answer.status_code == 403, who
        assert "refuses a request" in answer.text, who
        assert SECRET not in answer.content, who
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")], who
    assert stage.state() == before


@pytest.mark.parametrize("what", ROUTES)
def test_no_preflight_is_answered_with_leave(stage: Stage, what: str) -> None:
    route = ROUTES[what]
    asked = {"Access-Control-Request-Method": route.method, "Access-Control-Request-Headers": "x-amz-target"}
    for origin in ("http://evil.example", "http://127.0.0.1:8080", "null"):
        answer = send(stage, route, {**asked, "Origin": origin, "Sec-Fetch-Mode": "cors"}, "OPTIONS")
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize(
    "path", ["/", f"/{{bucket}}/secret?{SIGNED}", "/moto-api/data.json", "/slack", "/_local_aws/health"]
)
@pytest.mark.parametrize("origin", [{}, {"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}])
def test_what_is_answered_is_for_no_other_page_and_never_a_page_of_this_origin(
    stage: Stage, path: str, origin: dict[str, str]
) -> None:
    answer = send(stage, Route("GET", path), origin)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = answer.headers["Content-Security-Policy"]
    if path == "/slack":
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
    else:
        assert policy == "sandbox"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:{port}", "localhost:{port}", "LOCALHOST", "[::1]:{port}"])
def test_this_machines_own_names_are_answered(stage: Stage, host: str) -> None:
    assert send(stage, ROUTES["health"], {"Host": host}).json() == {"status": "ok"}
    assert send(stage, ROUTES["health"], {"Host": host, "Origin": f"http://{host}"}).json() == {"status": "ok"}


def test_who_types_the_address_is_answered(stage: Stage) -> None:
    typed = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    for path in ("/slack", "/slack/messages", f"/{{bucket}}/secret?{SIGNED}"):
        assert send(stage, Route("GET", path), typed).status_code == 200


def test_a_link_on_any_page_opens_slacks_page_and_only_that(stage: Stage) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    page = Route("GET", "/slack")
    assert send(stage, page, link).status_code == 200
    assert send(stage, page, {**link, "Sec-Fetch-Dest": "iframe"}).status_code == 403
    assert send(stage, page, {**link, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty"}).status_code == 403
    assert send(stage, page, {**link, "Origin": "null"}).status_code == 403
    assert send(stage, page, link, "POST").status_code == 403
    assert send(stage, page, {**link, "Host": "evil.example"}).status_code == 403


def test_a_stored_page_and_a_models_answer_are_told_to_be_nobodys_page(stage: Stage) -> None:
    aws = stage.aws
    bucket = new_bucket(aws)
    aws.client("s3").put_object(Bucket=bucket, Key="page.html", Body=HTML, ContentType="text/html")
    stored = requests.get(f"{aws.url}/{bucket}/page.html?{SIGNED}", timeout=60)
    endpoint = deploy(aws, new_config(aws, new_model(aws, bucket, "good")))
    answered = requests.post(
        f"{aws.url}/endpoints/{endpoint}/invocations", HTML, headers={"Accept": "text/html"}, timeout=60
    )
    for answer in (stored, answered):
        assert HTML in answer.content
        assert answer.headers["Content-Type"].startswith("text/html")
        assert answer.headers["Content-Security-Policy"] == "sandbox"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_programs_are_answered() -> None:
    with LocalAws(images={"tiny": TINY}) as aws:
        bucket = new_bucket(aws, {"a": b"1"})
        assert aws.client("s3").get_object(Bucket=bucket, Key="a")["Body"].read() == b"1"
        assert ask(aws, deploy(aws, new_config(aws, new_model(aws, bucket, "good")))) == b"good:1,2"
        assert WebhookClient(aws.webhook_url).send(text="hello").body == "ok"
        assert aws.client("sts").get_caller_identity()["Account"] == "123456789012"
        url = aws.client("s3").generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a"})
        assert requests.get(url, timeout=60).content == b"1"
        aws.reset()


def named(aws: LocalAws, service: str, host: str) -> Any:
    """A client that names another host than it speaks to, as behind a name that leads here."""
    client = aws.client(service, config=Config(retries={"total_max_attempts": 1}))
    client.meta.events.register("before-send", lambda request, **_: request.headers.update(Host=host))
    return client


def with_allowed_hosts(how: str, monkeypatch: pytest.MonkeyPatch) -> LocalAws:
    if how == "option":
        return LocalAws(allowed_hosts=["local-aws", "fd00::7"])
    monkeypatch.setenv("LOCAL_AWS_ALLOWED_HOSTS", "local-aws, fd00::7")
    return LocalAws()


def test_compose_allows_the_name_that_its_other_services_use() -> None:
    text = (Path(__file__).parents[2] / "docker-compose.yaml").read_text()
    allowed = str(yaml.safe_load(text)["services"]["local-aws"]["environment"])
    assert "LOCAL_AWS_ALLOWED_HOSTS" in allowed
    asked = set(re.findall(r"http(?:://|%3A%2F%2F)([a-z0-9.-]+)(?::|%3A)5000", text)) - set(LOOPBACK)
    assert asked
    assert all(host in allowed for host in asked)


@pytest.mark.parametrize("how", ["option", "environment"])
def test_a_setting_allows_other_hosts(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with with_allowed_hosts(how, monkeypatch) as aws:
        named(aws, "s3", "local-aws:5000").create_bucket(
            Bucket="named", CreateBucketConfiguration={"LocationConstraint": aws.region}
        )
        for host in ("Local-AWS:5000", "local-aws", "[fd00::7]:5000", "127.0.0.1:5000", "localhost"):
            answer = requests.get(f"{aws.url}/_local_aws/health", headers={"Host": host}, timeout=60)
            assert answer.status_code == 200, host
        own = {"Host": "local-aws:5000", "Origin": "http://local-aws:5000"}
        assert requests.get(f"{aws.url}/slack", headers=own, timeout=60).status_code == 200
        for refused in ({"Host": "evil.example"}, {"Host": "local-aws", "Origin": "http://evil.example"}):
            assert requests.get(f"{aws.url}/slack", headers=refused, timeout=60).status_code == 403


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("sagemaker", "list_models"),
        ("s3", "list_buckets"),
        ("sts", "get_caller_identity"),
        ("logs", "describe_queries"),
    ],
)
def test_a_client_reads_why_it_was_refused_and_what_allows_it(stage: Stage, service: str, operation: str) -> None:
    with pytest.raises(
        ClientError, match=r"the host 'local-aws:5000'.*--allowed-hosts.*LOCAL_AWS_ALLOWED_HOSTS"
    ) as why:
        getattr(named(stage.aws, service, "local-aws:5000"), operation)()
    answer = why.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("AccessDenied", 403)


def test_a_webhook_client_and_control_read_it_too(stage: Stage) -> None:
    slack = WebhookClient(stage.aws.webhook_url, default_headers={"Host": "local-aws"}).send(text="x")
    assert (slack.status_code, "LOCAL_AWS_ALLOWED_HOSTS" in slack.body) == (403, True)
    control = requests.get(f"{stage.aws.url}/_local_aws/health", headers={"Host": "local-aws"}, timeout=60)
    assert "LOCAL_AWS_ALLOWED_HOSTS" in control.json()["error"]


def test_a_refusal_is_logged_once_a_kind_and_tells_no_webhook(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file, LocalAws(log=file.fileno()) as aws:
        for headers in (
            {"Host": "evil\x1b[31m.example"},
            {"Origin": "http://evil.example"},
            {"Host": "other.example"},
        ) * 3:
            assert requests.post(aws.webhook_url, b"{}", headers=headers, timeout=60).status_code == 403
    lines = log.read_text().splitlines()
    assert len([line for line in lines if "refuses a request for the host 'evil\\x1b[31m.example'" in line]) == 1
    assert len([line for line in lines if "its origin is 'http://evil.example'" in line]) == 1
    assert "other.example" not in log.read_text()
    assert "/services/" not in log.read_text()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("  ", ()),
        ("local-aws", ("local-aws",)),
        ("Local_AWS, 192.168.1.7 [FD00::7],::1", ("local_aws", "192.168.1.7", "fd00::7", "::1")),
    ],
)
def test_allowed_hosts_are_names_and_addresses(text: str, names: tuple[str, ...]) -> None:
    assert host_names(text) == names


@pytest.mark.parametrize("text", ["http://local-aws", "local-aws:5000", "*", "local-aws,*.example", "a/b", "-a", "a@b"])
def test_what_is_no_host_is_refused_and_starts_no_server(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a host: expected names or addresses without http:// and port"):
        host_names(text)


def test_a_wrong_setting_starts_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_AWS_ALLOWED_HOSTS", "http://local-aws:5000")
    with tempfile.TemporaryFile() as log:
        with pytest.raises(RuntimeError, match="exit code 2"):
            LocalAws(log=log.fileno())
        log.seek(os.SEEK_SET)
        assert b"'http://local-aws:5000' is not a host" in log.read()
