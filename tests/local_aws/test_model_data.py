"""Models without compression: a prefix in S3 rather than one tar.gz
(https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3ModelDataSource.html)."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from local_aws import model_data
from local_aws.backends import S3Url
from local_aws.model_data import ModelData, ModelDataError
from local_aws.process import LocalAws
from sagemaker_requests import (
    ROLE,
    TINY,
    ask,
    deploy,
    new_config,
    refused,
    training_job,
    unique,
    wait_for_training,
)


def source(uri: str, kind: str = "S3Prefix", compression: str = "None") -> dict[str, Any]:
    return {"ModelDataSource": {"S3DataSource": {"S3Uri": uri, "S3DataType": kind, "CompressionType": compression}}}


def create_model(aws: LocalAws, container: dict[str, Any]) -> str:
    name = unique("model")
    container = {"Image": TINY, **container}
    aws.client("sagemaker").create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    return name


def said(aws: LocalAws, container: dict[str, Any]) -> str:
    return refused(
        aws.client("sagemaker").create_model,
        ModelName=unique("model"),
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": TINY, **container},
    )


def train(aws: LocalAws, bucket: str) -> str:
    output = {"S3OutputPath": f"s3://{bucket}/models", "CompressionType": "NONE"}
    request = training_job(bucket, {"model": "plain"}, OutputDataConfig=output)
    aws.client("sagemaker").create_training_job(**request)
    job = wait_for_training(aws, request["TrainingJobName"])
    assert job["OutputDataConfig"] == {"KmsKeyId": "", **output}
    url = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert url == f"s3://{bucket}/models/{request['TrainingJobName']}/output/model/"
    return str(url)


def test_an_artifact_without_compression_is_a_prefix_that_is_served_as_a_source_and_refused_as_a_url(
    local_aws: LocalAws, bucket: str
) -> None:
    url = train(local_aws, bucket)
    keys = local_aws.client("s3").list_objects_v2(Bucket=bucket, Prefix=url.removeprefix(f"s3://{bucket}/"))
    assert [found["Key"].rpartition("/")[2] for found in keys["Contents"]] == ["model.txt"]
    assert said(local_aws, {"ModelDataUrl": url}) == f"Could not find model data at {url}."
    model = create_model(local_aws, source(url))
    described = local_aws.client("sagemaker").describe_model(ModelName=model)["PrimaryContainer"]
    assert described["ModelDataSource"] == source(url)["ModelDataSource"]
    assert "ModelDataUrl" not in described
    name = deploy(local_aws, new_config(local_aws, model))
    assert ask(local_aws, name) == b"plain:1,2"
    local_aws.client("sagemaker").delete_endpoint(EndpointName=name)


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        (source("s3://b/model"), "must end with a forward slash"),
        (source("s3://b/model/", compression="Gzip"), "only S3Prefix with None or S3Object with Gzip"),
        (source("s3://b/model/") | {"ModelDataUrl": "s3://b/m.tar.gz"}, "cannot both be specified"),
        (source("s3://no-such-bucket-here/model/"), "Could not find model data at s3://no-such-bucket-here/model/."),
    ],
)
def test_model_data_that_cannot_be_served_is_refused(
    local_aws: LocalAws, container: dict[str, Any], expected: str
) -> None:
    assert expected in said(local_aws, container)


class _Prefix:
    """S3 that holds objects below a prefix."""

    def __init__(self, **contents: bytes) -> None:
        self.contents = contents

    def keys(self, prefix: S3Url) -> list[str]:
        return list(self.contents)

    def read(self, url: S3Url) -> bytes:
        return self.contents[url.key]


class _Archive:
    """S3 that holds one archive."""

    def __init__(self, *members: tarfile.TarInfo) -> None:
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            for member in members:
                archive.addfile(member, io.BytesIO(b"x" * member.size))
        self.content = content.getvalue()

    def read(self, url: object) -> bytes:
        return self.content


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, 6 if kind == tarfile.REGTYPE else 0
    return info


@pytest.mark.parametrize(
    "bad",
    [
        member("../outside.txt"),
        member("/outside.txt"),
        member("a/../../outside.txt"),
        member("link", tarfile.SYMTYPE, ".."),
        member("hard", tarfile.LNKTYPE, "/etc/passwd"),
        member("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda info: info.name,
)
def test_an_archive_writes_nothing_outside_its_folder(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(ModelDataError, match=r"Please ensure that the object .* is a valid tar\.gz archive"):
        unpack(folder, member("good.txt"), bad)
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "good.txt"]


def unpack(folder: Path, *members: tarfile.TarInfo) -> None:
    ModelData("s3://b/model.tar.gz", True).download(_Archive(*members), folder)  # type: ignore[arg-type]


def copy(folder: Path, **contents: bytes) -> None:
    objects = {f"m/{name}": content for name, content in contents.items()}
    ModelData("s3://b/m/", False).download(_Prefix(**objects), folder)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["../outside.txt", "/outside.txt", "a/../../outside.txt", "nul\0", "good.txt/below"])
def test_a_prefix_writes_nothing_outside_its_folder(tmp_path: Path, key: str) -> None:
    """S3 takes any key; local AWS's own folder must not."""
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(ModelDataError, match='from URL: "s3://b/m/"'):
        copy(folder, **{"good.txt": b"x", key: b"x"})
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "good.txt"]


def test_an_archive_and_a_prefix_have_room_for_so_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_data, "_MOST_BYTES", 12)
    unpack(tmp_path, member("one"), member("two"))
    copy(tmp_path, one=b"x" * 6, two=b"x" * 6)
    refusal = "a model's data has at most 12 bytes here"
    with pytest.raises(ModelDataError, match=refusal):
        unpack(tmp_path, member("one"), member("two"), member("three"))
    with pytest.raises(ModelDataError, match=refusal):
        copy(tmp_path, one=b"x" * 6, two=b"x" * 6, three=b"x")
    assert not (tmp_path / "three").exists()


def test_an_archive_and_a_prefix_have_so_many_files_and_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Empty ones fill a disk, too."""
    monkeypatch.setattr(model_data, "_MOST_FILES", 4)
    unpack(tmp_path, member("a/b", tarfile.DIRTYPE), member("c"), member("d", tarfile.DIRTYPE))
    copy(tmp_path, **{"a/b/x": b"", "c": b""})
    refusal = "a model's data has at most 4 files and folders here"
    with pytest.raises(ModelDataError, match=refusal):
        unpack(tmp_path, *(member(f"e{number}", tarfile.DIRTYPE) for number in range(5)))
    with pytest.raises(ModelDataError, match=refusal):
        copy(tmp_path, **{"f/f/f/f": b"", "g": b""})
    assert not (tmp_path / "e4").exists()
    assert not (tmp_path / "g").exists()
