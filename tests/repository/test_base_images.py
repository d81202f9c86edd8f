"""`make lock-images`: each base image is named by its digest, asked of a registry."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import base_images

ROOT = Path(__file__).resolve().parents[2]
ON_OURS = "include/kubernetes/Dockerfile"
ON_WHAT_A_TEST_NAMES = "tests/support/images/contained/Dockerfile"
INDEX = "application/vnd.oci.image.index.v1+json"
OF_ONE_ARCHITECTURE = json.dumps({"schemaVersion": 2, "config": {}, "layers": []}).encode()


class Registry:
    """A registry of manifests on this machine, which skopeo is sent to in place of Docker Hub."""

    def __init__(self) -> None:
        self.manifests: dict[str, bytes] = {}
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer()
                self.wfile.write(registry.manifests.get(self.path, b""))

            def do_HEAD(self) -> None:
                self._answer()

            def _answer(self) -> None:
                content = registry.manifests.get(self.path)
                self.send_response(200 if content or self.path == "/v2/" else 404)
                self.send_header("Content-Type", INDEX)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.place = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def push(self, image: str, content: bytes | None = None) -> str:
        """Have a tag stand for a manifest; returns its digest."""
        name, tag = image.split(":")
        path = f"/v2/{name if '/' in name else f'library/{name}'}/manifests/{tag}"
        self.manifests[path] = content or json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
        return f"sha256:{hashlib.sha256(self.manifests[path]).hexdigest()}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    if not shutil.which("skopeo"):
        pytest.skip("needs skopeo, as `make lock-images` does")
    registry = Registry()
    # https://github.com/containers/image/blob/main/docs/containers-registries.conf.5.md
    config = tmp_path / "home" / ".config" / "containers" / "registries.conf"
    config.parent.mkdir(parents=True)
    config.write_text(f'[[registry]]\nprefix = "docker.io"\nlocation = "{registry.place}"\ninsecure = true\n')
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    yield registry
    registry.close()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for file in base_images.FILES:
        (tmp_path / "repository" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / "repository" / file)
    return tmp_path / "repository"


def contents(root: Path) -> dict[str, str]:
    return {file: (root / file).read_text() for file in base_images.FILES}


def test_every_base_image_is_named_by_tag_and_digest():
    assert {name: image for name, image in base_images.images().items() if "@sha256:" not in image} == {}
    assert set(base_images.images()) == {"AIRFLOW_IMAGE", "PYTHON_IMAGE", "POSTGRES_IMAGE", "REDIS_IMAGE"}


def test_no_image_comes_from_anywhere_else():
    text = "\n".join(contents(ROOT).values())
    froms = re.findall(r"^(?:FROM|COPY --from=\S*) ?(.*)", text, re.MULTILINE)
    assert {source for source in froms if not re.fullmatch(r"\$\{[A-Z]+_IMAGE\}", source)} == set()
    pulled = set(re.findall(r"^ +image: (.*)", text, re.MULTILINE))
    built = {"fresh-endpoints-airflow", "fresh-endpoints-local-aws"}
    assert {image for image in pulled - built if not re.match(r"\$\{[A-Z]+_IMAGE:-", image)} == set()
    assert sorted(
        str(path.relative_to(ROOT))
        for folder in ("include", "tests", "benchmarks", "dags", "plugins")
        for path in (ROOT / folder).rglob("*Dockerfile*")
    ) == sorted([*(file for file in base_images.FILES if file.startswith("include")), ON_OURS, ON_WHAT_A_TEST_NAMES])
    # tests/repository/test_kubernetes.py has what it is built on.
    assert re.findall(r"^FROM (.*)", (ROOT / ON_OURS).read_text(), re.MULTILINE) == ["${AIRFLOW_IMAGE}"]


def test_the_airflow_image_is_of_the_version_that_the_lock_has():
    locked = re.search(r"^apache-airflow==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert locked
    assert base_images.images()["AIRFLOW_IMAGE"].startswith(f"apache/airflow:{locked[1]}-python")


def test_what_the_registry_has_is_what_is_written(registry: Registry, repository: Path):
    tags = {name: base_images.by_tag(image) for name, image in base_images.images(repository).items()}
    served = {
        name: registry.push(tag, json.dumps({"manifests": [], "of": name}).encode()) for name, tag in tags.items()
    }
    assert base_images.main(["--root", str(repository), "renew"]) == 0
    assert base_images.images(repository) == {name: f"{tag}@{served[name]}" for name, tag in tags.items()}
    for file, text in contents(repository).items():
        assert re.sub("sha256:[0-9a-f]{64}", "", text) == re.sub("sha256:[0-9a-f]{64}", "", (ROOT / file).read_text())


def test_an_image_without_a_digest_gets_one(registry: Registry, repository: Path):
    for file, text in contents(repository).items():
        (repository / file).write_text(re.sub("@sha256:[0-9a-f]{64}", "", text))
    served = {registry.push(image) for image in base_images.images(repository).values()}
    said = base_images.renew(repository)
    assert all(line.endswith("is new") for line in said)
    assert {image.partition("@")[2] for image in base_images.images(repository).values()} == served
    assert all(line.endswith("as before") for line in base_images.renew(repository))


def test_a_registry_that_lacks_one_image_changes_none(registry: Registry, repository: Path, capsys):
    before = contents(repository)
    for name, image in base_images.images(repository).items():
        if name != "REDIS_IMAGE":
            registry.push(base_images.by_tag(image))
    assert base_images.main(["--root", str(repository), "renew"]) == 1
    assert contents(repository) == before
    said = capsys.readouterr().err
    assert said.startswith("redis:7.4: ")
    assert said.endswith("The base images stay as they are.\n")


def test_a_registry_out_of_reach_changes_none(registry: Registry, repository: Path, capsys):
    before = contents(repository)
    registry.close()
    assert base_images.main(["--root", str(repository), "renew"]) == 1
    assert contents(repository) == before
    assert "connection refused" in capsys.readouterr().err


def test_an_image_of_one_architecture_is_refused(registry: Registry, repository: Path, capsys):
    for image in base_images.images(repository).values():
        registry.push(base_images.by_tag(image), OF_ONE_ARCHITECTURE)
    assert base_images.main(["--root", str(repository), "renew"]) == 1
    assert "one architecture only" in capsys.readouterr().err


def test_without_skopeo_it_says_what_to_install(repository: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setenv("PATH", str(repository))
    assert base_images.main(["--root", str(repository), "renew"]) == 1
    assert "skopeo is not on the PATH" in capsys.readouterr().err


def test_two_defaults_for_one_image_are_refused(repository: Path, capsys):
    file = repository / "include" / "training_image" / "Dockerfile"
    file.write_text(re.sub("sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", file.read_text()))
    assert base_images.main(["--root", str(repository), "tags"]) == 1
    assert "PYTHON_IMAGE is python:3.12-slim@sha256:000" in capsys.readouterr().err


def test_tags_are_the_environment_of_a_build_without_a_registry(capsys):
    assert base_images.main(["tags"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "PYTHON_IMAGE=python:3.12-slim" in lines
    assert [line for line in lines if not re.fullmatch(r"[A-Z]+_IMAGE=[\w./-]+:[\w.-]+", line)] == []
    compose = (ROOT / "docker-compose.yaml").read_text()  # hands each of them on; Compose 1 would hand on an empty one
    assert [name for name in base_images.images() if f"${{{name}:-" not in compose] == []
