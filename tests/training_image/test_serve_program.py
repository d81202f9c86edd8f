import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CSV, JSON = "text/csv", "application/json"
PREDICTION = Path(__file__).parents[2] / "include" / "sample_data" / "prediction"


@dataclass
class Served:
    process: subprocess.Popen[str]
    port: int

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str, bytes]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", body, {k.replace("_", "-"): v for k, v in headers.items()}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers.get_content_type(), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers.get_content_type(), error.read()

    def predict(self, body: bytes | str, content_type: str = CSV, **headers: str) -> Any:
        data = body.encode() if isinstance(body, str) else body
        status, answered, text = self.ask("/invocations", data, Content_Type=content_type, **headers)
        assert status == 200, text
        return json.loads(text)["predictions"] if answered == JSON else text.decode().splitlines()


def start(container: Any) -> Served:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = container.start("serve", SAGEMAKER_BIND_TO_PORT=str(port), BIND_HOST="127.0.0.1")
    served = Served(process, port)
    deadline = time.monotonic() + 60
    while process.poll() is None:
        try:
            assert served.ask("/ping")[0] == 200
            return served
        except OSError:
            assert time.monotonic() < deadline, "serve did not come up in 60 s"
            time.sleep(0.05)
    raise AssertionError(process.communicate()[0])


@pytest.fixture(scope="module")
def serve(trained: Callable[[str], Any]) -> Iterator[Callable[[str], Served]]:
    running: dict[str, Served] = {}

    def get(objective: str) -> Served:
        if objective not in running:
            running[objective] = start(trained(objective))
        return running[objective]

    yield get
    for served in running.values():
        served.process.terminate()
        served.process.communicate(timeout=60)


def test_predicts_the_classes_of_the_sample_data(serve):
    served = serve("multiclass")
    rows = (PREDICTION / "iris.csv").read_bytes()
    labels = served.predict(rows)
    truth = (PREDICTION / "labels.csv").read_text().splitlines()
    assert len(labels) == len(truth)
    assert sum(a == b for a, b in zip(labels, truth, strict=True)) >= 27

    in_json = served.predict(rows, Accept=JSON)
    assert [str(p["label"]) for p in in_json] == labels
    for prediction in in_json:
        assert sum(prediction["probabilities"]) == pytest.approx(1)
        assert prediction["probabilities"][prediction["label"]] == max(prediction["probabilities"])


def test_takes_json_and_answers_in_the_requests_type_or_the_accepted_one(serve):
    served = serve("multiclass")
    row = [5.1, 3.5, 1.4, 0.2]
    assert served.predict(json.dumps([row]), JSON) == served.predict(json.dumps({"instances": [row]}), JSON)
    assert served.predict(json.dumps([row]), JSON)[0]["label"] == 0
    assert served.predict(json.dumps([row]), JSON, Accept=CSV) == ["0"]
    assert served.predict("5.1,3.5,1.4,0.2", f"{CSV}; charset=utf-8", Accept="*/*") == ["0"]
    assert served.predict("5.1,3.5,1.4,", Accept=JSON) == served.predict("[[5.1, 3.5, 1.4, null]]", JSON)


def test_answers_binary_and_regression_models(serve):
    low_and_high = "3,3\n57,1\n"
    assert serve("binary").predict(low_and_high) == ["0", "1"]
    low, high = serve("binary").predict(low_and_high, Accept=JSON)
    assert (low["label"], high["label"]) == (0, 1)
    assert high["probabilities"][1] > 0.9 > 0.1 > low["probabilities"][1]
    assert [float(v) for v in serve("regression").predict(low_and_high)] == pytest.approx([0, 1], abs=0.1)
    assert [p["value"] for p in serve("regression").predict(low_and_high, Accept=JSON)] == pytest.approx(
        [0, 1], abs=0.1
    )


@pytest.mark.parametrize(
    ("status", "body", "headers", "reason"),
    [
        (415, "5,3,1,0", {"Content_Type": "text/plain"}, "Content-Type is 'text/plain'; this model takes text/csv or"),
        (406, "5,3,1,0", {"Accept": "image/png"}, "Accept is 'image/png'; this model answers text/csv or"),
        (400, "5,3,1,0\n5,x,1,0", {}, "body:2:2: 'x' is not a number"),
        (400, "5,3,1,0\n0,5,3,1,0", {}, "body:2: found 5 columns, expected 4"),
        (400, "5,3,1,inf", {}, "body:1:4: infinity is not allowed"),
        (400, "\n", {}, "the body holds no rows"),
        (400, b"\xff\xfe", {}, "the body is not UTF-8 text"),
        (400, "{", {"Content_Type": JSON}, "the body is not JSON"),
        (400, '{"rows": []}', {"Content_Type": JSON}, 'the body must be {"instances": [[…], …]}'),
        (400, "[[1, 2, 3, 4], 5]", {"Content_Type": JSON}, "instance 2: found 5, expected a list of 4 numbers"),
        (400, "[[1, 2, 3]]", {"Content_Type": JSON}, "instance 1: found 3 columns, expected 4"),
        (400, '[[1, 2, 3, "4"]]', {"Content_Type": JSON}, 'instance 1, column 4: "4" is not a finite number'),
        (400, "[[1, 2, 3, true]]", {"Content_Type": JSON}, "instance 1, column 4: true is not a finite number"),
        (400, "[]", {"Content_Type": JSON}, "the body holds no rows"),
    ],
)
def test_refuses_a_bad_request_with_the_reason(serve, status, body, headers, reason):
    data = body.encode() if isinstance(body, str) else body
    found, answered, text = serve("multiclass").ask("/invocations", data, **{"Content_Type": CSV, **headers})
    assert (found, answered) == (status, JSON)
    assert reason in json.loads(text)["error"]


def test_an_unknown_path_is_404(serve):
    assert serve("multiclass").ask("/models")[0] == 404


def test_sigterm_ends_it_cleanly(trained):
    served = start(trained("multiclass"))
    served.process.send_signal(signal.SIGTERM)
    log, _ = served.process.communicate(timeout=60)
    assert served.process.returncode == 0, log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "model.txt is missing, the folder holds nothing"),
        ({"model.txt": "tree"}, "metadata.json is missing, the folder holds model.txt"),
        ({"model.txt": "no model", "metadata.json": "{}"}, "metadata.json is not what train writes"),
        (
            {"model.txt": "no model", "metadata.json": '{"objective": "binary", "num_class": 1, "feature_count": 2}'},
            "model.txt is not a LightGBM model",
        ),
    ],
)
def test_exits_at_once_without_a_model(container, files, reason):
    model = container.base_dir / "model"
    model.mkdir()
    for name, text in files.items():
        (model / name).write_text(text)
    assert_does_not_start(container, reason)


def test_refuses_a_model_and_metadata_of_two_jobs(container, trained):
    model = container.base_dir / "model"
    model.mkdir()
    (model / "model.txt").write_bytes((trained("multiclass").base_dir / "model" / "model.txt").read_bytes())
    (model / "metadata.json").write_text('{"objective": "multiclass", "num_class": 3, "feature_count": 9}')
    assert_does_not_start(container, "model.txt has 4 features and 3 classes, metadata.json says 9 and 3")


def assert_does_not_start(container: Any, reason: str) -> None:
    process = container.start("serve", SAGEMAKER_BIND_TO_PORT="0", BIND_HOST="127.0.0.1")
    try:
        log, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 4
    assert reason in log
    assert "Traceback" not in log
