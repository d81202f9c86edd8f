"""What a web page of somebody else can do to local AWS from a person's own browser: nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from slack_sdk.webhook import WebhookClient

from chromium import CHROMIUM, NEEDS_CHROMIUM, OPTIONS
from local_aws.process import LocalAws
from sagemaker_requests import new_bucket, training_job

TINY = Path(__file__).parents[1] / "support" / "images" / "tiny"
EVIL = "evil.example"  # a name whose owner lets it lead to this machine
EVIL_OPTIONS = [
    *OPTIONS,
    # The network's own guard of private addresses, where a Chromium has it, is not what is tested.
    "--disable-features=BlockInsecurePrivateNetworkRequests,LocalNetworkAccessChecks",
    f"--host-resolver-rules=MAP {EVIL} 127.0.0.1",
]
JOB = training_job("bucket", {}, Environment={"PYTHONSTARTUP": "/evil.py"})
TARGET = {"X-Amz-Target": "SageMaker.CreateTrainingJob"}
OPENED = "opened.html"  # what the person opens
SIGNED = "AWSAccessKeyId=any&Signature=any&Expires=9999999999"  # moto reads no signature, but wants one
# A page that, once it is of local AWS's origin, does what it likes.
STORED = f"""<script>
fetch("/", {{method: "POST", headers: {json.dumps(TARGET)}, body: {json.dumps(json.dumps(JOB))}}});
fetch("/_local_aws/reset", {{method: "POST"}});
document.title = "ran";
</script>stored"""

pytestmark = [NEEDS_CHROMIUM, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws(images={"tiny": TINY}, lists_per_second=float("inf")) as aws:
        WebhookClient(aws.webhook_url).send(text="hello *you*")
        aws.add_faults({"operation": "nothing", "kind": "throttle"})
        yield aws


@pytest.fixture(scope="module")
def bucket(aws: LocalAws) -> str:
    return new_bucket(aws, {"secret": b"what only this machine may read"})


class _OtherSite(BaseHTTPRequestHandler):
    """Serves an empty page at every address, and at /to?... a redirect that keeps method and body."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        _, _, target = self.path.partition("/to?")
        self.send_response(307 if target else 200)
        if target:
            self.send_header("Location", target)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture(scope="module")
def other_site() -> Iterator[int]:
    """The port of a site on this machine that is not local AWS."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _OtherSite) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=EVIL_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture(params=["127.0.0.1", "localhost", EVIL])
def strange_page(page: Page, other_site: int, request: pytest.FixtureRequest) -> Page:
    """A page of another origin: of the same site as local AWS, of this machine, of the wide world."""
    page.goto(f"http://{request.param}:{other_site}/")
    return page


@pytest.fixture(autouse=True)
def nothing_happens(aws: LocalAws, bucket: str) -> Iterator[None]:
    """Whatever the test tried, local AWS has what it had, and recorded no call."""
    before = state(aws, bucket)
    yield
    assert state(aws, bucket) == before


def state(aws: LocalAws, bucket: str) -> dict[str, Any]:
    others = [call for call in aws.calls() if call["access_key_id"] != "local"]
    calls = [call["number"] for call in others if call["parameters"].get("Key") != OPENED]
    s3 = aws.client("s3")
    return {
        "calls": calls,
        "jobs": aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"],
        "buckets": [found["Name"] for found in s3.list_buckets()["Buckets"]],
        "objects": [found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]],
        "slack": aws.slack_messages(),
        "faults": aws.faults(),
    }


def fetch(page: Page, url: str, **options: Any) -> Any:
    """What a page's script learns from a request: status and text, or that it failed."""
    return page.evaluate(
        """async ([url, options]) => {
            try {
                const answer = await fetch(url, options);
                return [answer.type, answer.status, await answer.text()];
            } catch (error) { return [error.name, 0, ""]; }
        }""",
        [url, options],
    )


def submit(page: Page, url: str, enctype: str, fields: dict[str, str]) -> str:
    """Has a page send a form, and tells what the browser shows then."""
    with page.expect_navigation():
        page.evaluate(
            """([url, enctype, fields]) => {
                const form = Object.assign(document.createElement("form"), {action: url, method: "POST", enctype});
                for (const [name, value] of Object.entries(fields)) {
                    form.append(Object.assign(document.createElement("textarea"), {name, value}));
                }
                document.body.append(form);
                form.submit();
            }""",
            [url, enctype, fields],
        )
    return page.content()


def attempts(bucket: str) -> list[tuple[str, dict[str, Any]]]:
    """Paths and what a script asks of them."""
    return [
        ("/", {"method": "POST", "headers": TARGET, "body": json.dumps(JOB)}),
        (f"/{bucket}/page.html", {"method": "PUT", "body": STORED}),
        (f"/{bucket}/secret?{SIGNED}", {}),
        ("/slack/messages", {}),
        ("/slack", {}),
        ("/slack/services/T000/B000/local", {"method": "POST", "body": '{"text": "evil"}'}),
        ("/_local_aws/reset", {"method": "POST"}),
        ("/_local_aws/faults", {"method": "POST", "body": '[{"operation": "*", "kind": "throttle"}]'}),
        ("/_local_aws/faults", {"method": "DELETE"}),
        ("/moto-api/reset", {"method": "POST"}),
    ]


def test_a_strange_pages_script_learns_nothing_and_does_nothing(strange_page: Page, aws: LocalAws, bucket: str) -> None:
    for path, options in attempts(bucket):
        assert fetch(strange_page, aws.url + path, **options) == ["TypeError", 0, ""]
        if options.get("method") in (None, "POST"):
            told = fetch(strange_page, aws.url + path, **options, mode="no-cors")
            assert told == ["opaque", 0, ""]


def test_a_strange_pages_form_stores_nothing(strange_page: Page, aws: LocalAws, bucket: str, other_site: int) -> None:
    upload = {"key": "page.html", "Content-Type": "text/html", "file": STORED}
    forms = [
        (f"/{bucket}?{SIGNED}", "multipart/form-data", upload),
        ("/_local_aws/reset", "text/plain", {}),
        ("/_local_aws/faults", "text/plain", {'[{"operation": "*", "kind": "throttle"}]': ""}),
        ("/", "application/x-www-form-urlencoded", {"Action": "CreateUser", "UserName": "evil"}),
        ("/slack/services/T000/B000/local", "application/x-www-form-urlencoded", {"payload": '{"text": "evil"}'}),
    ]
    start = strange_page.url
    for way in ("", f"http://127.0.0.1:{other_site}/to?"):
        for path, enctype, fields in forms:
            shown = submit(strange_page, way + aws.url + path, enctype, fields)
            assert "Local AWS refuses a request" in shown
            strange_page.goto(start)


def test_a_strange_page_opens_only_slacks_page(strange_page: Page, aws: LocalAws, bucket: str) -> None:
    start = strange_page.url
    for path, said in ((f"/{bucket}/secret?{SIGNED}", "refuses a request"), ("/slack", "hello")):
        with strange_page.expect_navigation():
            strange_page.evaluate("url => { location = url }", aws.url + path)
        expect(strange_page.get_by_text(said).first).to_be_visible()
        strange_page.goto(start)
    strange_page.set_content(f'<iframe src="{aws.url}/slack"></iframe>')
    [frame] = strange_page.frames[1:]
    assert "hello" not in frame.content()


def test_a_rebound_name_is_not_answered(page: Page, aws: LocalAws, bucket: str) -> None:
    rebound = aws.url.replace("127.0.0.1", EVIL)
    # The page was loaded from its owner's own server, before the name came to lead here.
    page.route(f"{rebound}/attack", lambda route: route.fulfill(content_type="text/html", body="attack"))
    page.goto(f"{rebound}/attack")
    for path, options in attempts(bucket):
        kind, status, text = fetch(page, path, **options)
        assert (kind, status) == ("basic", 403)
        assert f"the host '{EVIL}:" in text
    shown = submit(page, f"{rebound}/{bucket}?{SIGNED}", "multipart/form-data", {"key": "page.html", "file": STORED})
    assert "refuses a request" in shown
    page.goto(f"{rebound}/slack")
    assert f"refuses a request for the host '{EVIL}:" in page.content()


def test_a_stored_page_runs_nothing_and_is_of_no_origin(page: Page, aws: LocalAws, bucket: str) -> None:
    s3 = aws.client("s3")
    s3.put_object(Bucket=bucket, Key=OPENED, Body=STORED.encode(), ContentType="text/html")
    try:
        page.goto(f"{aws.url}/{bucket}/{OPENED}?{SIGNED}")
        expect(page.get_by_text("stored")).to_be_visible()
        assert page.title() != "ran"
        assert page.evaluate("origin") == "null"
        assert fetch(page, f"{aws.url}/_local_aws/reset", method="POST") == ["TypeError", 0, ""]
    finally:
        s3.delete_object(Bucket=bucket, Key=OPENED)


def test_slacks_page_still_shows_the_messages_in_its_style(page: Page, aws: LocalAws) -> None:
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.goto(f"{aws.url}/slack")
    expect(page.locator("article b", has_text="you")).to_be_visible()
    assert page.locator("nav").evaluate("it => getComputedStyle(it).backgroundColor") == "rgb(74, 21, 75)"
    assert page.locator(".avatar").evaluate("it => getComputedStyle(it).backgroundColor") != "rgba(0, 0, 0, 0)"
    page.reload()
    expect(page.locator("article b", has_text="you")).to_be_visible()
    assert problems == []
